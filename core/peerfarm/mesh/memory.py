"""The network of the in-memory mesh: carries messages between its ends in its own time, with the faults of a plan.

No threads, no clock, no randomness: the same calls give the same events.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from peerfarm.errors import ConfigError
from peerfarm.mesh.addresses import format_address
from peerfarm.mesh.api import JoinAnswered, JoinAsked, LinkDown, LinkUp, Received, Traffic
from peerfarm.mesh.memory_mesh import MemoryMesh
from peerfarm.mesh.redial import keeps_dialled
from peerfarm.mesh.window import WINDOW_BYTES
from peerfarm.model.ids import NodeId

SILENCE_S = 15.0
"""After that long without the network, both ends' pings have failed and the link breaks, as in the real mesh."""

QUEUE_MESSAGES = 10_000

Plan = Callable[[NodeId, NodeId, bytes, float], Sequence[float]]
"""(from, to, data, now_s) -> seconds until each copy arrives; empty loses it. Handshakes come with empty data."""


class Unordered(tuple[float, ...]):
    """Delays of a plan that may overtake earlier messages of the same link."""

    __slots__ = ()


def straight(source: NodeId, target: NodeId, data: bytes, now_s: float) -> Sequence[float]:  # noqa: ARG001 - a Plan
    """The plan without faults: everything arrives at the next `advance`."""
    return (0.0,)


@dataclass(slots=True, eq=False)
class Lane:
    """One direction of a cable."""

    source: MemoryMesh
    target: MemoryMesh
    last_due_s: float = 0.0
    waiting_messages: int = 0
    """Sent and not yet read by the other end."""
    waiting_bytes: int = 0
    held: list[Callable[[], None]] = field(default_factory=list)
    """Deliveries that wait for the way to open again."""


@dataclass(slots=True, eq=False)
class Cable:
    """One connection between two ends."""

    out: Lane
    """From who dialled."""
    back: Lane
    is_open: bool = True

    def lane_from(self, mesh: MemoryMesh) -> Lane:
        """The direction in which that end sends."""
        return self.out if self.out.source is mesh else self.back


Pair = tuple[NodeId, NodeId]


@dataclass(eq=False)
class MemoryNetwork:
    """A network of in-memory ends. Time moves only by `advance`."""

    plan: Plan = straight
    now_s: float = 0.0
    traffic: dict[NodeId, Traffic] = field(default_factory=dict)
    """Of every node that was ever attached, over all its starts."""
    _meshes: dict[NodeId, MemoryMesh] = field(default_factory=dict)
    _listening: dict[str, tuple[MemoryMesh, str]] = field(default_factory=dict)
    _hosts: dict[NodeId, str] = field(default_factory=dict)
    _cables: dict[Pair, Cable] = field(default_factory=dict)
    _silent: dict[Pair, float] = field(default_factory=dict)
    """Cables of which a direction is cut or an end lost its power -> when they break."""
    _cut: dict[Pair, bool] = field(default_factory=dict)
    """One-way pairs that carry nothing now -> whether the links break by it in time."""
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _ports: Iterator[int] = field(default_factory=lambda: itertools.count(40_001))

    def attach(self, node: NodeId, public_key: str) -> MemoryMesh:
        """A new end for a node: its first start, or a restart after `kill` or `close`."""
        if node in self._meshes:
            msg = f"{node} is attached already"
            raise ValueError(msg)
        self._hosts.setdefault(node, f"10.0.{len(self._hosts) // 250}.{len(self._hosts) % 250 + 1}")
        mesh = MemoryMesh(node, public_key, self, traffic=self.traffic.setdefault(node, Traffic()))
        self._meshes[node] = mesh
        return mesh

    def kill(self, node: NodeId, *, is_power_loss: bool = False) -> None:
        """End a node as SIGKILL would: what it sent and was not delivered is lost, its peers' links break.

        Args:
            is_power_loss: Nobody is told; the peers' links break only after SILENCE_S.
        """
        mesh = self._detach(node)
        for pair, cable in self._cables_of(mesh):
            cable.lane_from(mesh).held.clear()
            if is_power_loss or self._is_cut(pair):
                self._silent.setdefault(pair, self.now_s + SILENCE_S)
            else:
                self._break(pair, "The peer closed the connection, or its process ended.")

    def cut(self, source: NodeId, target: NodeId, *, both_ways: bool = True) -> None:
        """Let nothing through; what is sent waits, and is lost when the link breaks after SILENCE_S."""
        self._stop(source, target, both_ways, True)

    def block(self, source: NodeId, target: NodeId, *, both_ways: bool = False) -> None:
        """Let nothing through without breaking the link: a peer that does not read."""
        self._stop(source, target, both_ways, False)

    def heal(self, source: NodeId, target: NodeId, *, both_ways: bool = True) -> None:
        """Undo `cut` and `block`; what waited is delivered in its order, if the link still stands."""
        for one in ((source, target), (target, source))[: 2 if both_ways else 1]:
            self._cut.pop(one, None)
        pair = _pair(source, target)
        cable = self._cables.get(pair)
        if cable is None:
            return
        if not self._is_cut(pair) and not (cable.out.source.is_closed or cable.back.source.is_closed):
            self._silent.pop(pair, None)
        for lane in (cable.out, cable.back):
            if lane.held:
                self._post(self.now_s, partial(self._release, cable, lane))

    def advance(self, now_s: float) -> None:
        """Move time on and deliver what is due, in order of time, then of sending."""
        while self._due and self._due[0][0] <= now_s:
            due_s, _, deliver = heapq.heappop(self._due)
            self.now_s = max(self.now_s, due_s)
            if self._silent:
                self._break_silent()
            deliver()
        self.now_s = max(self.now_s, now_s)
        self._break_silent()

    def next_due_s(self) -> float | None:
        """When the next delivery or break happens; None when nothing is on its way."""
        return min((*self._silent.values(), *(entry[0] for entry in self._due[:1])), default=None)

    def listen(self, mesh: MemoryMesh, host: str, port: int, join_key: str) -> str:
        """An end begins to listen; returns the address."""
        everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        address = format_address(self._hosts[mesh.own] if everywhere else host, port or next(self._ports))
        if address in self._listening:
            raise ConfigError(
                f"Port {port} is in use by another program.",
                "Set another `port` in peerfarm.yaml, or 0 to let the system choose.",
            )
        self._listening[address] = mesh, join_key
        return address

    def unlisten(self, address: str) -> None:
        """Nobody listens there any more."""
        self._listening.pop(address, None)

    def connect(self, mesh: MemoryMesh, node: NodeId, address: str) -> str:
        """Dial; returns why it failed at once, empty when the hello is on its way or lost."""
        there, join_key = self._listening.get(address, (None, ""))
        if there is None or self._is_cut(_pair(mesh.own, there.own)):
            return "nobody answers"
        if join_key or there.public_key != mesh.members[node]:
            mesh.note_key_changed(node, address)
            return "another key"
        if there.members.get(mesh.own) != mesh.public_key:
            there.note_refused(mesh.public_key, "This key belongs to no member of the farm.")
            mesh.note_refused(address, "The peer there does not know this node as a member, or not yet.")
            return "refused"
        to_there = self.plan(mesh.own, node, b"", self.now_s)
        to_here = self.plan(node, mesh.own, b"", self.now_s)
        if to_there and to_here:
            cable = Cable(Lane(mesh, there), Lane(there, mesh))
            self._post(self.now_s + to_there[0], lambda: self._hello(cable, to_here[0]))
        return ""

    def carry(self, mesh: MemoryMesh, node: NodeId, data: bytes) -> bool:
        """Send over the link; False when its queue is full."""
        cable = self._cables.get(_pair(mesh.own, node))
        if cable is None:
            return False
        lane = cable.lane_from(mesh)
        if lane.waiting_messages >= QUEUE_MESSAGES or lane.waiting_bytes + len(data) > WINDOW_BYTES:
            return False
        delays = self.plan(mesh.own, node, data, self.now_s)
        for delay_s in delays:
            self._send(cable, lane, data, delay_s, isinstance(delays, Unordered))
        return True

    def unread_bytes(self, mesh: MemoryMesh, node: NodeId) -> int:
        """Sent over the link and not yet read."""
        cable = self._cables.get(_pair(mesh.own, node))
        return cable.lane_from(mesh).waiting_bytes if cable else 0

    def disconnect(self, mesh: MemoryMesh, node: NodeId, reason: str) -> None:
        """One end closes a link at once."""
        pair = _pair(mesh.own, node)
        if pair in self._cables:
            self._break(pair, "The peer closed the connection, or its process ended.", mesh, reason)

    def ask(self, mesh: MemoryMesh, address: str, server_key: str, data: bytes) -> str:
        """Ask a join socket; returns why it failed at once, empty when the question is on its way or lost."""
        there, join_key = self._listening.get(address, (None, ""))
        if there is None or self._is_cut(_pair(mesh.own, there.own)):
            return "Nothing listens there; the join socket is open only for a while."
        if not join_key or join_key != server_key:
            return "It does not hold the key in the join string: mistyped, or no longer valid."
        for delay_s in self.plan(mesh.own, there.own, data, self.now_s)[:1]:
            self._post(self.now_s + delay_s, lambda: self._asked(mesh, there, address, data))
        return ""

    def answer(self, mesh: MemoryMesh, node: NodeId, data: bytes) -> None:
        """Answer whoever asked to join."""
        asker = self._meshes.get(node)
        for delay_s in self.plan(mesh.own, node, data, self.now_s)[:1]:
            if asker is not None:
                self._post(self.now_s + delay_s, lambda: asker.put_join(JoinAnswered(data)))

    def leave(self, mesh: MemoryMesh) -> None:
        """An end closes in order: what it sent arrives, then its links go down."""
        self._detach(mesh.own)
        for pair, cable in self._cables_of(mesh):
            lane = cable.lane_from(mesh)
            self._post_on(cable, lane, lane.last_due_s, partial(self._break, pair, "The peer left."))

    def _detach(self, node: NodeId) -> MemoryMesh:
        mesh = self._meshes.pop(node)
        mesh.is_closed = True
        for address in [address for address, entry in self._listening.items() if entry[0] is mesh]:
            del self._listening[address]
        return mesh

    def _cables_of(self, mesh: MemoryMesh) -> list[tuple[Pair, Cable]]:
        return [(pair, cable) for pair, cable in self._cables.items() if mesh in (cable.out.source, cable.back.source)]

    def _hello(self, cable: Cable, back_s: float) -> None:
        here, there = cable.out.source, cable.out.target
        if here.is_closed or there.is_closed or there.members.get(here.own) != here.public_key:
            return
        pair = _pair(here.own, there.own)
        if self._is_cut(pair):
            return
        other = self._cables.get(pair)
        if other is not None and (other.out.source.is_closed or other.back.source.is_closed):
            self._break(pair, "The peer connected anew.")
        elif other is not None and other.out.source is there and keeps_dialled(there.own, here.own):
            return  # Two dials crossed, and the one that is kept came first.
        self._cables[pair] = cable
        cable.out.last_due_s = self.now_s
        if here.own in there.up:
            there.up[here.own] = False
        else:
            there.put(LinkUp(here.own, is_dialled=False))
        self._post_on(cable, cable.back, self.now_s + back_s, lambda: self._welcome(cable))

    def _welcome(self, cable: Cable) -> None:
        here, there = cable.out.source, cable.out.target
        if self._cables.get(_pair(here.own, there.own)) is not cable:
            return
        if there.own in here.up:
            here.up[there.own] = True
        else:
            here.put(LinkUp(there.own, is_dialled=True))

    def _send(self, cable: Cable, lane: Lane, data: bytes, delay_s: float, may_overtake: bool) -> None:
        lane.waiting_messages += 1
        lane.waiting_bytes += len(data)

        def taken() -> None:
            lane.waiting_messages -= 1
            lane.waiting_bytes -= len(data)

        def deliver() -> None:
            if lane.source.own in lane.target.up:
                lane.target.put(Received(lane.source.own, data), taken)
            else:
                taken()

        due_s = self.now_s + delay_s
        self._post_on(cable, lane, due_s if may_overtake else max(due_s, lane.last_due_s), deliver)
        if not may_overtake:
            lane.last_due_s = max(due_s, lane.last_due_s)

    def _post_on(self, cable: Cable, lane: Lane, due_s: float, deliver: Callable[[], None]) -> None:
        """Deliver over a cable: never once it is closed, later when its way is stopped."""

        def arrive() -> None:
            if not cable.is_open:
                return
            lane.held.append(deliver)
            self._release(cable, lane)

        self._post(due_s, arrive)

    def _release(self, cable: Cable, lane: Lane) -> None:
        """Deliver what arrived on a lane, in its order, unless its way is stopped."""
        if (lane.source.own, lane.target.own) not in self._cut:
            held, lane.held = lane.held, []
            for deliver in held:
                if cable.is_open:
                    deliver()

    def _post(self, due_s: float, deliver: Callable[[], None]) -> None:
        heapq.heappush(self._due, (due_s, next(self._order), deliver))

    def _asked(self, asker: MemoryMesh, there: MemoryMesh, address: str, data: bytes) -> None:
        if address in self._listening and not asker.is_closed:
            ticket = next(self._tickets)
            there.join_tickets[ticket] = asker.own
            there.put(JoinAsked(ticket, data, asker.public_key))

    def _stop(self, source: NodeId, target: NodeId, both_ways: bool, breaks: bool) -> None:
        for one in ((source, target), (target, source))[: 2 if both_ways else 1]:
            self._cut[one] = breaks
        pair = _pair(source, target)
        if breaks and pair in self._cables:
            self._silent.setdefault(pair, self.now_s + SILENCE_S)

    def _is_cut(self, pair: Pair) -> bool:
        return bool(self._cut.get(pair) or self._cut.get((pair[1], pair[0])))

    def _break_silent(self) -> None:
        for pair in [pair for pair, at_s in self._silent.items() if self.now_s >= at_s]:
            self._break(pair, "Nothing was heard over the connection.")

    def _break(self, pair: Pair, reason: str, mesh: MemoryMesh | None = None, own_reason: str = "") -> None:
        cable = self._cables.pop(pair, None)
        self._silent.pop(pair, None)
        if cable is None:
            return
        cable.is_open = False
        for lane in (cable.out, cable.back):
            lane.held.clear()
            if not lane.source.is_closed and lane.target.own in lane.source.up:
                lane.source.put(LinkDown(lane.target.own, own_reason if lane.source is mesh else reason))


def _pair(one: NodeId, other: NodeId) -> Pair:
    return (one, other) if one < other else (other, one)
