"""Jobs that bring their files along: no worker takes their tasks before it has the files."""

from __future__ import annotations

import pytest
from files_rig import ROOT, Elm, FileSolo

from peerfarm.model.files import FetchProgressed
from peerfarm.model.ids import JobId
from peerfarm.model.render import FailReason
from peerfarm.protocol.messages import Beat, LeaseAsk
from peerfarm.state.actions import TaskLeased, TaskReturned, TasksCancelled, TasksRetried

ONE, TWO, THREE = JobId("jobone222222"), JobId("jobtwo222222"), JobId("jobthree2222")


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def test_a_task_is_asked_for_only_when_all_files_of_its_job_are_here(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE)
    (order,) = solo.fetches()
    assert (order.key, order.refs, order.is_manifest) == (f"scene/{ONE}", (ROOT,), True)
    assert (order.holders, order.pin) == ((elm.id,), f"scene/{ONE}")
    assert elm.told(LeaseAsk) == []
    solo.fetched(order.key)
    assert [ask.job for ask in elm.told(LeaseAsk)] == [ONE]


def test_a_job_without_files_starts_at_once(solo: FileSolo) -> None:
    solo.submit_files()
    assert len(solo.starts) == 1
    assert solo.starts[0].manifest is None
    assert solo.fetches() == []


def test_the_renderer_is_told_where_the_files_come_from(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT)
    solo.fetched(f"scene/{job}")
    assert solo.starts[0].manifest == ROOT
    assert solo.starts[0].output_dir == ""


def test_this_worker_renders_another_job_while_files_are_on_their_way(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE, priority=90)
    solo.submit_files()
    assert [task.job for task in solo.starts] != [ONE]
    assert len(solo.starts) == 1


def test_the_files_of_the_two_best_jobs_come_first(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE, priority=10)
    elm.submit(TWO, priority=20)
    assert [order.key for order in solo.fetches()] == [f"scene/{ONE}", f"scene/{TWO}"]
    elm.submit(THREE, priority=90)
    assert solo.fetches()[-1].key == f"scene/{THREE}"
    assert [key for effects in solo.effects for key in effects.fetch_stops] == [f"scene/{ONE}"]


def test_a_fetch_that_failed_is_tried_again_later_and_at_once_when_a_peer_comes(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE)
    solo.fetched(f"scene/{ONE}", "no node that is here holds it")
    solo.beats(elm, 4)
    assert len(solo.fetches()) == 1
    solo.beats(elm, 2)
    assert len(solo.fetches()) == 2
    solo.fetched(f"scene/{ONE}", "no node that is here holds it")
    Elm(solo, "ash")
    assert len(solo.fetches()) == 3


def test_a_job_that_is_over_is_fetched_no_further(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE)
    elm.say(TasksCancelled(ONE, 0, ((0, 3),), 0))
    assert [key for effects in solo.effects for key in effects.fetch_stops] == [f"scene/{ONE}"]
    solo.beats(elm, 2)
    assert solo.released() == [f"scene/{ONE}"]


def test_how_far_the_files_are_is_told_to_every_node(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE)
    solo.turn(FetchProgressed(f"scene/{ONE}", 250, 1000, 5.0))
    solo.wait(1.5)
    assert elm.told(Beat)[-1].fetching == ((ONE, 250),)
    solo.hear(elm.id, Beat(elm.boot, b"", "", 1, 0, (), ((ONE, 500),)))
    told = solo.ask("job", job=ONE)["file_transfer"]
    assert [(row["name"], row["progress"]) for row in told["fetching"]] == [("oak", 0.25), ("elm", 0.5)]
    assert told["here"]["done_bytes"] == 250


def test_files_that_were_here_before_a_restart_are_looked_at_again(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT)
    solo.fetched(f"scene/{job}")
    again = solo.restarted(pins=(f"scene/{job}",))
    again.wait(10)
    assert again.starts == []
    assert [order.key for order in again.fetches()] == [f"scene/{job}"]
    again.fetched(f"scene/{job}")
    assert len(again.starts) == 1
    assert again.released() == []


def test_files_that_a_renderer_found_damaged_are_fetched_again_before_the_next_task(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT)
    solo.fetched(f"scene/{job}")
    solo.fail(solo.starts[0], FailReason.FILES_MISSING, "wood.png is damaged")
    solo.wait(21)
    assert len(solo.starts) == 1
    assert [order.key for order in solo.fetches()] == [f"scene/{job}"] * 2
    solo.fetched(f"scene/{job}")
    assert len(solo.starts) == 2


def test_a_lease_of_a_job_that_was_over_meanwhile_goes_back_when_its_files_are_gone(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(ONE)
    solo.fetched(f"scene/{ONE}")
    (ask,) = elm.told(LeaseAsk)
    elm.say(TasksCancelled(ONE, 0, ((0, 3),), 0))
    (lease, _) = elm.say(
        TaskLeased(ONE, 0, 0, 1, 1, solo.id, ask.boot, ask.request), TasksRetried(ONE, 0, ((0, 3),), 1)
    )
    assert [body.lease for body in solo.recorded(TaskReturned)] == [lease]
    assert solo.starts == []
