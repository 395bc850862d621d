"""How other threads and signal handlers reach the loop."""

from __future__ import annotations

import os
import queue
from typing import Any


class Inbox:
    """What other threads hand to the loop; putting something in wakes it."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def fileno(self) -> int:
        """To be polled for reading."""
        return self._read_fd

    def put(self, event: Any) -> None:
        """From any thread, also from a signal handler."""
        self._queue.put(event)
        self.wake()

    def wake(self) -> None:
        """Let the loop turn."""
        try:
            os.write(self._write_fd, b"!")
        except BlockingIOError:
            return  # a full pipe wakes as well as one byte more

    def drain(self) -> list[Any]:
        """Everything that was put in."""
        try:
            while len(os.read(self._read_fd, 4096)) == 4096:
                continue
        except BlockingIOError:
            pass  # nothing woke us through the pipe
        events = []
        while True:
            try:
                events.append(self._queue.get_nowait())
            except queue.Empty:
                return events

    def close(self) -> None:
        """Free the pipe."""
        os.close(self._read_fd)
        os.close(self._write_fd)
