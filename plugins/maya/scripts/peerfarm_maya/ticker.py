"""A clock for the panel: Maya has no timer in plain commands, so a thread asks the main thread to look in."""

import threading

from . import mayacmds

EVERY_S = 0.25


class Ticker(object):
    """Calls `tick` on Maya's main thread, a few times a second, never twice at once; ends when it gives False."""

    def __init__(self, tick):
        self._tick = tick
        self._is_over = threading.Event()
        self._is_pending = False
        self._thread = threading.Thread(target=self._run, name="peerfarm-ticker", daemon=True)

    def start(self):
        """Begin."""
        self._thread.start()

    def stop(self):
        """End; a call that is on its way does nothing."""
        self._is_over.set()

    def _run(self):
        while not self._is_over.wait(EVERY_S):
            if not self._is_pending:
                self._is_pending = True
                mayacmds.soon(self._now)

    def _now(self):
        self._is_pending = False
        if not self._is_over.is_set() and self._tick() is False:
            self._is_over.set()
