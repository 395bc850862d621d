"""What files of the user hold, as long as they have not changed since: no file is hashed twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import HASH_BYTES, BlockList
from peerfarm.store.blobs.disk import disk_error
from peerfarm.store.blobs.smalldb import open_small

_APPLICATION_ID = 0x70666863  # "pfhc"
_TABLE = """CREATE TABLE files (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, hashes BLOB NOT NULL
)"""
MAX_FILES = 500_000
"""The ones written first are forgotten beyond; about 100 MiB."""
_COARSE_NS, _FINE_NS = 2_000_000_000, 100_000_000
"""Within so long of a change another one may bear the same time: FAT counts by two seconds, Linux by its clock tick."""


class HashCache:
    """The block lists of files by device, inode, size and both times. It may be lost: files are hashed again then.

    For any thread. What was remembered since `save` may be lost in a crash.

    Raises:
        StoreError: Its file can neither be opened nor made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, f"making {path.parent}") from error
        self._lock = threading.Lock()
        self._connection, _ = open_small(path, _TABLE, _APPLICATION_ID, is_durable=False)
        with suppress(sqlite3.Error):  # it only stays longer than it need be
            self._connection.execute(
                "DELETE FROM files WHERE number <= (SELECT max(number) FROM files) - ?", (MAX_FILES,)
            )

    def find(self, status: os.stat_result) -> BlockList | None:
        """What a file with this status holds; None when that is not known."""
        sql = "SELECT hashes FROM files WHERE file = ? AND size = ? AND mtime = ? AND ctime = ?"
        values = (_file(status), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        with self._lock, suppress(sqlite3.Error, OverflowError):  # a cache that cannot be read only costs time
            row = self._connection.execute(sql, values).fetchone()
            if row is not None:
                return _unpacked(status.st_size, row[0])
        return None

    def remember(self, status: os.stat_result, blocks: BlockList, now_ns: int) -> None:
        """Note what a file holds.

        Args:
            status: Of the open file, before it was read.
            now_ns: When that was, since 1970. A file changed only just now is not noted: it could change again
                without a trace.
        """
        is_coarse = status.st_mtime_ns % 1_000_000_000 == 0
        if not (_COARSE_NS if is_coarse else _FINE_NS) <= now_ns - status.st_mtime_ns:
            return
        row = (_file(status), status.st_size, status.st_mtime_ns, status.st_ctime_ns, b"".join(blocks.hashes))
        with self._lock, suppress(sqlite3.Error, OverflowError):  # as above, or a time that SQLite has no number for
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN")
            self._connection.execute(
                "INSERT OR REPLACE INTO files (file, size, mtime, ctime, hashes) VALUES (?, ?, ?, ?, ?)", row
            )

    def save(self) -> None:
        """Write down what was remembered."""
        with self._lock, suppress(sqlite3.Error):  # as above
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Save, and give the file free."""
        self.save()
        with self._lock:
            self._connection.close()


def _file(status: os.stat_result) -> str:
    """Text: inode numbers can be longer than SQLite's numbers."""
    return f"{status.st_dev:x}:{status.st_ino:x}"


def _unpacked(size_bytes: int, packed: object) -> BlockList | None:
    if not isinstance(packed, bytes):
        return None
    blocks = BlockList(
        size_bytes, tuple(packed[first : first + HASH_BYTES] for first in range(0, len(packed), HASH_BYTES))
    )
    try:
        blocks.check()
    except InvalidManifest:
        return None
    return blocks
