"""What the questions of a panel cost a node that knows very many jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from figures import percentile, rounded
from realfarm import RealFarm

JOBS = 10_000
ASKED = 20
SHOWN = 20


def run(scale: float) -> dict[str, Any]:
    """Time of one answer over the local socket, in ms, and how fast jobs are taken in."""
    jobs = max(20, int(JOBS * scale))
    with RealFarm([{"slots": 1, "render": False}]) as farm:
        (node,) = farm.nodes
        begun_s = time.monotonic()
        for number in range(jobs):
            node.call("submit", job=_job(f"shot {number}", str(node.home / f"frames {number}")))
        submitted_s = time.monotonic() - begun_s
        status = _answers_ms(lambda: node.call("status"))
        newest = _answers_ms(lambda: node.call("jobs", limit=SHOWN, mine=True))
        begun_s = time.monotonic()
        listed = len(node.call("jobs")["jobs"])
        listed_s = time.monotonic() - begun_s
    if listed != jobs:
        raise AssertionError(f"{listed} jobs were listed, not {jobs}")
    return {
        "many_jobs_status_ms": percentile(status, 50),
        "many_jobs_newest_ms": percentile(newest, 50),
        "many_jobs_first_status_ms": rounded(status[0]),
        "many_jobs_list_all_s": rounded(listed_s),
        "many_jobs_submitted_per_s": rounded(jobs / submitted_s),
        "many_jobs": jobs,
    }


def _answers_ms(ask: Callable[[], Any]) -> list[float]:
    taken = []
    for _ in range(ASKED):
        begun_s = time.monotonic()
        ask()
        taken.append((time.monotonic() - begun_s) * 1000)
    return taken


def _job(name: str, folder: str) -> dict[str, Any]:
    step = {"name": "render", "app": "ocean", "frames": "1-10", "output": {"dir": folder, "pattern": "sea_####.png"}}
    return {"name": name, "paused": True, "steps": [step]}
