"""From the request on the local socket to the renderer's process start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from figures import percentile
from realfarm import RealFarm, RealNode, command_settings, ocean_job, true_job, wait_until


def run(scale: float) -> dict[str, Any]:
    """Submit to the own idle slot, then to a farm whose only worker is another node."""
    count = max(3, int(40 * scale))
    with RealFarm([command_settings()]) as farm:
        own = _latencies_ms(farm, farm.nodes[0], true_job(1), count)
        ocean = _latencies_ms(farm, farm.nodes[0], ocean_job(farm.output, 1, 0), max(3, count // 2))
    with RealFarm([{"render": False}, command_settings()]) as farm:
        remote = _latencies_ms(farm, farm.nodes[1], true_job(1), count)
    return {
        "first_start_ms": percentile(own, 50),
        "first_start_p95_ms": percentile(own, 95),
        "first_start_ocean_ms": percentile(ocean, 50),
        "first_start_remote_ms": percentile(remote, 50),
        "first_start_remote_p95_ms": percentile(remote, 95),
        "first_start_samples": count,
    }


def _latencies_ms(farm: RealFarm, worker: RealNode, job: Mapping[str, Any], count: int) -> list[float]:
    found = []
    for number in range(count + 1):
        # An odd pause, so that the requests fall anywhere between the nodes' ticks.
        time.sleep(0.05 + number % 7 * 0.013)
        sent_ns = time.monotonic_ns()
        job_id = farm.submit(farm.nodes[0], job)
        start = wait_until("the process start", partial(worker.started, job_id), every_s=0.005)[0]
        found.append((start["mono_ns"] - sent_ns) / 1e6)
        farm.wait_done(farm.nodes[0], job_id, 20.0, 0.02)
    return found[1:]  # the first one loads modules
