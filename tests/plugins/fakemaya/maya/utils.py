"""Deferred calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maya.world import world


def executeDeferred(call: Callable[[], Any]) -> None:
    """Run it on the main thread when Maya is idle; may be called from any thread."""
    assert not world.has_quit, "a call was deferred after Maya quit"
    world.deferred.append(call)
