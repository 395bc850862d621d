"""What two million done tasks cost in one node's memory."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from action_stream import DIGEST, FARM, Author, job_id, packed_job
from figures import rounded
from idle import rss_mb
from realfarm import CORE

from peerfarm.model.ids import BootId
from peerfarm.state.actions import Action, Body, JobSubmitted, TaskLeased, TaskRendered
from peerfarm.state.farm import EMPTY_FARM, Farm, all_jobs
from peerfarm.state.reduce import reduce

JOBS, TASKS = 2000, 1000
LIMIT_S = 240.0


def run(scale: float) -> dict[str, Any]:
    """Build the state in a process of its own."""
    if not Path("/proc/self/statm").exists():
        return {"memory_mb_2m_tasks": None}
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CORE), str(Path(__file__).parent)])}
    argv = [sys.executable, __file__, str(max(2, int(JOBS * scale)))]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True, env=environ)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


class _Pauses:
    """The garbage collector's longest pause."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._begun_s = 0.0
        gc.callbacks.append(self._on_phase)

    def _on_phase(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._begun_s = time.monotonic()
        else:
            self.longest_s = max(self.longest_s, time.monotonic() - self._begun_s)


def measure(jobs: int) -> dict[str, Any]:
    """The growth of this process by a farm of that many jobs, each done, one frame a task."""
    gc.collect()
    before_mb = rss_mb("self")
    pauses = _Pauses()
    begun_s = time.monotonic()
    farm = _build(jobs)
    taken_s = time.monotonic() - begun_s
    grown_mb = rss_mb("self") - before_mb
    gc.collect()
    done = sum(step.done.bit_count() for _, state in all_jobs(farm) for step in state.steps.values())
    assert done == jobs * TASKS
    return {
        "memory_mb_2m_tasks": rounded(grown_mb * JOBS / jobs),
        "memory_bytes_per_task": rounded(grown_mb * (1 << 20) / done),
        "memory_tasks": done,
        "memory_built_in_s": rounded(taken_s),
        "memory_longest_gc_ms": rounded(pauses.longest_s * 1000),
    }


def _build(jobs: int) -> Farm:
    """Every job submitted, then every task leased and rendered, through the reducers."""
    authors = [Author(number) for number in range(4)]
    boot = BootId("bootaaaa")
    farm, lamport = EMPTY_FARM, 0

    def apply(author: Author, body: Body) -> tuple[Any, Any, int]:
        nonlocal farm, lamport
        author.seq += 1
        lamport += 1
        farm = reduce(farm, Action(FARM, author.node, author.log, author.seq, lamport, 0, "", body, b""))
        return (author.node, author.log, author.seq)

    for number in range(jobs):
        job, dispatcher = job_id(number), authors[number % 4]
        apply(dispatcher, JobSubmitted(job, packed_job(f"shot {number}", TASKS)))
        for task in range(TASKS):
            worker = authors[(number + task) % 4]
            lease = apply(dispatcher, TaskLeased(job, 0, task, 0, 1, worker.node, boot, lamport))
            frames = ((f"sea_{task + 1:04}.png", 123_456, DIGEST),)
            apply(worker, TaskRendered(job, 0, task, lease, frames, 61_000))
    return farm


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
