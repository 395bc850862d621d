"""The side that listens: one ROUTER for all who dial in, told apart by the key that each connection proved."""

from __future__ import annotations

import contextlib
import socket as system_socket
from collections.abc import Callable, Container

import zmq

from peerfarm.mesh.api import MAX_MESSAGE_BYTES, KeyPair, MeshEvent, Received, Traffic
from peerfarm.mesh.knocks import Knocks
from peerfarm.mesh.links import LinkTable
from peerfarm.mesh.wire import (
    DONE,
    HELLO,
    LINK_VERSION,
    RETIRE,
    WELCOME,
    Wire,
    bind,
    close_watched,
    greeting,
    listening_socket,
    parse_event,
    read_rest,
    send_frames,
    watch,
)
from peerfarm.mesh.zap import MESH_DOMAIN
from peerfarm.model.ids import NodeId

QUEUE_MESSAGES = 10_000
"""Per peer and direction; the window bounds the bytes."""

_FAILED = frozenset(
    (
        zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
        zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    )
)


class Listener:
    """The bound ROUTER, its monitor, and the connections that came in.

    Args:
        boot: This start's nonce, told in every welcome.
        on_link: Called with the node after its connection became usable.
        on_refused: Called with an address and a reason.
    """

    def __init__(
        self,
        keys: KeyPair,
        boot: bytes,
        links: LinkTable,
        traffic: Traffic,
        on_link: Callable[[NodeId], None],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._keys = keys
        self._boot = boot
        self._links = links
        self._traffic = traffic
        self._on_link = on_link
        self._knocks = Knocks(on_refused)
        self._router: zmq.Socket[bytes] | None = None
        self._events: zmq.Socket[bytes] | None = None
        self._wires: dict[bytes, Wire] = {}
        self._by_fd: dict[int, Wire] = {}
        self._gone: list[Wire] = []
        self._gone_fds: set[int] = set()
        self._address = ""

    @property
    def is_open(self) -> bool:
        """Whether peers can dial in."""
        return self._router is not None

    def open(self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int) -> int:
        """Bind and return the port; ConfigError when that is not possible."""
        router = listening_socket(context, self._keys, MESH_DOMAIN, MAX_MESSAGE_BYTES, QUEUE_MESSAGES)
        events = watch(context, router)
        try:
            bound = bind(router, host, port)
        finally:
            if router.closed:
                events.close()
        self._router, self._events = router, events
        self._address = f"{host}:{bound}"
        return bound

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll."""
        return [self._router, self._events] if self._router and self._events else []

    def note_events(self, ready: Container[zmq.Socket[bytes]]) -> None:
        """Read the monitor to its end, if it has something.

        Must run after the ZAP door was served and before messages are read: a new connection can reuse a
        descriptor only after the old one's end was reported, and it cannot speak before the door let it in.
        """
        while self._events and self._events in ready:
            try:
                kind, value = parse_event(self._events.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return
            if kind == zmq.EVENT_ACCEPTED:
                self._knocks.accepted(value)
            elif kind == zmq.EVENT_DISCONNECTED:
                fd = value
                self._knocks.ended(fd)
                self._gone_fds.add(fd)
                wire = self._by_fd.pop(fd, None)
                if wire is not None:
                    self._gone.append(wire)
            elif kind in _FAILED:
                self._knocks.failed(kind)

    def receive(
        self, out: list[MeshEvent], limit: int, ready: Container[zmq.Socket[bytes]], allowed: Container[NodeId]
    ) -> None:
        """Append up to `limit` messages; connections that ended go down once their last message was read.

        Args:
            ready: The sockets that have something to read.
            allowed: The members at this moment; whoever is not in it is not heard.
        """
        router = self._router
        if router is None:
            return
        if router in ready and not self._drain(router, out, limit, allowed):
            return
        for wire in self._gone:
            self._forget(wire, "The peer closed the connection, or its process ended.")
        self._gone.clear()
        self._gone_fds.clear()
        self._knocks.tell(self._address)

    def _drain(self, router: zmq.Socket[bytes], out: list[MeshEvent], limit: int, allowed: Container[NodeId]) -> bool:
        """Whether everything was read within the limit."""
        for _ in range(limit):
            try:
                route = router.recv(zmq.DONTWAIT)
            except zmq.Again:
                return True
            frame = router.recv(zmq.DONTWAIT, copy=False)
            self._take(out, route, frame, allowed)
        return False

    def _take(self, out: list[MeshEvent], route: bytes, frame: zmq.Frame, allowed: Container[NodeId]) -> None:
        """One message. The sender is what ZAP proved for this very message's connection, and nothing else."""
        node = NodeId(str(frame.get("User-Id")))
        wire = self._wires.get(route)
        if wire is not None and wire.node == node and not frame.more:
            size_bytes = len(frame)
            if 0 < size_bytes <= MAX_MESSAGE_BYTES and node in allowed:
                self._traffic.messages_in += 1
                self._traffic.bytes_in += size_bytes
                out.append(Received(node, frame.bytes))
                wire.took(size_bytes)
                return
            self._traffic.dropped_in += 1
            return
        self._take_own(route, frame, node, wire, allowed)

    def _take_own(
        self, route: bytes, frame: zmq.Frame, node: NodeId, wire: Wire | None, allowed: Container[NodeId]
    ) -> None:
        """A hello, another of the mesh's own messages, or something that is not ours."""
        fd = int(frame.get(zmq.SRCFD))
        self._knocks.heard(fd)
        assert self._router is not None
        frames = read_rest(self._router, frame)
        if wire is not None and wire.node == node and not frames[0] and wire.obey(frames):
            if frames[1:2] == [RETIRE]:
                wire.is_retiring = True
                self.settle(node)
            return
        boot = greeting(frames, HELLO)
        if wire is None and boot is not None and node in allowed:
            # A descriptor already reported closed says nothing any more: that connection is dead, or dials again.
            if fd not in self._gone_fds and send_frames(self._router, route, b"", WELCOME, LINK_VERSION, self._boot):
                wire = Wire(node, self._router, boot, route, fd)
                self._wires[route] = self._by_fd[fd] = wire
                self._links.add(wire)
                self._on_link(node)
            return
        self._traffic.dropped_in += 1
        self._cut(fd)

    def close_links(self, node: NodeId, reason: str) -> None:
        """Close a member's connections at once."""
        for wire in [wire for wire in self._wires.values() if wire.node == node]:
            self._cut(wire.fd, wire)
            self._forget(wire, reason)

    def settle(self, node: NodeId) -> None:
        """Stop using a connection that its dialler wants to let go, once this node's own works."""
        for wire in self._links.wires(node):
            if wire.is_retiring and not wire.is_dialled and self._links.twin_of(wire) and wire.send_own(DONE):
                self._links.remove(wire, "This node's own connection is kept.")

    def lose(self, wire: Wire) -> None:
        """Forget a connection on which a send found nobody, once its last message was read."""
        self._gone.append(wire)

    def close(self, linger_ms: int) -> None:
        """Close all; messages already sent have `linger_ms` to get out."""
        if self._router and self._events:
            close_watched(self._router, self._events, linger_ms)
        self._router = self._events = None
        for wire in list(self._wires.values()):
            self._forget(wire, "This node closed its links.")

    def _forget(self, wire: Wire, reason: str) -> None:
        self._wires.pop(wire.route, None)
        if self._by_fd.get(wire.fd) is wire:
            del self._by_fd[wire.fd]
        self._links.remove(wire, reason)

    def _cut(self, fd: int, wire: Wire | None = None) -> None:
        """Shut one TCP connection down under libzmq, which offers no way to close a single peer of a ROUTER.

        The descriptor is duplicated first and the monitor read after: if the end of the connection was not
        reported by then, the duplicate cannot be somebody else's, for libzmq reports before it closes.
        """
        try:
            double = system_socket.fromfd(fd, system_socket.AF_INET, system_socket.SOCK_STREAM)
        except OSError:
            return
        with double:
            self.note_events(self.sockets())
            if fd not in self._gone_fds if wire is None else self._by_fd.get(fd) is wire:
                with contextlib.suppress(OSError):
                    double.shutdown(system_socket.SHUT_RDWR)
