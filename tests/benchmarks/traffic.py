"""What the nodes send each other for one task."""

from __future__ import annotations

import time
from typing import Any

from figures import rounded
from realfarm import RealFarm, command_settings, true_job, wait_until

TASKS = 2000
FIELDS = ("bytes_out", "messages_out")


def run(scale: float) -> dict[str, Any]:
    """A job of trivial tasks on three nodes; all that they sent meanwhile, heartbeats too, by the number of tasks."""
    tasks = max(20, int(TASKS * scale))
    with RealFarm([command_settings()] * 3) as farm:
        farm.wait_done(farm.nodes[0], farm.submit(farm.nodes[0], true_job(20)), 30.0)
        before = _sent(farm)
        if before is None:
            return {"bytes_per_task": None, "messages_per_task": None}
        begun_s = time.monotonic()
        job = farm.submit(farm.nodes[0], true_job(tasks))
        farm.wait_done(farm.nodes[0], job, 60.0)
        taken_s = time.monotonic() - begun_s
        wait_until("equal vectors", lambda: len({node.own_row()["vector_hash"] for node in farm.nodes}) == 1)
        after = _sent(farm) or before
        bytes_out, messages_out = (later - earlier for earlier, later in zip(before, after, strict=True))
    return {
        "bytes_per_task": rounded(bytes_out / tasks),
        "messages_per_task": rounded(messages_out / tasks),
        "traffic_tasks_per_s": rounded(tasks / taken_s),
    }


def _sent(farm: RealFarm) -> tuple[int, ...] | None:
    """Bytes and messages sent by all nodes since their start, before encryption; None when they do not tell."""
    told: list[dict[str, int]] = [node.call("status").get("traffic") or {} for node in farm.nodes]
    return tuple(sum(one[field] for one in told) for field in FIELDS) if all(told) else None
