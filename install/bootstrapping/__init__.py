"""What bootstrap.py does once the Python is known to be new enough; standard library only."""
