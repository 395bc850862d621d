"""Which connections reach which member: turns connections into LinkUp and LinkDown, and picks the one to send on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from peerfarm.mesh.api import Link, LinkDown, LinkUp, MeshEvent
from peerfarm.mesh.wire import Wire
from peerfarm.model.ids import NodeId


class LinkTable:
    """The usable connections of each member, the newest last; a second one is seen only while two cross."""

    def __init__(self, emit: Callable[[MeshEvent], None]) -> None:
        self._emit = emit
        self._wires: dict[NodeId, list[Wire]] = {}
        self._newest: dict[NodeId, Wire] = {}

    def route(self, node: NodeId) -> Wire | None:
        """The connection to send on, which is the newest; None without a link."""
        return self._newest.get(node)

    def has(self, node: NodeId) -> bool:
        """Whether there is a link."""
        return node in self._newest

    def wires(self, node: NodeId) -> tuple[Wire, ...]:
        """All connections of a member, the newest last."""
        return tuple(self._wires.get(node, ()))

    def all_wires(self) -> Iterator[Wire]:
        """Every connection of every member."""
        for node in tuple(self._wires):
            yield from self.wires(node)

    def add(self, wire: Wire) -> None:
        """A connection works in both directions now.

        A second one from the same start of the peer, in the other direction, is two dials that crossed: the
        link merely moves. Any other means that the peer lost the first, so what was on its way may be lost.
        """
        others = self._wires.setdefault(wire.node, [])
        is_same_link = self.twin_of(wire) is not None
        if others and not is_same_link:
            self._emit(LinkDown(wire.node, "The peer connected anew."))
        others.append(wire)
        self._newest[wire.node] = wire
        if not is_same_link:
            self._emit(LinkUp(wire.node, wire.is_dialled))

    def prefer(self, wire: Wire) -> None:
        """Send over this one from now on."""
        others = self._wires[wire.node]
        others.remove(wire)
        others.append(wire)
        self._newest[wire.node] = wire

    def twin_of(self, wire: Wire) -> Wire | None:
        """The connection that crossed this one: same start of the peer, other direction."""
        same = [one for one in self.wires(wire.node) if one.boot == wire.boot and one.is_dialled != wire.is_dialled]
        return same[-1] if same else None

    def remove(self, wire: Wire, reason: str) -> None:
        """A connection ended; the link is down when it was the last. Twice is the same as once."""
        others = self._wires.get(wire.node, [])
        if wire not in others:
            return
        others.remove(wire)
        if others:
            self._newest[wire.node] = others[-1]
            return
        del self._wires[wire.node], self._newest[wire.node]
        self._emit(LinkDown(wire.node, reason))

    def links(self) -> tuple[Link, ...]:
        """What the layer above is told, ordered by node id."""
        return tuple(
            Link(node, wire.is_dialled, wire.window.unread_bytes) for node, wire in sorted(self._newest.items())
        )
