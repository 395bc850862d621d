"""From a worker's sudden death to its task's start on another node."""

from __future__ import annotations

from statistics import median
from typing import Any

from figures import rounded
from realfarm import RealFarm, RealNode, ocean_job, wait_until

LIMIT_S = 40.0


def run(scale: float) -> dict[str, Any]:
    """Kill the worker, then, in a farm of its own, the node that both submitted the job and dispatches it."""
    count = max(1, round(3 * scale))
    with RealFarm([{"render": False}, {"slots": 1}, {"slots": 1}]) as farm:
        worker = [_failover_s(farm, farm.nodes[0], number, False) for number in range(count)]
    with RealFarm([{"slots": 1}, {"slots": 1}, {"slots": 1}]) as farm:
        submitter = [_failover_s(farm, farm.nodes[number % 3], number, True) for number in range(max(1, count - 1))]
    return {
        "failover_s": rounded(median(worker)),
        "failover_worst_s": rounded(max(worker)),
        "failover_submitter_s": rounded(median(submitter)),
        "failover_samples": count,
    }


def _failover_s(farm: RealFarm, submitter: RealNode, number: int, is_submitter_killed: bool) -> float:
    """Seconds from the kill to the process start elsewhere; the killed node is started again afterwards."""
    job = farm.submit(submitter, ocean_job(farm.output, 1, 120.0, f"long-{number}"))
    victim = wait_until("a start", lambda: next((n for n in farm.nodes if n.started(job)), None), LIMIT_S)
    if is_submitter_killed:
        assert victim is submitter
    others = [node for node in farm.nodes if node is not victim]
    killed_ns = victim.kill()
    start = wait_until("the task's new start", lambda: [s for n in others for s in n.started(job)], LIMIT_S)[0]
    others[0].call("cancel", job=job)
    victim.start()
    farm.wait_ready()
    return (int(start["mono_ns"]) - killed_ns) / 1e9
