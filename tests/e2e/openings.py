"""Notices every file and folder that anybody opens below some folders, by whatever name; Linux tells (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_ACCESSED, _OPENED, _LOST = 0x01, 0x20, 0x4000
_EVENT = struct.Struct("iIII")
_ROOM = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


class Openings:
    """What was opened or read since this was made."""

    def __init__(self, *folders: Path) -> None:
        """Watch these, with all that is in them now; each must exist."""
        self._file = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        below = [Path(place) for folder in folders for place, _, _ in os.walk(folder)]
        watch = _libc.inotify_add_watch
        self._places = {_checked(watch(self._file, os.fsencode(path), _OPENED | _ACCESSED)): path for path in below}
        assert self._places, f"{folders} are not there"

    def seen(self) -> set[str]:
        """The paths that were opened since the last look."""
        return set(self._events())

    def close(self) -> None:
        """Watch no longer."""
        os.close(self._file)

    def _events(self) -> Iterator[str]:
        while True:
            try:
                data = os.read(self._file, _ROOM)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, at)
                name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
                at += _EVENT.size + length
                yield "more than could be told" if mask & _LOST else str(self._places[watch] / os.fsdecode(name))


def _checked(number: int) -> int:
    if number < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return number
