"""One attempt's log file: a header, what the renderer printed, a footer; capped, and cheap for a short process."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_FLUSH_BYTES = 64 * 1024
_TAIL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of an attempt's log."""

    text: str
    offset: int
    """In bytes; where the piece begins."""
    next_offset: int
    """Where to go on reading."""
    is_complete: bool
    """The piece reaches the end, and no more will be written."""


class AttemptLog:
    """Lines go to memory, and to disk when `flush` or `close` is called or much has come together.

    Past the limit the file keeps the head, and the end is written at close with the number of bytes left out between.
    A log that cannot be written never stops a render: the first refusal ends the writing.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        tail_bytes = min(_TAIL_BYTES, limit_bytes // 2)
        self._head_room = limit_bytes - tail_bytes
        self._tail_room = tail_bytes
        self._tail: deque[bytes] = deque()
        self._left_out_bytes = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._file: BinaryIO | None = None
        self._is_refused = False

    def add(self, line: str) -> None:
        """Append a line, given without its end."""
        data = line.encode("utf-8", "replace") + b"\n"
        if not self._tail and len(data) <= self._head_room:
            self._head_room -= len(data)
            self._put(data)
            return
        self._tail.append(data)
        self._tail_room -= len(data)
        while self._tail_room < 0 and len(self._tail) > 1:
            first = self._tail.popleft()
            self._tail_room += len(first)
            self._left_out_bytes += len(first)

    def _put(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has come together, so that people can read it while the render runs."""
        if not self._pending or self._is_refused:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        try:
            if self._file is None:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                self._file = self._path.open("ab", buffering=0)
            self._file.write(data)
        except OSError:
            self._is_refused = True

    @property
    def is_open(self) -> bool:
        """Whether anything is on disk."""
        return self._file is not None

    def close(self, footer: str) -> None:
        """Write the kept end and the footer; nothing may be added afterwards."""
        if self._left_out_bytes:
            self._put(f"[peerfarm: {self._left_out_bytes} bytes left out here, log_limit_mb]\n".encode())
        self._pending.extend(self._tail)
        self._pending.append(footer.encode("utf-8", "replace"))
        self.flush()
        if self._file is not None:
            self._file.close()


def read_part(path: Path, offset: int, limit: int, *, is_running: bool) -> LogPart | None:
    """A piece of the log at `path`, whole characters only; None when there is no such log.

    Args:
        offset: In bytes, as an earlier piece said; less than zero counts from the end.
        limit: At most so many bytes, but no less than one character.
        is_running: Whether more may be written.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            offset = max(0, size + offset) if offset < 0 else min(offset, size)
            file.seek(offset)
            data = file.read(max(4, limit))
    except OSError:
        return LogPart("", 0, 0, is_complete=False) if is_running else None
    return part_of(data, offset, size, is_running=is_running)


def part_of(data: bytes, offset: int, size: int, *, is_running: bool = False) -> LogPart:
    """The bytes `data` that stand at `offset` of a log of `size` bytes, without a character cut in two at the end."""
    if offset + len(data) < size:
        data = data[: len(data) - _open_bytes(data)]
    end = offset + len(data)
    return LogPart(data.decode("utf-8", "replace"), offset, end, is_complete=end >= size and not is_running)


def _open_bytes(data: bytes) -> int:
    """How many bytes at the end belong to a character that is not whole."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if width > back else 0
    return 0
