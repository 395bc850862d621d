"""Reads a file into a block list, and copies somebody's file as one moment shows it. Nothing is stored here."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import MAX_BLOB_BYTES, BlockList, block_bytes
from peerfarm.store.blobs.disk import (
    CHUNK_BYTES,
    Note,
    Unreadable,
    copy_range,
    create,
    disk_error,
    open_plain,
    reflink,
    remove,
)

PAUSES_S = (0.1, 0.4)
"""Before each further try to read a file that changes: an application that saves is done then, or takes long."""


class FileFault(InvalidManifest):
    """A file of the user's that cannot be taken in; `problem` is the rest of a sentence that begins with its path."""

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        super().__init__(f"{path} {problem}", hint)
        self.path = path
        self.problem = problem


def hash_blocks(file: BinaryIO, size_bytes: int, note: Note) -> BlockList | None:
    """The block list of an open file's first bytes; None when it ends before. Raises OSError."""
    length = block_bytes(size_bytes)
    hashes = []
    for first in range(0, size_bytes, length):
        block = _hash_range(file, first, min(length, size_bytes - first))
        if block is None:
            return None
        hashes.append(block)
        note(min(length, size_bytes - first))
    return BlockList(size_bytes, tuple(hashes))


def _hash_range(file: BinaryIO, first: int, length: int) -> bytes | None:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(CHUNK_BYTES, length)))
    file.seek(first)
    while length:
        count = file.readinto(buffer[: min(len(buffer), length)])  # type: ignore[attr-defined] # it is unbuffered
        if not count:
            return None
        digest.update(buffer[:count])
        length -= count
    return digest.digest()


def copy_steadily(
    source: Path, draft: Path, *, follows_links: bool, note: Note, set_aside: Callable[[int], None]
) -> tuple[BlockList, os.stat_result]:
    """Copy a file under a new name and hash the copy, again when the file changed meanwhile.

    What is hashed is the copy, so that a name never says more than what is there. Where the file system can, the copy
    shares the original's blocks.

    Args:
        follows_links: Whether `source` may be a link: it was named by a person then.
        set_aside: Told how much room the copy takes, before it is made; it may raise.

    Returns:
        The copy's block list, and what the file was when it was read.

    Raises:
        FileFault: It cannot be read, is too large, or did not hold still.
        StoreError: The store's disk refuses; DiskFull.
    """
    for pause_s in (*PAUSES_S, None):
        with _opened(source, follows_links) as original:
            before = os.fstat(original.fileno())
            if before.st_size > MAX_BLOB_BYTES:
                raise FileFault(
                    source,
                    f"has {before.st_size} bytes; at most {MAX_BLOB_BYTES} can travel between nodes",
                    "Split the file, or put it on shared storage and submit with `files: shared`.",
                )
            set_aside(before.st_size)
            blocks = _copy_and_hash(original, source, draft, before.st_size, note)
            if blocks is not None and is_unchanged(before, os.fstat(original.fileno())):
                return blocks, before
        remove(draft)
        if pause_s is not None:
            time.sleep(pause_s)
    raise changes(source)


def changes(source: Path) -> FileFault:
    """What is said of a file that does not hold still."""
    return FileFault(source, "changes while it is read", "Wait until the application has saved it, then try again.")


def oddity(source: Path) -> str:
    """What stands under a path where a plain file should; empty when one does, nothing does, or nobody can tell."""
    try:
        mode = source.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = source.readlink()
            try:
                mode = source.stat().st_mode
            except FileNotFoundError:
                return f"a link to {target}, where nothing is"
            except OSError as error:
                return "a link that leads round in a circle" if error.errno == errno.ELOOP else ""
    except (OSError, ValueError):
        return ""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "")


_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
)


def read_fault(source: Path, error: OSError) -> FileFault:
    """What is said of a file that cannot be read."""
    if odd := oddity(source):
        return FileFault(
            source, f"is {odd}, not a plain file", "Put a plain file in its place, or take it out of the scene."
        )
    return FileFault(
        source,
        {
            errno.ENOENT: "is not there",
            errno.ENOTDIR: "is not there",
            errno.ELOOP: "is a link that leads round in a circle, or a link where none may be",
            errno.EINVAL: "is no plain file",
            errno.EISDIR: "is no plain file",
            errno.EACCES: "may not be read by this user",
            errno.EPERM: "may not be read by this user",
        }.get(error.errno or 0, f"cannot be read: {error.strerror or error}"),
        "Correct it, or take it out of the scene.",
    )


def _opened(source: Path, follows_links: bool) -> BinaryIO:
    try:
        return open_plain(source, follows_links=follows_links)
    except OSError as error:
        raise read_fault(source, error) from error
    except ValueError as error:  # a NUL in the name
        raise FileFault(source, "has a name that no file can have", "Correct it in the scene.") from error


def _copy_and_hash(original: BinaryIO, source: Path, draft: Path, size_bytes: int, note: Note) -> BlockList | None:
    """None when the original ended before its size."""
    length = block_bytes(size_bytes)
    hashes = []
    try:
        with create(draft) as copy:
            is_shared = reflink(original, copy)
            for first in range(0, size_bytes, length):
                wanted = min(length, size_bytes - first)
                if not is_shared and _copy_part(original, copy, first, wanted, note) < wanted:
                    return None
                block = _hash_range(copy, first, wanted)
                if block is None:
                    return None
                hashes.append(block)
                if is_shared:
                    note(wanted)
            if is_shared and os.fstat(copy.fileno()).st_size != size_bytes:
                return None
    except Unreadable as unreadable:
        raise read_fault(source, unreadable.error) from unreadable
    except OSError as error:
        raise disk_error(error, f"taking in {source}", draft.parent) from error
    return BlockList(size_bytes, tuple(hashes))


def _copy_part(original: BinaryIO, copy: BinaryIO, first: int, length: int, note: Note) -> int:
    """Copy one block in parts, so that a cancel is heard soon; the bytes that were there."""
    done = 0
    while done < length:
        wanted = min(CHUNK_BYTES, length - done)
        count = copy_range(original, copy, first + done, wanted)
        done += count
        note(count)
        if count < wanted:
            break
    return done


def is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether nobody wrote to a file between two looks at it."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
