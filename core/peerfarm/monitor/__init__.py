"""An observer of the farm; nothing in the farm ever waits for it."""
