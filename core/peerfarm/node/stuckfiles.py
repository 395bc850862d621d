"""Which nodes cannot have a job's files, and why: told from node to node, so that the artist reads it on hers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from peerfarm.model.ids import JobId, NodeId
from peerfarm.node.core import Core
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.filemessages import FilesStuck, StuckRow
from peerfarm.protocol.messages import encode_message

AGAIN_S = 10.0
"""It is told again so often while it stands, for a message may get lost; at once when it changes or a peer comes."""


@dataclass(slots=True)
class StuckFiles:
    """What this node tells of itself, and what its peers told of themselves."""

    core: Core
    presence: Presence
    own: Callable[[], tuple[StuckRow, ...]] = tuple
    """What stands between this node and the files of jobs that it would render."""
    on_heard: Callable[[], None] = lambda: None
    """A peer told something new."""
    _heard: dict[NodeId, dict[JobId, StuckRow]] = field(default_factory=dict)
    _told: tuple[StuckRow, ...] = ()
    _next_s: float = 0.0

    def __post_init__(self) -> None:
        self.presence.on_alive.append(self._on_alive)
        self.presence.on_gone.append(self._on_gone)

    def tick(self) -> None:
        """Tell every peer what is new, and what stands, now and then."""
        rows = self.own()
        if rows == self._told and (not rows or self.core.mono_s < self._next_s):
            return
        self._told, self._next_s = rows, self.core.mono_s + AGAIN_S
        raw = encode_message(FilesStuck(rows))
        linked = [peer.node for peer in self.presence.peers.values() if peer.has_link and peer.has_greeted]
        self.core.effects.beats.extend((node, raw) for node in linked)

    def _on_alive(self, _node: NodeId) -> None:
        self._next_s = 0.0

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        if self._heard.pop(node, None):
            self.on_heard()

    def on_told(self, peer: Peer, message: FilesStuck) -> None:
        """A peer said of which jobs it cannot have the files; of all others it can, or does not want them."""
        former = self._heard.pop(peer.node, {})
        rows = {row[0]: row for row in message.rows}
        if rows:
            self._heard[peer.node] = rows
        if rows != former:
            self.on_heard()

    def of_peers(self, job: JobId) -> list[tuple[NodeId, StuckRow]]:
        """The peers that are stuck with a job's files."""
        return [(node, rows[job]) for node, rows in self._heard.items() if job in rows]

    def is_useless_to(self, node: NodeId, job: JobId) -> bool:
        """Whether a peer said that it will never be able to use that job's files."""
        row = self._heard.get(node, {}).get(job)
        return row is not None and row[1]
