"""For how long nobody at this machine did anything, by what logind knows of its sessions, or by its displays.

For a node that runs outside any session, as a service or after its user left, and for Wayland, which tells programs
nothing of other windows' input.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from peerfarm.daemon import x11idle

MOST_SESSIONS = 32
_WANTED = ("Class", "Remote", "Seat", "State", "IdleHint", "Type", "Display")

Ask = Callable[..., str]
"""Runs a program with these words and gives what it prints; raises OSError or SubprocessError."""


def idle_s(ask: Ask, environ: Mapping[str, str]) -> float:
    """Seconds since somebody did something in any session at this machine; infinite when nobody is logged in there.

    Raises:
        OSError, SubprocessError: There is no logind, or it does not answer in time.
    """
    listed = ask("loginctl", "list-sessions", "--no-legend")
    names = [words[0] for line in listed.splitlines() if (words := line.split())][:MOST_SESSIONS]
    if not names:
        return math.inf
    told = ask("loginctl", "show-session", *names, *(word for name in _WANTED for word in ("-p", name)))
    return min((_session_s(session, environ) for session in _blocks(told)), default=math.inf)


def _blocks(told: str) -> list[dict[str, str]]:
    """`Name=value` lines, an empty line between sessions."""
    return [
        {name: value for name, _, value in (line.partition("=") for line in block.splitlines())}
        for block in told.strip().split("\n\n")
        if block
    ]


def _session_s(session: Mapping[str, str], environ: Mapping[str, str]) -> float:
    """A session counts whose user sits before this machine's own screen, and not the login screen."""
    is_here = session.get("Class", "user").startswith("user") and session.get("Remote") != "yes"
    if not (is_here and session.get("Seat") and session.get("State") == "active") or session.get("IdleHint") == "yes":
        return math.inf
    display = x11idle.local_display(session.get("Display", ""))
    if display is not None and session.get("Type") == "x11":  # not every desktop tells logind when its user rests
        try:
            return x11idle.idle_s(display, environ)
        except OSError:
            return 0.0
    return 0.0


def display_idle_s(environ: Mapping[str, str]) -> float:
    """Seconds since somebody did something at any display of this machine; infinite when there is none.

    Displays that do not let this program in tell nothing: a login screen is one of them.
    """
    told = []
    for display in x11idle.local_displays():
        try:
            told.append(x11idle.idle_s(display, environ))
        except OSError:
            continue
    return min(told, default=math.inf)
