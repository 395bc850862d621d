"""Answers to local requests: at once, or when what they wait for has arrived, but never later than a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerfarm.errors import PeerfarmError, RequestRefused
from peerfarm.node.core import Core
from peerfarm.node.effects import Answer
from peerfarm.node.inputs import LocalRequest

ASK_LIMIT_S = 10.0
"""A peer, disk or thread that does not answer within this is reported."""
MAX_WAITING = 256


@dataclass(slots=True)
class Waiting:
    """A request that will be answered later."""

    request: LocalRequest
    until_s: float
    kind: str
    """Which part waits for it: tokens are small numbers that a peer could guess."""
    extra: Any = None
    """What that part wants to find again."""


@dataclass(slots=True)
class Desk:
    """Where every local request is answered."""

    core: Core
    _waiting: dict[str, Waiting] = field(default_factory=dict)
    _token: int = 0
    on_late: Callable[[str], None] = lambda _: None
    """Told the token of a request whose time is up; it is refused, unless it is taken now."""

    def reply(self, request: LocalRequest, result: dict[str, Any]) -> None:
        """Answer with a result."""
        self.core.effects.answers.append(Answer(request.client, request.id, result))

    def refuse(self, request: LocalRequest, error: PeerfarmError) -> None:
        """Answer with an error."""
        self.core.effects.answers.append(Answer(request.client, request.id, error=error))

    def wait(self, request: LocalRequest, kind: str, limit_s: float = ASK_LIMIT_S, extra: Any = None) -> str:
        """Answer later; the token finds the request again.

        Raises:
            RequestRefused: Too many are waiting.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise RequestRefused("too many requests are waiting for an answer", "try again in a few seconds")
        self._token += 1
        token = str(self._token)
        self._waiting[token] = Waiting(request, self.core.mono_s + limit_s, kind, extra)
        return token

    def look(self, token: str, kind: str) -> Waiting | None:
        """The request behind a token of that kind; None when its time was up or its asker left."""
        waiting = self._waiting.get(token)
        return waiting if waiting is not None and waiting.kind == kind else None

    def extend(self, token: str, limit_s: float) -> None:
        """Whoever works on the answer got on with it: wait for so long again."""
        waiting = self._waiting.get(token)
        if waiting is not None:
            waiting.until_s = self.core.mono_s + limit_s

    def of_client(self, client: int, kind: str) -> list[str]:
        """The tokens of a local connection's requests of that kind."""
        return [t for t, w in self._waiting.items() if w.request.client == client and w.kind == kind]

    def count(self, kind: str) -> int:
        """How many requests of that kind wait."""
        return sum(waiting.kind == kind for waiting in self._waiting.values())

    def take(self, token: str, kind: str) -> Waiting | None:
        """The same, to be answered now."""
        waiting = self.look(token, kind)
        if waiting is not None:
            del self._waiting[token]
        return waiting

    def client_gone(self, client: int) -> None:
        """A local connection closed: nobody waits for its answers."""
        self._waiting = {t: w for t, w in self._waiting.items() if w.request.client != client}

    def tick(self) -> None:
        """Nobody waits for ever."""
        for token in [t for t, w in self._waiting.items() if self.core.mono_s >= w.until_s]:
            self.on_late(token)
            late = self._waiting.pop(token, None)
            if late is not None:
                self.refuse(late.request, RequestRefused("no answer came in time", "try again"))
