"""What nodes say to each other and to the applications beside them: messages and their codecs."""
