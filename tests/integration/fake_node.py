"""A node that behaves: the real local socket on a thread, with canned answers instead of a farm behind it."""

from __future__ import annotations

import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from peerfarm.errors import PeerfarmError
from peerfarm.gateway.server import POLLOUT, Gateway, LocalRequest

Answer = Mapping[str, Any] | PeerfarmError | Callable[[Mapping[str, Any]], Mapping[str, Any]]

NODE_ID = "abcdefghijklmnop"


class FakeNode:
    """Answers each method with what `answers` holds for it; everything it was asked stands in `asked`."""

    def __init__(self, home: Path, answers: dict[str, Answer] | None = None) -> None:
        self.local_file = home / "local.json"
        self.gateway = Gateway(self.local_file, version="0.1.0")
        self.answers: dict[str, Answer] = {
            "hello": {"protocol": 1, "version": "0.1.0", "node": NODE_ID, "name": "wave", "farm": None},
            "subscribe": {"subscribed": True},
            "stop": self._stop,
            **(answers or {}),
        }
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.subscribed: set[int] = set()
        self.has_subscriber = threading.Event()
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.port = self.gateway.open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._order(lambda: self._stop({}))
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._wake.close()
        self._woken.close()

    def push(self, event: dict[str, Any]) -> None:
        """Tell every subscriber."""
        self._order(lambda: [self.gateway.push(client, event) for client in self.subscribed])

    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def params_of(self, method: str) -> Mapping[str, Any]:
        return next(params for asked, params in self.asked if asked == method)

    def _order(self, order: Callable[[], object]) -> None:
        self._orders.put(lambda: order() and None)
        try:
            self._wake.send(b"!")
        except OSError:
            assert not self._thread.is_alive()

    def _stop(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self._is_stopping = True
        return {"stopping": True}

    def _run(self) -> None:
        while not self._is_stopping:
            pollables = self.gateway.pollables()
            readers = [fd for fd, _ in pollables]
            writers = [fd for fd, events in pollables if events & POLLOUT]
            ready, _, _ = select.select([self._woken, *readers], writers, [], 0.5)
            if self._woken in ready:
                self._woken.recv(64)
            self.gateway.tick(time.monotonic())
            while not self._orders.empty():
                self._orders.get()()
            for received in self.gateway.receive():
                if isinstance(received, LocalRequest):
                    self._answer(received)
                else:
                    self.subscribed.discard(received.client)
            self.gateway.flush()
        self.gateway.close()

    def _answer(self, request: LocalRequest) -> None:
        self.asked.append((request.method, request.params))
        if request.method == "subscribe":
            self.subscribed.add(request.client)
            self.has_subscriber.set()
        answer = self.answers[request.method]
        if isinstance(answer, PeerfarmError):
            self.gateway.refuse(request.client, request.id, answer)
            return
        try:
            result = answer(request.params) if callable(answer) else answer
        except PeerfarmError as error:
            self.gateway.refuse(request.client, request.id, error)
        else:
            self.gateway.answer(request.client, request.id, result)
