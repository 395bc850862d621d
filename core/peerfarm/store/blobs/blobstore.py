"""The blobs of a node on its disk: content by name, durable before it counts as here, compared whenever it is read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from peerfarm.errors import InvalidManifest, StoreError
from peerfarm.model.blob import EMPTY_ID, MIN_BLOCK_BYTES, BlobId, BlobRef, BlockList, block_range, blocks_of
from peerfarm.model.manifest import Manifest
from peerfarm.store.blobs import checkout
from peerfarm.store.blobs.api import Gone, GoneReason, Usage
from peerfarm.store.blobs.contents import Contents, ignore
from peerfarm.store.blobs.disk import Note, create
from peerfarm.store.blobs.intake import Intake
from peerfarm.store.blobs.layout import Draft, Layout
from peerfarm.store.blobs.partial import Partial
from peerfarm.store.blobs.reading import read_fault
from peerfarm.store.blobs.stock import Hold, Stock


class BlobStore:
    """`api.Blobs` on a disk; opening it removes drafts and finds what had been begun.

    Content is written under a temporary name, synced, renamed, and the rename synced: a crash at any point leaves a
    blob whole or not there. One store a directory, under the home's lock.

    Raises:
        StoreError: The directory or the pins cannot be opened.
    """

    def __init__(self, directory: Path, quota_bytes: int) -> None:
        self._layout = Layout(directory)
        self._stock = Stock(self._layout, quota_bytes)
        self._contents = Contents(self._layout, self._stock)
        self._intake = Intake(self._layout, self._stock, self._contents)
        self._beginning = threading.Lock()

    def close(self) -> None:
        """Give the files free; a second call does nothing."""
        self._stock.close()

    # What is here

    def has(self, id: BlobId) -> bool:  # noqa: A002 - as in `api`
        """Whether the blob is here as a whole; see Blobs."""
        return self._stock.size_of(id) is not None

    def ref_of(self, id: BlobId) -> BlobRef | None:  # noqa: A002 - as in `api`
        """The blob with the size that it has here; see Blobs."""
        partial = self._stock.partial(id)
        size_bytes = partial.ref.size_bytes if partial is not None else self._stock.size_of(id)
        return None if size_bytes is None else BlobRef(id, size_bytes)

    def bitmap(self, ref: BlobRef) -> int:
        """Which blocks are here; see Blobs. The first call after a crash reads what had been fetched."""
        partial = self._stock.partial(ref.id)
        if partial is not None:
            if partial.ref != ref:
                return 0
            mask = partial.mask()
            if not partial.is_single and partial.claim():  # the crash came after its last block
                self._intake.finish([(partial, None)])
            return mask
        if self._stock.size_of(ref.id) != ref.size_bytes:
            return 0
        return (1 << len(self._count(ref))) - 1

    def _count(self, ref: BlobRef) -> range:
        return range(len(blocks.hashes)) if (blocks := self.block_list(ref)) is not None else range(0)

    def block_list(self, ref: BlobRef) -> BlockList | None:
        """The hashes of its blocks, if they are known; see Blobs."""
        if 0 <= ref.size_bytes <= MIN_BLOCK_BYTES:
            return BlockList(ref.size_bytes, (bytes(ref.id),) if ref.size_bytes else ())
        partial = self._stock.partial(ref.id)
        if partial is not None:
            return partial.blocks if partial.ref == ref else None
        if self._stock.size_of(ref.id) != ref.size_bytes:
            return None
        return self._contents.block_list(ref)

    # Fetching

    def begin(self, ref: BlobRef, blocks: BlockList, *, is_frame: bool = False) -> None:
        """Make ready to take its blocks; see Blobs."""
        blocks.check()
        if blocks.ref != ref:
            raise InvalidManifest("a list of block hashes that is not of the blob it was given for")
        with self._beginning:
            if self._is_begun(ref):
                return
            self._stock.set_aside(ref.size_bytes, is_frame=is_frame)
            partial = Partial(blocks, self._layout.partial_of(ref.id), self._layout.file_of(ref.id))
            try:
                partial.make()
                is_new = self._stock.begin(partial)
            except BaseException:
                self._stock.give_back(ref.size_bytes)
                raise
            if not is_new:  # it was taken in meanwhile
                self._stock.give_back(ref.size_bytes)
                partial.discard()

    def _is_begun(self, ref: BlobRef) -> bool:
        """Whether it is here, or on its way; a file of another size under that name is looked at."""
        if self._stock.partial(ref.id) is not None:
            return True
        size_bytes = self._stock.size_of(ref.id)
        if size_bytes in {None, ref.size_bytes}:
            return size_bytes is not None
        if self._contents.hashed(BlobRef(ref.id, size_bytes or 0), ignore) is not None:
            raise InvalidManifest(f"a file that is said to have {ref.size_bytes} bytes has {size_bytes}")
        return False

    def write_block(self, ref: BlobRef, block: int, data: bytes) -> bool:
        """Keep one block; see Blobs."""
        return self.write_blocks([(ref, block, data)])[0]

    def write_blocks(self, writes: Sequence[tuple[BlobRef, int, bytes]]) -> list[bool]:
        """Keep several blocks with two waits for the disk in all, or none; see Blobs."""
        answers = []
        whole: list[tuple[Partial, bytes | None]] = []
        try:
            for ref, block, data in writes:
                partial = self._awaited(ref)
                if partial is None:
                    answers.append(True)
                    continue
                # Whoever names a blob of one block with a wrong size must not keep others from getting it.
                blocks = self.block_list(ref) if partial.is_single else partial.blocks
                answers.append(blocks is not None and blocks.ref == ref and blocks.proves(block, data))
                if not answers[-1]:
                    continue
                if partial.is_single:
                    if partial.claim():
                        whole.append((partial, data))
                elif partial.write(block, data):
                    whole.append((partial, None))
        except BaseException:
            for partial, _ in whole:
                partial.doubt()
            raise
        self._intake.finish(whole)
        return answers

    def _awaited(self, ref: BlobRef) -> Partial | None:
        """The begun blob; None when it is whole already."""
        partial = self._stock.partial(ref.id)
        if partial is None and self._stock.size_of(ref.id) is None:
            raise StoreError("a block of a file that has not been begun, or was evicted", "Begin it again.")
        return partial

    # Reading

    def read_block(self, ref: BlobRef, block: int) -> bytes | None:
        """One block, compared with its hash; see Blobs."""
        partial = self._stock.partial(ref.id)
        if partial is not None:
            return partial.read(block) if partial.ref == ref and block >= 0 else None
        if self._stock.size_of(ref.id) != ref.size_bytes:
            return None
        blocks = self.block_list(ref)
        if blocks is None or not 0 <= block < len(blocks.hashes):
            return None
        return self._contents.read_block(ref, blocks, block)

    def read_bytes(self, ref: BlobRef) -> bytes | None:
        """The whole blob; see Blobs."""
        if not self.has(ref.id):
            return None
        blocks = self.block_list(ref)
        parts = [self.read_block(ref, block) for block in range(len(blocks.hashes))] if blocks is not None else [None]
        return None if None in parts else b"".join(part for part in parts if part is not None)

    def open_blob(self, ref: BlobRef, *, verify: bool = False) -> Path | None:
        """The file of a whole blob, to be read and never written; None when it is not here.

        Args:
            verify: Compare its content with its name first, all of it; None as well when it was damaged, and is gone.
        """
        if self._stock.size_of(ref.id) != ref.size_bytes:
            return None
        if ref.id == EMPTY_ID:
            return self._empty_file()
        if verify and self._contents.hashed(ref, ignore) is None:
            return None
        self._contents.use(ref.id)
        path = self._layout.file_of(ref.id)
        if path.exists():
            return path
        self._stock.forget(ref.id, GoneReason.DAMAGED)
        return None

    def sound_file(self, ref: BlobRef, note: Note) -> Path | None:
        """The file of a whole blob that somebody will read without comparing; None when it is not here or was damaged.

        It is compared with its name unless that was done since this store was opened, and the file's size and time are
        still the same: a renderer with an administrator's rights can write even to what is read-only.
        """
        if self._stock.size_of(ref.id) != ref.size_bytes:
            return None
        return self._contents.sound_file(ref, note)

    def mark_time(self, id: BlobId, path: Path, mtime_ns: int) -> None:  # noqa: A002 - as in `api`
        """Give a blob's file a time, unless it is shared by more than `path`, its other name."""
        self._contents.mark_time(id, path, mtime_ns)

    def lay_out(
        self,
        manifest: Manifest,
        directory: Path,
        progress: checkout.Progress | None = None,
        cancelled: checkout.Cancelled | None = None,
        system: str = "",
    ) -> None:
        """Make a new folder with all files of a manifest; see `checkout.lay_out`. Nothing of it goes meanwhile."""
        with self._stock.hold() as hold:
            hold.add({file.blocks.id for file in manifest.files})
            checkout.lay_out(self, manifest, directory, progress, cancelled, system)

    # Taking in

    def take_in(self, path: Path, *, keep: bool, pin: str = "") -> tuple[BlobRef, BlockList]:
        """Keep the content of a file, durably.

        Args:
            keep: True copies it, or shares its blocks where the disk can, and follows links; False is for a frame that
                this node rendered: it is moved in, without a copy where that can be, and is no longer there when this
                returns. Frames may take more than the quota.
            pin: A key under which it is pinned besides what that key pins already.

        Raises:
            FileFault: It cannot be read, or did not hold still.
            StoreError: The disk refuses; DiskFull. The file is still there.
        """
        draft, _ = self.draft_of(path, ignore, is_own=not keep)
        self._take(draft, pin)
        if not keep:
            try:
                path.unlink()
            except OSError as error:
                raise read_fault(path, error) from error
        return draft.blocks.ref, draft.blocks

    def put_bytes(self, raw: bytes, pin: str = "") -> tuple[BlobRef, BlockList]:
        """Keep what is in memory; see Blobs."""
        blocks = blocks_of(raw)
        with self._stock.hold() as hold:
            hold.add([blocks.id])
            if self._stock.size_of(blocks.id) == len(raw):
                self._contents.use(blocks.id)
            elif self._stock.partial(blocks.id) is not None:  # its room is set aside already
                parts = (block_range(len(raw), block) for block in range(len(blocks.hashes)))
                self.write_blocks(
                    [(blocks.ref, block, raw[at : at + length]) for block, (at, length) in enumerate(parts)]
                )
            else:
                self._intake.settle([self._intake.draft_of_bytes(blocks, raw)], hold)
            if pin:
                self._stock.pin_more(pin, [blocks.id])
        return blocks.ref, blocks

    def _take(self, draft: Draft, pin: str) -> None:
        with self._stock.hold() as hold:
            self._intake.settle([draft], hold)
            if pin:
                self._stock.pin_more(pin, [draft.id])

    def draft_of(self, path: Path, note: Note, *, is_own: bool = False) -> tuple[Draft, os.stat_result]:
        """Copy a file in and hash it, with room set aside, but make nothing durable; and what the file was then.

        `is_own` is for frames that this node rendered, as `keep` of `take_in`, but the file stays.
        The draft ends in `settle` or in `give_up`. Raises as `take_in`.
        """
        return self._intake.draft_of(path, note, is_own=is_own)

    def settle(self, drafts: Sequence[Draft], hold: Hold) -> None:
        """Make drafts durable and whole, with two waits for the disk in all; none is evicted while `hold` lasts.

        Raises:
            StoreError: None of them is kept, and the drafts are gone.
        """
        self._intake.settle(drafts, hold)

    def give_up(self, draft: Draft) -> None:
        """Remove a draft that is not wanted."""
        self._intake.give_up(draft)

    # Keeping

    def drop(self, id: BlobId) -> None:  # noqa: A002 - as in `api`
        """Forget a blob; see Blobs."""
        self._stock.forget(id, None)

    def pin(self, key: str, ids: Iterable[BlobId]) -> None:
        """Keep these blobs from eviction, durably; see Blobs."""
        self._stock.pin(key, ids)

    def unpin(self, key: str) -> None:
        """Let go of what the key pinned; see Blobs."""
        self._stock.pin(key, ())

    def pinned(self, key: str) -> frozenset[BlobId]:
        """What a key pins; see Blobs."""
        return self._stock.pinned(key)

    def pin_keys(self) -> tuple[str, ...]:
        """All keys; see Blobs."""
        return self._stock.pin_keys()

    def hold(self) -> AbstractContextManager[Hold]:
        """Keep blobs from eviction for the length of a piece of work; nothing of it outlives the process."""
        return self._stock.hold()

    def usage(self) -> Usage:
        """What is held now; see Blobs."""
        return self._stock.usage()

    def needs(self, size_bytes: int, *, is_frame: bool = False) -> None:
        """Evict until there is room for so much more; see Blobs."""
        self._stock.needs(size_bytes, is_frame=is_frame)

    def evict(self) -> tuple[BlobId, ...]:
        """Keep the quota again; see Blobs."""
        return self._stock.evict()

    def take_gone(self) -> tuple[Gone, ...]:
        """The blobs that went away since the last call; see Blobs."""
        return self._stock.take_gone()

    def _empty_file(self) -> Path:
        path = self._layout.file_of(EMPTY_ID)
        with suppress(FileExistsError):
            create(path).close()
        return path
