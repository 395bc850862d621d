"""The linked peers: what each owes this node, how fast it sends, and how far it is trusted."""

from __future__ import annotations

from collections.abc import Iterator

from peerfarm.model.blob import BlobId
from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import BlockRow
from peerfarm.swarm.chapters import Blob

FIRST_WINDOW_BYTES = 1 << 20
MIN_WINDOW_BYTES = 256 << 10
MAX_WINDOW_BYTES = 12 << 20
"""Less than a link takes before it refuses; a single block may be longer."""
WINDOW_S = 0.25
"""A peer's window is what it sends in this time."""
MIN_ASKS = 2
MAX_ASKS = 2048
"""Under way to one peer; tiny blobs would not fill a window."""
RATE_EVERY_S = 0.2
RATE_OVER_S = 1.0
BAN_S = 600.0
"""A peer that sent two bad blocks within this time is not asked for as long."""
DOUBT_S = 5.0
"""After its first bad block nothing is asked of a peer for this time, so that others are asked for that block."""
SPARE_BYTES = 4 << 20
"""What may arrive without having been asked for, besides what was asked and is no longer needed."""


class Ask:
    """A block that one peer was asked for."""

    __slots__ = ("asked_s", "blob", "block", "got", "length", "parts")

    def __init__(self, blob: Blob, block: int, asked_s: float) -> None:
        self.blob = blob
        self.block = block
        self.length = blob.length(block)
        self.asked_s = asked_s
        self.got = 0
        """Bytes that arrived."""
        self.parts: list[bytes] = []

    @property
    def row(self) -> BlockRow:
        """As messages name it."""
        return self.blob.ref.id, self.block


class Peer:
    """A linked peer as somebody to ask."""

    def __init__(self, node: NodeId, slot: int) -> None:
        self.node = node
        self.slot = slot
        """A small number that no other linked peer has."""
        self.asks: dict[BlockRow, Ask] = {}
        """Oldest first."""
        self.owed_bytes = 0
        """Asked, and not arrived in full."""
        self.rate_bytes_s = 0.0
        self.window_bytes = FIRST_WINDOW_BYTES
        self.heard_s = 0.0
        """When it last sent a part of a block, or was asked while it owed nothing."""
        self.pause_until_s = 0.0
        """Nothing is asked of it before."""
        self.silences = 0
        """How often it sent nothing for too long, since it last sent something."""
        self.lacks = 0
        """Messages in a row that told of lacking blocks, without a block between them."""
        self.lists: dict[BlobId, float] = {}
        """Block lists asked of it, and when."""
        self.spare_bytes = SPARE_BYTES
        self.duel_s = 0.0
        """When it may next be asked for what others owe."""
        self._arrived_bytes = 0
        self._since_s = 0.0

    @property
    def has_room(self) -> bool:
        """Whether one more block may be asked of it: two at least are under way, however long they are."""
        count = len(self.asks)
        return count < MAX_ASKS and (self.owed_bytes < self.window_bytes or count < MIN_ASKS)

    def ask(self, ask: Ask, now_s: float) -> None:
        """It owes this now."""
        if not self.asks:
            self.heard_s = now_s
            self._arrived_bytes, self._since_s = 0, now_s
        self.asks[ask.row] = ask
        self.owed_bytes += ask.length

    def settle(self, row: BlockRow) -> Ask | None:
        """It owes this no more; what was asked, or None."""
        ask = self.asks.pop(row, None)
        if ask is not None:
            self.owed_bytes -= ask.length
        return ask

    def excuse(self, ask: Ask) -> None:
        """What is no longer needed may arrive nevertheless."""
        self.spare_bytes += ask.length

    def arrived(self, size_bytes: int, now_s: float) -> None:
        """It sent a part of a block that it owes; sets its rate and its window."""
        self.heard_s = now_s
        self.silences = self.lacks = 0
        self._arrived_bytes += size_bytes
        spent_s = now_s - self._since_s
        if spent_s < RATE_EVERY_S:
            return
        latest = self._arrived_bytes / spent_s
        share = min(1.0, spent_s / RATE_OVER_S) if self.rate_bytes_s else 1.0
        self.rate_bytes_s += (latest - self.rate_bytes_s) * share
        self._arrived_bytes, self._since_s = 0, now_s
        self.window_bytes = int(min(MAX_WINDOW_BYTES, max(MIN_WINDOW_BYTES, self.rate_bytes_s * WINDOW_S)))


class Peers:
    """All linked peers, and what is remembered of those that sent bad blocks."""

    def __init__(self) -> None:
        self._peers: dict[NodeId, Peer] = {}
        self._bad_s: dict[NodeId, float] = {}
        self._banned: dict[NodeId, float] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, node: NodeId) -> Peer | None:
        """A linked peer."""
        return self._peers.get(node)

    def link(self, node: NodeId) -> Peer:
        """A peer's link opened."""
        taken = {peer.slot for peer in self}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        peer = self._peers[node] = Peer(node, slot)
        return peer

    def unlink(self, node: NodeId) -> None:
        """It closed."""
        del self._peers[node]

    def is_banned(self, node: NodeId) -> bool:
        """Whether nothing is asked of that peer."""
        return node in self._banned

    def blame(self, node: NodeId, now_s: float) -> bool:
        """A peer sent a bad block; whether it has just lost all trust by that. Remembered when its link closes."""
        if self.is_banned(node):
            return False
        before_s = self._bad_s.get(node)
        self._bad_s[node] = now_s
        peer = self._peers.get(node)
        if peer is not None:
            peer.pause_until_s = max(peer.pause_until_s, now_s + DOUBT_S)
        if before_s is None or now_s - before_s > BAN_S:
            return False
        self._banned[node] = now_s + BAN_S
        return True

    def pardon(self, now_s: float) -> list[NodeId]:
        """Those whose ban is over."""
        over = [node for node, until_s in self._banned.items() if until_s <= now_s]
        for node in over:
            del self._banned[node]
            self._bad_s.pop(node, None)
        return over
