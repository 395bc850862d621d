"""Folders that a process cannot reach: `walls.py FOLDER... -- PROGRAM ARGUMENT...` runs it without them.

The process gets a view of the disk of its own (a mount namespace), in which an empty folder that nobody may write to
lies over each of them; its children see no more. Needs root, or a system on which users may have namespaces.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_NEW_VIEW, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _PRIVATE = 1, 1 << 18 | 1 << 14
libc = ctypes.CDLL(None, use_errno=True)


@cache
def are_possible() -> bool:
    """Whether this system lets the tests build walls: many containers, and some systems for all but root, do not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seen").touch()
        look = [sys.executable, "-c", "import os, sys; sys.exit(len(os.listdir(sys.argv[1])))", folder]
        return subprocess.run([*behind([folder]), *look], capture_output=True, check=False).returncode == 0


def behind(folders: Sequence[str | Path]) -> list[str]:
    """What goes before a command that must not reach these folders."""
    return [sys.executable, __file__, *map(str, folders), "--"]


def check(result: int) -> None:
    """Raise what the system refused."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def leave() -> None:
    """Go on with a view of the disk of one's own, as the same user."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_VIEW) != 0:
        check(libc.unshare(_NEW_VIEW | _NEW_USER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    check(libc.mount(None, b"/", None, _PRIVATE, None))


def _main(words: list[str]) -> None:
    end = words.index("--")
    leave()
    for folder in words[:end]:
        check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(_READ_ONLY), b"mode=0755"))
    os.execv(words[end + 1], words[end + 1 :])


if __name__ == "__main__":
    _main(sys.argv[1:])
