"""The local socket's server: loopback TCP, no threads, never blocks; the daemon polls it and carries out requests.

It knows no job and no farm: it checks who speaks and what a request looks like, and passes requests on.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.errors import ConfigError, PeerfarmError
from peerfarm.gateway.connection import Connection
from peerfarm.gateway.localfile import LocalFile, remove_local_file, write_local_file
from peerfarm.protocol.jsonrpc import (
    ANSWER_LIMIT,
    HELLO_LIMIT,
    LOCAL_PROTOCOL,
    REQUEST_LIMIT,
    ErrorCode,
    InvalidMessage,
    Request,
    RequestId,
    decode_request,
    encode_error,
    encode_event,
    encode_refusal,
    encode_result,
)
from peerfarm.protocol.localmethods import check_request

LOOPBACK = "127.0.0.1"
CLIENT_LIMIT = 64
"""Connections at a time; beyond it, whoever has not said hello makes room."""
HELLO_LIMIT_S = 10.0
"""From the connection to its `hello`."""
LINGER_S = 1.0
"""How long a dropped connection may take to read why."""
EVENT_BACKLOG = 256 << 10
"""Unread bytes beyond which a client loses events."""
OUTPUT_BACKLOG = 8 << 20
"""Unread bytes beyond which a client is dropped."""
REQUESTS_A_TURN = 8
"""Taken of one connection at once; the rest waits, so that no program keeps the node from its peers."""
POLLIN = 1
POLLOUT = 2
"""As `zmq.POLLIN` and `zmq.POLLOUT`, whose values are part of ZeroMQ's interface."""


@dataclass(frozen=True, slots=True)
class LocalRequest:
    """A request whose names and types are right; answer it once with `Gateway.answer` or `Gateway.refuse`.

    Each connection's first request is `hello`, with the token already checked and taken out of `params`.
    """

    client: int
    """Number of the connection; never reused."""
    id: RequestId
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A connection that had said hello is closed; forget its subscriptions. Answers to it are ignored."""

    client: int


class Gateway:
    """The local socket of one node."""

    def __init__(self, local_file: Path, *, version: str) -> None:
        """Prepare; nothing is bound or written before `open`.

        Args:
            local_file: Where port and token are published to this user's programs.
            version: Of peerfarm; told in the file.
        """
        self._local_file = local_file
        self._version = version
        self._token = ""
        self._listener: socket.socket | None = None
        self._connections: dict[int, Connection] = {}
        self._count = 0
        self._now_s = 0.0
        self._gone: list[ClientGone] = []

    def open(self, port: int = 0) -> int:
        """Listen on 127.0.0.1, mint a token and publish both; answers the port.

        Args:
            port: 0 lets the system choose.

        Raises:
            ConfigError: The port is in use or forbidden, or the local file cannot be written.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":
                # There SO_REUSEADDR would let another program take the port over.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen(CLIENT_LIMIT)
            listener.setblocking(False)
            bound = int(listener.getsockname()[1])
            self._token = secrets.token_hex(32)
            content = LocalFile(bound, self._token, os.getpid(), LOCAL_PROTOCOL, self._version)
            write_local_file(self._local_file, content)
        except OSError as error:
            listener.close()
            raise _cannot_listen(port, error) from error
        except ConfigError:
            listener.close()
            raise
        self._listener = listener
        return bound

    def close(self) -> None:
        """Close every connection after a last attempt to send, and take the local file back if it is still ours."""
        self.flush()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            remove_local_file(self._local_file, self._token)

    def pollables(self) -> list[tuple[int, int]]:
        """(file descriptor, POLLIN | POLLOUT) to wait for; changes with every call of another method."""
        if self._listener is None:
            return []
        return [(self._listener.fileno(), POLLIN)] + [
            # Who may send more is asked about at once where lines wait that came long ago.
            (connection.fileno(), POLLIN | POLLOUT if connection.backlog_bytes or connection.has_line else POLLIN)
            for connection in self._connections.values()
        ]

    def tick(self, now_s: float) -> None:
        """Let go of connections that stay silent before their hello, or that were dropped a while ago.

        Args:
            now_s: Monotonic seconds; call about once a second.
        """
        self._now_s = now_s
        for connection in list(self._connections.values()):
            if connection.opened_s is None:
                connection.opened_s = now_s
            elif connection.dropped_s is not None:
                if now_s - connection.dropped_s > LINGER_S:
                    self._forget(connection)
            elif not connection.is_greeted and now_s - connection.opened_s > HELLO_LIMIT_S:
                error = InvalidMessage(f"no hello came within {HELLO_LIMIT_S:g} s", code=ErrorCode.HELLO)
                self._drop(connection, encode_refusal(None, error))

    def receive(self) -> list[LocalRequest | ClientGone]:
        """Accept who is new and read what has come, in the order of each connection; never blocks.

        A few requests of each connection; nothing more is read of one whose requests wait, so that it waits too.
        """
        self._accept()
        received: list[LocalRequest | ClientGone] = []
        for connection in list(self._connections.values()):
            if not connection.has_line:
                connection.read()
            for _ in range(REQUESTS_A_TURN):
                request = self._next_request(connection)
                if request is not None:
                    received.append(request)
                elif not connection.has_line or connection.dropped_s is not None:
                    break
            if connection.is_ended and (connection.dropped_s is not None or not connection.has_line):
                self._forget(connection)
        received.extend(self._gone)
        self._gone.clear()
        return received

    def answer(self, client: int, request_id: RequestId, result: Mapping[str, Any]) -> None:
        """Send the answer to a request; an answer too long to send becomes an error that says so."""
        line = encode_result(request_id, result)
        if len(line) > ANSWER_LIMIT:
            message = f"the answer is too long: {len(line)} bytes, more than {ANSWER_LIMIT}"
            line = encode_error(request_id, ErrorCode.INTERNAL, message, "Ask for less at a time.")
        self._send(client, line)

    def refuse(self, client: int, request_id: RequestId, error: PeerfarmError) -> None:
        """Answer a request with the error that it met."""
        self._send(client, encode_refusal(request_id, error))

    def fail(self, client: int, request_id: RequestId, message: str) -> None:
        """Answer a request that met a bug of ours, so that nobody waits for ever."""
        self._send(client, encode_error(request_id, ErrorCode.INTERNAL, message))

    def push(self, client: int, event: Mapping[str, Any]) -> None:
        """Send an event (`type` and its fields); `seq` and, after losses, `dropped` are added here.

        A client that does not read its events loses them, and the next one says how many.
        """
        connection = self._connections.get(client)
        if connection is None or connection.dropped_s is not None:
            return
        connection.event_seq += 1
        if connection.backlog_bytes > EVENT_BACKLOG:
            connection.lost_events += 1
            return
        params: dict[str, Any] = {"seq": connection.event_seq, **event}
        if connection.lost_events:
            params["dropped"] = connection.lost_events
            connection.lost_events = 0
        connection.queue(encode_event(params))

    def flush(self) -> None:
        """Send what the connections take now; call after a loop turn's answers and when POLLOUT fires."""
        for connection in list(self._connections.values()):
            connection.write()
            if connection.is_ended:
                self._forget(connection)

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return  # nobody new, gone already, or no descriptor is left: then the newcomer waits in the queue
            accepted.setblocking(False)
            with contextlib.suppress(OSError):  # macOS refuses this on a connection that was reset already
                # Answers are small and somebody waits for them.
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._count += 1
            connection = Connection(accepted, self._count)
            self._connections[connection.number] = connection
            if len(self._connections) > CLIENT_LIMIT:
                self._make_room()

    def _make_room(self) -> None:
        """Drop who has not said hello for longest: another user's idle connections must not lock the owner out."""
        for connection in self._connections.values():
            if not connection.is_greeted:
                hint = "Close a program that uses peerfarm, then try again."
                error = InvalidMessage(f"{CLIENT_LIMIT} programs are connected already", hint, ErrorCode.HELLO)
                connection.queue(encode_refusal(None, error))
                connection.write()
                self._forget(connection)
                return

    def _next_request(self, connection: Connection) -> LocalRequest | None:
        """The next request of a connection; None when no line is complete, or when it was bad and is answered here."""
        if connection.dropped_s is not None:
            return None
        limit = REQUEST_LIMIT if connection.is_greeted else HELLO_LIMIT
        try:
            line = connection.take_line(limit)
            if line is None:
                return None
            request = decode_request(line, limit)
            if not connection.is_greeted:
                return self._greet(connection, request)
        except InvalidMessage as error:
            if not connection.is_greeted:
                error.code = ErrorCode.PROTOCOL if error.code is ErrorCode.PROTOCOL else ErrorCode.HELLO
            self._drop(connection, encode_refusal(error.request_id, error))
            return None
        try:
            check_request(request)
        except InvalidMessage as error:
            self._send(connection.number, encode_refusal(request.id, error))
            return None
        if request.method == "hello":
            self._send(connection.number, encode_error(request.id, ErrorCode.INVALID_REQUEST, "hello was said already"))
            return None
        return LocalRequest(connection.number, request.id, request.method, request.params)

    def _greet(self, connection: Connection, request: Request) -> LocalRequest:
        if request.method != "hello":
            hint = "Send `hello` with the token from the local file as the first line."
            raise InvalidMessage("the first line is no hello", hint, ErrorCode.HELLO, request.id)
        token = request.params.get("token")
        if not (isinstance(token, str) and hmac.compare_digest(token.encode(), self._token.encode())):
            hint = f"Read the token from {self._local_file}; it changes at every start of the node."
            raise InvalidMessage("the token is wrong", hint, ErrorCode.HELLO, request.id)
        if request.params.get("protocol") != LOCAL_PROTOCOL:
            message = f"this node ({self._version}) speaks version {LOCAL_PROTOCOL} of the local protocol, not yours"
            hint = "Install the same version of peerfarm for the node and the plug-ins, then restart the node."
            raise InvalidMessage(message, hint, ErrorCode.PROTOCOL, request.id)
        check_request(request)
        connection.is_greeted = True
        params = {name: value for name, value in request.params.items() if name != "token"}
        return LocalRequest(connection.number, request.id, "hello", params)

    def _send(self, client: int, line: bytes) -> None:
        connection = self._connections.get(client)
        if connection is None or connection.dropped_s is not None:
            return
        if connection.backlog_bytes > OUTPUT_BACKLOG:
            self._forget(connection)  # it does not read: the closed connection tells it that answers are missing
            return
        connection.queue(line)

    def _drop(self, connection: Connection, line: bytes) -> None:
        """Say why, hear nothing more, and close once that was read or `LINGER_S` has passed."""
        connection.dropped_s = self._now_s
        connection.queue(line)
        connection.write()

    def _forget(self, connection: Connection) -> None:
        connection.close()
        if self._connections.pop(connection.number, None) is not None and connection.is_greeted:
            self._gone.append(ClientGone(connection.number))


def _cannot_listen(port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        hint = "Set local_port in peerfarm.yaml to another port, or to 0 to let the system choose."
        return ConfigError(f"port {port} on {LOOPBACK} is in use by another program", hint)
    hint = "Set local_port in peerfarm.yaml to 0 to let the system choose, or to a port above 1023."
    return ConfigError(f"the local socket cannot listen on port {port}: {error.strerror or error}", hint)
