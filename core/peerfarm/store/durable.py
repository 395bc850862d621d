"""Files that survive a power cut: written whole under another name, synced, then renamed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make renames, new and removed files in a directory durable. Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all; replaces what stood there.

    Raises:
        OSError: Nothing was changed under the final name.
    """
    draft = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)
