"""The join socket: the farm's side that lets strangers with the join string ask, and the joiner's side."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container
from typing import Any

import zmq

from peerfarm.mesh.addresses import format_address, parse_address
from peerfarm.mesh.api import JoinAnswered, JoinAsked, JoinFailed, KeyPair, MeshEvent
from peerfarm.mesh.wire import (
    bind,
    close_watched,
    dialling_socket,
    listening_socket,
    parse_event,
    read_rest,
    send_frames,
    watch,
)
from peerfarm.mesh.zap import JOIN_DOMAIN, raw_key

MOST_ASK_BYTES = 64 << 10
MOST_TICKETS = 64
"""Askers that wait at once; more are dropped and see a time-out."""
TICKET_S = 60.0
CLOSE_LINGER_MS = 2_000
QUEUE_MESSAGES = 64

_FAILURES: dict[int, str] = {
    zmq.EVENT_CLOSED: "Nothing listens there; the join socket is open only for a while.",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "It does not hold the key in the join string: mistyped, or no longer valid.",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "What answers there is not a farm's join socket.",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "It refused this node's key.",
    zmq.EVENT_DISCONNECTED: "It hung up without an answer.",
}


class JoinDoor:
    """The bound join socket: who reaches it holds its key, which only the join string tells."""

    def __init__(self) -> None:
        self._router: zmq.Socket[bytes] | None = None
        self._tickets: dict[int, tuple[bytes, float]] = {}
        self._last_ticket = 0

    def open(self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int, keys: KeyPair) -> int:
        """Bind and return the port; ConfigError when that is not possible. One that is open is closed first."""
        self.close(CLOSE_LINGER_MS)
        router = listening_socket(context, keys, JOIN_DOMAIN, MOST_ASK_BYTES, QUEUE_MESSAGES)
        bound = bind(router, host, port)
        self._router = router
        return bound

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll."""
        return [self._router] if self._router else []

    def receive(self, out: list[MeshEvent], ready: Container[Any], now_s: float) -> None:
        """Append what was asked, if the door is in `ready`."""
        router = self._router
        if router is None or router not in ready:
            return
        for _ in range(MOST_TICKETS):
            try:
                route = router.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            frame = router.recv(zmq.DONTWAIT, copy=False)
            public_key = str(frame.get("User-Id"))
            frames = read_rest(router, frame)
            if len(frames) == 1 and frames[0] and len(self._tickets) < MOST_TICKETS:
                self._last_ticket += 1
                self._tickets[self._last_ticket] = route, now_s + TICKET_S
                out.append(JoinAsked(self._last_ticket, frames[0], public_key))

    def answer(self, ticket: int, data: bytes) -> None:
        """Send the answer to one asker, if it is still there."""
        route, _ = self._tickets.pop(ticket, (b"", 0.0))
        if route and self._router:
            send_frames(self._router, route, data)

    def tick(self, now_s: float) -> None:
        """Forget who was never answered."""
        self._tickets = {ticket: entry for ticket, entry in self._tickets.items() if now_s < entry[1]}

    def close(self, linger_ms: int) -> None:
        """Close it; answers already given still go out."""
        if self._router:
            self._router.close(linger_ms)
        self._router = None
        self._tickets.clear()


class JoinCall:
    """The joiner's side: one question to one join socket, and one answer or failure.

    Args:
        keys: The joiner's own mesh keys; the handshake proves them to the farm.
    """

    def __init__(self, keys: KeyPair, emit: Callable[[MeshEvent], None]) -> None:
        self._keys = keys
        self._emit = emit
        self._socket: zmq.Socket[bytes] | None = None
        self._events: zmq.Socket[bytes] | None = None
        self._timeout_s = 0.0
        self._give_up_s: float | None = None
        self._address = ""

    def ask(
        self, context: zmq.Context[zmq.Socket[bytes]], address: str, server_key: str, data: bytes, timeout_s: float
    ) -> None:
        """Dial and ask; what was asked before is given up in silence."""
        self.close()
        place = parse_address(address)
        if place is None:
            self._emit(JoinFailed(f"{address!r} is not an address of the form host:port."))
            return
        self._address = address
        if raw_key(server_key) is None:
            self._emit(JoinFailed("The join socket's key is not a CURVE key."))
            return
        routing_id = secrets.token_hex(16).encode("ascii")
        socket = dialling_socket(context, self._keys, server_key, routing_id, QUEUE_MESSAGES)
        if ":" in place[0]:
            socket.setsockopt(zmq.IPV6, 1)
        self._socket, self._events = socket, watch(context, socket)
        self._timeout_s, self._give_up_s = timeout_s, None
        socket.connect(f"tcp://{format_address(*place)}")
        send_frames(socket, b"", data)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll."""
        return [self._socket, self._events] if self._socket and self._events else []

    def receive(self, ready: Container[Any]) -> None:
        """Look for the answer, then for the reason why there will be none."""
        if self._socket is None or self._events is None or not (self._socket in ready or self._events in ready):
            return
        if self._take_answer(self._socket):
            return
        reason = self._noted(self._events)
        # Who answers may close at once: the answer can come between the two looks, and goes before the farewell.
        if reason and not self._take_answer(self._socket):
            self._fail(reason)

    def _take_answer(self, socket: zmq.Socket[bytes]) -> bool:
        try:
            frames = read_rest(socket, socket.recv(zmq.DONTWAIT, copy=False))
        except zmq.Again:
            return False
        self.close()
        self._emit(JoinAnswered(frames[0]))
        return True

    def tick(self, now_s: float) -> None:
        """Give up when the time is over; it starts at the first tick after the question."""
        if self._socket is None:
            return
        if self._give_up_s is None:
            self._give_up_s = now_s + self._timeout_s
        if now_s >= self._give_up_s:
            self._fail(f"{self._address} did not answer within {self._timeout_s:g} seconds.")

    def close(self) -> None:
        """Stop waiting."""
        if self._socket and self._events:
            close_watched(self._socket, self._events)
        self._socket = self._events = None

    def _noted(self, events: zmq.Socket[bytes]) -> str:
        """Why there will be no answer; empty while there may be one."""
        while True:
            try:
                kind, _ = parse_event(events.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return ""
            if kind in _FAILURES:
                return f"{self._address}: {_FAILURES[kind]}"

    def _fail(self, reason: str) -> None:
        self.close()
        self._emit(JoinFailed(reason))
