"""What a farm is: frozen values, no behaviour that depends on time or place."""
