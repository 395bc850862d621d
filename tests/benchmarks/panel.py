"""What a panel costs the application's main thread: `Board.tick` with 500 jobs and 50 nodes, all changing."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figures import percentile, rounded

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "plugins")]

JOBS, NODES = 500, 50


def run(scale: float) -> dict[str, Any]:
    """Processor time of the calling thread for each refresh, in ms, and the longest single tick."""
    from fake_node import FakeNode  # noqa: PLC0415 - found through the path above
    from shared_parts import board, client  # noqa: PLC0415 - the same

    refreshes = max(5, int(60 * scale))
    farm = _Farm()
    spent: list[float] = []
    ticks: list[float] = []
    with tempfile.TemporaryDirectory() as folder, FakeNode(Path(folder), farm.answers()):
        link = client.Link("blender 3.4.1", "0.1.0", folder)
        panel = board.Board(link, JOBS)
        link.open()
        seen, now_s, sum_s = 0, 0.0, 0.0
        until_s = time.monotonic() + 60
        while seen <= refreshes and time.monotonic() < until_s:
            now_s += 0.1
            panel.refresh()
            revision = panel.view.revision
            before_s = time.thread_time()
            panel.tick(now_s)
            taken_s = time.thread_time() - before_s
            sum_s += taken_s
            ticks.append(taken_s * 1000)
            if panel.view.revision != revision:
                seen += 1
                spent.append(sum_s * 1000)
                sum_s = 0.0
            link.wait(0.05)
        panel.close()
        link.close()
    shown = spent[2:]
    return {
        "panel_refresh_ms": percentile(shown, 50),
        "panel_refresh_p95_ms": percentile(shown, 95),
        "panel_tick_longest_ms": rounded(max(ticks[2:])),
        "panel_jobs": JOBS,
        "panel_nodes": NODES,
    }


def answers() -> dict[str, Any]:
    """What a node says of such a farm."""
    return _Farm().answers()


class _Farm:
    """Answers in which every row is another one each time."""

    def __init__(self) -> None:
        self._turn = 0

    def answers(self) -> dict[str, Any]:
        status = {"farm": {"id": "f", "name": "Studio"}, "alarms": [], "node": {"version": "0.1.0"}}
        return {"status": status, "nodes": self._nodes, "jobs": self._jobs, "thumbnail": {"frame": None}}

    def _nodes(self, _: Mapping[str, Any]) -> dict[str, Any]:
        task = {"frames": "1-5", "progress": self._turn % 100 / 100}
        row = {"state": "live", "is_self": False, "render": True, "tasks": [task], "fetching": []}
        return {"nodes": [{**row, "id": f"{number:016}", "name": f"node {number}"} for number in range(NODES)]}

    def _jobs(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self._turn += 1
        frames = {"total": 1000, "done": self._turn}
        row = {"status": "active", "frames": frames, "progress": self._turn / 1000, "eta_s": 60.0 + self._turn}
        return {"jobs": [{**row, "id": f"j{n:011}", "name": f"shot {n}"} for n in range(JOBS)], "total": JOBS}
