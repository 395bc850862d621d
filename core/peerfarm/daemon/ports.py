"""Which port to listen at, so that peers and firewalls find a node where it was."""

from __future__ import annotations

from collections.abc import Callable

from peerfarm.errors import ConfigError
from peerfarm.store import LogStore

JOIN_AFTER = 1
"""The join socket's port is so far after the one for peers, where that is set."""
TRANSFER_AFTER = 2
"""The same of the port for files, which is taken at every start where it is free."""
LARGEST = 65535


def listen_where_it_was(store: LogStore, fact: str, open_at: Callable[[int], int], wanted: int, first: int = 0) -> int:
    """Listen at the settings' port; else at the last one, at `first`, or at any, whichever is free. Gives the port.

    Args:
        fact: Name of the durable fact that holds the last port.
        open_at: Listens there, at any port for 0; raises ConfigError where it cannot.
        wanted: The settings' port, 0 for none: then no other is tried.
        first: The port to try where the last one is not known or not free; 0 for none.

    Raises:
        ConfigError: The settings' port is taken, or the address is not of this machine.
    """
    if wanted:
        return open_at(wanted)
    last = int((store.get(fact) or b"0").decode())
    for port in dict.fromkeys((last, first)):
        if 0 < port <= LARGEST:
            try:
                return _kept(store, fact, open_at(port))
            except ConfigError:
                continue  # another program has it now
    return _kept(store, fact, open_at(0))


def _kept(store: LogStore, fact: str, port: int) -> int:
    store.put(fact, str(port).encode())
    return port
