"""What the store must not lose: results until they are in place, and what later steps read; nothing for ever."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import FARM, MINTED, ROOT, Elm, FileSolo, lease_of
from node_rig import CLIENT

from peerfarm.model.files import Packed
from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.render import AttemptStopped
from peerfarm.node import inputs
from peerfarm.protocol.messages import KeepAsk, KeepTold
from peerfarm.state.actions import JobDeleted, TaskLeased, TaskRendered, TasksPublished, TasksRetried

JOB = JobId("jobone222222")
FRAMES = (("sea_0001.png", 10, b"f" * 32),)


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def kept(solo: FileSolo) -> tuple[Elm, Any]:
    """This node keeps a copy of what another one rendered of its own job; the peer and the lease."""
    elm = Elm(solo)
    elm.submit(JOB, manifest=False, frames=1)
    (lease,) = elm.say(TaskLeased(JOB, 0, 0, 0, 1, elm.id, elm.boot, 1))
    solo.hear(elm.id, KeepAsk(lease, JOB, 0, 0, FRAMES))
    solo.fetched(f"keep/{JOB}/{attempt_label(lease)}")
    return elm, lease


def test_a_copy_is_kept_until_the_frames_are_in_place(solo: FileSolo) -> None:
    elm, lease = kept(solo)
    elm.say(TaskRendered(JOB, 0, 0, lease, FRAMES, 10))
    solo.beats(elm, 5)
    assert solo.released() == []
    elm.say(TasksPublished(JOB, 0, ((0, 0),), 0))
    solo.beats(elm, 2)
    assert solo.released() == [f"keep/{JOB}/{attempt_label(lease)}"]


def test_a_copy_of_a_result_that_is_rendered_anew_is_let_go(solo: FileSolo) -> None:
    elm, lease = kept(solo)
    elm.say(TaskRendered(JOB, 0, 0, lease, FRAMES, 10), TasksRetried(JOB, 0, ((0, 0),), 1))
    solo.beats(elm, 2)
    assert solo.released() == [f"keep/{JOB}/{attempt_label(lease)}"]


def test_pins_of_before_a_restart_stay_while_their_results_are_wanted(solo: FileSolo) -> None:
    elm, lease = kept(solo)
    elm.say(TaskRendered(JOB, 0, 0, lease, FRAMES, 10))
    key = f"keep/{JOB}/{attempt_label(lease)}"
    log = [row[3] for effects in solo.effects for row in effects.rows]
    again = FileSolo(log=log, pins=(key,), boot="bootnew2")
    elm.solo = again
    elm.come()
    again.beats(elm, 5)
    assert again.released() == []
    elm.say(TasksPublished(JOB, 0, ((0, 0),), 0))
    again.beats(elm, 2)
    assert again.released() == [key]


def test_an_attempt_that_a_crash_cut_short_is_not_kept(solo: FileSolo) -> None:
    job = solo.submit_files()
    key = f"result/{job}/{solo.starts[0].attempt}"
    again = solo.restarted(pins=(key, f"scene/{job}", "scene/neverheardof2"))
    again.wait(3)
    assert set(again.released()) == {key, "scene/neverheardof2"}


def test_pins_of_jobs_that_nobody_here_has_heard_of_are_left_alone_when_they_hold_results() -> None:
    solo = FileSolo(pins=(f"result/{JOB}/aaaaaaaaaaaaaaaa-bbbbbbbb-3",))
    solo.found()
    solo.wait(40)
    assert solo.released() == []


def test_what_a_later_step_reads_is_kept_until_that_step_is_through(solo: FileSolo) -> None:
    steps = [
        {"name": "render", "app": "ocean", "frames": "1", "output": "/out/r_####.png"},
        {"name": "comp", "app": "ocean", "frames": "1", "output": "/out/c_####.png", "depends_on": ["render"]},
    ]
    elm = Elm(solo)
    minted = solo.submit_files(app=None, frames=None, chunk=None, output=None, steps=steps)
    render = solo.starts[0]
    solo.rendered(render)
    elm.solo.hear(elm.id, _told(elm))
    solo.placed(solo.publishes()[-1])
    solo.beats(elm, 3)
    assert solo.released() == []
    (given,) = solo.starts[1].inputs
    assert (given.step_name, given.frames, given.holders) == ("render", solo.frames(render), (solo.id, solo.id))
    solo.rendered(solo.starts[1])
    elm.solo.hear(elm.id, _told(elm))
    solo.placed(solo.publishes()[-1])
    solo.beats(elm, 3)
    assert f"result/{minted}/{render.attempt}" in solo.released()


def _told(elm: Elm) -> KeepTold:
    return KeepTold(elm.told(KeepAsk)[-1].lease, True, "")


def test_the_submitter_keeps_the_scene_until_every_frame_is_in_place(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT, frames="1")
    solo.fetched(f"scene/{job}")
    solo.rendered(solo.starts[0])
    solo.wait(3)
    assert solo.released() == []
    solo.placed(solo.publishes()[0])
    solo.wait(3)
    assert set(solo.released()) == {f"scene/{job}", f"result/{job}/{solo.starts[0].attempt}"}
    assert lease_of(solo.starts[0])[0] == solo.id


@pytest.mark.parametrize("has_rendered", [True, False])
def test_a_job_that_is_deleted_while_it_renders_leaves_no_frames_in_the_store(
    solo: FileSolo, has_rendered: bool
) -> None:
    elm = Elm(solo)
    job = solo.submit_files(frames="1")
    (task,) = solo.starts
    elm.say(JobDeleted(job))
    solo.rendered(task) if has_rendered else solo.turn(inputs.RunnerSaid(AttemptStopped(task.attempt)))
    solo.wait(2)
    assert set(solo.released()) == {f"scene/{job}", f"result/{job}/{task.attempt}"}
    assert elm.told(KeepAsk) == []


def test_a_job_that_is_deleted_before_it_is_submitted_leaves_no_files_in_the_store(solo: FileSolo) -> None:
    elm = Elm(solo)
    request = {"job": {"app": "ocean", "frames": "1", "output": "/out/sea_####.png", "files": "peers"}}
    minted = inputs.Minted(MINTED, FARM, "t" * 32)
    (order,) = solo.turn(inputs.LocalRequest(CLIENT, "mine", "submit", request, minted)).packs
    elm.say(JobDeleted(MINTED))
    solo.wait(2)
    assert solo.released() == [f"scene/{MINTED}"]
    solo.turn(Packed(order.request, ROOT))  # it was kept once more meanwhile
    solo.wait(2)
    assert solo.released() == [f"scene/{MINTED}"] * 2


def test_a_deleted_job_keeps_nothing(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT, frames="1")
    assert job == MINTED
    solo.ask("cancel", job=job)
    solo.ask("delete", job=job)
    solo.wait(2)
    assert solo.released() == [f"scene/{job}"]
