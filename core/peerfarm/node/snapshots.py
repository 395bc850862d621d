"""Cutting the logs at what everybody has, and giving the whole state to who asks for what was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.effects import SaveSnapshot
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.node.replication import Replication
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import MAX_ROWS, SnapshotGot, SnapshotPart
from peerfarm.state.farm import Farm
from peerfarm.state.logbook import LogKey, Vector, decode_vector, encode_vector
from peerfarm.state.snapshot import encode_snapshot, join_part

SNAPSHOT_ACTIONS = 50_000
"""Actions since the last snapshot that are worth a new one."""
MAX_SNAPSHOT_BYTES = 1 << 30
"""Of all snapshots that are under way to this node."""
ROW_BYTES = 256
"""What a position takes in memory."""
QUIET_S = 30.0
"""A transfer without a sign of life is given up after this."""
RESTART_S = 5.0
"""A peer that asks again so long after the last part lost one, or began anew: it gets all again."""

_Piece = tuple[bytes, Vector]


@dataclass(slots=True)
class _Sending:
    pieces: Iterator[_Piece]
    number: int
    moved_s: float


@dataclass(slots=True)
class _Receiving:
    moved_s: float
    parts: list[bytes] = field(default_factory=list)
    vector: Vector = field(default_factory=dict)
    number: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """The logs are cut here as soon as everybody alive has so much."""

    mark: int
    positions: dict[LogKey, int]


class Snapshots:
    """One node's snapshots: its own on disk, and those under way to and from peers."""

    def __init__(self, core: Core, presence: Presence, replication: Replication) -> None:
        self._core = core
        self._presence = presence
        self._replication = replication
        self._sending: dict[NodeId, _Sending] = {}
        self._receiving: dict[NodeId, _Receiving] = {}
        self._counted = 0
        self._planned: _Cut | None = None
        self.threshold = SNAPSHOT_ACTIONS
        replication.pulling.on_cut = self._begin
        replication.forks.on_corrected = lambda: self._save({})
        presence.on_gone.append(self._on_gone)

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        self._sending.pop(node, None)
        self._receiving.pop(node, None)

    # Sending

    def _begin(self, node: NodeId) -> None:
        if self._core.disk_error:
            return
        sending = self._sending.get(node)
        if sending is not None and self._core.mono_s - sending.moved_s < RESTART_S:
            return
        self._core.effects.must_sync = True
        pieces = _pieces(self._core.farm, dict(self._core.book.vector))
        self._sending[node] = _Sending(pieces, -1, self._core.mono_s)
        self._send_next(node)

    def _send_next(self, node: NodeId) -> None:
        sending = self._sending[node]
        sending.number += 1
        sending.moved_s = self._core.mono_s
        piece = next(sending.pieces, None)
        if piece is None:
            del self._sending[node]
        part, rows = piece or (b"", {})
        message = SnapshotPart(
            self._core.farm_id or "", sending.number, piece is None, part, tuple(encode_vector(rows))
        )
        self._core.send(node, message)

    def on_got(self, peer: Peer, message: SnapshotGot) -> None:
        """The peer took a part: the next one."""
        sending = self._sending.get(peer.node)
        if sending is not None and message.number == sending.number:
            self._send_next(peer.node)

    # Receiving

    def on_part(self, peer: Peer, message: SnapshotPart) -> None:
        """A part arrived; with the last one the whole is joined at once, for a state between would fit no vector.

        Only in answer to what this node asked that peer for, and only of this farm.
        """
        core = self._core
        if core.disk_error or message.farm != (core.farm_id or ""):
            return
        if message.number == 0:
            self._receiving.pop(peer.node, None)
            if self._replication.pulling.is_awaiting(peer.node):
                self._receiving[peer.node] = _Receiving(core.mono_s)
        receiving = self._receiving.get(peer.node)
        if receiving is None or message.number != receiving.number:
            return
        if not (message.is_last or message.part or message.vector):
            raise PeerProtocolError("a snapshot's part without content")
        self._take(peer.node, receiving, message)
        self._replication.pulling.moved(peer.node)
        if message.is_last:
            del self._receiving[peer.node]
            self._join(peer.node, receiving)
        else:
            core.send(peer.node, SnapshotGot(message.number))

    def _take(self, sender: NodeId, receiving: _Receiving, message: SnapshotPart) -> None:
        receiving.moved_s = self._core.mono_s
        receiving.number += 1
        if message.part:
            receiving.parts.append(message.part)
        receiving.vector |= decode_vector(message.vector)
        receiving.size_bytes += len(message.part) + ROW_BYTES * len(message.vector)
        while sum(other.size_bytes for other in self._receiving.values()) > MAX_SNAPSHOT_BYTES:
            slowest = min(self._receiving, key=lambda node: self._receiving[node].moved_s)
            del self._receiving[slowest]
            if slowest == sender:
                raise PeerProtocolError("a snapshot without end")

    def _join(self, sender: NodeId, receiving: _Receiving) -> None:
        core = self._core
        farm = core.farm
        for part in receiving.parts:
            farm = join_part(farm, part, core.farm_id or "")
        untouched = {
            (core.node, core.own_log or ""),
            *core.book.quarantined,
            *self._replication.link(sender).distrusted,
        }
        vector = {key: position for key, position in receiving.vector.items() if key not in untouched}
        ready = []
        for key, position in vector.items():
            if position.seq > core.book.seq_of(key):
                self._replication.forks.hearsay[key] = sender
                ready += core.book.jump(key, position)
        core.refresh(farm)
        core.take_in(ready)
        self._save({key: position.seq for key, position in vector.items()})
        self._replication.comparing.settle(sender)

    # The own snapshot

    def _save(self, further: dict[LogKey, int]) -> None:
        cut = dict(self._replication.cut)
        for key, seq in further.items():
            cut[key] = max(seq, cut.get(key, 0))  # what a peer's snapshot covers is not kept here
        self._counted, self._planned = self._core.book.total, None
        self._replication.cut = cut
        self._core.effects.must_sync = True
        self._core.effects.snapshot = SaveSnapshot(self._core.farm, dict(self._core.book.vector), cut)

    def tick(self) -> None:
        """Drop dead transfers; cut the logs when they have grown and everybody alive has them."""
        for transfers in (self._sending, self._receiving):
            for node in [n for n, transfer in transfers.items() if self._core.mono_s - transfer.moved_s > QUIET_S]:
                transfers.pop(node)
        book = self._core.book
        if self._counted == 0:
            self._counted = book.total
        if book.total - self._counted < self.threshold or self._core.disk_error:
            return
        if self._planned is None:
            self._planned = _Cut(book.mark(), {key: position.seq for key, position in book.vector.items()})
        others = [peer for peer in self._presence.peers.values() if peer.state not in {PeerState.DEAD, PeerState.LEFT}]
        if all(self._replication.link(peer.node).equal_mark >= self._planned.mark for peer in others):
            self._save(self._planned.positions)


def _pieces(farm: Farm, vector: Vector) -> Iterator[_Piece]:
    """The state in parts, then the vector in parts."""
    for part in encode_snapshot(farm):
        yield part, {}
    keys = iter(sorted(vector))
    while rows := {key: vector[key] for key in islice(keys, MAX_ROWS)}:
        yield b"", rows
