"""Messages to peers that a full link could not take yet: kept in order, and the swarm is told to hold back."""

from __future__ import annotations

from collections import deque

from peerfarm.mesh import Mesh
from peerfarm.model.ids import NodeId
from peerfarm.swarm.events import Busy

BUSY_BYTES = 4 << 20
"""So much on its way to one peer keeps any link full, and is short enough for another peer's turn."""


class Outgoing:
    """One queue a peer, bounded by what the swarm sends to a peer that it knows to be busy: answers without blocks."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._waiting: dict[NodeId, deque[bytes]] = {}
        self._busy: set[NodeId] = set()

    def send(self, node: NodeId, raw: bytes) -> None:
        """Send, after what waits for that peer already."""
        queue = self._waiting.get(node)
        if queue is None and self._mesh.send(node, raw):
            return
        self._waiting.setdefault(node, deque()).append(raw)

    def push(self) -> list[Busy]:
        """Send what waits, as far as links take it; who became busy, or is no longer."""
        for node, queue in list(self._waiting.items()):
            while queue and self._mesh.send(node, queue[0]):
                queue.popleft()
            if not queue:
                del self._waiting[node]
        unread = {link.node: link.unread_bytes for link in self._mesh.links()}
        changed = []
        for node, unread_bytes in unread.items():
            is_busy = node in self._waiting or unread_bytes > BUSY_BYTES
            if is_busy != (node in self._busy):
                changed.append(Busy(node, is_busy))
                (self._busy.add if is_busy else self._busy.discard)(node)
        return changed

    def forget(self, node: NodeId) -> None:
        """The link closed: what was to be sent over it says nothing any more."""
        self._waiting.pop(node, None)
        self._busy.discard(node)
