"""The benchmarks still run and give the figures that they promise; how good those are is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN = Path(__file__).parent / "run.py"


def run_scaled(*names: str) -> dict[str, Any]:
    """The figures of a much smaller run of some benchmarks."""
    argv = [sys.executable, str(RUN), "--json", "--scale", "0.01", "--only", *names]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(ended.stdout.splitlines()) == 1
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_benchmarks_with_real_nodes_give_their_figures() -> None:
    figures = run_scaled("first_start", "task_rate", "catch_up", "traffic", "many_jobs")
    for name in (
        "first_start_ms",
        "first_start_p95_ms",
        "first_start_remote_ms",
        "tasks_per_s",
        "catch_up_s",
        "many_jobs_newest_ms",
    ):
        assert figures[name] > 0
    assert {"bytes_per_task", "messages_per_task"} <= figures.keys()
    assert figures["notes"]["failures"] == {}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_benchmarks_of_the_state_give_their_figures() -> None:
    figures = run_scaled("action_rate", "memory")
    assert figures["actions_per_s"] > 0
    assert "memory_mb_2m_tasks" in figures


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_benchmarks_of_the_blob_store_give_their_figures() -> None:
    figures = run_scaled("hashing", "small_files")
    assert figures["small_files"] == 200
    for name in ("hash_mb_per_s", "pack_mb_per_s", "small_files_pack_s", "small_files_keep_s", "small_files_lay_out_s"):
        assert figures[name] > 0
    assert figures["notes"]["failures"] == {}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_benchmarks_of_files_on_their_way_give_their_figures() -> None:
    figures = run_scaled("spread", "resend")
    assert figures["spread_8_over_ideal"] > 0
    assert figures["resend_bytes_per_node"] > 0
    assert figures["notes"]["failures"] == {}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_benchmark_of_a_plug_ins_panel_gives_its_figures() -> None:
    figures = run_scaled("panel")
    assert figures["panel_refresh_ms"] > 0
    assert figures["panel_jobs"] == 500


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_benchmark_of_blenders_panel_gives_its_figures() -> None:
    figures = run_scaled("blender_panel")
    assert figures["blender_panel_draw_ms"] > 0
    assert figures["blender_panel_turn_ms"] > 0
