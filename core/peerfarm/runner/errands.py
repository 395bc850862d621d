"""One thread that does one thing after the other; what goes wrong in one never ends the thread."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_logger = logging.getLogger(__name__)


class Errands:
    """A persistent thread with a queue of calls."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"peerfarm-{name}", daemon=True)
        self._thread.start()

    def add(self, call: Callable[[], None]) -> None:
        """Do this after everything that was added before; from any thread."""
        self._queue.put(call)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            try:
                call()
            except Exception:  # every call turns its own errors into events; this is the last net
                _logger.exception("an errand of %s failed", self._thread.name)

    def close(self) -> None:
        """Let it end after what was added so far; see `join`."""
        self._queue.put(None)

    def join(self, limit_s: float) -> bool:
        """Wait for its end; whether it came in time."""
        self._thread.join(max(0.0, limit_s))
        return not self._thread.is_alive()
