"""A small SQLite database of one table, made anew when it is missing or damaged."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from peerfarm.store.schema import sidecar, translated

_FORMAT = 1


def open_small(path: Path, table: str, application_id: int, *, is_durable: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection for one thread at a time, and whether the database is new, because there was no whole one.

    A damaged one is moved aside to `NAME.damaged`, in place of an earlier such file.

    Args:
        table: The SQL that makes the table.
        is_durable: Whether a commit must outlive a power cut.

    Raises:
        StoreError: It can neither be opened nor made.
    """
    try:
        return _open(path, table, application_id, is_durable=is_durable)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise translated(error, f"opening {path}") from error
    try:
        path.replace(path.with_name(path.name + ".damaged"))
        for name in ("-wal", "-shm"):
            sidecar(path, name).unlink(missing_ok=True)
        return _open(path, table, application_id, is_durable=is_durable)
    except (sqlite3.Error, OSError) as error:
        raise translated(sqlite3.OperationalError(str(error)), f"making {path} anew") from error


def _open(path: Path, table: str, application_id: int, *, is_durable: bool) -> tuple[sqlite3.Connection, bool]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        is_new = connection.execute("PRAGMA user_version").fetchone()[0] == 0
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
        connection.execute("PRAGMA fullfsync = ON")
        if is_new:
            connection.executescript(
                f"BEGIN; {table}; PRAGMA application_id = {application_id}; PRAGMA user_version = {_FORMAT}; COMMIT;"
            )
        else:
            _check(connection, application_id)
    except BaseException:
        with suppress(sqlite3.Error):
            connection.close()
        raise
    return connection, is_new


def _check(connection: sqlite3.Connection, application_id: int) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != application_id:
        raise sqlite3.DatabaseError("it is another program's database")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("it is damaged")
