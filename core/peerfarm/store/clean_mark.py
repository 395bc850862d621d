"""The mark of a clean close: a small file beside the database, made at the end and taken away at the start.

It describes the file that was closed, so a database put back from a backup does not match it. Taking it away needs no
room, so a node on a full disk can still start.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from peerfarm.errors import StoreError
from peerfarm.store.durable import sync_directory, write_private


def leave_clean_mark(database: Path) -> None:
    """Say durably that the database was closed in good order; on a full disk it stays unsaid."""
    with suppress(OSError):  # without the mark the next start only doubts more than it need
        write_private(_mark_of(database), _description(database))


def take_clean_mark(database: Path) -> bool:
    """Whether the database was closed in good order and is still that file; the mark is gone durably on return.

    Raises:
        StoreError: A mark is there and cannot be removed.
    """
    mark = _mark_of(database)
    try:
        found = mark.read_bytes()
        mark.unlink()
        sync_directory(mark.parent)
        return found == _description(database)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise StoreError(
            f"the mark {mark} cannot be removed: {exc.strerror}",
            hint="Make the directory writable, or set PEERFARM_HOME to one that is.",
        ) from exc


def _mark_of(database: Path) -> Path:
    return database.with_name(database.name + ".clean")


def _description(database: Path) -> bytes:
    seen = database.stat()
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ino}\n".encode()
