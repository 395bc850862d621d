"""Wanted blobs in chapters: each chapter numbers the blocks of many blobs, so that sets of them are whole numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from peerfarm.model.blob import BlobId, BlobRef, BlockList, block_bytes, block_count
from peerfarm.model.ids import NodeId
from peerfarm.swarm.bits import Counters, mask_of

CHAPTER_BLOCKS = 65_536
"""Masks of that length are copied in a microsecond."""


class Blob:
    """A wanted blob and how much of it is here."""

    __slots__ = ("block_bytes", "blocks", "chapter", "count", "first", "here", "keys", "ref")

    def __init__(self, ref: BlobRef, blocks: BlockList | None) -> None:
        self.ref = ref
        self.blocks = blocks
        """None: nobody told its hashes so far, and no block of it can be asked for."""
        self.count = max(1, block_count(ref.size_bytes))
        """Of blocks; an empty blob counts as one empty block."""
        self.block_bytes = block_bytes(ref.size_bytes)
        self.here = 0
        """Bit i: block i is in the store."""
        self.keys: tuple[str, ...] = ()
        """The wants that it belongs to."""
        self.chapter: Chapter
        self.first = 0
        """The number of its first block in the chapter."""

    @property
    def id(self) -> BlobId:
        """Its name."""
        return self.ref.id

    @property
    def full(self) -> int:
        """The set of all its blocks."""
        return (1 << self.count) - 1

    @property
    def is_complete(self) -> bool:
        """Whether all of it is here."""
        return self.here == self.full

    @property
    def has_proven_size(self) -> bool:
        """Whether the name itself proves the size; else a manifest alone tells it, which may be forged."""
        return self.blocks is not None and self.count > 1

    @property
    def is_missing(self) -> bool:
        """Whether somebody here wants it and peers are to be told so; an empty blob needs no peer."""
        return bool(self.keys) and not self.is_complete and self.ref.size_bytes > 0

    @property
    def here_bytes(self) -> int:
        """How much of it is here."""
        if self.is_complete:
            return self.ref.size_bytes
        has_last = self.here >> (self.count - 1)
        short = self.block_bytes - self.length(self.count - 1)
        return self.here.bit_count() * self.block_bytes - (short if has_last else 0)

    @property
    def mask(self) -> int:
        """Its blocks in the chapter's numbering."""
        return self.full << self.first

    def length(self, block: int) -> int:
        """Of one block, in bytes."""
        return min(self.block_bytes, self.ref.size_bytes - block * self.block_bytes)


class Chapter:
    """At most CHAPTER_BLOCKS blocks of wanted blobs, and who holds which."""

    __slots__ = ("_firsts", "blobs", "copies", "free", "have", "is_open", "left_blobs", "need", "size", "told")

    def __init__(self, blobs: list[Blob]) -> None:
        self.blobs = blobs
        self._firsts: list[int] = []
        self.size = 0
        """In blocks."""
        for blob in blobs:
            blob.chapter, blob.first = self, self.size
            self._firsts.append(self.size)
            self.size += blob.count
        self.need = (1 << self.size) - 1
        """Not here."""
        self.free = mask_of((b.first + i for b in blobs if b.blocks for i in range(b.count)), self.size)
        """Not here, with a known hash, asked of nobody and not being written."""
        self.have: dict[NodeId, int] = {}
        """What linked peers told that they hold."""
        self.told: dict[NodeId, int] = {}
        """What linked peers told of at all."""
        self.copies = Counters()
        """How many linked peers hold each."""
        self.is_open = False
        """Whether peers were told that these are wanted."""
        self.left_blobs = len(blobs)
        """That some want still needs or is made of."""

    def blob_at(self, number: int) -> Blob:
        """The blob that a block belongs to."""
        return self.blobs[bisect_right(self._firsts, number) - 1]

    def missing_ids(self) -> list[BlobId]:
        """The blobs that peers are to be asked for."""
        return [blob.id for blob in self.blobs if blob.is_missing]

    def note(self, node: NodeId, mentioned: int, held: int) -> None:
        """A peer told of these blocks: of all that it mentioned it holds these."""
        before = self.have.get(node, 0)
        now = (before & ~mentioned) | held
        self.have[node] = now
        self.told[node] = self.told.get(node, 0) | mentioned
        self.copies.add(now & ~before)
        self.copies.subtract(before & ~now)

    def forget(self, node: NodeId) -> None:
        """The peer is away, or not trusted."""
        self.copies.subtract(self.have.pop(node, 0))
        self.told.pop(node, None)

    def rarest(self, among: int) -> int:
        """Those of these blocks that fewest peers hold."""
        return self.copies.least(among)


def chapters_of(blobs: Iterable[Blob]) -> list[Chapter]:
    """Put blobs into as few chapters as they need, in their order."""
    chapters: list[Chapter] = []
    group: list[Blob] = []
    size = 0
    for blob in blobs:
        if size + blob.count > CHAPTER_BLOCKS:
            chapters.append(Chapter(group))
            group, size = [], 0
        group.append(blob)
        size += blob.count
    if group:
        chapters.append(Chapter(group))
    return chapters
