"""One CURVE connection to one peer, the small frames the mesh itself sends over it, and every socket option.

A message of the layer above is one frame, never empty. The mesh's own begin with an empty frame:
hello (dialler), welcome (answer), read (how many bytes were taken so far), and when two dials crossed
retire (the higher id's connection shall go) and done (nothing more comes over it).
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field

import zmq

from peerfarm.errors import ConfigError
from peerfarm.mesh.addresses import format_address
from peerfarm.mesh.api import MAX_MESSAGE_BYTES, KeyPair
from peerfarm.mesh.window import Window
from peerfarm.model.ids import NodeId

HELLO = b"hello"
WELCOME = b"welcome"
READ = b"read"
RETIRE = b"retire"
DONE = b"done"
LINK_VERSION = b"1"
MOST_FRAMES = 8
"""Frames of a message that are looked at; more is not ours."""

CURVE_BYTES = 64
"""libzmq measures a frame encrypted, 33 bytes longer."""

HANDSHAKE_MS = 10_000
CONNECT_MS = 3_000
NEVER_MS = 1 << 30
"""Twelve days. libzmq would redial a wrong key for ever in silence and a refused one never; `tick` redials."""

WATCHED_EVENTS = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_ACCEPTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)

_names = itertools.count()


@dataclass(slots=True, eq=False)
class Wire:
    """One connection whose other end is proven to be a member, usable in both directions."""

    node: NodeId
    socket: zmq.Socket[bytes]
    boot: bytes
    """Random at each start of the other end's mesh; tells a restart from a second connection."""
    route: bytes = b""
    """Its routing id on the listening ROUTER; empty when this node dialled."""
    fd: int = -1
    """Of the TCP connection inside libzmq, on the listening side."""
    window: Window = field(default_factory=Window)
    is_retiring: bool = False
    """It gives way to another connection of the same two, once nothing is on its way over it."""
    is_broken: bool = False
    """A send found nobody there; the link goes down at the next `receive`."""

    @property
    def is_dialled(self) -> bool:
        """True when this node opened the connection."""
        return not self.route

    def send(self, data: bytes) -> bool:
        """Send one message of the layer above; False when the peer is behind or gone."""
        size_bytes = len(data)
        if self.is_broken or not self.window.has_room(size_bytes):
            return False
        try:
            if self.route:
                self.socket.send(self.route, zmq.DONTWAIT | zmq.SNDMORE)
            self.socket.send(data, zmq.DONTWAIT)
        except zmq.Again:
            return False
        except zmq.ZMQError:
            self.is_broken = True
            return False
        self.window.sent += size_bytes
        return True

    def send_own(self, *frames: bytes) -> bool:
        """Send one of the mesh's own messages; False when it could not be sent now."""
        return send_frames(self.socket, self.route, b"", *frames)

    def took(self, size_bytes: int) -> None:
        """Count what was received, and tell the peer now and then."""
        window = self.window
        window.taken += size_bytes
        if window.owes_report() and self.send_own(READ, b"%d" % window.taken):
            window.reported = window.taken

    def obey(self, frames: list[bytes]) -> bool:
        """Carry out one of the mesh's own messages; False when it is malformed. Unknown kinds are passed over."""
        if frames[1:2] != [READ]:
            return True
        text = frames[2] if len(frames) == 3 else b""
        return text.isdigit() and len(text) <= 18 and self.window.note_report(int(text))


def send_frames(socket: zmq.Socket[bytes], route: bytes, *frames: bytes) -> bool:
    """Send frames without waiting, through a ROUTER when `route` is given; False when they could not go."""
    try:
        socket.send_multipart([route, *frames] if route else list(frames), zmq.DONTWAIT)
    except zmq.ZMQError:
        return False
    return True


def greeting(frames: list[bytes], kind: bytes) -> bytes | None:
    """The boot nonce in a hello or welcome; None when `frames` is no such thing.

    Frames after the nonce are left to later versions.
    """
    if len(frames) < 4 or frames[0] or frames[1] != kind or frames[2] != LINK_VERSION or not 1 <= len(frames[3]) <= 32:
        return None
    return frames[3]


def read_rest(socket: zmq.Socket[bytes], first: zmq.Frame) -> list[bytes]:
    """The frames of a message whose first was just received, to its end; what follows the eighth is dropped."""
    frames = [first.bytes]
    more = first.more
    while more:
        frame = socket.recv(zmq.DONTWAIT, copy=False)
        more = frame.more
        if len(frames) < MOST_FRAMES:
            frames.append(frame.bytes)
    return frames


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """A context of its own for one mesh.

    Raises:
        ConfigError: This pyzmq was built without CURVE.
    """
    if not zmq.has("curve"):
        raise ConfigError(
            "This machine's pyzmq was built without CURVE, so links could not be encrypted.",
            "Install pyzmq from PyPI: python -m pip install --force-reinstall pyzmq",
        )
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 8192)
    return context


def listening_socket(
    context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, domain: bytes, largest_bytes: int, queue: int
) -> zmq.Socket[bytes]:
    """A ROUTER under a CURVE key that asks the ZAP door about everybody; not yet bound."""
    socket = context.socket(zmq.ROUTER)
    _set_common(socket, keys, largest_bytes, queue)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.ZAP_DOMAIN, domain)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    # ROUTER_HANDOVER stays off: each dial has a random routing id of its own, so none needs to be taken over,
    # and a member who learnt another's could not take its place.
    socket.setsockopt(zmq.BACKLOG, 256)
    return socket


def dialling_socket(
    context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, server_key: str, routing_id: bytes, queue: int
) -> zmq.Socket[bytes]:
    """A DEALER that trusts one server key alone; good for one connection, not yet connected."""
    socket = context.socket(zmq.DEALER)
    _set_common(socket, keys, MAX_MESSAGE_BYTES, queue)
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode("ascii"))
    socket.setsockopt(zmq.ROUTING_ID, routing_id)
    # IMMEDIATE stays 0: the hello waits in the pipe for the handshake, and nothing else is sent before the answer.
    socket.setsockopt(zmq.RECONNECT_IVL, NEVER_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_MS)
    return socket


def _set_common(socket: zmq.Socket[bytes], keys: KeyPair, largest_bytes: int, queue: int) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode("ascii"))
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode("ascii"))
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, queue)
    socket.setsockopt(zmq.RCVHWM, queue)
    socket.setsockopt(zmq.MAXMSGSIZE, largest_bytes + CURVE_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    # ZMTP's own ping proves the path alone; whether the node lives is told by the layer above.
    socket.setsockopt(zmq.HEARTBEAT_IVL, 5_000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15_000)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 15_000)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 10)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)


def watch(context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """A socket that brings the monitor events of another; close both with `close_watched`."""
    address = f"inproc://watch-{next(_names)}"
    socket.monitor(address, WATCHED_EVENTS)
    events = context.socket(zmq.PAIR)
    # Without a bound: a full monitor would stop libzmq's I/O thread.
    events.setsockopt(zmq.RCVHWM, 0)
    events.setsockopt(zmq.LINGER, 0)
    events.connect(address)
    return events


def parse_event(frames: list[bytes]) -> tuple[int, int]:
    """The (event, value) of one monitor message.

    As the guide of libzmq's `zmq_socket_monitor` says: 16 bits of event and 32 of value, in the machine's own order.
    pyzmq's reader of it would load asyncio and ssl into every node.
    """
    event, value = struct.unpack("=hi", frames[0])
    return event, value


def close_watched(socket: zmq.Socket[bytes], events: zmq.Socket[bytes], linger_ms: int = 0) -> None:
    """Close a socket and its monitor."""
    socket.disable_monitor()
    events.close()
    socket.close(linger_ms)


def bind(socket: zmq.Socket[bytes], host: str, port: int) -> int:
    """Bind to a numeric address and return the port.

    Raises:
        ConfigError: The port is taken, or the address is not of this machine. The socket is closed.
    """
    if ":" in host:
        socket.setsockopt(zmq.IPV6, 1)
    place = format_address(host, port)
    endpoint = f"tcp://{place}" if port else f"tcp://{place[:-1]}*"
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        if error.errno == zmq.EADDRINUSE:
            raise ConfigError(
                f"Port {port} is in use by another program.",
                "Set another `port` in peerfarm.yaml, or 0 to let the system choose.",
            ) from error
        raise ConfigError(
            f"Cannot listen on {place}: {error.strerror}.",
            "Set `listen` in peerfarm.yaml to an address of this machine, or 0.0.0.0 for all, and `port` above 1023.",
        ) from error
    bound = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(bound, bytes)
    return int(bound.rstrip(b"\0").rpartition(b":")[2])
