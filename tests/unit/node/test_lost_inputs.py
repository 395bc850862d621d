"""Frames that a later step needs and that no disk holds any more: the earlier tasks are rendered again."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import Elm, FileSolo
from node_rig import mentions

from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.render import AttemptFailed, FailReason, RenderTask
from peerfarm.node import inputs
from peerfarm.state.actions import TasksRetried

NOBODY = "no machine that can be reached holds 1 of its 2 files"


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def chain(solo: FileSolo, **more: Any) -> JobId:
    """Two frames, and a step that reads both; up to where that step has begun."""
    alone = {"app": None, "frames": None, "chunk": None, "output": None}
    render = {"name": "render", "app": "ocean", "frames": "1-2", "chunk": 1, "output": "/out/r_####.png"}
    sheet = {"name": "sheet", "app": "ocean", "frames": "9", "output": "/out/s_####.png", "depends_on": ["render"]}
    job = solo.submit_files(steps=[{**render, **more}, sheet], **alone)
    for task in (0, 1):
        solo.rendered(solo.starts[task])
    assert solo.starts[-1].step == 1
    return job


def lose(solo: FileSolo, *lost: str, lacking: tuple[NodeId, ...] = ()) -> RenderTask:
    """The running attempt cannot read what these attempts rendered."""
    task = solo.starts[-1]
    solo.turn(
        inputs.RunnerSaid(
            AttemptFailed(task.attempt, FailReason.FILES_MISSING, NOBODY, lost_inputs=lost, lacking=lacking)
        )
    )
    return task


def statuses(solo: FileSolo, job: JobId) -> list[list[str]]:
    return [[task["status"] for task in step["tasks"]] for step in solo.ask("job", job=job)["steps"]]


def test_what_a_lone_node_lost_is_rendered_again_and_the_later_step_goes_on(solo: FileSolo) -> None:
    job = chain(solo)
    first, second = solo.starts[0], solo.starts[1]
    lose(solo, second.attempt)
    assert [(body.step, body.ranges, body.generation) for body in solo.recorded(TasksRetried)] == [(0, ((1, 1),), 1)]
    again = solo.starts[-1]
    assert (again.step, again.task) == (0, 1)
    assert statuses(solo, job) == [["done", "leased"], ["blocked"]]
    assert "are lost and are rendered again" in solo.ask("status")["alarms"][0]
    solo.rendered(again)
    assert (solo.starts[-1].step, [given.attempt for given in solo.starts[-1].inputs]) == (
        1,
        [first.attempt, again.attempt],
    )
    solo.rendered(solo.starts[-1])
    assert solo.ask("job", job=job)["status"] == "done"
    for order in solo.publishes():
        solo.placed(order)
    solo.wait(2)
    solo.ask("archive", job=job)
    solo.wait(2)
    assert mentions(solo.node, job) == []


def test_all_that_was_lost_is_rendered_again_at_once(solo: FileSolo) -> None:
    chain(solo)
    lose(solo, *(task.attempt for task in solo.starts[:2]))
    assert [body.ranges for body in solo.recorded(TasksRetried)] == [((0, 1),)]


def test_frames_that_are_lost_again_and_again_fail_the_later_task_in_the_end(solo: FileSolo) -> None:
    job = chain(solo, tries=2)
    for _ in range(2):
        given = solo.starts[-1].inputs[1].attempt
        lose(solo, given)
        solo.rendered(solo.starts[-1])
    for _ in range(20):
        if solo.ask("job", job=job)["status"] == "failed":
            break
        lose(solo, solo.starts[-1].inputs[1].attempt)
        solo.wait(21)
    assert solo.ask("job", job=job)["status"] == "failed"
    assert solo.ask("job", job=job)["error"] == NOBODY
    assert len(solo.recorded(TasksRetried)) == 2


def test_what_a_member_that_is_away_may_hold_is_waited_for(solo: FileSolo) -> None:
    job = chain(solo)
    elm = Elm(solo)
    lose(solo, solo.starts[1].attempt)
    assert solo.recorded(TasksRetried) == []
    assert statuses(solo, job) == [["done", "done"], ["ready"]]
    solo.beats(elm, 21)
    lose(solo, solo.starts[1].attempt, lacking=(elm.id,))
    assert len(solo.recorded(TasksRetried)) == 1


def test_what_was_rendered_anew_meanwhile_is_not_rendered_once_more(solo: FileSolo) -> None:
    job = chain(solo)
    late = solo.starts[1].attempt
    solo.ask("retry", job=job, step="render", tasks="1")
    before = len(solo.recorded(TasksRetried))
    lose(solo, late)
    assert len(solo.recorded(TasksRetried)) == before
