"""The composition root: builds a node's parts, owns the loop, the clock, the threads' queue and the signals."""
