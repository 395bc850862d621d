"""Takes a file of the node's own in without a copy where the disk can: it is shared, then its old name is removed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from peerfarm.model.blob import BlockList
from peerfarm.store.blobs.disk import Note, open_plain, remove
from peerfarm.store.blobs.reading import changes, hash_blocks, is_unchanged, read_fault


def share(
    source: Path, draft: Path, note: Note, set_aside: Callable[[int], None]
) -> tuple[BlockList, os.stat_result] | None:
    """Make `draft` another name of a file and hash it; None where that cannot be, and a copy must do.

    Returns:
        Its block list, and what the file was.

    Raises:
        FileFault: It cannot be read, or somebody still writes to it.
    """
    if sys.platform == "win32":  # a read-only file cannot lose its old name there
        return None
    try:
        with open_plain(source, follows_links=False) as file:
            before = os.fstat(file.fileno())
            if before.st_nlink > 1:  # somebody else has it too, and could write to it
                return None
            set_aside(before.st_size)
            blocks = hash_blocks(file, before.st_size, note)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise read_fault(source, error) from error
    if blocks is None or not is_unchanged(before, after):
        raise changes(source)
    try:
        os.link(source, draft, follow_symlinks=False)
    except OSError:
        return None
    there = draft.lstat()
    if (there.st_dev, there.st_ino, there.st_mtime_ns) != (before.st_dev, before.st_ino, before.st_mtime_ns):
        remove(draft)
        raise changes(source)
    return blocks, before
