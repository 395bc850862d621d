"""The `peerfarm` command: it only talks to the node's local socket and prints; it decides nothing about a farm."""
