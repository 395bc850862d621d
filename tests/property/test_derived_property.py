"""What is kept up step by step equals what a look at everything would say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.model.frames import count_frames, task_count, task_frames
from peerfarm.model.ids import ActionId, BootId, FarmId, JobId, LogId, NodeId
from peerfarm.model.job import Dependency, DependencyKind, JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.node.core import Core, NodeSettings
from peerfarm.node.inputs import Identity
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.leases import OpenLeases
from peerfarm.node.presence import Presence
from peerfarm.node.tasksets import TaskSet
from peerfarm.state import actions as a
from peerfarm.state import needs
from peerfarm.state.bitmaps import bits_of, ranges_of
from peerfarm.state.farm import EMPTY_STEP, all_jobs, get_job, get_record
from peerfarm.state.join import UNABLE_REASONS, generation_of
from peerfarm.state.needs import tasks_needing
from peerfarm.state.selectors import (
    cancelled_bits,
    failures_by_worker,
    open_leases,
    outdated_bits,
    published_bits,
    retried_after,
    tasks_in,
)

FARM = FarmId("f" * 16)
ME = NodeId("m" * 16)
LOG = LogId("loglog22")
JOB = JobId("jjjjjjjjjjjj")
TASKS = 2


def packed_spec(tries: int) -> bytes:
    """A job of one step."""
    step = Step("r", "ocean", {}, ((1, TASKS, 1),), tries=tries)
    packed: bytes = msgpack.packb(encode_spec(JobSpec("sea", "ada", (step,))))
    return packed


workers = st.sampled_from(tuple(NodeId(letter * 16) for letter in "abc"))
reasons = st.sampled_from(("died", "stalled", "left", "app-not-found", "app-failed"))

tasks = st.integers(0, TASKS - 1)
generations = st.integers(0, 1)
marked = (
    st.just(0),
    st.lists(st.tuples(tasks, tasks).map(sorted).map(tuple), min_size=1, max_size=2).map(tuple),
    generations,
)
leases = st.builds(
    a.TaskLeased, st.just(JOB), st.just(0), tasks, generations, st.just(1), workers, st.just("boot"), st.just(1)
)
endings = st.tuples(st.integers(0, 2), st.sampled_from(("rendered", "failed", "returned", "requeued")), reasons)
deed = st.one_of(
    leases,
    leases,
    endings,
    endings,
    st.none(),
    st.builds(a.TasksRetried, st.just(JOB), *marked),
    st.builds(a.TasksCancelled, st.just(JOB), *marked),
    st.builds(a.TasksPublished, st.just(JOB), *marked),
    st.builds(a.JobSubmitted, st.just(JOB), st.integers(1, 3).map(packed_spec)),
)
deeds = st.lists(deed, min_size=10, max_size=40)
"""An end names one of the latest leases; None is the end of a turn."""


class Kept:
    """A node's core with the indexes over it."""

    def __init__(self) -> None:
        self.core = Core(Identity(ME, "k" * 40, "oak", BootId("bootboot"), LOG, 0), NodeSettings("oak"))
        self.core.expect_farm(FARM)
        index = JobIndex(self.core)
        self.leases = OpenLeases(self.core, Presence(self.core, tuple))
        index.on_changed.append(self.leases.on_job_changed)
        self.settle = index.freshen
        self._latest: list[tuple[int, ActionId]] = []

    def do(self, deed: Any) -> None:
        """One action, or the end of a turn."""
        if deed is None:
            self.settle()
        elif isinstance(deed, a.TaskLeased):
            self._latest.insert(0, (deed.task, self.core.record(deed)))
        elif type(deed) is tuple:
            self._end(*deed)
        else:
            self.core.record(deed)

    def _end(self, number: int, how: str, reason: str) -> None:
        if number < len(self._latest):
            task, lease = self._latest[number]
            facts = {
                "rendered": a.TaskRendered(JOB, 0, task, lease, (), 1),
                "failed": a.TaskFailed(JOB, 0, task, lease, reason, 1, "", (), 1),
                "returned": a.TaskReturned(JOB, 0, task, lease, reason),
                "requeued": a.TaskRequeued(JOB, 0, task, lease, reason),
            }
            self.core.record(facts[how])


@given(deeds)
def test_the_index_of_open_leases_equals_a_look_at_every_job(done: list[Any]) -> None:
    kept = Kept()
    for deed in [*done, None]:
        kept.do(deed)
    looked = {job: {entry.lease: entry for entry in open_leases(job, state)} for job, state in all_jobs(kept.core.farm)}
    assert kept.leases.of_job == {job: leases for job, leases in looked.items() if leases}


@given(deeds)
def test_failures_are_counted_as_the_attempts_of_current_generations_say(done: list[Any]) -> None:
    kept = Kept()
    for deed in done:
        kept.do(deed)
    state = get_job(kept.core.farm, JOB)
    step = state.steps.get(0, EMPTY_STEP) if state is not None else EMPTY_STEP
    counts: dict[NodeId, int] = {}
    troubled = 0
    for task in range(TASKS):
        for _, lease, rendered, failed, _, _ in get_record(step, task):
            if lease is not None and lease[1] == generation_of(step, task) and failed is not None and rendered is None:
                counts[lease[2]] = counts.get(lease[2], 0) + (3 if failed[1] in UNABLE_REASONS else 1)
                troubled |= 1 << task
    assert (failures_by_worker(state) if state is not None else {}) == counts
    assert step.troubled == troubled


@given(deeds, st.integers(0, 7))
def test_marks_count_for_the_generation_that_they_name(done: list[Any], within: int) -> None:
    kept = Kept()
    for deed in done:
        kept.do(deed)
    state = get_job(kept.core.farm, JOB)
    step = state.steps.get(0, EMPTY_STEP) if state is not None else EMPTY_STEP
    for task in range(TASKS):
        now = generation_of(step, task)
        cancelled, published = (
            [generation for generation, bits in named.items() if bits >> task & 1]
            for named in (step.cancelled, step.published)
        )
        is_asked = within >> task & 1
        assert cancelled_bits(step, within) >> task & 1 == (is_asked and any(g >= now for g in cancelled))
        assert published_bits(step, within) >> task & 1 == (is_asked and now in published)
        assert outdated_bits(step, within) >> task & 1 == (is_asked and any(g < now for g in published))
        assert retried_after(step, 1, within) >> task & 1 == (is_asked and now > 1)


steps = st.builds(
    lambda frames, chunk: Step("s", "ocean", {}, frames, chunk_size=chunk),
    st.sampled_from((((1, 9, 1),), ((3, 12, 3),), ((8, 10, 1), (1, 3, 1)), ((5, 5, 1),), ())),
    st.integers(1, 4),
)
dependencies = st.one_of(
    st.just(Dependency(0)),
    st.builds(
        Dependency, st.just(0), st.just(DependencyKind.TASKS), tasks=st.lists(st.integers(0, 9), unique=True).map(tuple)
    ),
    st.builds(
        Dependency, st.just(0), st.just(DependencyKind.FRAMES), st.lists(st.integers(-3, 3), unique=True).map(tuple)
    ),
)


@given(steps, steps, dependencies, st.integers(0, (1 << 10) - 1))
def test_a_task_needs_what_its_frames_and_the_dependency_say(
    other: Step, own: Step, dependency: Dependency, bits: int
) -> None:
    bits &= (1 << task_count(other)) - 1
    needing = tasks_needing(JobSpec("j", "u", (other, own)), 1, dependency, bits)
    for task in range(task_count(own)):
        needed = set(range(task_count(other)))
        if dependency.kind is DependencyKind.TASKS:
            needed &= set(dependency.tasks)
        if dependency.kind is DependencyKind.FRAMES:
            frames = {frame + offset for frame in task_frames(own, task) for offset in dependency.offsets}
            needed = {one for one in needed if frames & set(task_frames(other, one))}
        assert needing >> task & 1 == any(bits >> one & 1 for one in needed)
    assert needing >> task_count(own) == 0


@settings(max_examples=20)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_the_links_that_are_kept_never_grow_beyond_their_room(lengths: list[int]) -> None:
    links = needs._Links()
    room = 8 * needs._RANGE_BYTES
    for length in lengths:
        step = Step("s", "ocean", {}, ((1, length, 1),))
        assert sum(map(len, links.columns(step, step, (0,), room))) == count_frames(step.frames)
        newest = needs._size_bytes(*next(reversed(links._kept.items())))
        assert links.size_bytes == sum(needs._size_bytes(*entry) for entry in links._kept.items()) <= max(room, newest)


@given(st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)).map(sorted).map(tuple), max_size=6))
def test_ranges_and_bit_maps_say_the_same(ranges: list[tuple[int, int]]) -> None:
    bits = bits_of(ranges)
    expected = {task for first, last in ranges for task in range(max(first, 0), last + 1)}
    assert set(tasks_in(bits)) == expected
    back = ranges_of(bits)
    assert bits_of(back) == bits
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(back))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("add", "drop", "forget")), st.sampled_from("pq"), st.integers(0, 1), st.integers(0, 7)
        )
    )
)
def test_a_set_of_tasks_is_a_set_and_holds_no_empty_jobs(changes: list[tuple[str, str, int, int]]) -> None:
    kept, plain = TaskSet(), set()
    for kind, name, step, bits in changes:
        job = JobId(name)
        if kind == "forget":
            kept.forget(job)
            plain = {place for place in plain if place[0] != job}
            continue
        named = {(job, step, task) for task in tasks_in(bits)}
        getattr(kept, kind)(job, step, bits)
        plain = plain | named if kind == "add" else plain - named
    assert {(job, step, task) for job in kept for step in (0, 1) for task in tasks_in(kept.bits(job, step))} == plain
    assert set(kept) == {job for job, _, _ in plain}
