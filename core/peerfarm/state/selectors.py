"""Questions to a farm. Nouns; pure; the only way in which other rooms look into the state's layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from peerfarm.model.frames import task_count
from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.model.job import JobSpec, RunWhen
from peerfarm.state.farm import EMPTY_STEP, Attempt, Farm, JobState, StepState, all_jobs, get_record
from peerfarm.state.join import generation_of, results_of, spec_from
from peerfarm.state.needs import tasks_needing


class TaskStatus(StrEnum):
    """Derived, in this order of precedence."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LEASED = "leased"
    READY = "ready"
    BLOCKED = "blocked"


class JobStatus(StrEnum):
    """What a job looks like to its owner."""

    DONE = "done"
    ACTIVE = "active"
    """A task is leased, or some are over and others ready."""
    READY = "ready"
    """Nothing has started yet."""
    PAUSED = "paused"
    FAILED = "failed"
    """Some task failed for good and nothing more can run."""
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    """Nothing can run though nothing failed; only while actions are missing here."""


class StepBits(NamedTuple):
    """The status of every task of a step, one bit each; the six are disjoint and fill the step."""

    done: int
    cancelled: int
    failed: int
    leased: int
    ready: int
    blocked: int


def live_members(farm: Farm) -> dict[NodeId, tuple[str, str]]:
    """Members that were added and not removed: node -> (public key, name)."""
    return {
        node: member.added[1:]
        for node, member in farm.members.items()
        if member.added is not None and member.removed is None
    }


def latest_lamport(farm: Farm) -> int:
    """The latest time that anything in the farm is stamped with: who got it as a snapshot must write later."""
    latest = 0
    for _, state in all_jobs(farm):
        for stamp, _value in state.registers.values():
            latest = max(latest, stamp[0])
        if state.submitted is not None:
            latest = max(latest, state.submitted[2])
    return latest


def spec_of(state: JobState) -> JobSpec | None:
    """The specification; None until the submission arrived."""
    return spec_from(state.submitted[1]) if state.submitted is not None else None


def submitter_of(state: JobState) -> NodeId | None:
    """The node that took the submission."""
    return state.submitted[0][0] if state.submitted is not None else None


def register(state: JobState, name: str) -> Any:
    """The current priority, paused or pool: the last written, else as submitted."""
    entry = state.registers.get(name)
    if entry is not None:
        return entry[1]
    return getattr(spec_of(state), name)


def full_mask(spec: JobSpec, number: int) -> int:
    """One bit per task of the step."""
    return (1 << task_count(spec.steps[number])) - 1


def _still_counting(marks: Mapping[int, int], step: StepState, within: int) -> Iterator[tuple[int, int]]:
    """Generation -> marked tasks that were not retried as a later one, in one pass however many there are."""
    retried = sorted(step.retried.items())
    later = 0
    for generation in sorted(marks, reverse=True):
        while retried and retried[-1][0] > generation:
            later |= retried.pop()[1] & within
        yield generation, marks[generation] & within & ~later


def cancelled_bits(step: StepState, within: int = -1) -> int:
    """Tasks whose current generation was cancelled; of those in `within` alone, for marks may name far more."""
    bits = 0
    for _, tasks in _still_counting(step.cancelled, step, within):
        bits |= tasks
    return bits


def published_bits(step: StepState, within: int = -1) -> int:
    """Tasks whose current generation's frames lie under their final names; of those in `within` alone."""
    bits = 0
    for generation, tasks in _still_counting(step.published, step, within):
        bits |= tasks & step.retried.get(generation, 0) if generation else tasks
    return bits


def outdated_bits(step: StepState, within: int = -1) -> int:
    """Tasks of which frames of an earlier generation were published, whenever that was; of those in `within` alone."""
    bits = 0
    for generation, tasks in _still_counting(step.published, step, within):
        bits |= (step.published[generation] & within) ^ tasks
    return bits


def retried_after(step: StepState, generation: int, within: int = -1) -> int:
    """Tasks that were retried as a later generation than this; of those in `within` alone."""
    bits = 0
    for other, tasks in step.retried.items():
        if other > generation:
            bits |= tasks & within
    return bits


def step_bits(state: JobState, spec: JobSpec, number: int) -> StepBits:
    """The status of every task of one step."""
    step = state.steps.get(number, EMPTY_STEP)
    mask = full_mask(spec, number)
    done = step.done & mask
    cancelled = cancelled_bits(step, mask & ~done)
    over = done | cancelled
    failed = step.failed & mask & ~over
    over |= failed
    leased = step.leased & mask & ~over
    waiting = mask & ~over & ~leased
    open_bits = _unblocked(state, spec, number, waiting) if waiting else 0
    return StepBits(done, cancelled, failed, leased, open_bits, waiting & ~open_bits)


def _unblocked(state: JobState, spec: JobSpec, number: int, waiting: int) -> int:
    step = spec.steps[number]
    for dependency in step.depends_on:
        other = state.steps.get(dependency.step, EMPTY_STEP)
        mask = full_mask(spec, dependency.step)
        settled = other.done
        if step.run is RunWhen.ALWAYS:
            settled |= other.failed | cancelled_bits(other, mask) | _hopeless(state, spec, dependency.step)
        waiting &= ~tasks_needing(spec, number, dependency, mask & ~settled)
        if not waiting:
            return 0
    return waiting


def _hopeless(state: JobState, spec: JobSpec, number: int) -> int:
    """Tasks that can never run, for what they depend on failed or was cancelled, and all of that is at rest.

    At rest: a clean-up must not run beside what it cleans up after. Step by step, not by recursion: steps may depend
    on each other in many ways.
    """
    lost: list[int] = []
    over: list[int] = []
    hopeless = 0
    for place in range(number + 1):
        known = state.steps.get(place, EMPTY_STEP)
        mask = full_mask(spec, place)
        hopeless = _without_hope(spec, place, lost, over) & mask & ~known.done
        lost.append((known.failed | cancelled_bits(known, mask)) & mask & ~known.done | hopeless)
        over.append(known.done & mask | lost[-1])
    return hopeless


def _without_hope(spec: JobSpec, number: int, lost: list[int], over: list[int]) -> int:
    step = spec.steps[number]
    if step.run is RunWhen.ALWAYS or not any(lost[dependency.step] for dependency in step.depends_on):
        return 0
    hopeless, resting = 0, full_mask(spec, number)
    for dependency in step.depends_on:
        missed, ended = lost[dependency.step], over[dependency.step]
        hopeless |= tasks_needing(spec, number, dependency, missed)
        resting &= ~tasks_needing(spec, number, dependency, full_mask(spec, dependency.step) & ~ended)
    return hopeless & resting


def job_status(state: JobState, spec: JobSpec) -> JobStatus:
    """What the job as a whole is."""
    steps = [step_bits(state, spec, number) for number in range(len(spec.steps))]
    leased = any(bits.leased for bits in steps)
    ready = any(bits.ready for bits in steps)
    if not leased and not ready:
        if any(bits.failed for bits in steps):
            return JobStatus.FAILED
        if any(bits.cancelled for bits in steps):
            return JobStatus.CANCELLED
        if any(bits.blocked for bits in steps):
            return JobStatus.BLOCKED
        return JobStatus.DONE
    if register(state, "paused"):
        return JobStatus.PAUSED
    if leased or any(bits.done or bits.failed or bits.cancelled for bits in steps):
        return JobStatus.ACTIVE
    return JobStatus.READY


def task_status(state: JobState, spec: JobSpec, number: int, task: int) -> TaskStatus:
    """The status of one task."""
    bits = step_bits(state, spec, number)
    return next(TaskStatus(name) for name, tasks in zip(StepBits._fields, bits, strict=True) if tasks >> task & 1)


def tasks_in(bits: int) -> Iterator[int]:
    """The task indices in a bit map, ascending; linear in its length."""
    for place, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        while byte:
            lowest = byte & -byte
            yield place * 8 + lowest.bit_length() - 1
            byte ^= lowest  # noqa: PLW2901 - the byte is eaten up bit by bit


def is_open(attempt: Attempt) -> bool:
    """Whether the lease was given and nothing ended it."""
    return attempt[1] is not None and not any(attempt[2:])


class OpenLease(NamedTuple):
    """A lease that nothing has ended yet."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    number: int
    generation: int
    worker: NodeId
    boot: str
    request: int


def open_leases(job: JobId, state: JobState) -> Iterator[OpenLease]:
    """Every open lease of a job, also those of cancelled tasks and of earlier generations of leased ones."""
    for number, step in state.steps.items():
        for task in tasks_in(step.leased):
            yield from open_leases_of(job, number, step, task)


def open_leases_of(job: JobId, number: int, step: StepState, task: int) -> Iterator[OpenLease]:
    """The open leases of one task; none when it is done or nothing of its current generation is leased."""
    if step.leased & 1 << task:
        for attempt in get_record(step, task):
            if is_open(attempt):
                yield OpenLease(job, number, task, attempt[0], *attempt[1])


def canonical(step: StepState, task: int) -> Attempt | None:
    """The attempt whose frames are the task's: the least (attempt number, identity) among the results."""
    record = get_record(step, task)
    return min(results_of(record, generation_of(step, task)), key=lambda a: (a[1][0], a[0]), default=None)


def failures_by_worker(state: JobState) -> dict[NodeId, int]:
    """Failed attempts of current generations by worker; one that the worker was unable to run counts as three."""
    counts: dict[NodeId, int] = {}
    for step in state.steps.values():
        for node, count in step.failures.items():
            counts[node] = counts.get(node, 0) + count
    return counts


def unpublished_bits(state: JobState, spec: JobSpec, number: int) -> int:
    """Done tasks of a step with output that are not yet known to lie under their final names."""
    step = state.steps.get(number)
    if step is None or not spec.steps[number].output_dir:
        return 0
    done = step.done & full_mask(spec, number)
    return done & ~published_bits(step, done)
