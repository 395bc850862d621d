"""Trivial tasks a second with real processes on two one-slot nodes, every action durable and replicated."""

from __future__ import annotations

from typing import Any

from figures import rounded
from realfarm import RealFarm, command_settings, true_job


def run(scale: float) -> dict[str, Any]:
    """One job of some thousand tasks; from its first process start to its last process end."""
    tasks = max(20, int(4000 * scale))
    with RealFarm([command_settings(), command_settings()]) as farm:
        farm.wait_done(farm.nodes[0], farm.submit(farm.nodes[0], true_job(20)), 30.0)
        job = farm.submit(farm.nodes[0], true_job(tasks))
        farm.wait_done(farm.nodes[0], job, 60.0, 0.25)
        starts = [node.started(job) for node in farm.nodes]
        attempts = {line["attempt"] for lines in starts for line in lines}
        ends = [line for node in farm.nodes for line in node.starts() if line["event"] == "end"]
    begun_ns = min(line["mono_ns"] for lines in starts for line in lines)
    ended_ns = max(line["mono_ns"] for line in ends if line["attempt"] in attempts)
    return {
        "tasks_per_s": rounded(tasks / ((ended_ns - begun_ns) / 1e9)),
        "tasks_per_s_tasks": tasks,
        "tasks_per_s_by_node": [len(lines) for lines in starts],
    }
