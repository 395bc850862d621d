"""Cutting the logs at what everybody has, and giving the whole state to who asks for what was cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.effects import SaveSnapshot
from peerfarm.node.presence import Peer, Presence
from peerfarm.node.replication import Replication
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import SnapshotGot, SnapshotPart
from peerfarm.state.logbook import LogKey, decode_vector, encode_vector
from peerfarm.state.snapshot import encode_snapshot, join_part

SNAPSHOT_ACTIONS = 50_000
"""Actions since the last snapshot that are worth a new one."""
MAX_SNAPSHOT_BYTES = 1 << 30
QUIET_S = 30.0
"""A transfer without a sign of life is given up after this."""


@dataclass(slots=True)
class _Sending:
    parts: Iterator[bytes]
    vector: tuple[tuple[object, ...], ...]
    number: int
    moved_s: float


@dataclass(slots=True)
class _Receiving:
    parts: list[bytes]
    size_bytes: int
    moved_s: float


class Snapshots:
    """One node's snapshots: its own on disk, and those under way to and from peers."""

    def __init__(self, core: Core, presence: Presence, replication: Replication) -> None:
        self._core = core
        self._presence = presence
        self._replication = replication
        self._sending: dict[NodeId, _Sending] = {}
        self._receiving: dict[NodeId, _Receiving] = {}
        self._counted = 0
        self.threshold = SNAPSHOT_ACTIONS
        replication.on_cut = self._begin

    def _begin(self, node: NodeId) -> None:
        if self._core.disk_error:
            return
        sending = self._sending.get(node)
        if sending is not None and self._core.mono_s - sending.moved_s < QUIET_S:
            return
        vector = tuple(encode_vector(self._core.book.vector))
        self._core.effects.must_sync = True
        self._sending[node] = _Sending(encode_snapshot(self._core.farm), vector, -1, self._core.mono_s)
        self._send_next(node)

    def _send_next(self, node: NodeId) -> None:
        sending = self._sending[node]
        sending.number += 1
        sending.moved_s = self._core.mono_s
        part = next(sending.parts, None)
        if part is None:
            del self._sending[node]
            self._core.send(node, SnapshotPart(sending.number, True, b"", sending.vector))
        else:
            self._core.send(node, SnapshotPart(sending.number, False, part, ()))

    def on_got(self, peer: Peer, message: SnapshotGot) -> None:
        """The peer took a part: the next one."""
        sending = self._sending.get(peer.node)
        if sending is not None and message.number == sending.number:
            self._send_next(peer.node)

    def on_part(self, peer: Peer, message: SnapshotPart) -> None:
        """A part arrived; with the last one the whole is joined at once, for a state between would fit no vector."""
        if message.number == 0:
            self._receiving[peer.node] = _Receiving([], 0, self._core.mono_s)
        receiving = self._receiving.get(peer.node)
        if receiving is None or message.number != len(receiving.parts):
            return
        receiving.moved_s = self._core.mono_s
        if not message.is_last:
            receiving.parts.append(message.part)
            receiving.size_bytes += len(message.part)
            if receiving.size_bytes > MAX_SNAPSHOT_BYTES:
                del self._receiving[peer.node]
                raise PeerProtocolError("a snapshot without end")
            self._core.send(peer.node, SnapshotGot(message.number))
            return
        del self._receiving[peer.node]
        self._join(receiving.parts, message)

    def _join(self, parts: list[bytes], message: SnapshotPart) -> None:
        core = self._core
        vector = decode_vector(message.vector)
        farm = core.farm
        for part in parts:
            farm = join_part(farm, part)
        own = (core.node, core.own_log or "")
        ready = []
        for key, position in vector.items():
            if key != own and key not in core.book.quarantined:
                ready += core.book.jump(key, position)
        core.refresh(farm)
        core.take_in(ready)
        cut = {key: position.seq for key, position in vector.items() if key != own}
        self._save(cut)

    def _save(self, further: dict[LogKey, int]) -> None:
        cut = dict(self._replication.cut)
        for key, seq in further.items():
            cut[key] = max(seq, cut.get(key, 0))  # what a peer's snapshot covers is not kept here
        self._counted = 0
        self._replication.cut = cut
        self._core.effects.must_sync = True
        self._core.effects.snapshot = SaveSnapshot(self._core.farm, dict(self._core.book.vector), cut)

    def tick(self) -> None:
        """Drop dead transfers; cut the logs when they have grown and everybody alive has them."""
        for transfers in (self._sending, self._receiving):
            for node in [n for n, transfer in transfers.items() if self._core.mono_s - transfer.moved_s > QUIET_S]:
                transfers.pop(node)
        total = sum(position.seq for position in self._core.book.vector.values())
        if self._counted == 0:
            self._counted = total
        if total - self._counted >= self.threshold and not self._core.disk_error:
            self._cut()

    def _cut(self) -> None:
        common = {key: position.seq for key, position in self._core.book.vector.items()}
        for peer in self._presence.peers.values():
            if peer.state in {PeerState.DEAD, PeerState.LEFT}:
                continue
            equal = self._replication.link(peer.node).equal_vector
            if equal is None:
                return
            common = {key: min(seq, equal[key].seq) for key, seq in common.items() if key in equal}
        self._save(common)
