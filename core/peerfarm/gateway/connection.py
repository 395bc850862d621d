"""One connection of the local socket: bytes in and out, bounded, never blocking. It knows no message."""

from __future__ import annotations

import contextlib
import socket
from collections import deque

from peerfarm.protocol.jsonrpc import ErrorCode, InvalidMessage

_READ_BYTES = 64 << 10
_READS = 16
"""A turn reads at most 1 MiB of one connection, so that none keeps the others waiting."""


class Connection:
    """A plug-in or command line at the other end of a socket."""

    def __init__(self, link: socket.socket, number: int) -> None:
        self._link = link
        self._input = bytearray()
        self._searched = 0
        self._output: deque[bytes] = deque()
        self._sent = 0
        self.number = number
        self.backlog_bytes = 0
        """Queued and not yet taken by the system."""
        self.is_greeted = False
        """It has shown the token."""
        self.is_ended = False
        """The other side closed, or the link broke; nothing more can be read."""
        self.opened_s: float | None = None
        """Monotonic seconds of the first tick that saw it."""
        self.dropped_s: float | None = None
        """When it was told that it is dropped; what it sends since is thrown away."""
        self.event_seq = 0
        self.lost_events = 0

    def fileno(self) -> int:
        """The socket's descriptor, for polling."""
        return self._link.fileno()

    @property
    def has_line(self) -> bool:
        """Whether a complete line waits to be taken."""
        return self._input.find(b"\n", self._searched) >= 0

    def read(self) -> None:
        """Take in what has come."""
        for _ in range(_READS):
            try:
                data = self._link.recv(_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                self.is_ended = True
                return
            if self.dropped_s is None:
                self._input += data

    def take_line(self, limit: int) -> bytes | None:
        """The next complete line without its newline; None when there is none.

        Raises:
            InvalidMessage: The line is longer than `limit` bytes, complete or not.
        """
        end = self._input.find(b"\n", self._searched)
        if (len(self._input) if end < 0 else end) > limit:
            self._input.clear()
            raise InvalidMessage(f"the line is longer than {limit} bytes", "Send less at a time.", ErrorCode.PARSE)
        if end < 0:
            self._searched = len(self._input)
            return None
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        self._searched = 0
        return line

    def queue(self, line: bytes) -> None:
        """Send the line as soon as the system takes it."""
        self._output.append(line)
        self.backlog_bytes += len(line)

    def write(self) -> None:
        """Send what the system takes now; a dropped connection is half closed after its last line."""
        while self._output:
            try:
                sent = self._link.send(memoryview(self._output[0])[self._sent :])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.is_ended = True
                return
            self.backlog_bytes -= sent
            self._sent += sent
            if self._sent == len(self._output[0]):
                self._output.popleft()
                self._sent = 0
        if self.dropped_s is not None:
            # Closing at once, with unread input, would reset the link and lose the line that says why.
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket; what is still queued is lost."""
        self._link.close()
