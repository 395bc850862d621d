"""Is somebody at this machine? Whoever works there needs the network more than the farm does.

Run on Linux with X11 alone; macOS, Windows and Wayland are written from their documentation.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from peerfarm.daemon import sessions, x11idle

AWAY_S = 60.0
"""Without a key or a movement of the mouse for so long, nobody counts as being there."""
LOOK_EVERY_S = 30.0
ANSWER_LIMIT_S = 2.0


class Attendance:
    """Looks now and then while something is sent, in a thread of its own: asking can take seconds.

    Args:
        tell: Called from that thread with whether somebody is there.
        look: Finds it out; may raise nothing.
    """

    def __init__(self, tell: Callable[[bool], object], look: Callable[[], bool] | None = None) -> None:
        self._tell = tell
        self._look = look or is_attended
        self._sent_bytes = -1
        self._next_s = 0.0
        self._thread: threading.Thread | None = None

    def due_s(self, sent_bytes: int) -> float:
        """When to look next, given what was sent in all; infinite when nothing was since the last look."""
        return math.inf if sent_bytes == self._sent_bytes else self._next_s

    def look(self, sent_bytes: int, now_s: float) -> None:
        """Look, unless a look is still under way."""
        self._sent_bytes, self._next_s = sent_bytes, now_s + LOOK_EVERY_S
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=lambda: self._tell(self._look()), name="peerfarm-attendance", daemon=True
            )
            self._thread.start()


def is_attended(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> bool:
    """Whether somebody used this machine's keyboard or mouse within the last minute; not knowing counts as yes.

    A machine where nobody has logged in, such as a render node in a rack, has nobody at it; nor has one that is worked
    on from afar.
    """
    try:
        return way_to_ask(environ, system)() < AWAY_S
    except (OSError, AttributeError, ValueError, subprocess.SubprocessError):
        return True


def way_to_ask(environ: Mapping[str, str], system: str) -> Callable[[], float]:
    """What tells, in this session of this system, for how many seconds nobody did anything."""
    if system == "win32":
        return _idle_windows_s
    if system == "darwin":
        return _idle_macos_s
    if environ.get("WAYLAND_DISPLAY"):
        return lambda: sessions.idle_s(_ask, environ)
    display = x11idle.local_display(environ.get("DISPLAY", ""))
    if display is not None:
        return lambda: _idle_x11_s(display, environ)
    return lambda: _idle_anywhere_s(environ)


def _idle_x11_s(display: int, environ: Mapping[str, str]) -> float:
    try:
        return x11idle.idle_s(display, environ)
    except x11idle.NoServer:
        return _idle_anywhere_s(environ)  # the session in which this node was started is over


def _idle_anywhere_s(environ: Mapping[str, str]) -> float:
    try:
        return sessions.idle_s(_ask, environ)
    except (OSError, subprocess.CalledProcessError):
        return sessions.display_idle_s(environ)  # no logind here


def _idle_macos_s() -> float:
    found = re.search(r'"HIDIdleTime" = (\d+)', _ask("ioreg", "-c", "IOHIDSystem"))
    if found is None:
        raise ValueError("ioreg names no HIDIdleTime")
    return int(found[1]) / 1e9


def _ask(*command: str) -> str:
    return subprocess.run(  # noqa: S603 - fixed programs of the system
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_LIMIT_S, check=True
    ).stdout


class _LastInput(ctypes.Structure):
    """`LASTINPUTINFO` of Windows."""

    _fields_ = (("size", ctypes.c_uint), ("tick_ms", ctypes.c_uint))


def _idle_windows_s() -> float:
    windll = ctypes.windll  # type: ignore[attr-defined,unused-ignore]  # only Windows has it
    last = _LastInput(ctypes.sizeof(_LastInput), 0)
    if not windll.user32.GetLastInputInfo(ctypes.byref(last)):
        raise OSError("Windows does not tell when it was last used")
    return float((windll.kernel32.GetTickCount() - last.tick_ms) & 0xFFFFFFFF) / 1000
