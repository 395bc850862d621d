"""A task whose frames travel is done once two nodes hold them, or when there is no other node."""

from __future__ import annotations

import pytest
from files_rig import Elm, FileSolo, lease_of

from peerfarm.model.files import FetchProgressed
from peerfarm.model.ids import JobId, NodeId, attempt_label
from peerfarm.model.render import FailReason
from peerfarm.protocol.messages import Beat, Goodbye, KeepAsk, KeepMoved, KeepTold
from peerfarm.state.actions import (
    MemberRemoved,
    TaskFailed,
    TaskLeased,
    TaskRendered,
    TaskReturned,
    TasksCancelled,
    TasksRetried,
)

JOB = JobId("jobone222222")


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def keep(elm: Elm, *, is_kept: bool = True, reason: str = "") -> None:
    """The peer answers the last ask."""
    elm.solo.hear(elm.id, KeepTold(elm.told(KeepAsk)[-1].lease, is_kept, reason))


def test_a_result_is_recorded_when_another_node_has_confirmed_its_copy(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files()
    task = solo.starts[0]
    solo.rendered(task)
    (ask,) = elm.told(KeepAsk)
    assert (ask.lease, ask.job, ask.task) == (lease_of(task), task.job, 0)
    assert ask.frames == (("sea_0001.png", 10, b"\1" * 32),)
    assert solo.recorded(TaskRendered) == []
    keep(elm)
    assert [body.task for body in solo.recorded(TaskRendered)] == [0]


def test_the_slot_renders_on_while_the_copy_is_made_and_the_attempt_still_counts_as_running(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files()
    solo.rendered(solo.starts[0])
    assert len(solo.starts) == 2
    solo.hear(elm.id, KeepMoved(lease_of(solo.starts[0]), 500))
    solo.wait(1.5)
    running = {attempt_label(lease): thousandths for lease, thousandths, _ in elm.told(Beat)[-1].running}
    assert running == {solo.starts[0].attempt: 974, solo.starts[1].attempt: 0}


def test_a_node_that_is_alone_records_at_once_and_makes_up_for_it_when_a_peer_comes(solo: FileSolo) -> None:
    job = solo.submit_files()
    solo.rendered(solo.starts[0])
    assert len(solo.recorded(TaskRendered)) == 1
    assert solo.ask("job", job=job)["file_transfer"]["copies"] == {"waiting": 0, "kept": 0, "single": 1}
    elm = Elm(solo)
    assert [ask.task for ask in elm.told(KeepAsk)] == [0]
    keep(elm)
    assert solo.ask("job", job=job)["file_transfer"]["copies"] == {"waiting": 0, "kept": 1, "single": 0}
    solo.beats(elm, 70)
    assert len(elm.told(KeepAsk)) == 1


def test_the_submitter_is_asked_first(solo: FileSolo) -> None:
    elms = [Elm(solo, name) for name in ("ash", "elm", "fir", "yew")]
    for elm in elms:
        job = JobId(f"job{elm.name}222222")
        elm.submit(job, manifest=False, frames=1)
        elm.say(TaskLeased(job, 0, 0, 0, 1, solo.id, "bootboot", _request(solo, job)))
        solo.rendered(solo.starts[-1])
        assert [other.name for other in elms if other.told(KeepAsk)[-1:] and _last_job(other) == job] == [elm.name]


def _request(solo: FileSolo, job: JobId) -> int:
    (asked,) = [asked.ask for asked in solo.node.work.slots[0].asks if asked.ask.job == job]
    return asked.request


def _last_job(elm: Elm) -> str:
    return str(elm.told(KeepAsk)[-1].job)


def test_who_refuses_is_passed_over_and_when_all_do_the_result_is_recorded_and_offered_again(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    for _ in range(2):
        (asked,) = [one for one in (elm, ash) if one.told(KeepAsk) and not _answered(one)]
        keep(asked, is_kept=False, reason="its store is full")
    assert len(solo.recorded(TaskRendered)) == 1
    for _ in range(32):
        solo.beats(elm, 1)
        solo.hear(ash.id, Beat(ash.boot, b"", "", 1, 0, ()))
    assert len(elm.told(KeepAsk)) + len(ash.told(KeepAsk)) == 3


def _answered(elm: Elm) -> bool:
    copy = next(iter(elm.solo.node.copies._copies.values()))
    return elm.id in copy.refused


def test_a_keeper_that_does_not_know_the_lease_yet_is_asked_again(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files()
    solo.rendered(solo.starts[0])
    keep(elm, is_kept=False, reason="unknown-lease")
    assert solo.recorded(TaskRendered) == []
    solo.beats(elm, 2)
    assert len(elm.told(KeepAsk)) == 2


def test_a_keeper_that_does_not_move_is_given_up_and_one_that_moves_is_waited_for(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files()
    solo.rendered(solo.starts[0])
    solo.beats(elm, 50)
    solo.hear(elm.id, KeepMoved(lease_of(solo.starts[0]), 10))
    solo.beats(elm, 50)
    assert solo.recorded(TaskRendered) == []
    solo.beats(elm, 15)
    assert len(solo.recorded(TaskRendered)) == 1


def test_a_keeper_that_dies_is_replaced(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    asked, other = (elm, ash) if elm.told(KeepAsk) else (ash, elm)
    solo.hear(asked.id, Goodbye(asked.boot))
    assert len(other.told(KeepAsk)) == 1
    keep(other)
    assert len(solo.recorded(TaskRendered)) == 1


def test_a_keeper_that_comes_back_is_asked_whether_it_still_has_its_copies(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    keep(elm)
    elm.leave()
    elm.come("newboot2")
    assert len(elm.told(KeepAsk)) == 2


def test_after_a_restart_the_own_unpublished_results_are_offered_again(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    elm.say(TaskLeased(JOB, 0, 0, 0, 1, solo.id, "bootboot", _request(solo, JOB)))
    solo.rendered(solo.starts[0])
    keep(elm)
    key = f"result/{JOB}/{solo.starts[0].attempt}"
    log = [row[3] for effects in solo.effects for row in effects.rows]
    again = FileSolo(log=log, pins=(key,), boot="bootnew2")
    elm.solo = again
    elm.come()
    assert [ask.lease for ask in elm.told(KeepAsk)] == [lease_of(solo.starts[0])]
    again.beats(elm, 3)
    assert again.released() == []


@pytest.mark.parametrize("body", [TasksCancelled(JOB, 0, ((0, 0),), 0), TasksRetried(JOB, 0, ((0, 0),), 1)])
def test_a_result_that_nobody_wants_any_more_is_dropped(solo: FileSolo, body: TasksCancelled | TasksRetried) -> None:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    elm.say(TaskLeased(JOB, 0, 0, 0, 1, solo.id, "bootboot", _request(solo, JOB)))
    task = solo.starts[0]
    solo.rendered(task)
    elm.say(body)
    assert [returned.lease for returned in solo.recorded(TaskReturned)] == [lease_of(task)]
    assert solo.released() == [f"result/{JOB}/{task.attempt}"]
    keep(elm)
    assert solo.recorded(TaskRendered) == []


def test_a_worker_with_too_many_results_without_a_copy_takes_no_more_tasks(solo: FileSolo) -> None:
    Elm(solo)
    solo.submit_files(frames="1-200")
    for number in range(100):
        if number < len(solo.starts):
            solo.rendered(solo.starts[number])
    assert len(solo.starts) == 64


def test_a_node_that_stops_gives_back_what_has_no_second_copy(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    solo.ask("stop")
    assert [body.reason for body in solo.recorded(TaskReturned)] == ["node-stopped"]
    assert elm.told(Goodbye)


# As the keeper


def leased_elsewhere(solo: FileSolo) -> tuple[Elm, KeepAsk]:
    """Another node renders a task of a job that was submitted here."""
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    (lease,) = elm.say(TaskLeased(JOB, 0, 0, 0, 1, elm.id, elm.boot, 1))
    return elm, KeepAsk(lease, JOB, 0, 0, (("sea_0001.png", 10, b"f" * 32), ("sea_0002.png", 10, b"f" * 32)))


def test_a_keeper_fetches_the_frames_and_confirms_when_they_are_durable(solo: FileSolo) -> None:
    elm, ask = leased_elsewhere(solo)
    solo.hear(elm.id, ask)
    (order,) = solo.fetches()
    assert order.key == order.pin == f"keep/{JOB}/{attempt_label(ask.lease)}"
    assert [(ref.id, ref.size_bytes) for ref in order.refs] == [(b"f" * 32, 10)]
    assert order.holders == (elm.id,)
    assert elm.told(KeepTold) == []
    solo.fetched(order.key)
    assert elm.told(KeepTold) == [KeepTold(ask.lease, True, "")]
    solo.beats(elm, 3)
    assert solo.released() == []


def test_a_keeper_whose_fetch_fails_says_why_and_keeps_nothing(solo: FileSolo) -> None:
    elm, ask = leased_elsewhere(solo)
    solo.hear(elm.id, ask)
    solo.fetched(solo.fetches()[0].key, "the disk is full")
    assert elm.told(KeepTold) == [KeepTold(ask.lease, False, "the disk is full")]
    assert solo.released() == [solo.fetches()[0].key]


def test_a_keeper_tells_that_it_gets_on(solo: FileSolo) -> None:
    elm, ask = leased_elsewhere(solo)
    solo.hear(elm.id, ask)
    solo.beats(elm, 6)
    solo.turn(FetchProgressed(solo.fetches()[0].key, 5, 10, 1.0))
    solo.turn(FetchProgressed(solo.fetches()[0].key, 6, 10, 1.0))
    assert elm.told(KeepMoved) == [KeepMoved(ask.lease, 500)]


@pytest.mark.parametrize("field", ["lease", "job"])
def test_what_a_keeper_does_not_know_it_does_not_keep(solo: FileSolo, field: str) -> None:
    elm, ask = leased_elsewhere(solo)
    other = {"lease": (elm.id, elm.log, 99), "job": JobId("nosuchjob222")}[field]
    solo.hear(elm.id, ask._replace(**{field: other}))
    assert [told.is_kept for told in elm.told(KeepTold)] == [False]
    assert solo.fetches() == []


def test_nobody_has_frames_kept_in_another_workers_name(solo: FileSolo) -> None:
    _, ask = leased_elsewhere(solo)
    ash = Elm(solo, "ash")
    solo.hear(ash.id, ask)
    assert [told.is_kept for told in ash.told(KeepTold)] == [False]
    assert solo.fetches() == []


def kept_here(solo: FileSolo) -> tuple[Elm, Elm, KeepAsk]:
    """Two peers; the first submitted and rendered a task, and this node keeps its frames."""
    elm, ask = leased_elsewhere(solo)
    ash = Elm(solo, "ash")
    solo.hear(elm.id, ask)
    solo.fetched(solo.fetches()[0].key)
    elm.say(TaskRendered(JOB, 0, 0, ask.lease, ask.frames, 10))
    return elm, ash, ask


def test_a_keeper_sees_to_another_copy_when_the_worker_is_away_for_long(solo: FileSolo) -> None:
    elm, ash, ask = kept_here(solo)
    elm.leave()
    solo.beats(ash, 550)
    assert ash.told(KeepAsk) == []
    assert solo.ask("job", job=JOB)["file_transfer"]["single"] is None
    solo.beats(ash, 100)
    assert ash.told(KeepAsk) == [ask]
    assert solo.ask("job", job=JOB)["file_transfer"]["single"] == {"name": "oak", "frames": 1}
    solo.hear(ash.id, KeepTold(ask.lease, True, ""))
    solo.beats(ash, 60)
    assert ash.told(KeepAsk) == [ask]
    assert solo.ask("job", job=JOB)["file_transfer"]["single"] is None


def test_a_keeper_sees_to_another_copy_when_the_worker_left_for_ever(solo: FileSolo) -> None:
    elm, ash, ask = kept_here(solo)
    ash.say(MemberRemoved(NodeId(elm.id)))
    solo.beats(ash, 31)
    assert ash.told(KeepAsk) == [ask]


def test_a_keeper_leaves_it_to_the_worker_when_that_one_is_back(solo: FileSolo) -> None:
    elm, ash, ask = kept_here(solo)
    elm.leave()
    solo.beats(ash, 650)
    elm.come("newboot2")
    solo.hear(ash.id, KeepTold(ask.lease, False, "the disk is full"))
    solo.beats(ash, 65)
    assert ash.told(KeepAsk) == [ask]
    assert elm.told(KeepAsk) == []


def test_a_keeper_that_restarts_when_the_worker_is_gone_sees_to_another_copy_too(solo: FileSolo) -> None:
    elm, ash, ask = kept_here(solo)
    ash.say(MemberRemoved(NodeId(elm.id)))
    again = solo.restarted(pins=(f"keep/{JOB}/{attempt_label(ask.lease)}",))
    ash = Elm(again, "ash")
    again.beats(ash, 61)
    assert ash.told(KeepAsk) == [ask]


def test_a_keeper_that_is_away_for_long_is_replaced(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1-2")
    solo.rendered(solo.starts[0])
    keeper, other = (elm, ash) if elm.told(KeepAsk) else (ash, elm)
    solo.hear(keeper.id, KeepTold(lease_of(solo.starts[0]), True, ""))
    solo.placed(solo.publishes()[0], "the output folder is gone")
    keeper.leave()
    solo.beats(other, 550)
    assert other.told(KeepAsk) == []
    solo.beats(other, 100)
    assert [ask.lease for ask in other.told(KeepAsk)] == [lease_of(solo.starts[0])]


@pytest.mark.parametrize(("step", "task"), [(0, 9999), (7, 0)])
def test_a_keeper_takes_nothing_of_what_the_job_does_not_have(solo: FileSolo, step: int, task: int) -> None:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    (lease,) = elm.say(TaskLeased(JOB, step, task, 0, 1, elm.id, elm.boot, 1))
    solo.hear(elm.id, KeepAsk(lease, JOB, step, task, (("sea_0001.png", 10, b"f" * 32),)))
    assert elm.told(KeepTold) == [KeepTold(lease, False, "nobody needs it any more")]
    assert solo.fetches() == []


def test_a_copy_of_recorded_frames_is_kept_for_whoever_holds_them_and_of_no_others(solo: FileSolo) -> None:
    elm, ask = leased_elsewhere(solo)
    ash = Elm(solo, "ash")
    elm.say(TaskRendered(JOB, 0, 0, ask.lease, ask.frames, 10))
    solo.hear(ash.id, ask._replace(frames=(("sea_0001.png", 10, b"x" * 32),)))
    assert solo.fetches() == []
    solo.hear(ash.id, ask)
    assert [order.holders for order in solo.fetches()] == [(ash.id,)]


def test_a_result_whose_pin_was_lost_with_the_stores_book_is_pinned_again(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    assert not [order for order in solo.fetches() if order.key.startswith("again/")]
    again = solo.restarted(pins=())
    again.wait(1)
    (order,) = again.fetches()
    assert (order.key, order.pin) == (
        f"again/{job}/{solo.starts[0].attempt}",
        f"result/{job}/{solo.starts[0].attempt}",
    )
    assert [ref.id for ref in order.refs] == [b"\1" * 32]


def test_a_task_whose_files_are_out_of_reach_for_a_moment_costs_no_try(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1")
    for count in range(1, 5):
        solo.fail(solo.starts[-1], FailReason.FILES_MISSING, "nobody holds it")
        assert len(solo.starts) == count
        solo.wait(21)
        assert len(solo.starts) == count + 1
    assert [body.reason for body in solo.recorded(TaskReturned)] == ["files-missing"] * 4
    assert solo.recorded(TaskFailed) == []
    solo.fail(solo.starts[-1], FailReason.FILES_MISSING, "nobody holds it")
    assert [body.message for body in solo.recorded(TaskFailed)] == ["nobody holds it"]
    assert solo.released() == [f"result/{job}/{task.attempt}" for task in solo.starts[:5]]
