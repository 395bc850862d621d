"""What a node decides: pure answers from the state, this node's view of its peers, and the time."""
