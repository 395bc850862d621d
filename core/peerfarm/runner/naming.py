"""A finished file gets its name only where nothing has that name, in one step wherever the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE = 1
"""`RENAME_NOREPLACE` of renameat2(2): vfat, exfat and SMB have it, though they have no hard links."""
_EXCL = 4
"""`RENAME_EXCL` of renamex_np(2)."""
_NAMES = ("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EMLINK", "EXDEV")
_CANNOT = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))
"""What a file system answers that has no such call."""


def name_new(draft: Path, final: Path) -> None:
    """Give a finished file its name, in the same folder, unless something stands there: nothing is ever replaced.

    A hard link or a rename that replaces nothing does it in one step. Where a file system has neither, the name is
    taken by an empty file first, and the finished one replaces that: for an instant the empty file can be seen, what
    somebody writes into it then is lost, and a power cut in that instant leaves it behind.

    Raises:
        FileExistsError: Something has that name.
        OSError: The disk refuses; the name is as free as before.
    """
    for way in (_link, _rename):
        try:
            way(draft, final)
        except FileExistsError:
            if not _is_ours(draft, final):
                raise
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            continue
        return
    os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        draft.replace(final)
    except BaseException:
        with suppress(OSError):
            final.unlink()
        raise


def _link(draft: Path, final: Path) -> None:
    os.link(draft, final)
    with suppress(OSError):  # whoever made the draft removes it too
        draft.unlink()


def _is_ours(draft: Path, final: Path) -> bool:
    """Whether it was done all the same: NFS asks a second time when an answer was lost."""
    try:
        return draft.samefile(final)
    except OSError:
        return False


def _rename(draft: Path, final: Path) -> None:
    """Rename, unless something has the name. Raises OSError, with ENOSYS where this system cannot."""
    if sys.platform == "win32":
        draft.rename(final)  # replaces nothing there
        return
    libc = ctypes.CDLL(None, use_errno=True)
    one, other = os.fsencode(draft), os.fsencode(final)
    try:
        if sys.platform == "darwin":
            failed = libc.renamex_np(one, other, _EXCL)
        else:
            failed = libc.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _NOREPLACE)
    except AttributeError:  # a C library without it
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(final)) from None
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(draft), None, str(final))
