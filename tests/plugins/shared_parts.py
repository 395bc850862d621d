"""The files that the plug-ins for Blender and Maya share, imported without either application, and a node for them."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
PLUGINS = TESTS.parent / "plugins"
COPIES = (PLUGINS / "blender" / "peerfarm_blender", PLUGINS / "maya" / "scripts" / "peerfarm_maya")
SHARED = ("board.py", "client.py", "launch.py", "rows.py", "wire.py")
LIMIT_S = 20.0

for _folder in ("integration", "e2e"):  # FakeNode, and real farms
    if str(TESTS / _folder) not in sys.path:
        sys.path.append(str(TESTS / _folder))

from fake_node import FakeNode  # noqa: E402, F401 - the folders must be known first
from farm_rig import RealFarm, RealNode  # noqa: E402, F401 - as above

_package = ModuleType("peerfarm_shared")  # of the same files, without the __init__ that needs the application
_package.__path__ = [str(COPIES[0])]
sys.modules.setdefault("peerfarm_shared", _package)
client = importlib.import_module("peerfarm_shared.client")
wire = importlib.import_module("peerfarm_shared.wire")
launch = importlib.import_module("peerfarm_shared.launch")
board = importlib.import_module("peerfarm_shared.board")
rows = importlib.import_module("peerfarm_shared.rows")


def drain_until(link: Any, is_so: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Hand out what comes until something is so."""
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s, (link.state, link.sentence, link.hint)
        link.wait(0.05)
        link.drain()


def tick_until(shown: Any, is_so: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Tick a Board, whose clock runs a second at each turn, until something is so."""
    deadline_s = time.monotonic() + limit_s
    now_s = time.monotonic()
    while not is_so():
        assert time.monotonic() < deadline_s, (shown.view, shown.notice)
        shown.link.wait(0.02)
        now_s += 1.0
        shown.tick(now_s)


def threads() -> list[threading.Thread]:
    """Those of connections that still live."""
    return [thread for thread in threading.enumerate() if thread.name == "peerfarm"]
