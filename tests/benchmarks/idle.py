"""What a node costs that has nothing to do and five live peers."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from figures import rounded
from realfarm import RealFarm

PEERS = 5
SETTLE_S = 6.0


def run(scale: float) -> dict[str, Any]:
    """Processor time and memory of each of six nodes as the system counts them, averaged over the nodes."""
    if not Path("/proc/self/stat").exists():
        return {"idle_cpu_percent": None, "idle_rss_mb": None}
    watched_s = max(2.0, 20.0 * scale)
    with RealFarm([{"slots": 1}] * (PEERS + 1)) as farm:
        pids = [node.pid for node in farm.nodes]
        time.sleep(min(SETTLE_S, watched_s))
        begun_s, before = time.monotonic(), [_cpu_s(pid) for pid in pids]
        time.sleep(watched_s)
        taken_s = time.monotonic() - begun_s
        used_s = [_cpu_s(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
        sizes_mb = [rss_mb(pid) for pid in pids]
    return {
        "idle_cpu_percent": rounded(sum(used_s) / len(used_s) / taken_s * 100),
        "idle_cpu_worst_percent": rounded(max(used_s) / taken_s * 100),
        "idle_rss_mb": rounded(sum(sizes_mb) / len(sizes_mb)),
        "idle_seconds": rounded(taken_s),
    }


def _cpu_s(pid: int) -> float:
    """Seconds of processor time of all threads, exact to the nanosecond where the system keeps it."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in tasks.iterdir()) / 1e9


def rss_mb(pid: int | str) -> float:
    """Resident memory of a process."""
    resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
