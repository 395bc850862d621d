"""A steady beat in a thread of its own, for as long as there is something to say."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Ticker:
    """Calls back every few seconds while the callback answers True; no thread is there else.

    Args:
        tick: Called from the ticker's thread, and never twice at the same time; may raise nothing.
    """

    def __init__(self, every_s: float, tick: Callable[[], bool], name: str) -> None:
        self._every_s = every_s
        self._tick = tick
        self._name = name
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_running = False

    def start(self) -> None:
        """There is something to say from now on."""
        with self._lock:
            if not self._is_running and not self._is_over.is_set():
                self._is_running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def close(self) -> None:
        """No more; does not wait."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            with self._lock:  # so that a start at this moment is not lost
                if not self._tick():
                    self._is_running = False
                    return
