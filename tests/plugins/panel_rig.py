"""The connection and the board that the Python plug-ins share, loaded without their applications, beside a node."""

from __future__ import annotations

import importlib
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
for folder in ("integration", "e2e"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))

PLUGINS = TESTS.parent / "plugins"
FOLDERS = (PLUGINS / "blender" / "peerfarm_blender", PLUGINS / "maya" / "scripts" / "peerfarm_maya")
SHARED = ("client.py", "wire.py", "board.py")
LIMIT_S = 20.0

_package = types.ModuleType("panel_side")
_package.__path__ = [str(FOLDERS[1])]
sys.modules.setdefault("panel_side", _package)
client: Any = importlib.import_module("panel_side.client")
board: Any = importlib.import_module("panel_side.board")
wire: Any = importlib.import_module("panel_side.wire")


def tick_until(panel: Any, is_so: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Tick the board as an application's timer would, until it is so."""
    until_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < until_s, (panel.view, panel.notice, panel.link.state)
        panel.link.wait(0.05)
        panel.tick(time.monotonic())


def drain_until(link: Any, is_so: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """The same for a link without a board."""
    until_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < until_s, (link.state, link.sentence)
        link.wait(0.05)
        link.drain()
