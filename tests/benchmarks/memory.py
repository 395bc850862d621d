"""What two million done tasks cost in one node's memory."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

JOBS, TASKS = 2000, 1000
LIMIT_S = 240.0


def run(scale: float) -> dict[str, Any]:
    """Build the state in a process of its own."""
    if not Path("/proc/self/statm").exists():
        return {"memory_mb_2m_tasks": None}
    argv = [sys.executable, __file__, str(max(2, int(JOBS * scale)))]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def _build(jobs: int) -> dict[str, Any]:
    from action_stream import Author, job_id, packed_job  # noqa: PLC0415 - the process has the paths only now
    from figures import rounded  # noqa: PLC0415 - the same
    from idle import rss_mb  # noqa: PLC0415 - the same
    from peerfarm.state.actions import Action, JobSubmitted, TaskLeased, TaskRendered  # noqa: PLC0415 - the same
    from peerfarm.state.farm import EMPTY_FARM, all_jobs  # noqa: PLC0415 - the same
    from peerfarm.state.reduce import reduce  # noqa: PLC0415 - the same

    pauses = _watch_collector()
    authors = [Author(number) for number in range(4)]
    farm = EMPTY_FARM
    gc.collect()
    before_mb = rss_mb("self")
    begun_s = time.monotonic()
    seqs = [0, 0, 0, 0]
