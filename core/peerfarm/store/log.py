"""What a log store promises, for SQLite and for memory alike. Rows are opaque bytes here.

No file is touched in this module, and nothing in this room knows what an action means.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from peerfarm.errors import StoreError

Row = tuple[str, str, int, bytes]
"""Node, log id, seq from 1, and the action's raw bytes, at most MAX_ACTION_BYTES."""

Cut = Mapping[tuple[str, str], int]
"""(node, log id) -> the last seq that a snapshot holds."""

MAX_ACTION_BYTES = 64 * 1024
MAX_SEQ = 2**53
"""Past any log's end; keeps every seq exact in SQLite and in a float."""


class Doubt(enum.Enum):
    """What a node must know about its database before it goes on with its own log."""

    NONE = "none"
    """Closed in good order by this store, and not replaced since."""
    NEW = "new"
    """There was no database; an empty one was made."""
    UNCLEAN = "unclean"
    """The last node was killed or lost power, or the file was replaced, say from a backup: the end may be missing."""
    DAMAGED = "damaged"
    """The file was damaged: it was moved aside and what was whole was saved, so logs may have gaps."""


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was saved out of a damaged database."""

    moved_to: str
    """Path of the damaged file, kept as it was."""
    reason: str
    """The first fault found, in words."""
    rows: int
    """Actions whose checksum holds, now in the new database."""
    has_snapshot: bool
    """Whether a snapshot was whole; without it, what it had cut is to be fetched from peers."""


class LogStore(Protocol):
    """The action log, one snapshot and a few small facts. Every write is durable when its method returns.

    Every method may raise StoreError: DiskFull when a write found no room (nothing of it was kept), StoreDamaged when
    a checksum does not hold (close and open again). Use from one thread at a time.
    """

    def append(self, rows: Sequence[Row]) -> None:
        """Write all the rows or none, durably.

        A row that is there already with equal bytes is passed over; with other bytes it is a StoreError that names it.
        Whether a log has gaps is the caller's to watch.
        """

    def read(self, node: str, log_id: str, first: int, last: int, limit_bytes: int) -> list[bytes]:
        """The raw rows of one log from `first` to `last`, both included, in seq order.

        Gives at least one row if there is any in the range, then stops before the sum exceeds `limit_bytes`.
        """

    def rows(self) -> Iterator[Row]:
        """Everything kept, ordered by node, log id and seq; for the replay at start.

        Rows appended meanwhile may or may not be seen.
        """

    def save_snapshot(
        self, parts: Iterable[bytes], meta: bytes, cut: Cut, keep: Callable[[bytes], bool] | None = None
    ) -> None:
        """Replace the snapshot and delete the rows that it holds, all in one write.

        Args:
            parts: The snapshot in slices, taken one at a time.
            meta: What tells a reader how to read the parts.
            cut: Last seq to delete in each log; other logs stay whole.
            keep: Says of a raw row at or below the cut that it must stay; None keeps none of them.
        """

    def load_snapshot(self) -> tuple[bytes, Iterator[bytes]] | None:
        """The meta and the parts, in order, read as they are asked for; None when there is no snapshot."""

    def get(self, key: str) -> bytes | None:
        """A small fact: remembered peers, the own log's id, spent tokens. None when never put."""

    def put(self, key: str, value: bytes) -> None:
        """Keep a small fact durably, in place of what stood there."""

    def size_bytes(self) -> int:
        """Room that the store takes on its disk now."""

    def checkpoint(self) -> bool:
        """Tidy up at a quiet moment; takes some milliseconds. False: not now, and nothing is lost."""

    def look_after(self) -> str:
        """See that what was written can still be read at the next start, and mend it; call it about once a minute.

        Returns:
            What had happened to the files, and what was done about it, in sentences for the owner; empty when nothing.

        Raises:
            StoreError: It could not be mended; where data would be lost, every write is refused until a later call can.
        """

    def close(self) -> None:
        """End in good order; a second call does nothing."""


def check_rows(rows: Sequence[Row]) -> None:
    """Stop a caller's mistake before it reaches the disk: ValueError for a seq or a size out of range."""
    for node, log_id, seq, raw in rows:
        if not 1 <= seq < MAX_SEQ or len(raw) > MAX_ACTION_BYTES:
            raise ValueError(f"action {node}/{log_id}/{seq} of {len(raw)} bytes is out of range for the log")


def conflict(node: str, log_id: str, seq: int) -> StoreError:
    """The error for a row that is kept with other bytes."""
    return StoreError(
        f"action {node}/{log_id}/{seq} is kept with other bytes; nothing of this batch was written",
        hint="Two nodes may run with one key, or an old copy of this node's files was put back.",
    )
