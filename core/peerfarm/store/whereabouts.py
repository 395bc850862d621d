"""Notices that a database in use was deleted, replaced or shut away, and writes it again from the open connection.

On POSIX a file that is open outlives its name: SQLite goes on without a word, and all is gone at the next start.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

from peerfarm.errors import StoreError
from peerfarm.store import schema
from peerfarm.store.durable import sync_directory

_OWN = stat.S_IRUSR | stat.S_IWUSR
_STOP_FIRST = "Stop the node before you move, delete or put back its files."

Identity = tuple[int, int]
"""Device and inode."""


class Whereabouts:
    """Which files a connection has open, under which names they were found."""

    def __init__(self, path: Path) -> None:
        """Remember the database and its WAL as they are now, right after they were opened.

        Raises:
            OSError: The database is not there.
        """
        self._path = path
        self._files: dict[Path, Identity | None] = {path: _identity(path)}
        wal = schema.sidecar(path, "-wal")
        self._files[wal] = _identity(wal) if wal.exists() else None

    def fault(self) -> str:
        """What became of a file, in words; empty while all are in their places.

        Raises:
            StoreError: Nobody can tell, for their directory cannot be looked into.
        """
        for path, known in self._files.items():
            try:
                found = path.stat()
            except FileNotFoundError:
                if known is not None:
                    return f"{path} was deleted or moved away while this node ran"
                continue
            except OSError as error:
                hint = f"Give this account back its rights on {path.parent}, or mount it again."
                raise StoreError(f"the database {path} cannot be reached: {error.strerror}", hint) from error
            if known is None:
                self._files[path] = (found.st_dev, found.st_ino)  # SQLite makes a WAL when it needs one
            elif known != (found.st_dev, found.st_ino):
                return f"{path} was replaced by another file while this node ran"
        return ""

    def open_up(self) -> str:
        """Give a database back the rights without which the next start could not read it; what was done, in words.

        Raises:
            StoreError: They are wrong, and this account may not change them.
        """
        wrong = f"the rights on the database {self._path} were changed while this node ran"
        try:
            found = self._path.stat()
            if _may_use(found):
                return ""
            self._path.chmod(0o600)
        except OSError as error:
            hint = f"Make {self._path} the file of this node's account again, with mode 0600."
            raise StoreError(f"{wrong}, so that the next start could not read it: {error.strerror}", hint) from error
        return f"{wrong}; they were set back to 0600"

    def write_again(self, connection: sqlite3.Connection) -> list[Path]:
        """Write all that a connection holds into a new database in the old one's place, durably.

        The caller closes the connection, opens the new file and looks where it is. It takes about a second for 100 MB.

        Returns:
            Where that is kept which had taken the files' places, `NAME.put-aside-N`.

        Raises:
            OSError: The directory refuses.
            sqlite3.Error: The disk refuses.
        """
        draft = schema.sidecar(self._path, ".new")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(draft, isolation_level=None, timeout=0)) as copy:
            connection.backup(copy)
        _sync(draft)
        aside = [_put_aside(file) for file, known in self._files.items() if file.exists() and _identity(file) != known]
        schema.sidecar(self._path, "-wal").unlink(missing_ok=True)
        draft.replace(self._path)
        sync_directory(self._path.parent)
        return aside


def told(fault: str, aside: list[Path]) -> str:
    """What the owner hears once all is written again."""
    kept = f" What lay there is kept as {', '.join(map(str, aside))}." if aside else ""
    return f"{fault}. Nothing was lost: the node wrote all that it holds to that place again.{kept} {_STOP_FIRST}"


def refused(fault: str, path: Path, reason: str) -> StoreError:
    """What the owner hears when it could not be written again: until then nothing more is written."""
    message = f"{fault}, and it could not be written again: {reason}"
    hint = f"Do not stop this node: it alone holds the data. Make {path.parent} writable, with room; it tries on."
    return StoreError(message, hint)


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino


def _may_use(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # nobody can take away there what is open
    return found.st_mode & _OWN == _OWN and os.geteuid() in {found.st_uid, 0}


def _put_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.put-aside-{number}")).exists():
        number += 1
    try:
        os.link(file, aside)  # so that there is a database under this name at every moment
    except OSError:
        file.rename(aside)
    return aside


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
