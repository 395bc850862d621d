"""The side that dials: one DEALER for each attempt to reach a member, and its monitor."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq

from peerfarm.mesh.addresses import format_address, parse_address
from peerfarm.mesh.api import MAX_MESSAGE_BYTES, NOT_KNOWN, KeyPair, MeshEvent, PeerKeyChanged, Received, Traffic
from peerfarm.mesh.links import LinkTable
from peerfarm.mesh.listening import QUEUE_MESSAGES
from peerfarm.mesh.redial import Redial, dials_at_once, keeps_dialled
from peerfarm.mesh.wire import (
    DONE,
    HELLO,
    LINK_VERSION,
    RETIRE,
    WELCOME,
    Wire,
    close_watched,
    dialling_socket,
    greeting,
    parse_event,
    read_rest,
    send_frames,
    watch,
)
from peerfarm.model.ids import NodeId

ATTEMPT_S = 10.0
"""From dialling to the welcome; longer only when the peer's program hangs."""
DRAIN_MS = 500
"""What was sent over a connection that gives way to the peer's own still has this long to get out."""
KEY_CHANGED_AFTER = 2
"""Broken handshakes in a row that mean a wrong key; a single one is also what a dying peer looks like."""

_TIMED_OUT = (0, errno.EAGAIN, errno.ETIMEDOUT)


@dataclass(slots=True, eq=False)
class Attempt:
    """One DEALER: dialling, then perhaps a link."""

    socket: zmq.Socket[bytes]
    events: zmq.Socket[bytes]
    wire: Wire | None = None
    """Set by the peer's welcome."""
    give_up_s: float | None = None
    """Set by the first tick."""
    ended: str = ""
    """Why the connection is over; it closes once its last message was read."""


@dataclass(slots=True, eq=False)
class Target:
    """A member to be dialled until told otherwise."""

    node: NodeId
    address: str
    redial: Redial
    attempt: Attempt | None = None
    broken_handshakes: int = 0
    """In a row."""


@dataclass(slots=True)
class Dialler:
    """Everybody whom this node dials, and the connections that came of it."""

    own: NodeId
    keys: KeyPair
    boot: bytes
    links: LinkTable
    traffic: Traffic
    on_link: Callable[[NodeId], None]
    """Called with the node after its connection became usable."""
    on_refused: Callable[[str, str], None]
    """Called with an address and a reason."""
    on_key_changed: Callable[[PeerKeyChanged], None]
    is_listening: bool = False
    targets: dict[NodeId, Target] = field(default_factory=dict)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll."""
        attempts = [target.attempt for target in self.targets.values() if target.attempt]
        return [socket for attempt in attempts for socket in (attempt.socket, attempt.events)]

    def dial(self, node: NodeId, address: str) -> None:
        """Keep trying to reach a member there."""
        target = self.targets.get(node)
        if target is None:
            self.targets[node] = Target(node, address, Redial(self._is_patient(node)))
        elif target.address != address:
            target.address = address
            target.broken_handshakes = 0
            if target.attempt is None or target.attempt.wire is None:
                self._close(target, "The address changed.")
                target.redial.restart(is_patient=False)

    def hang_up(self, node: NodeId, reason: str) -> None:
        """Stop dialling a member and close this node's connection to it."""
        target = self.targets.pop(node, None)
        if target is not None:
            self._close(target, reason)

    def close_link(self, node: NodeId, reason: str) -> None:
        """Close this node's connection to a member, and keep the target."""
        target = self.targets.get(node)
        if target is not None:
            self._close(target, reason)

    def retry_soon(self, node: NodeId) -> None:
        """The member's chances changed: dial without a pause."""
        target = self.targets.get(node)
        if target is not None and target.attempt is None:
            target.redial.restart(self._is_patient(node))

    def tick(self, context: zmq.Context[zmq.Socket[bytes]], members: Mapping[NodeId, str], now_s: float) -> None:
        """Dial who is due, and give up on who does not answer."""
        for target in self.targets.values():
            attempt = target.attempt
            if attempt is None:
                if self.links.has(target.node):
                    target.redial.restart(self._is_patient(target.node))
                elif target.node in members and target.redial.is_due(now_s):
                    self._start(context, target, members[target.node], now_s)
            elif attempt.wire is not None:
                self.settle(target.node)
            elif attempt.give_up_s is None:
                attempt.give_up_s = now_s + ATTEMPT_S
            elif now_s >= attempt.give_up_s:
                self._fail(target, now_s)

    def receive(self, out: list[MeshEvent], limit: int, ready: Mapping[Any, int], now_s: float) -> None:
        """Append about `limit` messages, shared evenly by the sockets that are ready; note ends of connections."""
        share = max(limit // max(len(self.targets), 1), 16)
        for target in tuple(self.targets.values()):
            attempt = target.attempt
            if attempt is None:
                continue
            if attempt.events in ready and not self._note_events(target, attempt, now_s):
                continue
            if attempt.socket in ready or attempt.ended:
                is_drained = self._read(out, share, target, attempt)
                if is_drained and attempt.ended and target.attempt is attempt:
                    self._end(target, attempt, now_s)

    def close(self, linger_ms: int) -> None:
        """Close all; messages already sent have `linger_ms` to get out."""
        for target in self.targets.values():
            self._close(target, "This node closed its links.", linger_ms)
        self.targets.clear()

    def _is_patient(self, node: NodeId) -> bool:
        return not dials_at_once(self.own, node, self.is_listening)

    def _start(self, context: zmq.Context[zmq.Socket[bytes]], target: Target, server_key: str, now_s: float) -> None:
        place = parse_address(target.address)
        if place is None:
            self.on_refused(target.address, "This is not an address of the form host:port.")
            target.redial.failed(now_s)
            return
        # A routing id proves nothing; it only has to be new at each dial, and beyond guessing.
        routing_id = target.node.encode("ascii") + b"-" + secrets.token_hex(16).encode("ascii")
        try:
            socket = dialling_socket(context, self.keys, server_key, routing_id, QUEUE_MESSAGES)
        except zmq.ZMQError as error:
            self.on_refused(target.address, f"No more sockets can be opened: {error.strerror}.")
            target.redial.failed(now_s)
            return
        events = watch(context, socket)
        if ":" in place[0]:
            socket.setsockopt(zmq.IPV6, 1)
        try:
            socket.connect(f"tcp://{format_address(*place)}")
        except zmq.ZMQError as error:
            close_watched(socket, events)
            self.on_refused(target.address, f"It cannot be dialled: {error.strerror}.")
            target.redial.failed(now_s)
            return
        target.attempt = Attempt(socket, events, give_up_s=now_s + ATTEMPT_S)
        send_frames(socket, b"", b"", HELLO, LINK_VERSION, self.boot)

    def _note_events(self, target: Target, attempt: Attempt, now_s: float) -> bool:
        """Read the monitor to its end; False when the attempt came to nothing and is closed."""
        while True:
            try:
                kind, value = parse_event(attempt.events.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return True
            if kind == zmq.EVENT_CONNECTED:
                continue
            if kind == zmq.EVENT_DISCONNECTED and attempt.wire is not None:
                attempt.ended = "The peer closed the connection, or its process ended."
            elif kind == zmq.EVENT_DISCONNECTED:
                attempt.ended = "It hung up before it answered."
            elif attempt.wire is None:
                self._note_failure(target, kind, value)
                self._fail(target, now_s)
                return False

    def _note_failure(self, target: Target, kind: int, value: int) -> None:
        """Tell why a handshake failed; that nobody answers is everyday life and told to nobody."""
        if kind == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.on_refused(target.address, NOT_KNOWN)
        elif kind == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self.on_refused(target.address, "What answers there is not a peerfarm node.")
        elif kind == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL and value not in _TIMED_OUT:
            # A server that cannot open our hello, for it has another key, just closes the connection.
            target.broken_handshakes += 1
            if target.broken_handshakes >= KEY_CHANGED_AFTER:
                self.on_key_changed(PeerKeyChanged(target.node, target.address))

    def _read(self, out: list[MeshEvent], limit: int, target: Target, attempt: Attempt) -> bool:
        """Read up to `limit` messages; True when none is left."""
        receive = attempt.socket.recv
        for _ in range(limit):
            try:
                frame = receive(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return True
            size_bytes = len(frame)
            wire = attempt.wire
            if wire is not None and 0 < size_bytes <= MAX_MESSAGE_BYTES and not frame.more:
                self.traffic.messages_in += 1
                self.traffic.bytes_in += size_bytes
                out.append(Received(target.node, frame.bytes))
                wire.took(size_bytes)
                continue
            frames = read_rest(attempt.socket, frame)
            boot = greeting(frames, WELCOME)
            if wire is None and boot is not None:
                self._welcome(target, attempt, boot)
            elif wire is not None and wire.is_retiring and frames[:2] == [b"", DONE]:
                self._close(target, "The peer's own connection is kept.", DRAIN_MS)
                return True
            elif wire is None or frames[0] or not wire.obey(frames):
                self.traffic.dropped_in += 1
                attempt.ended = "The peer sent what the mesh does not understand."
                return True
        return False

    def _welcome(self, target: Target, attempt: Attempt, boot: bytes) -> None:
        """The peer's answer: the link is up, unless the peer's own dial is the one to keep."""
        target.redial.restart(self._is_patient(target.node))
        target.broken_handshakes = 0
        attempt.wire = Wire(target.node, attempt.socket, boot)
        self.links.add(attempt.wire)
        self.on_link(target.node)

    def settle(self, node: NodeId) -> None:
        """When both sides dialled, let this node's connection go if the peer's is the one to keep.

        It closes when the peer says that nothing more comes over it, so that no message is lost by it.
        """
        target = self.targets.get(node)
        mine = target.attempt.wire if target is not None and target.attempt is not None else None
        if mine is None or mine.is_retiring or keeps_dialled(self.own, node):
            return
        kept = self.links.twin_of(mine)
        if kept is not None:
            self.links.prefer(kept)
            mine.is_retiring = mine.send_own(RETIRE)

    def _end(self, target: Target, attempt: Attempt, now_s: float) -> None:
        """A connection is over and was read to its end."""
        if attempt.wire is None:
            self._fail(target, now_s)
            return
        self._close(target, attempt.ended)
        target.redial.restart(self._is_patient(target.node))

    def _fail(self, target: Target, now_s: float) -> None:
        self._close(target, "")
        target.redial.failed(now_s)

    def _close(self, target: Target, reason: str, linger_ms: int = 0) -> None:
        attempt, target.attempt = target.attempt, None
        if attempt is not None:
            close_watched(attempt.socket, attempt.events, linger_ms)
            if attempt.wire is not None:
                self.links.remove(attempt.wire, reason)
