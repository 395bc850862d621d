"""What a renderer's process inherits: the artist's environment without what is ours or would change its libraries."""

from __future__ import annotations

from collections.abc import Mapping

MARK = "PEERFARM_ATTEMPT"
"""Names the attempt in the environment of its whole process family, by which leftovers are known from strangers."""
_DROPPED_PREFIXES = ("PEERFARM_", "PYTHON", "LISTEN_", "WATCHDOG_")
_DROPPED = frozenset({"LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "VIRTUAL_ENV", "NOTIFY_SOCKET"})


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The node's environment as renderers may see it.

    Gone are our own settings and tokens, what points Python or the loader at our libraries (a renderer brings its
    own Python), and the service manager's sockets.
    """
    return {
        name: value
        for name, value in environment.items()
        if name.upper() not in _DROPPED and not name.upper().startswith(_DROPPED_PREFIXES)
    }


def dropped(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names that `cleaned` leaves out, for the log; never their values, which may be secret."""
    kept = cleaned(environment)
    return tuple(sorted(name for name in environment if name not in kept))
