"""Logs of attempts that printed nothing, wrote nothing and were over at once, together in one file.

A thousand such attempts a second are possible; a directory and a file for each cost more than the process itself.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import OrderedDict
from pathlib import Path

from peerfarm.runner.attemptlog import LogPart, part_of

FILE_NAME = "quiet.log"
OLD_NAME = "quiet.old.log"
TITLE = "# peerfarm attempt "
"""The first line of every log begins so, and goes on with the attempt's name."""
_ROTATE_BYTES = 32 * 1024 * 1024
_KNOWN = 2000
"""Places kept in memory; an older log is searched for in the file."""


class QuietLogs:
    """Append from any slot's thread, one write each; read from the loop."""

    def __init__(self, directory: Path, rotate_bytes: int = _ROTATE_BYTES) -> None:
        self._directory = directory
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._known: OrderedDict[str, bytes] = OrderedDict()
        self._descriptor = self._open()
        self._room = rotate_bytes - os.fstat(self._descriptor).st_size

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        return os.open(self._directory / FILE_NAME, flags, 0o600)

    def add(self, attempt: str, text: str) -> None:
        """Keep a whole log, header to footer, whose first line is the title.

        Raises:
            OSError: The disk refuses it.
        """
        data = text.encode("utf-8", "replace")
        with self._lock:
            os.write(self._descriptor, data + b"\n")
            self._room -= len(data)
            self._known[attempt] = data
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def read(self, attempt: str, offset: int, limit: int) -> LogPart | None:
        """A piece of a quiet attempt's log; None when there is none of that name."""
        data = self._known.get(attempt) or self._search(attempt)
        if data is None:
            return None
        offset = max(0, len(data) + offset) if offset < 0 else min(offset, len(data))
        return part_of(data[offset : offset + max(4, limit)], offset, len(data))

    def _search(self, attempt: str) -> bytes | None:
        for name in (FILE_NAME, OLD_NAME):
            try:
                with (self._directory / name).open("rb") as file:
                    if not file.seek(0, os.SEEK_END):
                        continue
                    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                        start = mapped.find(f"{TITLE}{attempt}\n".encode())
                        if start >= 0:
                            stop = mapped.find(b"\n" + TITLE.encode(), start)
                            return mapped[start : stop if stop >= 0 else len(mapped) - 1]
            except FileNotFoundError:
                continue
        return None

    def rotate(self) -> None:
        """Begin a new file when this one is large, keeping one old one."""
        with self._lock:
            if self._room < 0:
                os.close(self._descriptor)
                (self._directory / FILE_NAME).replace(self._directory / OLD_NAME)
                self._descriptor = self._open()
                self._room = self._rotate_bytes

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
