"""Is somebody at this machine? Whoever works there needs the network more than the farm does.

Run on Linux with X11 alone; macOS, Windows and Wayland are written from their documentation.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping

AWAY_S = 60.0
"""Without a key or a movement of the mouse for so long, nobody counts as being there."""
ANSWER_LIMIT_S = 2.0


def is_attended(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody used this machine's keyboard or mouse within the last minute; not knowing counts as yes.

    A machine without a graphical session, such as a render node in a rack, has nobody at it.
    """
    try:
        idle_s = _idle_s_by(environ)()
    except (OSError, AttributeError, ValueError, subprocess.SubprocessError):
        return True
    return idle_s < AWAY_S


def _idle_s_by(environ: Mapping[str, str]) -> Callable[[], float]:
    if sys.platform == "win32":
        return _idle_windows_s
    if sys.platform == "darwin":
        return _idle_macos_s
    if environ.get("WAYLAND_DISPLAY"):
        return lambda: _idle_logind_s(environ)
    if environ.get("DISPLAY"):
        return lambda: _idle_x11_s(environ["DISPLAY"])
    return lambda: float("inf")


class _ScreenSaverInfo(ctypes.Structure):
    """What the X screen saver extension answers (`XScreenSaverInfo` in its header)."""

    _fields_ = (
        ("window", ctypes.c_ulong),
        ("state", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("til_or_since", ctypes.c_ulong),
        ("idle_ms", ctypes.c_ulong),
        ("event_mask", ctypes.c_ulong),
    )


def _idle_x11_s(display_name: str) -> float:
    x11, saver = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXss.so.1")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    saver.XScreenSaverQueryInfo.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.POINTER(_ScreenSaverInfo)]
    display = x11.XOpenDisplay(display_name.encode())
    if not display:
        raise OSError(f"the display {display_name} cannot be opened")
    try:
        info = _ScreenSaverInfo()
        if not saver.XScreenSaverQueryInfo(display, x11.XDefaultRootWindow(display), ctypes.byref(info)):
            raise OSError("the display has no screen saver extension")
        return float(info.idle_ms) / 1000
    finally:
        x11.XCloseDisplay(display)


def _idle_logind_s(environ: Mapping[str, str]) -> float:
    """Wayland tells programs nothing of other windows' input; logind knows whether the session calls itself idle."""
    session = environ.get("XDG_SESSION_ID", "auto")
    answer = _ask("loginctl", "show-session", session, "-p", "IdleHint")
    if "IdleHint=" not in answer:
        raise ValueError("logind said nothing of the session")
    return float("inf") if "IdleHint=yes" in answer else 0.0


def _idle_macos_s() -> float:
    found = re.search(r'"HIDIdleTime" = (\d+)', _ask("ioreg", "-c", "IOHIDSystem"))
    if found is None:
        raise ValueError("ioreg names no HIDIdleTime")
    return int(found[1]) / 1e9


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_LIMIT_S, check=True).stdout  # noqa: S603 - fixed programs of the system


def _idle_windows_s() -> float:
    class LastInput(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("tick_ms", ctypes.c_uint))

    windll = ctypes.windll  # type: ignore[attr-defined,unused-ignore]  # only Windows has it
    last = LastInput(ctypes.sizeof(LastInput), 0)
    if not windll.user32.GetLastInputInfo(ctypes.byref(last)):
        raise OSError("Windows does not tell when it was last used")
    return float((windll.kernel32.GetTickCount() - last.tick_ms) & 0xFFFFFFFF) / 1000
