"""What is wanted: wants, the blobs that they share, and how far each is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import BlobId, BlobRef, BlockList, block_count
from peerfarm.model.ids import NodeId
from peerfarm.swarm.chapters import Blob, Chapter, chapters_of
from peerfarm.swarm.events import Progress

PROGRESS_EVERY_S = 0.5
RATE_OVER_S = 3.0
MAX_OPEN_BLOBS = 1 << 17
"""Sought at a time; the rest when these are here. A peer remembers at most twice as many for each of us."""
SMALL_BLOBS = 4096
"""Chapters of at most this many are opened although a large want is under way."""
MAX_SMALL_OPEN_BLOBS = MAX_OPEN_BLOBS + (1 << 16)
EMPTY = hashlib.sha256(b"").digest()


class Part(NamedTuple):
    """What a want has in one chapter."""

    chapter: Chapter
    mask: int
    """Its blocks there."""


class Want:
    """Blobs that somebody on this node waits for."""

    def __init__(self, key: str, refs: tuple[BlobRef, ...], holders: Iterable[NodeId], now_s: float) -> None:
        self.key = key
        self.refs = refs
        self.holders = frozenset(holders)
        """Nodes that are thought to hold all of it."""
        self.blobs: list[Blob] = []
        self.parts: list[Part] = []
        self.left = 0
        """Blobs that are not complete."""
        self.done_bytes = 0
        self.total_bytes = 0
        self.rate_bytes_s = 0.0
        self.moved_s = now_s
        """When something for it arrived last."""
        self.starved_s: float | None = None
        """Since when nobody linked can give what is missing and nothing is under way."""
        self.sought_s: float | None = None
        """When peers were asked anew for what is missing, while it starved."""
        self._fetched_bytes = 0
        self._marked_s = now_s
        self._told = (-1, -1)

    def fetched(self, size_bytes: int) -> None:
        """A block of it came from a peer."""
        self._fetched_bytes += size_bytes

    def progress(self, now_s: float, *, is_last: bool = False) -> Progress | None:
        """How far it is, when that should be told now."""
        spent_s = now_s - self._marked_s
        if spent_s < PROGRESS_EVERY_S and not is_last:
            return None
        if spent_s > 0:
            share = spent_s / (spent_s + RATE_OVER_S)
            self.rate_bytes_s += (self._fetched_bytes / spent_s - self.rate_bytes_s) * share
        self._fetched_bytes, self._marked_s = 0, now_s
        figures = (self.done_bytes, int(self.rate_bytes_s))
        if figures == self._told:
            return None
        self._told = figures
        return Progress(self.key, self.done_bytes, self.total_bytes, figures[1])


class Wants:
    """All wants and their blobs; knows nothing of peers but what they told of holding."""

    def __init__(self) -> None:
        self.blobs: dict[BlobId, Blob] = {}
        self.chapters: list[Chapter] = []
        """In the order in which they came to be wanted."""
        self.empties: dict[BlobId, Blob] = {}
        """Empty blobs that are not known to be here."""
        self.listless: dict[BlobId, Blob] = {}
        """Blobs whose block hashes are not known."""
        self.finished: list[Want] = []
        """Complete since this was emptied."""
        self.is_closed = False
        """Whether some chapters are not opened yet."""
        self._wants: dict[str, Want] = {}
        self._open_blobs = 0

    def __iter__(self) -> Iterator[Want]:
        return iter(self._wants.values())

    def __len__(self) -> int:
        return len(self._wants)

    def get(self, key: str) -> Want | None:
        """A want by its key."""
        return self._wants.get(key)

    def add(
        self,
        key: str,
        refs: Sequence[BlobRef],
        blocks: Mapping[BlobId, BlockList],
        holders: Iterable[NodeId],
        now_s: float,
    ) -> Want:
        """Take up a want that is not there.

        Raises:
            InvalidManifest: A blob that cannot be: of an impossible size, or of two sizes.
        """
        sizes: dict[BlobId, int] = {}
        for ref in refs:
            block_count(ref.size_bytes)
            known = self.blobs.get(ref.id)
            if sizes.setdefault(ref.id, ref.size_bytes) != ref.size_bytes or (known and known.ref != ref):
                raise InvalidManifest("two files of one content and of different sizes")
            if not ref.size_bytes and ref.id != EMPTY:
                raise InvalidManifest("an empty file that is named as one with content")
        want = Want(key, tuple(refs), holders, now_s)
        fresh = []
        for each, size_bytes in sizes.items():
            blob = self.blobs.get(each)
            if blob is None:
                blob = self._new(BlobRef(each, size_bytes), blocks.get(each))
                fresh.append(blob)
            elif blob.blocks is None:
                self.learn(blob, blocks.get(each))
            blob.keys = (*blob.keys, key)
            want.blobs.append(blob)
            want.total_bytes += size_bytes
            want.done_bytes += blob.here_bytes
            want.left += not blob.is_complete
        self._wants[key] = want
        self._number(want, fresh)
        if not want.left:
            self.finished.append(want)
        return want

    def learn(self, blob: Blob, blocks: BlockList | None) -> bool:
        """Take a wanted blob's block list if it is the right one; whether it was."""
        if not _is_list_of(blob.ref, blocks):
            return False
        if blob.blocks is None:
            blob.blocks = blocks
            self.listless.pop(blob.id, None)
            blob.chapter.free |= (blob.full & ~blob.here) << blob.first
        return True

    def drop(self, key: str) -> list[Blob]:
        """A want is over; the blobs that nobody wants any more."""
        want = self._wants.pop(key)
        for blob in want.blobs:
            blob.keys = tuple(other for other in blob.keys if other != key)
        orphans = [blob for blob in want.blobs if not blob.keys]
        for blob in orphans:
            del self.blobs[blob.id]
            self.empties.pop(blob.id, None)
            self.listless.pop(blob.id, None)
            blob.chapter.left_blobs -= 1
        for blob in orphans:
            if blob.chapter.left_blobs:
                blob.chapter.need &= ~blob.mask
                blob.chapter.free &= ~blob.mask
        self._sweep()
        return orphans

    def keep(self, blob: Blob, bits: int, *, is_fetched: bool) -> None:
        """These of its blocks are in the store now."""
        fresh = bits & ~blob.here & blob.full
        if not fresh:
            return
        before = blob.here_bytes
        blob.here |= fresh
        blob.chapter.need &= ~(fresh << blob.first)
        blob.chapter.free &= ~(fresh << blob.first)
        size_bytes, is_complete = blob.here_bytes - before, blob.is_complete
        if is_complete:
            self.empties.pop(blob.id, None)
            self.listless.pop(blob.id, None)
        for key in blob.keys:
            want = self._wants[key]
            want.done_bytes += size_bytes
            if is_fetched:
                want.fetched(size_bytes)
            if is_complete:
                want.left -= 1
                if not want.left:
                    self.finished.append(want)

    def lose(self, blob: Blob, bits: int) -> int:
        """These of its blocks are no longer in the store; which of them were."""
        lost = bits & blob.here
        if not lost:
            return 0
        before, was_complete = blob.here_bytes, blob.is_complete
        blob.here &= ~lost
        blob.chapter.need |= lost << blob.first
        self.is_closed = self.is_closed or not blob.chapter.is_open
        if blob.blocks is None:
            self.listless[blob.id] = blob
        else:
            blob.chapter.free |= lost << blob.first
        if not blob.ref.size_bytes:
            self.empties[blob.id] = blob
        for key in blob.keys:
            self._wants[key].done_bytes -= before - blob.here_bytes
            self._wants[key].left += was_complete
        return lost

    def open(self) -> list[Chapter]:
        """Open as many chapters as peers can be asked to watch for; those that are newly open."""
        opened: list[Chapter] = []
        if not self.is_closed:
            return opened
        self.is_closed = False
        for chapter in self.chapters:
            if chapter.is_open or not chapter.need:
                continue
            count = len(chapter.blobs)
            limit = MAX_SMALL_OPEN_BLOBS if count <= SMALL_BLOBS else MAX_OPEN_BLOBS
            if self._open_blobs and self._open_blobs + count > limit:
                self.is_closed = True
                continue
            chapter.is_open = True
            self._open_blobs += count
            opened.append(chapter)
        return opened

    def close_finished(self) -> None:
        """Make room for further chapters: a chapter of which everything is here needs no watching."""
        for chapter in self.chapters:
            if chapter.is_open and not chapter.need:
                chapter.is_open = False
                self._open_blobs -= len(chapter.blobs)

    def _new(self, ref: BlobRef, blocks: BlockList | None) -> Blob:
        if block_count(ref.size_bytes) == 1:
            proven: BlockList | None = BlockList(ref.size_bytes, (ref.id,))
        else:
            proven = blocks if _is_list_of(ref, blocks) else None
        blob = Blob(ref, proven)
        if not ref.size_bytes:
            self.empties[ref.id] = blob
        elif blob.blocks is None:
            self.listless[ref.id] = blob
        self.blobs[ref.id] = blob
        return blob

    def _number(self, want: Want, fresh: list[Blob]) -> None:
        chapters = chapters_of(fresh)
        own = set(map(id, chapters))
        want.parts = [Part(chapter, chapter.need) for chapter in chapters]
        shared: dict[int, Part] = {}
        for blob in want.blobs:
            if id(blob.chapter) not in own:
                part = shared.get(id(blob.chapter), Part(blob.chapter, 0))
                shared[id(blob.chapter)] = Part(blob.chapter, part.mask | blob.mask)
        want.parts += shared.values()
        self.chapters += chapters
        self.is_closed = self.is_closed or bool(chapters)

    def _sweep(self) -> None:
        for chapter in self.chapters:
            if not chapter.left_blobs and chapter.is_open:
                self._open_blobs -= len(chapter.blobs)
        self.chapters = [chapter for chapter in self.chapters if chapter.left_blobs]


def is_named(id_: BlobId, blocks: BlockList) -> bool:
    """Whether these hashes are proven by that name, whatever size was wanted."""
    try:
        blocks.check()
    except InvalidManifest:
        return False
    return blocks.id == id_


def _is_list_of(ref: BlobRef, blocks: BlockList | None) -> bool:
    """Whether these hashes are proven by the blob's name, for its size; an empty blob needs none."""
    if blocks is None or not ref.size_bytes or blocks.size_bytes != ref.size_bytes:
        return False
    return is_named(ref.id, blocks)
