"""The mesh over ZeroMQ: puts together who listens, who dials, the door and the join sockets. One thread, no waiting."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import zmq

from peerfarm.mesh.addresses import reachable_addresses
from peerfarm.mesh.api import (
    MAX_MESSAGE_BYTES,
    KeyPair,
    Link,
    MeshEvent,
    PeerKeyChanged,
    Refused,
    Traffic,
)
from peerfarm.mesh.dialling import Dialler
from peerfarm.mesh.joining import CLOSE_LINGER_MS, JoinCall, JoinDoor
from peerfarm.mesh.links import LinkTable
from peerfarm.mesh.listening import Listener
from peerfarm.mesh.throttle import Throttle
from peerfarm.mesh.wire import Wire, new_context
from peerfarm.mesh.zap import ZapDoor, raw_key
from peerfarm.model.ids import NodeId, node_id_of


def new_keys() -> KeyPair:
    """Make a CURVE key pair from the system's randomness."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


class ZmqMesh:
    """Encrypted links to the other members; see the protocol `Mesh` for what each call promises.

    Args:
        keys: This node's own; its id follows from the public half.

    Raises:
        ConfigError: This pyzmq has no CURVE.
    """

    def __init__(self, keys: KeyPair) -> None:
        self.own = node_id_of(keys.public)
        self._context = new_context()
        self._traffic = Traffic()
        self._events: list[MeshEvent] = []
        self._members: dict[NodeId, str] = {}
        self._raw_members: dict[bytes, NodeId] = {}
        self._door: ZapDoor | None = None
        self._now_s: float | None = None
        self._throttle = Throttle()
        self._broken: list[Wire] = []
        self._place = ("", 0)
        self._poller = zmq.Poller()
        self._polled: list[zmq.Socket[bytes]] = []
        boot = secrets.token_bytes(16)
        self._links = LinkTable(self._events.append)
        self._dialler = Dialler(
            self.own, keys, boot, self._links, self._traffic, self._settle, self._note_refused, self._note_key_changed
        )
        self._listener = Listener(keys, boot, self._links, self._traffic, self._settle, self._note_refused)
        self._join_door = JoinDoor()
        self._join_call = JoinCall(keys, self._events.append)

    @property
    def traffic(self) -> Traffic:
        """Counters since the start."""
        return self._traffic

    def open(self, host: str, port: int) -> int:
        """Listen for peers and return the port; an empty host listens nowhere."""
        if not host:
            return 0
        if self._listener.is_open:
            msg = "the mesh listens already"
            raise ValueError(msg)
        self._open_door()
        bound = self._listener.open(self._context, host, port)
        self._place = host, bound
        self._dialler.is_listening = True
        return bound

    def allow(self, members: Mapping[NodeId, str]) -> None:
        """Replace the allow list; links of members that are no longer in it close at once."""
        usable: dict[NodeId, str] = {}
        raw: dict[bytes, NodeId] = {}
        for node, public_key in members.items():
            key = raw_key(public_key)
            if key is None:
                self._note_refused(str(public_key)[:64], f"Member {node} has no usable CURVE key.")
            elif node != self.own:
                usable[node] = public_key
                raw[key] = node
        before, self._members = self._members, usable
        self._raw_members = raw
        if self._door:
            self._door.allow(raw)
        for node, public_key in before.items():
            if usable.get(node) != public_key:
                reason = "It is no longer a member."
                self._listener.close_links(node, reason)
                self._dialler.close_link(node, reason)
        for node in usable.keys() - before.keys():
            self._dialler.retry_soon(node)
        self._dial_due()

    def dial(self, node: NodeId, address: str) -> None:
        """Keep trying to reach a member until `hang_up`."""
        if node != self.own:
            self._dialler.dial(node, address)
            self._dial_due()

    def hang_up(self, node: NodeId) -> None:
        """Stop dialling a member and close the connection that this node opened to it."""
        self._dialler.hang_up(node, "This node hung up.")

    def send(self, node: NodeId, data: bytes) -> bool:
        """Hand one message to a peer's link; False when there is none or the peer is behind."""
        if not 0 < len(data) <= MAX_MESSAGE_BYTES:
            msg = f"a message of {len(data)} bytes; 1 to {MAX_MESSAGE_BYTES} can be sent"
            raise ValueError(msg)
        wire = self._links.route(node)
        if wire is None or not wire.send(data):
            self._traffic.refused_out += 1
            if wire is not None and wire.is_broken:
                self._broken.append(wire)
            return False
        self._traffic.messages_out += 1
        self._traffic.bytes_out += len(data)
        return True

    def receive(self, ready: Mapping[Any, int] | None = None, limit: int = 1000) -> list[MeshEvent]:
        """Everything that is there now; about `limit` messages at most."""
        out = self._events
        ready = self._ready() if ready is None else ready
        # One look at all sockets: a connection that comes later cannot speak before the next call opens the door to it.
        if self._door and self._door.socket in ready:
            self._door.serve()
        self._listener.note_events(ready)
        for wire in self._broken:
            if not wire.is_dialled:
                self._listener.lose(wire)
        self._broken.clear()
        now_s = self._now_s or 0.0
        self._listener.receive(out, max(limit // 2, 1), ready, self._members)
        self._dialler.receive(out, limit, ready, now_s)
        self._join_door.receive(out, ready, now_s)
        self._join_call.receive(ready)
        events = out.copy()
        out.clear()
        return events

    def pollables(self) -> list[Any]:
        """The sockets to watch for POLLIN."""
        door = [self._door.socket] if self._door else []
        return [
            *door,
            *self._listener.sockets(),
            *self._dialler.sockets(),
            *self._join_door.sockets(),
            *self._join_call.sockets(),
        ]

    def links(self) -> tuple[Link, ...]:
        """The peers that can be reached now, ordered by node id."""
        return self._links.links()

    def open_join(self, host: str, port: int, keys: KeyPair) -> int:
        """Open the join socket under its own key and return its port."""
        self._open_door()
        return self._join_door.open(self._context, host, port, keys)

    def close_join(self) -> None:
        """Close the join socket; answers already given still go out."""
        self._join_door.close(CLOSE_LINGER_MS)

    def answer_join(self, ticket: int, data: bytes) -> None:
        """Answer one JoinAsked."""
        self._join_door.answer(ticket, data)

    def ask_join(self, address: str, server_key: str, data: bytes, timeout_s: float) -> None:
        """Ask a join socket to be let in."""
        self._join_call.ask(self._context, address, server_key, data, timeout_s)

    def tick(self, now_s: float) -> None:
        """Redial, give up what takes too long."""
        self._now_s = now_s
        self._dial_due()
        self._join_door.tick(now_s)
        self._join_call.tick(now_s)

    def close(self, linger_s: float) -> None:
        """Close everything; waits at most `linger_s` for what was sent to get out. Twice is the same as once."""
        linger_ms = max(int(linger_s * 1000), 0)
        self._dialler.close(linger_ms)
        self._listener.close(linger_ms)
        self._join_door.close(linger_ms)
        self._join_call.close()
        if self._door:
            self._door.close()
            self._door = None
        self._context.term()

    def addresses(self) -> tuple[str, ...]:
        """`host:port` addresses that peers may dial."""
        return reachable_addresses(*self._place) if self._listener.is_open else ()

    def _settle(self, node: NodeId) -> None:
        """Two dials may have crossed."""
        self._dialler.settle(node)
        self._listener.settle(node)

    def _open_door(self) -> None:
        """Nothing is bound before somebody answers ZAP: without, libzmq would let every key in."""
        if self._door is None:
            self._door = ZapDoor(self._context, self._note_refused)
            self._door.allow(self._raw_members)

    def _dial_due(self) -> None:
        if self._now_s is not None:
            self._dialler.tick(self._context, self._members, self._now_s)

    def _ready(self) -> Mapping[Any, int]:
        sockets = self.pollables()
        if sockets != self._polled:
            self._polled = sockets
            self._poller = zmq.Poller()
            for socket in sockets:
                self._poller.register(socket, zmq.POLLIN)
        return dict(self._poller.poll(0)) if sockets else {}

    def _note_refused(self, key_or_address: str, reason: str) -> None:
        if self._throttle.lets_pass(key_or_address, self._now_s or 0.0):
            self._events.append(Refused(key_or_address, reason))

    def _note_key_changed(self, event: PeerKeyChanged) -> None:
        if self._throttle.lets_pass(f"{event.node} {event.address}", self._now_s or 0.0):
            self._events.append(event)
