"""The few things that a blob store asks of a disk: copies that share blocks, syncs, and its errors in our words."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from peerfarm.errors import DiskFull, StoreError

if sys.platform == "linux":
    import fcntl

READ_ONLY = 0o444
"""Of a blob's file: what a checkout hard-links must not be written to."""
CHUNK_BYTES = 1 << 20
"""Read, hashed and copied at once: it stays in the processor's cache, and a cancel is heard soon."""

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, *(getattr(errno, name) for name in ("EDQUOT",) if hasattr(errno, name))})
_FICLONE = 0x40049409
"""From linux/fs.h: make a file share all blocks of another; btrfs, xfs, bcachefs and some network file systems can."""


class Unreadable(Exception):
    """The file that was to be copied could not be read; `error` says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


Note = Callable[[int], None]
"""Told the bytes done since the last call; raises to stop the work."""


DISK_HINT = "Make room on it, or set a smaller `store_gb`; this node fetches no files until then."


def disk_error(error: OSError, doing: str, directory: Path | None = None) -> StoreError:
    """Our error for what the store's own disk answered.

    Args:
        doing: Ends the phrase "the disk refused while ...".
        directory: Of the store; it says which disk.
    """
    disk = f"the disk of {directory}" if directory else "the disk"
    if error.errno in _FULL:
        return DiskFull(f"no room on {disk} while {doing}", DISK_HINT)
    return StoreError(
        f"{disk} refused while {doing}: {error.strerror or error}", "Check the disk and the rights on its files."
    )


def reflink(original: BinaryIO, copy: BinaryIO) -> bool:
    """Make an empty file share all of another one's blocks; False where the file system cannot."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
    except OSError as error:
        if error.errno in _FULL:
            raise
        return False
    return True


def copy_range(original: BinaryIO, copy: BinaryIO, first: int, length: int) -> int:
    """Copy a part of a file to the same place of another, inside the system where it can; the bytes that were there.

    Fewer than `length` means that the file ends there.

    Raises:
        Unreadable: The original cannot be read.
        OSError: The copy cannot be written.
    """
    done = _copy_inside(original, copy, first, length) if hasattr(os, "copy_file_range") else 0
    original.seek(first + done)
    copy.seek(first + done)
    while done < length:
        try:
            chunk = original.read(min(CHUNK_BYTES, length - done))
        except OSError as error:
            raise Unreadable(error) from error
        if not chunk:
            break
        write_all(copy, chunk)
        done += len(chunk)
    return done


def _copy_inside(original: BinaryIO, copy: BinaryIO, first: int, length: int) -> int:
    done = 0
    while done < length:
        try:
            count = os.copy_file_range(
                original.fileno(), copy.fileno(), length - done, offset_src=first + done, offset_dst=first + done
            )
        except OSError as error:
            if error.errno in _FULL:
                raise
            break  # not between these file systems, or a read that fails: the plain copy finds out
        if not count:
            break
        done += count
    return done


def make_folder(path: Path) -> None:
    """Make one of the store's own folders, also again when somebody removed it. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write everything to an unbuffered file, which may take less at once."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def create(path: Path) -> BinaryIO:
    """A new file of our own, unbuffered, to write and to read."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    return os.fdopen(descriptor, "r+b", buffering=0)


def open_plain(path: Path, *, follows_links: bool) -> BinaryIO:
    """A plain file to read, unbuffered.

    Raises:
        OSError: There is none, or it may not be read; EINVAL when it is a directory, a pipe or the like.
    """
    mode = path.stat(follow_symlinks=follows_links).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):  # opening a device may do something
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    # O_NONBLOCK: what has become a pipe meanwhile must not make us wait for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follows_links:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return os.fdopen(descriptor, "rb", buffering=0)


def sync_file(path: Path) -> None:
    """Make what was written to a file durable, whoever wrote it."""
    # Windows syncs only what is open for writing.
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) if sys.platform == "win32" else os.O_RDONLY
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_read_only(path: Path) -> None:
    """Take the right to write from everybody, where that does not keep a file from being removed."""
    if sys.platform != "win32":
        path.chmod(READ_ONLY)


def remove(path: Path) -> None:
    """Remove a file of which nothing depends; what cannot be removed now goes at the next start."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def free_bytes(directory: Path) -> int | None:
    """Room for this account on that disk; None where the system does not tell."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None
