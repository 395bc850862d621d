"""The order of jobs, and what is passed over in it."""

from __future__ import annotations

import msgpack
import pytest

from peerfarm.model.ids import ActionId, JobId, LogId, NodeId
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.policy.jobqueue import FEW, JobQueue
from peerfarm.state.farm import JobState

MANY = 3 * FEW
JOBS = [JobId(f"job{number:09d}") for number in range(MANY)]


def job_of(priority: int, lamport: int, *, is_paused: bool = False) -> JobState:
    spec = JobSpec("sea", "ada", (Step("r", "ocean", {}, ((1, 4, 1),)),), priority=priority, paused=is_paused)
    action: ActionId = (NodeId("a" * 16), LogId("loglog22"), lamport)
    return JobState((action, msgpack.packb(encode_spec(spec)), lamport))


def queue_of(*priorities: int) -> JobQueue:
    queue = JobQueue()
    for number, priority in enumerate(priorities):
        queue.update(JOBS[number], job_of(priority, number + 1))
    return queue


def test_the_highest_priority_goes_first_and_then_who_was_submitted_first() -> None:
    assert list(queue_of(10, 50, 50, 90)) == [JOBS[3], JOBS[1], JOBS[2], JOBS[0]]


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, MANY])
def test_jobs_set_aside_are_passed_over_until_their_obstacle_is_gone_and_then_stand_in_their_place(count: int) -> None:
    queue = queue_of(*(number % 5 for number in range(MANY)))
    everything = list(queue)
    aside = everything[1::2][:count]
    queue.set_aside(dict.fromkeys(aside, "unfit"))
    assert list(queue) == [job for job in everything if job not in aside]
    queue.bring_back("nothing in particular")
    assert list(queue) == [job for job in everything if job not in aside]
    queue.bring_back("unfit")
    assert list(queue) == everything


def test_a_job_that_changes_is_back_in_the_order_alone() -> None:
    queue = queue_of(10, 20, 30)
    queue.set_aside(dict.fromkeys(JOBS[:2], "unfit"))
    queue.update(JOBS[0], job_of(90, 1))
    assert list(queue) == [JOBS[0], JOBS[2]]
    queue.bring_back("unfit")
    assert list(queue) == [JOBS[0], JOBS[2], JOBS[1]]


def test_what_is_ready_is_known_of_a_job_that_is_set_aside_too() -> None:
    queue = queue_of(10)
    queue.set_aside({JOBS[0]: "unfit"})
    assert queue.ready_of(JOBS[0]) == (0b1111,)


@pytest.mark.parametrize("gone", [None, job_of(10, 1, is_paused=True), JobState()])
def test_a_job_that_has_nothing_ready_any_more_is_forgotten(gone: JobState | None) -> None:
    queue = queue_of(10, 20)
    queue.set_aside({JOBS[0]: "unfit"})
    for job in JOBS[:2]:
        queue.update(job, gone)
    assert list(queue) == []
    assert not any(vars(queue).values())
