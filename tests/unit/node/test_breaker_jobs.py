"""Jobs far larger than usual: what is shown of them is bounded, and what is asked of them is done whole."""

from __future__ import annotations

import pytest
from node_rig import Solo

from peerfarm.model.render import FailReason
from peerfarm.node.views import MAX_TASK_ROWS

STEP = {"app": "ocean", "chunk": 1}


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def test_a_job_of_a_million_tasks_shows_as_many_as_an_answer_holds(solo: Solo) -> None:
    steps = [
        {**STEP, "name": "small", "frames": "1-5", "output": "/out/small_####.png"},
        {**STEP, "name": "large", "frames": "1-1000000", "output": "/out/large_####.png"},
    ]
    job = str(solo.ask("submit", job={"name": "sea", "steps": steps})["job"])
    small, large = solo.ask("job", job=job)["steps"]
    assert (small["task_count"], large["task_count"]) == (5, 1_000_000)
    assert len(small["tasks"]) == 5
    assert [row["task"] for row in large["tasks"]] == list(range(MAX_TASK_ROWS - 5))


def test_a_failed_task_is_shown_though_many_come_before_it(solo: Solo) -> None:
    job = solo.submit(frames="1-30000", tries=1)
    solo.ask("cancel", job=job, tasks="0-29998")
    solo.fail(solo.starts[0])
    assert solo.starts[-1].task == 29_999
    solo.fail(solo.starts[-1], FailReason.APP_FAILED)
    (step,) = solo.ask("job", job=job)["steps"]
    assert len(step["tasks"]) == MAX_TASK_ROWS
    assert (step["tasks"][-1]["task"], step["tasks"][-1]["status"]) == (29_999, "failed")


def test_retrying_a_part_twice_and_then_all_starts_every_task_anew(solo: Solo) -> None:
    job = solo.submit(frames="1-4")
    for tasks in ("1-2", "2", None):
        solo.ask("cancel", job=job)
        solo.ask("retry", job=job, **({"tasks": tasks} if tasks else {}))
    assert solo.ask("jobs")["jobs"][0]["tasks"]["cancelled"] == 0
