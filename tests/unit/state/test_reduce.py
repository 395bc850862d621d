"""What each action does to a farm, where orders and ties matter most."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgpack
import pytest

from peerfarm.model.ids import ActionId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import Dependency, DependencyKind, JobSpec, RunWhen, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.state import actions as a
from peerfarm.state.actions import Action, decode_action, encode_action
from peerfarm.state.entities import state_hash
from peerfarm.state.farm import EMPTY_FARM, Farm, get_job
from peerfarm.state.reduce import reduce
from peerfarm.state.selectors import (
    JobStatus,
    canonical,
    failures_by_worker,
    job_status,
    live_members,
    open_leases,
    register,
    spec_of,
    step_bits,
)
from peerfarm.state.snapshot import encode_snapshot, join_part

FARM, LOG, JOB = FarmId("f" * 16), LogId("loglog22"), JobId("jobjobjobjob")
KEY = "k" * 40
A, B = NodeId("a" * 16), NodeId("b" * 16)
FRAMES = (("f_0001.png", 3, b"h" * 32),)


class Story:
    """Writes actions one after the other, and says what a farm is after them."""

    def __init__(self, *steps: Step) -> None:
        self.actions: list[Action] = []
        self._seq: dict[NodeId, int] = {}
        spec = JobSpec("film", "ada", steps or (Step("r", "ocean", {}, ((1, 4, 1),)),))
        self.spec = spec
        self.say(A, a.JobSubmitted(JOB, msgpack.packb(encode_spec(spec))))

    def say(self, node: NodeId, body: Any, lamport: int | None = None) -> ActionId:
        """A node records an action."""
        self._seq[node] = self._seq.get(node, 0) + 1
        action_id = (node, LOG, self._seq[node])
        clock = len(self.actions) + 1 if lamport is None else lamport
        self.actions.append(decode_action(encode_action(FARM, action_id, clock, 0, body)))
        return action_id

    def lease(self, task: int, worker: NodeId = B, *, by: NodeId = A, number: int = 1, generation: int = 0) -> ActionId:
        """A dispatcher gives a lease."""
        return self.say(by, a.TaskLeased(JOB, 0, task, generation, number, worker, "boot", 1))

    def fail(self, task: int, lease: ActionId, worker: NodeId = B, reason: str = "app-failed") -> None:
        """A worker reports a failure."""
        self.say(worker, a.TaskFailed(JOB, 0, task, lease, reason, 1, "no", (), 1))

    def farm(self) -> Farm:
        """After everything that was said."""
        farm = EMPTY_FARM
        for action in self.actions:
            farm = reduce(farm, action)
        return farm

    def bits(self, step: int = 0) -> Any:
        """The status of a step's tasks."""
        state = get_job(self.farm(), JOB)
        assert state is not None
        return step_bits(state, self.spec, step)

    def status(self) -> JobStatus:
        """Of the job."""
        state = get_job(self.farm(), JOB)
        assert state is not None
        return job_status(state, self.spec)


def test_a_task_goes_from_ready_over_leased_to_done() -> None:
    story = Story()
    assert story.bits().ready == 0b1111
    lease = story.lease(1)
    assert (story.bits().leased, story.bits().ready) == (0b0010, 0b1101)
    story.say(B, a.TaskRendered(JOB, 0, 1, lease, FRAMES, 5))
    assert story.bits().done == 0b0010


def test_what_arrives_before_its_job_is_kept_until_the_job_arrives() -> None:
    story = Story()
    lease = story.lease(1)
    story.say(B, a.TaskRendered(JOB, 0, 1, lease, FRAMES, 5))
    for order in permutations(story.actions):
        farm = EMPTY_FARM
        for action in order:
            farm = reduce(farm, action)
        assert farm == story.farm()


def test_three_failures_fail_a_task_and_a_retry_starts_it_anew() -> None:
    story = Story()
    for number in range(3):
        story.fail(0, story.lease(0, number=number + 1))
    assert story.bits().failed == 0b0001
    story.say(A, a.TasksRetried(JOB, 0, ((0, 0),), 1))
    assert story.bits().ready & 1


def test_a_death_is_no_try_but_five_deaths_fail_a_task() -> None:
    story = Story()
    for number in range(5):
        assert not story.bits().failed
        story.say(A, a.TaskRequeued(JOB, 0, 0, story.lease(0, number=number + 1), "died"))
    assert story.bits().failed == 0b0001


def test_a_returned_lease_is_no_try() -> None:
    story = Story()
    for number in range(9):
        story.say(B, a.TaskReturned(JOB, 0, 0, story.lease(0, number=number + 1), "not-awaited"))
    assert story.bits().ready == 0b1111


def test_a_late_result_of_a_requeued_task_is_accepted() -> None:
    story = Story()
    lease = story.lease(0)
    story.say(A, a.TaskRequeued(JOB, 0, 0, lease, "died"))
    story.say(B, a.TaskRendered(JOB, 0, 0, lease, FRAMES, 5))
    assert story.bits().done == 0b0001


def test_of_two_results_the_least_attempt_counts_on_every_node() -> None:
    story = Story()
    late, early = story.lease(0, number=2), story.lease(0, by=B, number=1)
    for lease in (late, early):
        story.say(B, a.TaskRendered(JOB, 0, 0, lease, FRAMES, 5))
    state = get_job(story.farm(), JOB)
    assert state is not None
    attempt = canonical(state.steps[0], 0)
    assert attempt is not None
    assert attempt[0] == early
    assert state.steps[0].contested == 0b0001


def test_a_cancelled_task_can_still_become_done_and_done_cannot_be_cancelled() -> None:
    story = Story()
    lease = story.lease(0)
    story.say(A, a.TasksCancelled(JOB, 0, ((0, 3),), 0))
    assert story.bits().cancelled == 0b1111
    story.say(B, a.TaskRendered(JOB, 0, 0, lease, FRAMES, 5))
    assert (story.bits().done, story.bits().cancelled) == (0b0001, 0b1110)


def test_a_cancel_of_an_old_generation_does_not_touch_a_retry() -> None:
    story = Story()
    story.say(A, a.TasksRetried(JOB, 0, ((0, 0),), 1))
    story.say(B, a.TasksCancelled(JOB, 0, ((0, 3),), 0))
    assert (story.bits().ready, story.bits().cancelled) == (0b0001, 0b1110)


def test_a_result_of_an_old_generation_does_not_finish_a_retry() -> None:
    story = Story()
    lease = story.lease(0)
    story.say(A, a.TasksRetried(JOB, 0, ((0, 0),), 1))
    story.say(B, a.TaskRendered(JOB, 0, 0, lease, FRAMES, 5))
    assert not story.bits().done


def test_the_later_lamport_time_decides_a_register_and_the_node_breaks_the_tie() -> None:
    story = Story()
    story.say(A, a.JobChanged(JOB, "priority", 10), lamport=5)
    story.say(B, a.JobChanged(JOB, "priority", 20), lamport=5)
    story.say(A, a.JobChanged(JOB, "priority", 30), lamport=4)
    state = get_job(story.farm(), JOB)
    assert state is not None
    assert register(state, "priority") == 20


def test_a_removed_member_never_returns() -> None:
    story = Story()
    node = node_id_of(KEY)
    story.say(A, a.MemberRemoved(node))
    story.say(B, a.MemberAdded(node, KEY, "oak"))
    assert node not in live_members(story.farm())


def test_a_member_whose_id_does_not_fit_its_key_is_a_no_op() -> None:
    story = Story()
    before = story.farm()
    story.say(A, a.MemberAdded(B, KEY, "oak"))
    assert story.actions[-1].body is None
    assert story.farm() == before


def test_deletion_absorbs_the_job_its_archive_and_everything_later() -> None:
    story = Story()
    story.say(A, a.JobArchived(JOB, b"summary"))
    story.say(A, a.JobDeleted(JOB))
    story.lease(0)
    state = get_job(story.farm(), JOB)
    assert state is not None
    assert (state.submitted, state.archived, dict(state.steps)) == (None, None, {})


def test_marks_on_no_task_leave_no_trace_that_a_snapshot_would_lose() -> None:
    story = Story()
    story.say(A, a.TasksCancelled(JOB, 0, (), 0))
    farm = EMPTY_FARM
    for part in encode_snapshot(story.farm()):
        farm = join_part(farm, part)
    assert state_hash(farm) == state_hash(story.farm())


def test_failures_are_counted_by_worker_and_a_lacking_application_counts_as_three() -> None:
    story = Story()
    story.fail(0, story.lease(0))
    story.fail(1, story.lease(1), reason="app-not-found")
    state = get_job(story.farm(), JOB)
    assert state is not None
    assert failures_by_worker(state) == {B: 4}


def test_open_leases_are_those_that_nothing_ended() -> None:
    story = Story()
    first, second = story.lease(0), story.lease(1)
    story.say(B, a.TaskReturned(JOB, 0, 0, first, "stopped"))
    state = get_job(story.farm(), JOB)
    assert state is not None
    assert [entry.lease for entry in open_leases(JOB, state)] == [second]


def test_many_steps_that_all_depend_on_each_other_are_judged_at_once() -> None:
    steps = [Step("s0", "ocean", {}, ((1, 1, 1),), tries=1)]
    steps += [
        Step(f"s{number}", "ocean", {}, (), depends_on=tuple(Dependency(n) for n in range(number)))
        for number in range(1, 60)
    ]
    steps.append(Step("clean", "ocean", {}, (), depends_on=(Dependency(59),), run=RunWhen.ALWAYS))
    story = Story(*steps)
    story.fail(0, story.lease(0))
    assert story.bits(60).ready == 0b1


RENDER = Step("r", "ocean", {}, ((1, 4, 1),), 2)


@pytest.mark.parametrize(
    ("dependency", "run", "done", "expected"),
    [
        (Dependency(0), RunWhen.ON_SUCCESS, (0,), 0b0000),
        (Dependency(0), RunWhen.ON_SUCCESS, (0, 1), 0b1111),
        (Dependency(0, DependencyKind.FRAMES), RunWhen.ON_SUCCESS, (0,), 0b0011),
        (Dependency(0, DependencyKind.FRAMES, offsets=(-1, 0)), RunWhen.ON_SUCCESS, (1,), 0b1000),
        (Dependency(0, DependencyKind.FRAMES, offsets=(1,)), RunWhen.ON_SUCCESS, (1,), 0b1110),
        (Dependency(0, DependencyKind.TASKS, tasks=(1,)), RunWhen.ON_SUCCESS, (1,), 0b1111),
        (Dependency(0, DependencyKind.TASKS, tasks=(1,)), RunWhen.ON_SUCCESS, (0,), 0b0000),
    ],
)
def test_a_dependent_task_is_ready_when_what_it_needs_is_done(
    dependency: Dependency, run: RunWhen, done: tuple[int, ...], expected: int
) -> None:
    story = Story(RENDER, Step("c", "ocean", {}, ((1, 4, 1),), depends_on=(dependency,), run=run))
    for task in done:
        story.say(B, a.TaskRendered(JOB, 0, task, story.lease(task), FRAMES, 5))
    assert story.bits(1).ready == expected


def test_a_clean_up_runs_also_after_failure_and_cancel_and_a_dependent_step_does_not() -> None:
    story = Story(
        Step("r", "ocean", {}, ((1, 2, 1),), tries=1),
        Step("c", "ocean", {}, ((1, 2, 1),), depends_on=(Dependency(0),)),
        Step("clean", "ocean", {}, (), depends_on=(Dependency(1),), run=RunWhen.ALWAYS),
    )
    story.fail(0, story.lease(0))
    assert not story.bits(2).ready
    story.say(A, a.TasksCancelled(JOB, 0, ((1, 1),), 0))
    assert (story.bits(1).blocked, story.bits(2).ready) == (0b11, 0b1)
    assert story.status() is JobStatus.ACTIVE


def test_a_job_says_what_it_is() -> None:
    story = Story()
    assert story.status() is JobStatus.READY
    story.say(A, a.JobChanged(JOB, "paused", value=True))
    assert story.status() is JobStatus.PAUSED
    story.say(A, a.TasksCancelled(JOB, 0, ((0, 3),), 0))
    assert story.status() is JobStatus.CANCELLED
    state = get_job(story.farm(), JOB)
    assert state is not None
    assert spec_of(state) == story.spec
