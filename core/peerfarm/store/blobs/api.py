"""What every blob store promises, on disk and in memory alike, and the values that it speaks in."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from peerfarm.model.blob import BlobId, BlobRef, BlockList


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a blob store holds."""

    bytes: int
    """Of whole blobs, of begun ones at their full size, and of what is being taken in."""
    pinned_bytes: int
    """The part of it that no eviction touches."""
    quota_bytes: int
    blobs: int
    """Whole ones."""


class GoneReason(enum.Enum):
    """Why a blob is not here any more."""

    EVICTED = "evicted"
    """It made room for others."""
    DAMAGED = "damaged"
    """What was read was not what had been written; it is to be fetched again if anybody needs it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A blob that was here and is no more; nobody may be told any longer that it is."""

    id: BlobId
    reason: GoneReason


class Blobs(Protocol):
    """Content by its name, within a quota. Every method may be called from any thread.

    Every method may raise StoreError, and DiskFull where something is written: nothing of that write was kept, and it
    may be tried again when there is room.
    """

    def has(self, id: BlobId) -> bool:  # noqa: A002 - the word of the whole house for a blob's name
        """Whether the blob is here as a whole."""

    def ref_of(self, id: BlobId) -> BlobRef | None:  # noqa: A002 - as above
        """The blob with the size that it has here, whole or begun; None when it is neither."""

    def bitmap(self, ref: BlobRef) -> int:
        """Which blocks are here: bit i for block i; 0 when nothing is, or when the blob has another size."""

    def block_list(self, ref: BlobRef) -> BlockList | None:
        """The hashes of its blocks, when it is here or has been begun; else None, unless it has one block at most."""

    def begin(self, ref: BlobRef, blocks: BlockList, *, is_frame: bool = False) -> None:
        """Make ready to take its blocks, and set their room aside; nothing happens when it is here or has been begun.

        Args:
            is_frame: It was rendered, and the disk alone bounds it; all else leaves a part of the quota to frames.

        Raises:
            InvalidManifest: The hashes are not those of that blob.
            DiskFull: The quota or the disk has no room for it, even without everything that is not pinned.
        """

    def write_block(self, ref: BlobRef, block: int, data: bytes) -> bool:
        """Keep one block of a blob that has been begun; False when it is not that block, and nothing is kept then.

        With its last block the blob becomes whole, durably, before this returns.

        Raises:
            StoreError: The blob has not been begun, or was evicted meanwhile.
        """

    def write_blocks(self, writes: Sequence[tuple[BlobRef, int, bytes]]) -> list[bool]:
        """`write_block` for many at once, with far fewer syncs."""

    def read_block(self, ref: BlobRef, block: int) -> bytes | None:
        """One block, compared with its hash; None when it is not here, or was damaged and is not here any more."""

    def read_bytes(self, ref: BlobRef) -> bytes | None:
        """The whole blob, likewise; for what is small, such as a manifest."""

    def put_bytes(self, raw: bytes, pin: str = "") -> tuple[BlobRef, BlockList]:
        """Keep what is in memory, durably; with `pin`, pinned under that key too."""

    def drop(self, id: BlobId) -> None:  # noqa: A002 - as in `has`
        """Forget a blob, whole or begun, pinned or not; nothing happens when it is not here."""

    def pin(self, key: str, ids: Iterable[BlobId]) -> None:
        """Keep these blobs, here or still to come, from eviction, durably; replaces what the key pinned before.

        A key is such as `scene/JOB`; a blob stays as long as any key pins it.
        """

    def unpin(self, key: str) -> None:
        """Let go of what the key pinned; nothing happens when there is no such key."""

    def pinned(self, key: str) -> frozenset[BlobId]:
        """What a key pins; empty when there is no such key."""

    def pin_keys(self) -> tuple[str, ...]:
        """All keys that pin anything, in order."""

    def usage(self) -> Usage:
        """What is held now."""

    def needs(self, size_bytes: int, *, is_frame: bool = False) -> None:
        """Evict until there is room for so much more; DiskFull when there cannot be. `is_frame` as in `begin`."""

    def evict(self) -> tuple[BlobId, ...]:
        """Drop what was not used for the longest time and is not pinned, until the quota is kept; what was dropped."""

    def take_gone(self) -> tuple[Gone, ...]:
        """The blobs that went away since the last call, in order, without those that `drop` was asked for."""
