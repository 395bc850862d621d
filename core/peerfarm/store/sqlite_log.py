"""The action log, the snapshot and the small facts in one SQLite file. `opening.open_store` makes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise, takewhile
from pathlib import Path
from zlib import crc32

from peerfarm.errors import StoreDamaged, StoreError
from peerfarm.store import schema
from peerfarm.store.checksums import fact_checksum, is_whole, is_whole_fact, log_seed, row_checksum
from peerfarm.store.clean_mark import leave_clean_mark
from peerfarm.store.log import Cut, Row, Salvage, check_rows, conflict
from peerfarm.store.whereabouts import Whereabouts, refused, told

_READ_ROWS = 2000
"""Rows fetched at once in a replay; between two fetches nothing is held open."""
_CHECKPOINT_BYTES = 6 * 1024 * 1024
"""Writes come from the WAL's start again after about so much, well inside what `opening` has prepared."""
_COMMIT_BYTES = 8192
"""What one small transaction adds to the WAL: measured 7.1 KB for a row of 220 bytes."""
_WAL_FACTOR = 3
"""What a large one adds, by its rows' bytes: whole pages and their neighbours; measured 1.3 to 2.5."""

_INSERT = "INSERT INTO actions (log, seq, checksum, raw) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_RANGE = "SELECT seq, checksum, raw FROM actions WHERE log = ? AND seq BETWEEN ? AND ? ORDER BY seq"
_BATCH = "SELECT seq, checksum, raw FROM actions WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?"


class SqliteLog:
    """LogStore over one SQLite connection; see `log.LogStore` for what each method promises.

    Attributes:
        salvage: What was saved when the database was found damaged at opening; None when it was not.
    """

    def __init__(self, path: Path, salvage: Salvage | None = None) -> None:
        self.salvage = salvage
        self._path = path
        self._wal = schema.sidecar(path, "-wal")
        self._is_closed = False
        self._broken: StoreError | None = None
        self._astray: StoreError | None = None
        self._is_damaged = False
        self._logs: dict[tuple[str, str], tuple[int, int]] = {}
        self._new_logs: list[tuple[str, str]] = []
        self._unchecked_bytes = 0
        try:
            self._connection = schema.connect(path)
        except sqlite3.Error as exc:
            raise schema.translated(exc, f"opening {path}") from exc
        try:
            self._files = Whereabouts(path)
            with self._reading("reading the list of logs"):
                for number, node, log_id in self._connection.execute("SELECT number, node, log FROM logs"):
                    self._logs[node, log_id] = (number, log_seed(node, log_id))
                self._check_names()
        except StoreError:
            self._connection.close()
            raise

    def append(self, rows: Sequence[Row]) -> None:
        """Write all the rows or none, durably; see LogStore."""
        if not rows:
            return
        check_rows(rows)
        with self._writing("writing actions") as connection:
            values = []
            for node, log_id, seq, raw in rows:
                number, seed = self._logs.get((node, log_id)) or self._add_log(node, log_id)
                values.append((number, seq, row_checksum(seed, seq, raw), raw))
            if connection.executemany(_INSERT, values).rowcount != len(values):
                self._refuse_conflicts(rows)
        self._wrote(sum(len(row[3]) + 64 for row in rows))

    def read(self, node: str, log_id: str, first: int, last: int, limit_bytes: int) -> list[bytes]:
        """The raw rows of a range, as many as fit; see LogStore."""
        number, seed = self._logs.get((node, log_id), (None, 0))
        found: list[bytes] = []
        size_bytes = 0
        with self._reading(f"reading the log {node}/{log_id}") as connection:
            cursor = connection.execute(_RANGE, (number, first, last))
            try:
                for seq, checksum, raw in cursor:
                    if not is_whole(raw, seed, seq, checksum):
                        raise self._damaged(f"action {node}/{log_id}/{seq}")
                    size_bytes += len(raw)
                    if found and size_bytes > limit_bytes:
                        break
                    found.append(raw)
            finally:
                cursor.close()
        return found

    def rows(self) -> Iterator[Row]:
        """Everything kept, in order; see LogStore."""
        for name in sorted(self._logs):
            node, log_id = name
            for seq, raw in self._replay(name):
                yield node, log_id, seq, raw

    def save_snapshot(
        self, parts: Iterable[bytes], meta: bytes, cut: Cut, keep: Callable[[bytes], bool] | None = None
    ) -> None:
        """Replace the snapshot and delete what it holds, in one write; see LogStore."""
        with self._writing("writing a snapshot") as connection:
            connection.execute("DELETE FROM snapshot")
            count = 0
            for count, part in enumerate(parts, start=1):
                connection.execute("INSERT INTO snapshot VALUES (?, ?, ?)", (count, crc32(part, count), part))
            # The first row carries the meta, and its checksum the number of parts: a lost part is noticed.
            connection.execute("INSERT INTO snapshot VALUES (0, ?, ?)", (crc32(meta, count), meta))
            for name, last in cut.items():
                if name in self._logs:
                    self._cut(name, last, keep)
        self._checkpoint("PASSIVE")

    def load_snapshot(self) -> tuple[bytes, Iterator[bytes]] | None:
        """The meta and the parts; see LogStore. Read all parts before the next snapshot is saved."""
        with self._reading("reading the snapshot") as connection:
            rows, count = connection.execute("SELECT count(*), max(part) FROM snapshot").fetchone()
            if not rows:
                return None
            first = connection.execute("SELECT checksum, raw FROM snapshot WHERE part = 0").fetchone()
        if first is None or rows != count + 1 or not isinstance(first[1], bytes) or crc32(first[1], count) != first[0]:
            raise self._damaged("the snapshot's beginning")
        return first[1], self._parts(count)

    def get(self, key: str) -> bytes | None:
        """A small fact; see LogStore."""
        with self._reading(f"reading the fact {key}") as connection:
            found = connection.execute("SELECT checksum, value FROM facts WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        checksum, value = found
        if not is_whole_fact(value, key, checksum):
            raise self._damaged(f"the fact {key}")
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keep a small fact durably; see LogStore."""
        with self._writing(f"writing the fact {key}") as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (key, fact_checksum(key, value), value))
        self._wrote(len(value))

    def size_bytes(self) -> int:
        """Bytes of the database and its WAL; about 8 MiB of the WAL are room kept ready for fast commits."""
        size_bytes = 0
        for path in (self._path, self._wal):
            with suppress(FileNotFoundError):  # a closed database has no WAL
                size_bytes += path.stat().st_size
        return size_bytes

    def checkpoint(self) -> bool:
        """Bring the WAL's content home into the database; see LogStore."""
        return not self._unchecked_bytes or self._checkpoint("PASSIVE")

    def look_after(self) -> str:
        """Notice files that were taken away, and write them again; see LogStore."""
        if self._is_closed or self._is_damaged or self._broken:
            return ""
        fault = self._files.fault()
        self._astray = None
        if not fault:
            return self._files.open_up()
        try:
            aside = self._files.write_again(self._connection)
        except (OSError, sqlite3.Error) as exc:
            self._astray = refused(fault, self._path, str(exc))
            raise self._astray from exc
        self._connection.close()  # takes away a WAL of that name, so before the new one is opened
        try:
            self._connection = schema.connect(self._path)
            self._files = Whereabouts(self._path)
        except (OSError, sqlite3.Error) as exc:
            self._broken = StoreError(
                f"{fault}; it was written again, but cannot be opened: {exc}", "Restart the node."
            )
            raise self._broken from exc
        return told(fault, aside)

    def close(self) -> None:
        """End in good order and leave the mark that says so; a damaged or broken store gets no mark.

        Raises:
            StoreError: The files were taken away, and nothing could be saved.
        """
        if self._is_closed:
            return
        try:
            self.look_after()
        finally:
            self._is_closed = True
            is_tidy = not (self._is_damaged or self._broken or self._astray) and self._checkpoint("TRUNCATE")
            self._connection.close()
            if is_tidy and not self._wal.exists():
                leave_clean_mark(self._path)

    def _check_names(self) -> None:
        """Notice rows whose log's name was lost; one seek a log."""
        known = {number for number, _ in self._logs.values()}
        last = 0
        while last is not None:
            (last,) = self._connection.execute("SELECT min(log) FROM actions WHERE log > ?", (last,)).fetchone()
            if last is not None and last not in known:
                raise self._damaged(f"the name of log number {last}")

    def _replay(self, name: tuple[str, str]) -> Iterator[tuple[int, bytes]]:
        number, seed = self._logs[name]
        last = 0
        while True:
            with self._reading("replaying the log") as connection:
                batch = connection.execute(_BATCH, (number, last, _READ_ROWS)).fetchall()
            for seq, checksum, raw in batch:
                if not is_whole(raw, seed, seq, checksum):
                    raise self._damaged(f"action {name[0]}/{name[1]}/{seq}")
                yield seq, raw
            if len(batch) < _READ_ROWS:
                return
            last = batch[-1][0]

    def _parts(self, count: int) -> Iterator[bytes]:
        for part in range(1, count + 1):
            with self._reading("reading the snapshot") as connection:
                found = connection.execute("SELECT checksum, raw FROM snapshot WHERE part = ?", (part,)).fetchone()
            if found is None or not isinstance(found[1], bytes) or crc32(found[1], part) != found[0]:
                raise self._damaged(f"part {part} of the snapshot")
            yield found[1]

    def _add_log(self, node: str, log_id: str) -> tuple[int, int]:
        number = self._connection.execute("INSERT INTO logs (node, log) VALUES (?, ?)", (node, log_id)).lastrowid
        assert number is not None
        self._new_logs.append((node, log_id))
        self._logs[node, log_id] = (number, log_seed(node, log_id))
        return self._logs[node, log_id]

    def _refuse_conflicts(self, rows: Sequence[Row]) -> None:
        for node, log_id, seq, raw in rows:
            if self.read(node, log_id, seq, seq, 0) != [raw]:
                raise conflict(node, log_id, seq)

    def _cut(self, name: tuple[str, str], last: int, keep: Callable[[bytes], bool] | None) -> None:
        kept = []
        if keep:
            rows = takewhile(lambda row: row[0] <= last, self._replay(name))
            kept = [seq for seq, raw in rows if keep(raw)]
        for after, before in pairwise([0, *kept, last + 1]):
            self._connection.execute(
                "DELETE FROM actions WHERE log = ? AND seq > ? AND seq < ?", (self._logs[name][0], after, before)
            )

    def _wrote(self, size_bytes: int) -> None:
        self._unchecked_bytes += _COMMIT_BYTES + size_bytes * _WAL_FACTOR
        if self._unchecked_bytes > _CHECKPOINT_BYTES:
            self._checkpoint("PASSIVE")

    def _checkpoint(self, mode: str) -> bool:
        # What could not be brought home stays durable in the WAL, so a refusal here is no failed write.
        self._unchecked_bytes = 0
        try:
            busy, in_wal, done = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as exc:
            self._translated(exc, "tidying the database up")
            return False
        return not busy and in_wal == done

    @contextmanager
    def _reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as exc:
            raise self._translated(exc, doing) from exc

    @contextmanager
    def _writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One transaction, durable at the end; on any failure nothing of it is kept and reading goes on."""
        if lost := self._broken or self._astray:
            raise StoreError(str(lost), hint=lost.hint) from lost
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            raise self._translated(exc, doing) from exc
        except BaseException:
            self._roll_back()
            raise
        self._new_logs.clear()

    def _roll_back(self) -> None:
        for name in self._new_logs:
            del self._logs[name]
        self._new_logs.clear()
        if not self._is_closed and self._connection.in_transaction:  # SQLite has ended it by itself after some errors
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as exc:
                self._broken = self._translated(exc, "undoing a failed write")

    def _translated(self, exc: sqlite3.Error, doing: str) -> StoreError:
        if self._is_closed:
            return StoreError(f"the database {self._path} is closed, so {doing} is over")
        error = schema.translated(exc, f"{doing} in {self._path}")
        if isinstance(error, StoreDamaged):
            self._is_damaged = True
        elif getattr(exc, "sqlite_errorcode", None) in schema.LOST_SYNC:
            self._broken = error
        return error

    def _damaged(self, what: str) -> StoreDamaged:
        self._is_damaged = True
        return StoreDamaged(
            f"{what} in {self._path} is not what was written",
            hint="Restart the node: it saves what is whole into a new database.",
        )
