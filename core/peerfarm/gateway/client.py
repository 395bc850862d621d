"""Talks to the node on this machine: what the command line uses, and a pattern for plug-ins.

Standard library only and quick to import, for every `peerfarm` command pays for it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from peerfarm import __version__, errors
from peerfarm.errors import NoAnswer, NotInFarm, NotRunning, PeerfarmError, PeerProtocolError, RequestRefused
from peerfarm.gateway.localfile import START_HINT, read_local_file
from peerfarm.protocol.jsonrpc import (
    ANSWER_LIMIT,
    LOCAL_PROTOCOL,
    REQUEST_LIMIT,
    ErrorCode,
    Event,
    Failure,
    Request,
    Result,
    decode_answer,
    encode_request,
)

_READ_BYTES = 64 << 10
_KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, PeerfarmError) and kind is not PeerProtocolError
}
"""Errors of the node that are raised here as what they were there."""


class LocalClient:
    """A greeted connection to this user's node.

    Not for several threads at once. Usable as a context manager.
    """

    def __init__(self, local_file: Path, timeout_s: float = 10.0, client: str = "cli") -> None:
        """Connect and say hello.

        Args:
            local_file: The node's `local.json`.
            timeout_s: Longest wait for the connection and for each answer.
            client: What speaks, for the node's log: `cli`, `maya`, `blender`.

        Raises:
            NotRunning: No node listens.
            PeerfarmError: The local file is readable by others or damaged, or the node refuses the hello.
        """
        self.timeout_s = timeout_s
        place = read_local_file(local_file)
        self._input = bytearray()
        self._events: deque[dict[str, Any]] = deque()
        self._count = 0
        try:
            self._link = socket.create_connection(("127.0.0.1", place.port), timeout=timeout_s)
        except OSError as error:
            raise NotRunning("peerfarm is not running", START_HINT) from error
        try:
            self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            hello = {"client": client, "version": __version__, "protocol": LOCAL_PROTOCOL}
            self.hello = self.call("hello", token=place.token, **hello)
            """What the node said of itself: protocol, version, node, name, farm."""
        except BaseException:
            self._link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calling it twice does no harm."""
        self._link.close()

    def follow(self, method: str, on_event: Callable[[dict[str, Any]], None], **params: Any) -> dict[str, Any]:
        """As `call`, for what takes long: `on_event` sees the events, and each of them renews the time limit."""
        return self._ask(method, params, on_event)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the node and wait for its answer; events that come in between are kept for `next_event`.

        Raises:
            RequestRefused: The node refuses; the error has the class and hint that it had there.
            NoAnswer: Nothing came within `timeout_s`.
            NotRunning: The node closed the connection.
            PeerfarmError: What came is no answer.
        """
        return self._ask(method, params, self._events.append)

    def _ask(self, method: str, params: dict[str, Any], on_event: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        self._count += 1
        line = encode_request(Request(self._count, method, params))
        if len(line) > REQUEST_LIMIT:
            message = f"the request is too long: {len(line)} bytes, more than {REQUEST_LIMIT}"
            raise RequestRefused(message, "Split the job, or let its parameters name files instead of holding them.")
        deadline_s = time.monotonic() + self.timeout_s
        try:
            self._link.settimeout(self.timeout_s)
            # A node that closed the connection said why before: the answer below tells, or the end of the stream.
            with contextlib.suppress(ConnectionError):
                self._link.sendall(line)
        except OSError:
            raise self._no_answer(method) from None
        while True:
            answer = self._receive(deadline_s)
            if answer is None:
                raise self._no_answer(method)
            if isinstance(answer, Event):
                on_event(answer.params)
                if on_event != self._events.append:
                    deadline_s = time.monotonic() + self.timeout_s
            elif isinstance(answer, Failure):
                if answer.id in (None, self._count):
                    raise _error_of(answer)
            elif answer.id == self._count:
                return answer.result

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """The next event after `subscribe`; None when none came within `timeout_s`.

        Raises:
            NotRunning: The node closed the connection.
        """
        if self._events:
            return self._events.popleft()
        deadline_s = time.monotonic() + timeout_s
        while True:
            message = self._receive(deadline_s)
            if message is None:
                return None
            if isinstance(message, Event):
                return message.params

    def events(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Yield events as they come; ends when none came for `timeout_s`."""
        while (event := self.next_event(timeout_s)) is not None:
            yield event

    def _receive(self, deadline_s: float) -> Result | Failure | Event | None:
        """The next message; None when the deadline has passed."""
        searched = 0
        while (end := self._input.find(b"\n", searched)) < 0:
            searched = len(self._input)
            if searched > ANSWER_LIMIT:
                raise PeerfarmError("the node's answer has no end", "Restart the node; its version may be another one.")
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                return None
            self._link.settimeout(remaining_s)
            try:
                data = self._link.recv(_READ_BYTES)
            except TimeoutError:
                return None
            except OSError:
                data = b""
            if not data:
                raise NotRunning("the node closed the connection", f"It stopped, or was restarted. {START_HINT}")
            self._input += data
        line = bytes(self._input[:end])
        del self._input[: end + 1]
        try:
            return decode_answer(line)
        except PeerProtocolError as error:
            message = f"what listens on the node's port does not speak as peerfarm does: {error}"
            raise PeerfarmError(message, START_HINT) from error

    def _no_answer(self, method: str) -> NoAnswer:
        message = f"the node did not answer {method!r} within {self.timeout_s:g} s"
        return NoAnswer(message, "It may be busy: try again, or look at its log.")


def _error_of(failure: Failure) -> PeerfarmError:
    kind = _KINDS.get(failure.kind)
    if kind is not None:
        return kind(failure.message, failure.hint)
    if failure.code in (ErrorCode.REFUSED, ErrorCode.METHOD_NOT_FOUND, ErrorCode.INVALID_PARAMS):
        return RequestRefused(failure.message, failure.hint)
    if failure.code == ErrorCode.NOT_IN_FARM:
        return NotInFarm(failure.message, failure.hint)
    if failure.code == ErrorCode.INTERNAL:
        return PeerfarmError(f"the node met a bug: {failure.message}", failure.hint or "Its log says more.")
    return PeerfarmError(failure.message, failure.hint)
