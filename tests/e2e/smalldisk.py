"""A folder on a real disk that is small: `smalldisk.py FOLDER BYTES -- PROGRAM ARGUMENT...` runs it there.

Only the process and its children see that disk (a file system in memory, in a mount namespace of theirs); it goes with
them. Others reach what lies on it by `seen_by`, and `resize` makes it larger or smaller while the process runs.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from walls import check, leave, libc

_REMOUNT = 32


def on(folder: Path, size_bytes: int) -> list[str]:
    """What goes before a command for which this folder is to be a disk of that size."""
    return [sys.executable, __file__, str(folder), str(size_bytes), "--"]


def seen_by(pid: int, path: Path) -> Path:
    """The same path as that process sees it."""
    return Path(f"/proc/{pid}/root{path}")


def resize(pid: int, folder: Path, size_bytes: int) -> None:
    """Give the process's disk another size; what lies on it must fit."""
    subprocess.run([sys.executable, __file__, "--resize", str(pid), str(folder), str(size_bytes)], check=True)


def fill(pid: int, folder: Path, left_bytes: int) -> None:
    """Take all room away but a little, also while the process writes."""
    for tries in reversed(range(50)):
        status = os.statvfs(seen_by(pid, folder))
        used_bytes = (status.f_blocks - status.f_bfree) * status.f_frsize
        try:
            resize(pid, folder, used_bytes + left_bytes)
        except subprocess.CalledProcessError:  # more lies on it by now
            if not tries:
                raise
        else:
            return


def _mount(folder: str, size: str, flags: int) -> None:
    options = f"size={size},mode=0755".encode()
    check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(flags), options))


def _enter(pid: str) -> None:
    for kind in ("user", "mnt"):
        theirs, ours = Path(f"/proc/{pid}/ns/{kind}"), Path(f"/proc/self/ns/{kind}")
        if theirs.samefile(ours):
            continue
        entry = os.open(theirs, os.O_RDONLY)
        check(libc.setns(entry, 0))
        os.close(entry)


def _main(words: list[str]) -> None:
    if words[0] == "--resize":
        _enter(words[1])
        _mount(words[2], words[3], _REMOUNT)
        return
    folder, size = words[:2]
    leave()
    _mount(folder, size, 0)
    os.execv(words[3], words[3:])


if __name__ == "__main__":
    _main(sys.argv[1:])
