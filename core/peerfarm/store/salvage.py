"""Damaged databases: found, moved aside as they are, and what is whole saved into a new one."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

from peerfarm.errors import StoreDamaged
from peerfarm.store import schema
from peerfarm.store.checksums import is_whole, is_whole_fact, log_seed
from peerfarm.store.durable import sync_directory
from peerfarm.store.log import MAX_ACTION_BYTES, MAX_SEQ, Row, Salvage
from peerfarm.store.sqlite_log import SqliteLog

_BATCH_ROWS = 1000
_CLOSE_PROBES = 4096
"""Seqs tried one by one behind a damaged page before the steps grow."""


def fault_within(path: Path, largest_bytes: int) -> str:
    """The first fault of a database's pages or checksums; empty when none was found.

    Each row's checksum still guards whatever is read later.

    Args:
        path: A database whose header is whole; neither it nor its WAL is changed.
        largest_bytes: Larger files are not looked through.
    """
    wal = schema.sidecar(path, "-wal")
    if path.stat().st_size + (wal.stat().st_size if wal.exists() else 0) > largest_bytes:
        return ""
    try:
        with closing(schema.connect_to_look(path)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != ("ok",):
                return f"SQLite's check says: {verdict[0] if verdict else 'nothing'}"
            fault = _wrong_checksum(connection)
        schema.sidecar(path, "-shm").unlink(missing_ok=True)
    except sqlite3.Error as exc:
        error = schema.translated(exc, f"checking {path}")
        # Looking needs a little room beside a WAL; a full disk must not keep a node from its data.
        return str(error) if isinstance(error, StoreDamaged) else ""
    return fault


def damaged_copies(path: Path) -> list[Path]:
    """The damaged databases once moved aside for `path`, oldest first."""
    name = re.compile(re.escape(path.name) + r"\.damaged-(\d+)")
    found = ((name.fullmatch(file.name), file) for file in path.parent.iterdir())
    return [file for _, file in sorted((int(match[1]), file) for match, file in found if match)]


def move_aside(path: Path) -> Path:
    """Give a damaged database and its WAL another name, `NAME.damaged-N`; returns the new path.

    Call it again after a crash between the two renames: it carries on.
    """
    older = damaged_copies(path)
    if path.exists():
        number = int(older[-1].name.rpartition("-")[2]) + 1 if older else 1
        path.rename(moved := schema.sidecar(path, f".damaged-{number}"))
    else:
        moved = older[-1]
    wal = schema.sidecar(path, "-wal")
    if wal.exists():
        wal.replace(schema.sidecar(moved, "-wal"))
    schema.sidecar(path, "-shm").unlink(missing_ok=True)
    sync_directory(path.parent)
    return moved


def save_what_is_whole(moved: Path, path: Path, reason: str) -> Salvage:
    """Make a new database under `path` from what can be read of a damaged one.

    Until the new one is whole it stands under another name, so a crash meanwhile loses nothing.
    """
    draft = schema.sidecar(path, ".new")
    schema.create(draft)
    rows = 0
    has_snapshot = False
    with closing(SqliteLog(draft)) as target:
        try:
            with closing(schema.connect_to_look(moved, although_damaged=True)) as source:
                for batch in _batches(_whole_rows(source)):
                    target.append(batch)
                    rows += len(batch)
                for key, value in _whole_facts(source):
                    target.put(key, value)
                has_snapshot = _copy_snapshot(source, target)
        except sqlite3.Error as exc:
            error = schema.translated(exc, f"saving what is whole in {moved}")
            if not isinstance(error, StoreDamaged):
                raise error from exc
    schema.sidecar(moved, "-shm").unlink(missing_ok=True)
    schema.sidecar(draft, ".clean").unlink(missing_ok=True)
    draft.rename(path)
    sync_directory(path.parent)
    return Salvage(str(moved), reason, rows, has_snapshot)


def _wrong_checksum(connection: sqlite3.Connection) -> str:
    for number, node, log_id in connection.execute("SELECT number, node, log FROM logs").fetchall():
        seed = log_seed(node, log_id)
        for seq, checksum, raw in connection.execute("SELECT seq, checksum, raw FROM actions WHERE log = ?", (number,)):
            if not is_whole(raw, seed, seq, checksum):
                return f"action {node}/{log_id}/{seq} is not what was written"
    for key, checksum, value in connection.execute("SELECT key, checksum, value FROM facts"):
        if not is_whole_fact(value, key, checksum):
            return f"the fact {key} is not what was written"
    return "" if _whole_snapshot(connection) or _is_empty(connection, "snapshot") else "the snapshot is not whole"


def _is_empty(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None  # noqa: S608 - our own names


def _whole_snapshot(connection: sqlite3.Connection) -> bool:
    parts = connection.execute("SELECT part, checksum, raw FROM snapshot ORDER BY part")
    meta = parts.fetchone()
    if meta is None or meta[0] != 0 or not isinstance(meta[2], bytes):
        return False
    count = 0
    for count, (part, checksum, raw) in enumerate(parts, start=1):
        if part != count or not isinstance(raw, bytes) or crc32(raw, count) != checksum:
            return False
    is_same: bool = crc32(meta[2], count) == meta[1]
    return is_same


def _copy_snapshot(source: sqlite3.Connection, target: SqliteLog) -> bool:
    try:
        if not _whole_snapshot(source):
            return False
        parts = source.execute("SELECT raw FROM snapshot ORDER BY part")
        (meta,) = parts.fetchone()
        target.save_snapshot((part for (part,) in parts), meta, {})
    except sqlite3.DatabaseError:
        return False
    return True


def _whole_facts(source: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    last = ""
    try:
        while found := source.execute(
            "SELECT key, checksum, value FROM facts WHERE key > ? ORDER BY key LIMIT 1", (last,)
        ).fetchone():
            key, checksum, value = found
            if not isinstance(key, str) or key <= last:
                return
            if is_whole_fact(value, key, checksum):
                yield key, value
            last = key
    except sqlite3.DatabaseError:
        return  # facts are few and fill a page or two: behind a damaged page there is nothing to look for


def _whole_rows(source: sqlite3.Connection) -> Iterator[Row]:
    for number, node, log_id in _log_names(source):
        seed = log_seed(node, log_id)
        for seq, checksum, raw in _readable_rows(source, number):
            if is_whole(raw, seed, seq, checksum) and len(raw) <= MAX_ACTION_BYTES:
                yield node, log_id, seq, raw


def _log_names(source: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """The list of logs, from its table and from its index, which lie on different pages."""
    names = set()
    for way in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_logs_1"):
        try:
            for number, node, log_id in source.execute(f"SELECT number, node, log FROM logs {way}"):  # noqa: S608 - above
                if isinstance(number, int) and isinstance(node, str) and isinstance(log_id, str):
                    names.add((number, node, log_id))
        except sqlite3.DatabaseError:
            continue
    return sorted(names)


def _readable_rows(source: sqlite3.Connection, number: int) -> Iterator[tuple[int, object, object]]:
    """One log's rows in order, stepping over every page that cannot be read."""
    at: int | None = 1
    while at is not None:
        try:
            for seq, checksum, raw in source.execute(
                "SELECT seq, checksum, raw FROM actions WHERE log = ? AND seq >= ? ORDER BY seq", (number, at)
            ):
                if isinstance(seq, int) and at <= seq < MAX_SEQ:
                    at = seq + 1
                    yield seq, checksum, raw
        except sqlite3.DatabaseError:
            at = _behind_damage(source, number, at)
        else:
            return


def _behind_damage(source: sqlite3.Connection, number: int, at: int) -> int | None:
    """The first seq after `at` from where the log can be read again; None when there is none."""
    for seq in range(at + 1, at + _CLOSE_PROBES):
        if _can_read_from(source, number, seq):
            return seq
    unreadable, step = at + _CLOSE_PROBES - 1, _CLOSE_PROBES
    while not _can_read_from(source, number, unreadable + step):
        unreadable += step
        step *= 2
        if unreadable > MAX_SEQ:
            return None
    readable = unreadable + step
    while readable - unreadable > 1:
        middle = (readable + unreadable) // 2
        if _can_read_from(source, number, middle):
            readable = middle
        else:
            unreadable = middle
    return readable


def _can_read_from(source: sqlite3.Connection, number: int, seq: int) -> bool:
    try:
        source.execute(
            "SELECT seq FROM actions WHERE log = ? AND seq >= ? ORDER BY seq LIMIT 1", (number, seq)
        ).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
