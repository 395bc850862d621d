"""Which blobs may not be evicted, and for whom, on disk."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path

from peerfarm.errors import StoreError
from peerfarm.model.blob import HASH_BYTES, BlobId
from peerfarm.store.blobs.smalldb import open_small
from peerfarm.store.schema import translated

_APPLICATION_ID = 0x7066706E  # "pfpn"
_TABLE = "CREATE TABLE pins (key TEXT PRIMARY KEY, checksum INTEGER NOT NULL, ids BLOB NOT NULL) WITHOUT ROWID"


class PinBook:
    """Key -> blobs; a change is durable when its method returns. For one thread at a time.

    Attributes:
        is_in_doubt: Pins may have been lost: the book is new, or some of it was damaged.
    """

    def __init__(self, path: Path) -> None:
        self._connection, self.is_in_doubt = open_small(path, _TABLE, _APPLICATION_ID, is_durable=True)
        self._path = path

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed the file: what is written reaches no disk any more."""
        return not self._path.exists()

    def read(self) -> dict[str, frozenset[BlobId]]:
        """Everything that is pinned."""
        pins = {}
        try:
            for key, checksum, ids in self._connection.execute("SELECT key, checksum, ids FROM pins"):
                if checksum == _checksum(key, ids):
                    pins[key] = frozenset(
                        BlobId(ids[first : first + HASH_BYTES]) for first in range(0, len(ids), HASH_BYTES)
                    )
                else:
                    self.is_in_doubt = True
        except (sqlite3.Error, ValueError, TypeError):  # what is no text or no bytes is damage too
            self.is_in_doubt = True
        return pins

    def put(self, key: str, ids: Iterable[BlobId]) -> None:
        """Pin these under the key, in place of what it pinned.

        Raises:
            StoreError: Nothing was changed; DiskFull when there is no room.
        """
        packed = b"".join(sorted(ids))
        self._execute("INSERT OR REPLACE INTO pins VALUES (?, ?, ?)", key, _checksum(key, packed), packed)

    def remove(self, key: str) -> None:
        """Forget a key. Raises StoreError."""
        self._execute("DELETE FROM pins WHERE key = ?", key)

    def close(self) -> None:
        """Give the file free."""
        self._connection.close()

    def _execute(self, sql: str, *values: object) -> None:
        try:
            self._connection.execute(sql, values)
        except sqlite3.ProgrammingError as error:
            raise StoreError("this blob store is closed") from error
        except sqlite3.Error as error:
            raise translated(error, f"writing {self._path}") from error


def _checksum(key: str, ids: bytes) -> int:
    return zlib.crc32(ids, zlib.crc32(key.encode()))
