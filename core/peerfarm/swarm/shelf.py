"""What this node holds of blobs that linked peers seek, and what they were told of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import MIN_BLOCK_BYTES, BlobId, block_bytes, block_count
from peerfarm.protocol.transfer import ALL, NOTHING, Have, Unseek, encode_bits
from peerfarm.swarm.chapters import Blob
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.peers import Peer, Peers

MAX_INTERESTS = 1 << 18
"""Blobs that one peer may seek at a time."""
TELL_EVERY_S = 0.1


class Sought:
    """A blob that some peer seeks."""

    __slots__ = ("bits", "seekers", "size_bytes", "waiting")

    def __init__(self) -> None:
        self.bits = 0
        """What is here of it."""
        self.size_bytes = -1
        """Not known below 0."""
        self.seekers = 0
        """Bit s: the peer in slot s seeks it."""
        self.waiting = 0
        """Of these, who was told nothing so far; the store is being looked into."""


class Shelf:
    """The side that serves: answers what is sought, and tells of changes in batches."""

    def __init__(self, peers: Peers, outbox: Outbox) -> None:
        self._peers = peers
        self._outbox = outbox
        self._sought: dict[BlobId, Sought] = {}
        self._interests: dict[int, int] = {}
        """Slot -> how many blobs that peer seeks."""
        self._changed: dict[BlobId, None] = {}
        self._complete: dict[BlobId, None] = {}
        """Wanted here and complete since the last batch: no peer need tell of them any more."""
        self._told_s = 0.0

    def length_of(self, blob_id: BlobId) -> int:
        """About how long each block of a blob is."""
        sought = self._sought.get(blob_id)
        if sought is None or sought.size_bytes < 0:
            return MIN_BLOCK_BYTES
        return min(sought.size_bytes, block_bytes(sought.size_bytes))

    def seek(self, peer: Peer, ids: Iterable[BlobId], wanted: dict[BlobId, Blob]) -> None:
        """A peer seeks blobs. What is wanted here or known is answered at once, else the store is looked into.

        Raises:
            PeerProtocolError: It seeks more than MAX_INTERESTS.
        """
        bit = 1 << peer.slot
        count = self._interests.get(peer.slot, 0)
        rows = []
        for each in ids:
            sought = self._sought.get(each)
            if sought is None:
                sought = self._sought[each] = Sought()
                blob = wanted.get(each)
                if blob is not None:
                    sought.bits, sought.size_bytes = blob.here, blob.ref.size_bytes
                else:
                    self._outbox.effects.looks.append(each)
                    sought.waiting = bit
            elif sought.waiting:
                sought.waiting |= bit
            if not sought.seekers & bit:
                sought.seekers |= bit
                count += 1
            if not sought.waiting:
                rows.append((each, self._bitmap(sought)))
        self._interests[peer.slot] = count
        self._outbox.put(peer.node, Have, rows)
        if count > MAX_INTERESTS:
            raise PeerProtocolError(f"seeks more than {MAX_INTERESTS} files at a time")

    def unseek(self, peer: Peer, ids: Iterable[BlobId]) -> None:
        """A peer seeks these no longer."""
        bit = 1 << peer.slot
        for each in ids:
            sought = self._sought.get(each)
            if sought is not None and sought.seekers & bit:
                self._interests[peer.slot] -= 1
                self._leave(each, sought, bit)

    def unlink(self, peer: Peer) -> None:
        """A peer is away, and with it what it sought."""
        bit = 1 << peer.slot
        if self._interests.pop(peer.slot, 0):
            for each, sought in tuple(self._sought.items()):
                if sought.seekers & bit:
                    self._leave(each, sought, bit)

    def learn(self, blob_id: BlobId, bits: int, size_bytes: int) -> None:
        """The store holds these blocks, besides what is known."""
        sought = self._sought.get(blob_id)
        if sought is None:
            return
        if sought.size_bytes < 0 or sought.size_bytes != size_bytes:
            sought.bits, sought.size_bytes = 0, size_bytes
        if bits & ~sought.bits or sought.waiting:
            sought.bits |= bits
            self._change(blob_id, sought)

    def lose(self, blob_id: BlobId, bits: int = -1) -> None:
        """The store does not hold these blocks; all, if none are named."""
        sought = self._sought.get(blob_id)
        if sought is not None and (sought.bits & bits or sought.waiting):
            sought.bits &= ~bits
            self._change(blob_id, sought)

    def completed(self, blob: Blob) -> None:
        """A wanted blob is complete."""
        self._complete[blob.id] = None

    def sought_here(self, ids: Iterable[BlobId]) -> None:
        """This node seeks these (again): a completion before that is no news."""
        for each in ids:
            self._complete.pop(each, None)

    def settle(self, now_s: float) -> None:
        """Tell what changed, once in TELL_EVERY_S."""
        if not (self._changed or self._complete) or now_s - self._told_s < TELL_EVERY_S:
            return
        self._told_s = now_s
        peers = tuple(self._peers)
        rows: dict[int, list[tuple[BlobId, bytes]]] = {peer.slot: [] for peer in peers}
        for each in self._changed:
            sought = self._sought.get(each)
            if sought is not None:
                bitmap = self._bitmap(sought)
                for slot in _slots(sought.seekers & ~sought.waiting):
                    rows[slot].append((each, bitmap))
        for peer in peers:
            self._outbox.put(peer.node, Have, rows[peer.slot])
            self._outbox.put(peer.node, Unseek, [each for each in self._complete if not self._tells(each, peer)])
        self._changed.clear()
        self._complete.clear()

    def due_s(self, now_s: float) -> float:
        """In how many seconds something is to be told."""
        return max(0.0, self._told_s + TELL_EVERY_S - now_s) if self._changed or self._complete else 60.0

    def _tells(self, blob_id: BlobId, peer: Peer) -> bool:
        """Whether a peer is told just now that the blob is complete here, which says that it is sought no more."""
        sought = self._sought.get(blob_id)
        if sought is None or blob_id not in self._changed or self._bitmap(sought) != ALL:
            return False
        return bool((sought.seekers & ~sought.waiting) >> peer.slot & 1)

    def _change(self, blob_id: BlobId, sought: Sought) -> None:
        if sought.waiting:
            row = (blob_id, self._bitmap(sought))
            for peer in self._peers:
                if sought.waiting >> peer.slot & 1:
                    self._outbox.put(peer.node, Have, (row,))
            told, sought.waiting = sought.waiting, 0
            if told == sought.seekers:
                return
        self._changed[blob_id] = None

    def _leave(self, blob_id: BlobId, sought: Sought, bit: int) -> None:
        sought.seekers &= ~bit
        sought.waiting &= ~bit
        if not sought.seekers:
            del self._sought[blob_id]

    @staticmethod
    def _bitmap(sought: Sought) -> bytes:
        return encode_bits(sought.bits, max(1, block_count(sought.size_bytes))) if sought.size_bytes >= 0 else NOTHING


def _slots(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
