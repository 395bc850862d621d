"""One node's end of the in-memory mesh; the network between the ends lives in memory.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from peerfarm.mesh.addresses import parse_address
from peerfarm.mesh.api import (
    MAX_MESSAGE_BYTES,
    JoinFailed,
    KeyPair,
    Link,
    LinkDown,
    LinkUp,
    MeshEvent,
    PeerKeyChanged,
    Received,
    Refused,
    Traffic,
)
from peerfarm.mesh.joinstring import is_public_key
from peerfarm.mesh.redial import Redial, dials_at_once
from peerfarm.mesh.throttle import Throttle
from peerfarm.model.ids import NodeId

ATTEMPT_S = 10.0
"""As in the real mesh: from dialling to the welcome."""


@dataclass(slots=True)
class MemoryTarget:
    """A member to be dialled until told otherwise."""

    address: str
    redial: Redial
    give_up_s: float | None = None
    """Set while an attempt is on its way."""


class Carrier(Protocol):
    """What an end needs of the network."""

    def listen(self, mesh: MemoryMesh, host: str, port: int, join_key: str) -> str:
        """Take an address; returns it."""
        ...

    def unlisten(self, address: str) -> None:
        """Give an address back."""
        ...

    def connect(self, mesh: MemoryMesh, node: NodeId, address: str) -> str:
        """Dial; returns why it failed at once, or nothing."""
        ...

    def carry(self, mesh: MemoryMesh, node: NodeId, data: bytes) -> bool:
        """Send over the link; False when its queue is full."""
        ...

    def unread_bytes(self, mesh: MemoryMesh, node: NodeId) -> int:
        """Sent over the link and not yet read."""
        ...

    def disconnect(self, mesh: MemoryMesh, node: NodeId, reason: str) -> None:
        """Close a link at once."""
        ...

    def ask(self, mesh: MemoryMesh, address: str, server_key: str, data: bytes) -> str:
        """Ask a join socket; returns why it failed at once, or nothing."""
        ...

    def answer(self, mesh: MemoryMesh, node: NodeId, data: bytes) -> None:
        """Answer whoever asked to join."""
        ...

    def leave(self, mesh: MemoryMesh) -> None:
        """Close in order."""
        ...


@dataclass(eq=False)
class MemoryMesh:
    """The interface `Mesh` without sockets, threads or a clock; made by `MemoryNetwork.attach`."""

    own: NodeId
    public_key: str
    network: Carrier = field(repr=False)
    traffic: Traffic = field(default_factory=Traffic)
    members: dict[NodeId, str] = field(default_factory=dict)
    up: dict[NodeId, bool] = field(default_factory=dict)
    """Peers with a link -> whether this node opened it."""
    is_closed: bool = False
    join_tickets: dict[int, NodeId] = field(default_factory=dict)
    _address: str = ""
    _join_address: str = ""
    _targets: dict[NodeId, MemoryTarget] = field(default_factory=dict)
    _inbox: deque[tuple[MeshEvent, Callable[[], None] | None]] = field(default_factory=deque)
    _now_s: float | None = None
    _throttle: Throttle = field(default_factory=Throttle)
    _join_timeout_s: float | None = None
    _join_give_up_s: float | None = None

    def open(self, host: str, port: int) -> int:
        """Listen for peers; ConfigError when another end listens there."""
        if not host:
            return 0
        self._address = self.network.listen(self, host, port, "")
        return _port_of(self._address)

    def allow(self, members: Mapping[NodeId, str]) -> None:
        """Replace the allow list; links of members that are no longer in it close at once."""
        usable = {node: key for node, key in members.items() if is_public_key(key) and node != self.own}
        for node in members.keys() - usable.keys() - {self.own}:
            self.note_refused(members[node], f"Member {node} has no usable CURVE key.")
        before, self.members = self.members, usable
        for node, key in before.items():
            if usable.get(node) != key:
                self.network.disconnect(self, node, "It is no longer a member.")
        for node, target in self._targets.items():
            if node in usable and node not in before:
                target.redial.restart(self._is_patient(node))
        self._dial_due()

    def dial(self, node: NodeId, address: str) -> None:
        """Keep trying to reach a member until `hang_up`."""
        target = self._targets.get(node)
        if node != self.own and (target is None or target.address != address):
            self._targets[node] = MemoryTarget(address, Redial(target is None and self._is_patient(node)))
            self._dial_due()

    def hang_up(self, node: NodeId) -> None:
        """Stop dialling a member and close the connection that this node opened to it."""
        self._targets.pop(node, None)
        if self.up.get(node):
            self.network.disconnect(self, node, "This node hung up.")

    def send(self, node: NodeId, data: bytes) -> bool:
        """Hand one message to a peer's link; False when there is none or the peer is behind."""
        if not 0 < len(data) <= MAX_MESSAGE_BYTES:
            msg = f"a message of {len(data)} bytes; 1 to {MAX_MESSAGE_BYTES} can be sent"
            raise ValueError(msg)
        if self.is_closed or node not in self.up or not self.network.carry(self, node, data):
            self.traffic.refused_out += 1
            return False
        self.traffic.messages_out += 1
        self.traffic.bytes_out += len(data)
        return True

    def receive(self, ready: Mapping[Any, int] | None = None, limit: int = 1000) -> list[MeshEvent]:  # noqa: ARG002 - nothing is polled
        """What was delivered up to the network's last `advance`."""
        events: list[MeshEvent] = []
        while self._inbox and len(events) < limit:
            event, on_taken = self._inbox.popleft()
            if on_taken is not None:
                on_taken()
            if isinstance(event, Received):
                if event.node not in self.members:
                    self.traffic.dropped_in += 1
                    continue
                self.traffic.messages_in += 1
                self.traffic.bytes_in += len(event.data)
            events.append(event)
        return events

    def pollables(self) -> list[Any]:
        """Nothing: whoever moves the network knows when to look."""
        return []

    def links(self) -> tuple[Link, ...]:
        """The peers that can be reached now, ordered by node id."""
        return tuple(
            Link(node, is_dialled, self.network.unread_bytes(self, node))
            for node, is_dialled in sorted(self.up.items())
        )

    def open_join(self, host: str, port: int, keys: KeyPair) -> int:
        """Open the join socket under its own key."""
        self.close_join()
        self._join_address = self.network.listen(self, host, port, keys.public)
        return _port_of(self._join_address)

    def close_join(self) -> None:
        """Close the join socket; answers already given still go out."""
        if self._join_address:
            self.network.unlisten(self._join_address)
        self._join_address = ""
        self.join_tickets.clear()

    def answer_join(self, ticket: int, data: bytes) -> None:
        """Answer one JoinAsked."""
        asker = self.join_tickets.pop(ticket, None)
        if asker is not None:
            self.network.answer(self, asker, data)

    def ask_join(self, address: str, server_key: str, data: bytes, timeout_s: float) -> None:
        """Ask a join socket to be let in."""
        self._join_timeout_s, self._join_give_up_s = timeout_s, None
        reason = self.network.ask(self, address, server_key, data)
        if reason:
            self.put_join(JoinFailed(f"{address}: {reason}"))

    def tick(self, now_s: float) -> None:
        """Redial, give up what takes too long, by this node's own clock."""
        self._now_s = now_s
        self._dial_due()
        if self._join_timeout_s is not None:
            if self._join_give_up_s is None:
                self._join_give_up_s = now_s + self._join_timeout_s
            if now_s >= self._join_give_up_s:
                self.put_join(JoinFailed(f"No answer within {self._join_timeout_s:g} seconds."))

    def close(self, linger_s: float) -> None:  # noqa: ARG002 - what was sent always gets out here
        """Leave; what was sent before is still delivered."""
        if not self.is_closed:
            self.network.leave(self)

    def addresses(self) -> tuple[str, ...]:
        """The address that peers may dial."""
        return (self._address,) if self._address else ()

    def put(self, event: MeshEvent, on_taken: Callable[[], None] | None = None) -> None:
        """The network puts an event into the inbox; `on_taken` is called when it is read."""
        if isinstance(event, LinkUp):
            self.up[event.node] = event.is_dialled
            target = self._targets.get(event.node)
            if target is not None:
                target.give_up_s = None
                target.redial.restart(self._is_patient(event.node))
        elif isinstance(event, LinkDown):
            del self.up[event.node]
        self._inbox.append((event, on_taken))

    def put_join(self, event: MeshEvent) -> None:
        """The end of this node's own question; a late answer to none is dropped."""
        if self._join_timeout_s is not None:
            self._join_timeout_s = None
            self.put(event)

    def note_refused(self, key_or_address: str, reason: str) -> None:
        """Report a refusal, at most once a minute for each subject."""
        if self._throttle.lets_pass(key_or_address, self._now_s or 0.0):
            self.put(Refused(key_or_address, reason))

    def note_key_changed(self, node: NodeId, address: str) -> None:
        """Report another key at a member's address, at most once a minute."""
        if self._throttle.lets_pass(f"{node} {address}", self._now_s or 0.0):
            self.put(PeerKeyChanged(node, address))

    def _is_patient(self, node: NodeId) -> bool:
        return not dials_at_once(self.own, node, bool(self._address))

    def _dial_due(self) -> None:
        now_s = self._now_s
        if now_s is None or self.is_closed:
            return
        for node, target in tuple(self._targets.items()):
            if node in self.up or node not in self.members:
                continue
            if target.give_up_s is not None:
                if now_s >= target.give_up_s:
                    target.give_up_s = None
                    target.redial.failed(now_s)
            elif target.redial.is_due(now_s):
                target.give_up_s = now_s + ATTEMPT_S
                if not self.network.connect(self, node, target.address):
                    continue
                target.give_up_s = None
                target.redial.failed(now_s)


def _port_of(address: str) -> int:
    place = parse_address(address)
    assert place is not None
    return place[1]
