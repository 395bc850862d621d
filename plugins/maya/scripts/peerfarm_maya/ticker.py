"""A clock for the panel: Maya has no timer in plain commands, so a thread asks the main thread to look in."""

import threading

from . import mayacmds

EVERY_S = 0.25
SOON_S = 0.02
"""Between two looks while there is work: Maya's own events come in between."""
FORGOTTEN_S = 600.0
"""A call that Maya has not made for so long may be lost, and another one is put in; the older then does nothing."""


class Ticker(object):
    """Calls `tick` on Maya's main thread, never twice at once; ends when it gives False.

    However long Maya is busy with a render, a playback or a dialog, one call waits in its queue, and no more pile up.
    """

    def __init__(self, tick):
        """Args: tick: Gives False to end, a number of seconds for the next call, or None for the usual time."""
        self._tick = tick
        self._is_over = threading.Event()
        self._was_called = threading.Event()
        self._ticket = 0
        self._is_inside = False
        self._pause_s = EVERY_S
        self._thread = threading.Thread(target=self._run, name="peerfarm-ticker", daemon=True)

    def start(self):
        """Begin."""
        self._thread.start()

    def stop(self):
        """End; a call that is on its way does nothing."""
        self._is_over.set()
        self._was_called.set()

    def _run(self):
        while not self._is_over.wait(self._pause_s):
            self._was_called.clear()
            self._ticket += 1
            mayacmds.soon(self._caller(self._ticket))
            self._was_called.wait(FORGOTTEN_S)

    def _caller(self, ticket):
        def call():
            if ticket == self._ticket and not self._is_over.is_set():
                self._now()

        return call

    def _now(self):
        """On the main thread. A dialog that the tick opens makes Maya look into its queue: that look is skipped."""
        if self._is_inside:
            self._was_called.set()
            return
        self._is_inside = True
        try:
            answer = self._tick()
            if answer is False:
                self._is_over.set()
            self._pause_s = EVERY_S if answer is None else float(answer)
        finally:
            self._is_inside = False
            self._was_called.set()
