"""The database file: its tables, how a connection is set up, and what SQLite's errors mean to us.

One connection per file: it takes SQLite's exclusive lock, since SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when
two connections write or checkpoint at once. Never on a network file system: WAL needs one machine's memory.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from peerfarm.errors import DiskFull, StoreDamaged, StoreError
from peerfarm.store.durable import sync_directory

APPLICATION_ID = 0x70666C67  # "pflg"
SCHEMA = 1
WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""A log file that a large write made longer is cut back to this."""

_TABLES = """
CREATE TABLE logs (number INTEGER PRIMARY KEY, node TEXT NOT NULL, log TEXT NOT NULL, UNIQUE (node, log));
CREATE TABLE actions (
    log INTEGER NOT NULL, seq INTEGER NOT NULL, checksum INTEGER NOT NULL, raw BLOB NOT NULL,
    PRIMARY KEY (log, seq)
) WITHOUT ROWID;
CREATE TABLE snapshot (part INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE TABLE facts (key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
"""

_MAGIC = b"SQLite format 3\0"
_CONSTANT = _MAGIC + struct.pack(">HBBBBBB", 4096, 2, 2, 0, 64, 32, 32)
"""The first 24 bytes of every file that `create` makes: page size 4096, WAL to read and to write, fixed fractions."""
_HEADER_BYTES = 100
_VERSION_AT, _APPLICATION_AT = 60, 68

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
"""A quota or a file size limit comes as IOERR_WRITE; only ENOSPC is told apart by SQLite."""
LOST_SYNC = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
"""After a failed fsync the system may have dropped what was to be written: nothing more can be promised."""
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_INTERNAL,
}
"""Primary codes. Our SQL is fixed and tested, so SQLITE_ERROR means that the file's schema is not ours any more."""


def sidecar(path: Path, ending: str) -> Path:
    """A file that belongs to a database: `-wal`, `-shm`, `.clean`, `.new`."""
    return path.with_name(path.name + ending)


def create(path: Path) -> None:
    """Make an empty database under `path`, which only its owner can read. Durable on return.

    Raises:
        StoreError: It cannot be made; DiskFull when there is no room.
    """
    for leftover in (path, sidecar(path, "-wal"), sidecar(path, "-shm")):
        leftover.unlink(missing_ok=True)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA journal_mode = WAL")
            _sync_always(connection)
            connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}; COMMIT;"
            )
        sync_directory(path.parent)
    except OSError as exc:
        raise StoreError(
            f"the database {path} cannot be made: {exc.strerror}",
            hint="Make the directory writable, or set PEERFARM_HOME to one that is.",
        ) from exc
    except sqlite3.Error as exc:
        raise translated(exc, f"making the database {path}") from exc


def connect(path: Path) -> sqlite3.Connection:
    """The one connection that writes; the file must exist. Raises sqlite3.Error.

    It may be built in one thread and used in another, but by one at a time.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0, check_same_thread=False
    )
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    _sync_always(connection)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA cache_size = -4096")
    return connection


def connect_to_look(path: Path, *, although_damaged: bool = False) -> sqlite3.Connection:
    """A connection that leaves the file and its WAL as they are; it may raise sqlite3.Error.

    With `although_damaged` it goes on past a wrong page count or schema, to save what can be read.
    """
    wal = sidecar(path, "-wal")
    # Without a WAL, `immutable` spares SQLite from making one beside the file.
    immutable = "" if wal.exists() and wal.stat().st_size else "&immutable=1"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True, isolation_level=None, timeout=0
    )
    if although_damaged:
        connection.execute("PRAGMA writable_schema = ON")
    return connection


def fault_in_header(path: Path) -> str:
    """What is wrong with the file's first bytes; empty when they are as they should be.

    Raises:
        StoreError: A newer peerfarm made the file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as exc:
        raise StoreError(f"the database {path} cannot be read: {exc.strerror}") from exc
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        return "it is no SQLite database" if header else "it is empty"
    if int.from_bytes(header[_APPLICATION_AT : _APPLICATION_AT + 4], "big") != APPLICATION_ID:
        return "it is no database of peerfarm"
    version = int.from_bytes(header[_VERSION_AT : _VERSION_AT + 4], "big")
    if version > SCHEMA:
        raise StoreError(
            f"the database {path} has format {version}, and this peerfarm knows formats up to {SCHEMA}",
            hint="Start the newer peerfarm that wrote it; nothing was changed.",
        )
    return "" if header.startswith(_CONSTANT) and version == SCHEMA else "its header is damaged"


def translated(exc: sqlite3.Error, doing: str) -> StoreError:
    """Our error for SQLite's; `doing` ends the phrase "the disk refused while ..."."""
    code: int | None = getattr(exc, "sqlite_errorcode", None)
    if code in _FULL:
        return DiskFull(
            f"no room on the disk while {doing}", hint="Make room on it; this node takes no new work until then."
        )
    if code is None or code & 0xFF in _DAMAGE:
        return StoreDamaged(
            f"damage found while {doing}: {exc}", hint="Restart the node: it saves what is whole into a new database."
        )
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return StoreError(f"another program uses the database while {doing}", hint="Close that program.")
    return StoreError(f"the disk refused while {doing}: {exc}", hint="Check the disk and the rights on its files.")


def _sync_always(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    # macOS answers a plain fsync before the drive has written; elsewhere these two change nothing.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
