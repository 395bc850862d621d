"""How much longer a job takes than its frames' render times shared out over the slots."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from typing import Any

from figures import rounded
from realfarm import LIMIT_S, BenchmarkFailed, RealFarm, RealNode, ocean_job

from peerfarm.apps.programs import program_path

SLOTS = 2


def run(scale: float) -> dict[str, Any]:
    """Twelve chunks of five seconds by `ocean` on two nodes with one slot each; the same with Blender where it is."""
    chunks, seconds = max(2, round(12 * scale)), 5.0 if scale >= 1 else 1.0
    figures: dict[str, Any] = {}
    with RealFarm([{"slots": 1}] * SLOTS) as farm:
        ratio, span_s = _ratio(farm, ocean_job(farm.output, chunks, seconds), chunks)
        figures |= {"makespan_ratio": ratio, "makespan_s": span_s, "makespan_chunks": chunks}
        apps = {app["app"] for app in farm.nodes[0].own_row()["apps"]}
        if "blender" in apps:
            figures |= _blender(farm, max(2, round(8 * scale)))
    return figures


def _ratio(farm: RealFarm, job: Mapping[str, Any], chunks: int) -> tuple[float, float]:
    """Makespan over the render times' sum per slot, and the makespan in seconds."""
    node = farm.nodes[0]
    client = node.connect()
    assert client is not None
    with client:
        client.call("subscribe")
        sent_s = time.monotonic()
        job_id = farm.submit(node, job)
        done: set[int] = set()
        while len(done) < chunks:
            event = client.next_event(LIMIT_S * 4)
            if event is None or (event.get("job") == job_id and event.get("type") == "task/failed"):
                raise BenchmarkFailed(f"a task did not end well: {event}")
            if event.get("job") == job_id and event.get("type") == "task/rendered":
                done.add(event["task"])
        span_s = time.monotonic() - sent_s
    return rounded(span_s / (_render_s(farm.nodes, job_id) / SLOTS)), rounded(span_s)


def _render_s(nodes: list[RealNode], job: str) -> float:
    """Seconds from start to end of all processes of a job, as the runners wrote them down."""
    total_ns = 0
    for node in nodes:
        begun = {line["attempt"]: line["mono_ns"] for line in node.started(job)}
        for line in node.starts():
            if line["event"] == "end" and line["attempt"] in begun:
                total_ns += line["mono_ns"] - begun[line["attempt"]]
    return total_ns / 1e9


def _blender(farm: RealFarm, chunks: int) -> dict[str, Any]:
    """The demo's scene by Blender, two frames a chunk."""
    program = next(app["executable"] for app in farm.nodes[0].call("apps")["apps"] if app["app"] == "blender")
    scene = farm.output / "sea.blend"
    maker = [program, "-b", "--factory-startup", "-P", program_path("make_ocean_scene.py"), "--", str(scene)]
    made = subprocess.run(maker, capture_output=True, text=True, timeout=LIMIT_S * 2, check=False)
    if not scene.exists():
        raise BenchmarkFailed(f"Blender made no scene: {made.stdout[-500:]} {made.stderr[-500:]}")
    step = {
        "name": "render",
        "app": "blender",
        "params": {"scene": str(scene)},
        "frames": f"1-{2 * chunks}",
        "chunk": 2,
        "output": {"dir": str(farm.output / "blender"), "pattern": "sea_####.png"},
    }
    ratio, span_s = _ratio(farm, {"name": "blender", "steps": [step]}, chunks)
    return {"blender_makespan_ratio": ratio, "blender_makespan_s": span_s, "blender_makespan_chunks": chunks}
