"""The local socket for plug-ins and the command line: a server that the daemon polls, and a small client."""
