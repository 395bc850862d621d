"""What a renderer is, per application: build its command line, read its output, say what must be verified."""
