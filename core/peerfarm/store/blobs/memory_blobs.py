"""The blob store's twin in memory, on a disk that can be full, lose what was not synced, be damaged and be lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from peerfarm.errors import DiskFull, InvalidManifest, StoreError
from peerfarm.model.blob import EMPTY_ID, MIN_BLOCK_BYTES, BlobId, BlobRef, BlockList, block_range, blocks_of
from peerfarm.store.blobs.api import Gone, GoneReason, Usage
from peerfarm.store.blobs.shelf import Shelf


@dataclass(slots=True)
class _Held:
    """One blob on the disk."""

    blocks: BlockList
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return len(self.parts) == len(self.blocks.hashes)


class MemoryBlobDisk:
    """A disk for `MemoryBlobs`, one at a time; it outlives them as a real disk outlives a process.

    Attributes:
        full: Every write is refused with DiskFull and changes nothing.
    """

    def __init__(self) -> None:
        self.full = False
        self.held: dict[BlobId, _Held] = {}
        self.pins: dict[str, frozenset[BlobId]] = {}

    def crash(self) -> None:
        """Cut the power: what had been fetched of blobs that are not whole is lost."""
        for held in self.held.values():
            if not held.is_whole:
                held.parts.clear()

    def lose(self) -> None:
        """Put an empty disk in its place."""
        self.held.clear()
        self.pins.clear()

    def damage(self, id_: BlobId, block: int) -> bool:
        """Change a byte of a block; False when it is not here."""
        held = self.held.get(id_)
        if held is None or block not in held.parts:
            return False
        part = held.parts[block]
        held.parts[block] = bytes([part[0] ^ 1]) + part[1:]
        return True


class MemoryBlobs:
    """`api.Blobs` in memory; see there for what each method promises. For one thread."""

    def __init__(self, disk: MemoryBlobDisk, quota_bytes: int) -> None:
        self._disk = disk
        self._shelf = Shelf(quota_bytes)
        self._gone: list[Gone] = []
        for id_, held in list(disk.held.items()):
            if len(held.blocks.hashes) == 1 and not held.is_whole:  # there is nothing of it on a real disk either
                del disk.held[id_]
                continue
            self._shelf.add(id_, held.blocks.size_bytes)
        for ids in disk.pins.values():
            self._shelf.keep(ids)

    def has(self, id: BlobId) -> bool:  # noqa: A002 - as in `api`
        """Whether the blob is here as a whole; see Blobs."""
        held = self._disk.held.get(id)
        return id == EMPTY_ID or (held is not None and held.is_whole)

    def ref_of(self, id: BlobId) -> BlobRef | None:  # noqa: A002 - as in `api`
        """The blob with the size that it has here; see Blobs."""
        held = self._disk.held.get(id)
        if held is None:
            return BlobRef(id, 0) if id == EMPTY_ID else None
        return held.blocks.ref

    def bitmap(self, ref: BlobRef) -> int:
        """Which blocks are here; see Blobs."""
        held = self._held(ref)
        return 0 if held is None else sum(1 << block for block in held.parts)

    def block_list(self, ref: BlobRef) -> BlockList | None:
        """The hashes of its blocks, if they are known; see Blobs."""
        if 0 <= ref.size_bytes <= MIN_BLOCK_BYTES:
            return BlockList(ref.size_bytes, (bytes(ref.id),) if ref.size_bytes else ())
        held = self._held(ref)
        return None if held is None else held.blocks

    def begin(self, ref: BlobRef, blocks: BlockList, *, is_frame: bool = False) -> None:
        """Make ready to take its blocks; see Blobs."""
        blocks.check()
        if blocks.ref != ref:
            raise InvalidManifest("a list of block hashes that is not of the blob it was given for")
        if ref.id == EMPTY_ID or ref.id in self._disk.held:
            return
        self._refuse_when_full()
        self.needs(ref.size_bytes, is_frame=is_frame)
        self._disk.held[ref.id] = _Held(blocks)
        self._shelf.add(ref.id, ref.size_bytes)

    def write_block(self, ref: BlobRef, block: int, data: bytes) -> bool:
        """Keep one block; see Blobs."""
        if self.has(ref.id):
            return True
        held = self._disk.held.get(ref.id)
        if held is None:
            raise StoreError("a block of a file that has not been begun, or was evicted", "Begin it again.")
        blocks = self.block_list(ref) if len(held.blocks.hashes) == 1 else held.blocks
        if blocks is None or blocks.ref != ref or not blocks.proves(block, data):
            return False
        self._refuse_when_full()
        if held.blocks != blocks:  # it was named with a wrong size before
            held = self._disk.held[ref.id] = _Held(blocks)
            self._shelf.remove(ref.id)
            self._shelf.add(ref.id, ref.size_bytes)
        held.parts[block] = bytes(data)
        if held.is_whole:
            self._shelf.use(ref.id)
        return True

    def write_blocks(self, writes: Sequence[tuple[BlobRef, int, bytes]]) -> list[bool]:
        """Keep several blocks; see Blobs."""
        return [self.write_block(*write) for write in writes]

    def read_block(self, ref: BlobRef, block: int) -> bytes | None:
        """One block, compared with its hash; see Blobs."""
        held = self._held(ref)
        data = None if held is None else held.parts.get(block)
        if held is None or data is None:
            return None
        if not held.blocks.proves(block, data):
            if held.is_whole:
                self._remove(ref.id, GoneReason.DAMAGED)
            else:
                del held.parts[block]
            return None
        self._shelf.use(ref.id)
        return data

    def read_bytes(self, ref: BlobRef) -> bytes | None:
        """The whole blob; see Blobs."""
        blocks = self.block_list(ref)
        if not self.has(ref.id) or blocks is None:
            return None
        parts = [self.read_block(ref, block) for block in range(len(blocks.hashes))]
        return None if None in parts else b"".join(part for part in parts if part is not None)

    def put_bytes(self, raw: bytes, pin: str = "") -> tuple[BlobRef, BlockList]:
        """Keep what is in memory; see Blobs."""
        blocks = blocks_of(raw)
        ref = blocks.ref
        self.begin(ref, blocks)
        for block in range(len(blocks.hashes)):
            first, length = block_range(len(raw), block)
            self.write_block(ref, block, raw[first : first + length])
        self._shelf.use(ref.id)
        if pin:
            self.pin(pin, self.pinned(pin) | {ref.id})
        return ref, blocks

    def drop(self, id: BlobId) -> None:  # noqa: A002 - as in `api`
        """Forget a blob; see Blobs."""
        self._remove(id, None)

    def pin(self, key: str, ids: Iterable[BlobId]) -> None:
        """Keep these blobs from eviction; see Blobs."""
        wanted, former = frozenset(ids), self.pinned(key)
        if wanted == former:
            return
        if wanted:
            self._refuse_when_full()
        self._shelf.keep(wanted)
        self._shelf.let_go(former)
        self._disk.pins.pop(key, None)
        if wanted:
            self._disk.pins[key] = wanted

    def unpin(self, key: str) -> None:
        """Let go of what the key pinned; see Blobs."""
        self.pin(key, ())

    def pinned(self, key: str) -> frozenset[BlobId]:
        """What a key pins; see Blobs."""
        return self._disk.pins.get(key, frozenset())

    def pin_keys(self) -> tuple[str, ...]:
        """All keys; see Blobs."""
        return tuple(sorted(self._disk.pins))

    def usage(self) -> Usage:
        """What is held now; see Blobs."""
        shelf = self._shelf
        whole = sum(1 for held in self._disk.held.values() if held.is_whole)
        return Usage(shelf.bytes, shelf.pinned_bytes, shelf.quota_bytes, whole)

    def needs(self, size_bytes: int, *, is_frame: bool = False) -> None:
        """Evict until there is room for so much more; see Blobs."""
        self._make_room(size_bytes, is_frame=is_frame)

    def evict(self) -> tuple[BlobId, ...]:
        """Keep the quota again; see Blobs."""
        return self._make_room(0)

    def take_gone(self) -> tuple[Gone, ...]:
        """The blobs that went away since the last call; see Blobs."""
        gone, self._gone = self._gone, []
        return tuple(gone)

    def _held(self, ref: BlobRef) -> _Held | None:
        held = self._disk.held.get(ref.id)
        return held if held is not None and held.blocks.ref == ref else None

    def _refuse_when_full(self) -> None:
        if self._disk.full:
            raise DiskFull("no room on the disk", "Make room on it; this node fetches no files until then.")

    def _make_room(self, size_bytes: int, *, is_frame: bool = False) -> tuple[BlobId, ...]:
        target_bytes = self._shelf.bytes - self._shelf.too_much(size_bytes, is_frame=is_frame)
        evicted = []
        while self._shelf.bytes > target_bytes and (oldest := self._shelf.oldest()) is not None:
            self._remove(oldest, GoneReason.EVICTED)
            evicted.append(oldest)
        return tuple(evicted)

    def _remove(self, id_: BlobId, reason: GoneReason | None) -> None:
        if self._disk.held.pop(id_, None) is not None:
            self._shelf.remove(id_)
            if reason is not None:
                self._gone.append(Gone(id_, reason))
