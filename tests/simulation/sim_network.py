"""Links between simulated nodes, in order and whole by themselves, and everything that can go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerfarm.model.ids import NodeId
from peerfarm.node import inputs as i

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World

LATENCY_S = 0.0004
QUEUE_MESSAGES = 1000
"""As the mesh: beyond it a send is refused, and the message is lost."""
HEARTBEAT_S = (5.0, 18.0)
"""How long a dead connection is taken for a live one, as ZeroMQ's heartbeats find out."""
PENALTY_S = 10.0


@dataclass(slots=True)
class Trouble:
    """What goes wrong in one direction between two nodes."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    """0: as fast as can be."""


@dataclass(slots=True)
class Link:
    """One connection; what is on its way in it is lost when it closes."""

    epoch: int
    last_s: dict[NodeId, float] = field(default_factory=dict)
    """By receiver: when what was sent last arrives."""
    lives: dict[NodeId, int] = field(default_factory=dict)
    """Which start of each end's node it belongs to."""
    under_way: dict[NodeId, int] = field(default_factory=dict)
    is_dying: bool = False


def pair(one: NodeId, other: NodeId) -> tuple[NodeId, NodeId]:
    """A connection has two ends and no direction."""
    return (one, other) if one < other else (other, one)


class Network:
    """Every connection of the farm."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.links: dict[tuple[NodeId, NodeId], Link] = {}
        self.blocked: dict[tuple[NodeId, NodeId], None] = {}
        """(from, to): nothing arrives."""
        self.trouble: dict[tuple[NodeId, NodeId], Trouble] = {}
        self.lose_grant_to: NodeId | None = None
        """The next message that holds a lease for this node is lost."""
        self._penalty_s: dict[tuple[NodeId, NodeId], float] = {}
        self._epoch = 0
        self._is_dialling = False
        self.messages = 0
        self.size_bytes = 0
        self.peak_queue = 0

    # Connections

    def look(self) -> None:
        """Something changed that may let nodes connect, or not: dial a moment later."""
        if not self._is_dialling:
            self._is_dialling = True
            self._world.after(0.1 + self._world.rng.random() * 0.9, self._dial)

    def _dial(self) -> None:
        self._is_dialling = False
        nodes = [node for node in self._world.nodes.values() if node.node is not None]
        is_again = False
        for place, one in enumerate(nodes):
            for other in nodes[place + 1 :]:
                if other.id not in one.allowed or one.id not in other.allowed:
                    continue
                key = pair(one.id, other.id)
                link = self.links.get(key)
                if link is not None or (one.id, other.id) in self.blocked or (other.id, one.id) in self.blocked:
                    continue
                if one.is_paused or other.is_paused or self._penalty_s.get(key, 0.0) > self._world.now_s:
                    is_again = True
                    continue
                self._connect(one, other)
        if is_again:
            self._world.after(1.0, self.look)

    def _connect(self, one: SimNode, other: SimNode) -> None:
        self._epoch += 1
        self.links[pair(one.id, other.id)] = Link(self._epoch, lives={one.id: one.life, other.id: other.life})
        one.take(i.LinkUp(other.id))
        other.take(i.LinkUp(one.id))

    def close(self, one: NodeId, other: NodeId) -> None:
        """A connection ends; both ends notice at once."""
        link = self.links.pop(pair(one, other), None)
        if link is None:
            return
        for node, peer in ((one, other), (other, one)):
            shell = self._world.nodes[node]
            if shell.node is not None and shell.life == link.lives[node]:
                shell.take(i.LinkDown(peer))
        self.look()

    def close_later(self, one: NodeId, other: NodeId, within_s: tuple[float, float] = HEARTBEAT_S) -> None:
        """A connection that carries nothing any more is found out after a while."""
        link = self.links.get(pair(one, other))
        if link is not None and not link.is_dying:
            link.is_dying = True
            self._world.after(self._world.rng.uniform(*within_s), self._close_epoch, one, other, link.epoch)

    def _close_epoch(self, one: NodeId, other: NodeId, epoch: int) -> None:
        link = self.links.get(pair(one, other))
        if link is None or link.epoch != epoch:
            return
        nodes = (self._world.nodes[one], self._world.nodes[other])
        is_cut = (one, other) in self.blocked or (other, one) in self.blocked
        if is_cut or any(not node.is_awake(link.lives[node.id]) for node in nodes):
            self.close(one, other)
        else:
            link.is_dying = False

    def rebooted(self, node: NodeId) -> None:
        """Its kernel knows nothing of former connections, and says so to whoever sends over them."""
        for key in [key for key in self.links if node in key]:
            self._world.after(self._world.rng.uniform(0.05, 1.5), self._close_epoch, *key, self.links[key].epoch)

    def close_all(self, node: NodeId) -> None:
        """A node's process ended: its peers are told by their kernels."""
        for one, other in [key for key in self.links if node in key]:
            self.close(one, other)

    def hang_up(self, one: NodeId, other: NodeId) -> None:
        """One end had enough of the other."""
        self._penalty_s[pair(one, other)] = self._world.now_s + PENALTY_S
        self.close(one, other)

    def block(self, source: NodeId, target: NodeId) -> None:
        """Nothing arrives in this direction from now on."""
        self.blocked[source, target] = None
        self.close_later(source, target)

    def heal(self) -> None:
        """Everything arrives again."""
        self.blocked.clear()
        self.trouble.clear()
        self.lose_grant_to = None
        self.look()

    def epoch(self, one: NodeId, other: NodeId) -> int:
        """The number of the connection between two nodes; 0 when there is none."""
        link = self.links.get(pair(one, other))
        return link.epoch if link is not None else 0

    # Messages

    def carry(self, source: SimNode, target: NodeId, data: bytes) -> None:
        """Send; it may arrive."""
        world = self._world
        link = self.links.get(pair(source.id, target))
        if link is None or link.lives[source.id] != source.life:
            return
        self.messages += 1
        self.size_bytes += len(data)
        if (source.id, target) in self.blocked:
            return
        if target == self.lose_grant_to and source.is_grant(data, target):
            self.lose_grant_to = None
            world.fire("a grant lost on its way", world.nodes[target].name)
            return
        trouble = self.trouble.get((source.id, target))
        arrival_s = max(world.now_s + LATENCY_S, link.last_s.get(target, 0.0))
        if trouble is not None:
            roll = world.rng.random()
            if roll < trouble.drop:
                world.tell(f"{source.name} > {world.nodes[target].name} lost, {len(data)} bytes")
                return
            arrival_s += trouble.delay_s * world.rng.random()
            if trouble.bytes_per_s:
                if link.under_way.get(target, 0) >= QUEUE_MESSAGES:
                    return
                arrival_s += len(data) / trouble.bytes_per_s
            if trouble.duplicate and world.rng.random() < trouble.duplicate:
                world.at(arrival_s + world.rng.random() * 0.2, self._arrive, source.id, target, link, data)
                link.under_way[target] = link.under_way.get(target, 0) + 1
            if trouble.reorder and world.rng.random() < trouble.reorder:
                world.at(arrival_s + world.rng.random() * 0.5, self._arrive, source.id, target, link, data)
                link.under_way[target] = link.under_way.get(target, 0) + 1
                return
        link.last_s[target] = arrival_s
        count = link.under_way.get(target, 0) + 1
        link.under_way[target] = count
        self.peak_queue = max(self.peak_queue, count)
        world.at(arrival_s, self._arrive, source.id, target, link, data)

    def _arrive(self, source: NodeId, target: NodeId, link: Link, data: bytes) -> None:
        link.under_way[target] -= 1
        if self.links.get(pair(source, target)) is not link or (source, target) in self.blocked:
            return
        node = self._world.nodes[target]
        if node.node is not None and node.life == link.lives[target]:
            self._world.stir(data)
            node.take(i.Received(source, data))
