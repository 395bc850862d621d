"""Connections that came in and end without having proven a key: who keeps the machines running wants to know of them.

libzmq tells of a handshake that failed, but of bytes that are no ZeroMQ only that a connection came and went.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import zmq


class Knocks:
    """The connections of one listening socket, from its monitor's events and the messages that came in.

    Args:
        on_refused: Called with the other side's address, without a port, or with the own where the other is not known,
            and a reason.
    """

    def __init__(self, on_refused: Callable[[str, str], None]) -> None:
        self._on_refused = on_refused
        self._hosts: dict[int, str] = {}
        """Descriptor of each connection that has not proven a key -> who opened it; empty when that is not known."""
        self._left: dict[int, str] = {}
        """The same of those that ended since the last `tell`; what they said may wait to be read."""
        self._failure = 0

    def accepted(self, fd: int) -> None:
        """A connection came in."""
        self._hosts[fd] = _host_of(fd)

    def failed(self, event: int) -> None:
        """A handshake failed; libzmq reports the connection's end right after."""
        self._failure = event

    def ended(self, fd: int) -> None:
        """A connection is closed."""
        host, failure, self._failure = self._hosts.pop(fd, None), self._failure, 0
        if (
            host is not None and failure != zmq.EVENT_HANDSHAKE_FAILED_AUTH
        ):  # the door has told of the key that it refused
            self._left[fd] = host

    def heard(self, fd: int) -> None:
        """A message came over it, so a key was proven."""
        self._hosts.pop(fd, None)
        self._left.pop(fd, None)

    def tell(self, at: str) -> None:
        """All that came in was read: say who left without proving a key, having knocked at this address."""
        for host in dict.fromkeys(self._left.values()):
            if host:
                self._on_refused(host, f"Somebody there knocked at {at} without a key, or with another farm's.")
            else:  # libzmq closes at once what begins with anything but its greeting
                self._on_refused(at, "Somebody knocked without a key, or with another farm's, and was gone at once.")
        self._left.clear()


def _host_of(fd: int) -> str:
    """Who is at the other end; empty when the connection is gone already. The descriptor stays libzmq's."""
    try:
        with socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM) as double:
            return str(double.getpeername()[0])
    except (OSError, IndexError, TypeError):
        return ""
