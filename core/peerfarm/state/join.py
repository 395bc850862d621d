"""Joins: the one way in which a farm grows, by an action or by a snapshot.

Every join is commutative, associative and idempotent, so the state is a function of the set of actions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgpack

from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.model.speccodec import decode_spec
from peerfarm.state.farm import (
    EMPTY_JOB,
    EMPTY_STEP,
    Attempt,
    Farm,
    JobState,
    Member,
    Record,
    Stamp,
    StepState,
    Submitted,
    entries,
    get_job,
    get_record,
    pack_record,
    put_entry,
    put_job,
    unpack_record,
)

MAX_DEATHS = 5
"""A worker's death is not a try, but this many on one task fail it."""
MAX_UNABLE = 5
"""The same for attempts that failed because the worker lacked the application, the path or the space."""
UNABLE_REASONS = frozenset({"app-not-found", "not-allowed", "disk-full"})
"""Failures that say more of the worker than of the task: not a try, and the worker is left off the job at once."""
DEFAULT_TRIES = 3
ALL = -1
"""Every task, as a bit map."""
_identity = itemgetter(0)


def least(mine: Any, other: Any) -> Any:
    """Of two facts that open with their action id, the one with the least; None knows nothing."""
    if mine is None or (other is not None and other[0] < mine[0]):
        return other
    return mine


def join_created(farm: Farm, created: tuple[ActionId, Any, str]) -> Farm:
    """A farm's name and id."""
    chosen = least(farm.created, created)
    return farm if chosen is farm.created else farm._replace(created=chosen)


def join_member(farm: Farm, node: NodeId, other: Member) -> Farm:
    """A member added or removed; removal absorbs."""
    mine = farm.members.get(node, Member(None, None))
    removed = mine.removed
    if removed is None or (other.removed is not None and other.removed < removed):
        removed = other.removed
    joined = Member(least(mine.added, other.added), removed)
    if joined == mine:
        return farm
    return farm._replace(members={**farm.members, node: joined})


def join_head(
    farm: Farm,
    job: JobId,
    submitted: Submitted | None,
    registers: Mapping[str, tuple[Stamp, Any]],
) -> Farm:
    """A job's specification and registers."""
    mine = get_job(farm, job) or EMPTY_JOB
    if mine.archived or mine.deleted:
        return farm
    changed = {name: entry for name, entry in registers.items() if _is_newer(entry, mine.registers.get(name))}
    chosen = least(mine.submitted, submitted)
    if not changed and chosen is mine.submitted:
        return farm
    joined = mine._replace(submitted=chosen, registers={**mine.registers, **changed})
    if chosen is not mine.submitted:
        steps = {number: _rederive(step, step, ALL, tries_of(chosen, number)) for number, step in joined.steps.items()}
        joined = joined._replace(steps=steps)
    return put_job(farm, job, joined)


def _is_newer(entry: tuple[Stamp, Any], mine: tuple[Stamp, Any] | None) -> bool:
    return mine is None or entry[0] > mine[0]


def join_end(farm: Farm, job: JobId, archived: tuple[ActionId, bytes] | None, deleted: ActionId | None) -> Farm:
    """A job archived or deleted: absorbs all else that is known of it; deletion absorbs the archive too."""
    mine = get_job(farm, job) or EMPTY_JOB
    gone = mine.deleted if deleted is None or (mine.deleted is not None and mine.deleted <= deleted) else deleted
    kept = None if gone is not None else least(mine.archived, archived)
    joined = JobState(archived=kept, deleted=gone)
    return farm if joined == mine or (kept is None and gone is None) else put_job(farm, job, joined)


def join_marks(
    farm: Farm,
    job: JobId,
    number: int,
    retried: Mapping[int, int],
    cancelled: Mapping[int, int],
    published: Mapping[int, int],
) -> Farm:
    """Retries, cancels and publications of a step's tasks, as generation -> bit map."""
    state = get_job(farm, job) or EMPTY_JOB
    if state.archived or state.deleted:
        return farm
    step = state.steps.get(number, EMPTY_STEP)
    joined = step._replace(
        retried=_union(step.retried, retried),
        cancelled=_union(step.cancelled, cancelled),
        published=_union(step.published, published),
    )
    if joined == step:
        return farm
    if joined.retried is not step.retried:
        retried_anew = 0
        for generation, bits in retried.items():
            retried_anew |= bits & ~step.retried.get(generation, 0)
        joined = _rederive(joined, step, retried_anew, tries_of(state.submitted, number))
    return put_job(farm, job, state._replace(steps={**state.steps, number: joined}))


def _union(mine: Mapping[int, int], other: Mapping[int, int]) -> Mapping[int, int]:
    """Both marks; the same object when nothing is new. Marks on no task leave no trace, or hashes would differ."""
    fresh = {
        generation: mine.get(generation, 0) | bits
        for generation, bits in other.items()
        if bits & ~mine.get(generation, 0)
    }
    return {**mine, **fresh} if fresh else mine


def join_task(farm: Farm, job: JobId, number: int, task: int, record: Record) -> Farm:
    """What is known of one task's attempts."""
    state = get_job(farm, job) or EMPTY_JOB
    if state.archived or state.deleted:
        return farm
    step = state.steps.get(number, EMPTY_STEP)
    mine = get_record(step, task)
    joined = join_records(mine, record)
    if joined is mine:
        return farm
    changed = _place(step, task, joined, tries_of(state.submitted, number))
    steps = dict(state.steps)
    steps[number] = changed
    return put_job(farm, job, JobState(state.submitted, state.registers, steps, None, None))


def join_records(mine: Record, other: Record) -> Record:
    """Both records' attempts; the same object when nothing is new."""
    for attempt in other:
        mine = _join_attempt(mine, attempt)
    return mine


def _join_attempt(record: Record, attempt: Attempt) -> Record:
    place = bisect_left(record, attempt[0], key=_identity)
    if place == len(record) or record[place][0] != attempt[0]:
        return (*record[:place], attempt, *record[place:])
    known = record[place]
    if known == attempt:
        return record
    joined = (
        known[0],
        known[1] if known[1] is not None else attempt[1],
        least(known[2], attempt[2]),
        least(known[3], attempt[3]),
        least(known[4], attempt[4]),
        least(known[5], attempt[5]),
    )
    return record if joined == known else (*record[:place], joined, *record[place + 1 :])


def generation_of(step: StepState, task: int) -> int:
    """The task's current generation: the highest that it was retried as, 0 at first."""
    if not step.retried:
        return 0
    bit = 1 << task  # costs what the task's place costs, where a shift would cost what the marks hold beyond it
    return max((generation for generation, bits in step.retried.items() if bits & bit), default=0)


def results_of(record: Record, generation: int) -> list[Attempt]:
    """The attempts of that generation that gave a result."""
    return [a for a in record if a[2] is not None and a[1] is not None and a[1][1] == generation]


def _place(step: StepState, task: int, record: Record, tries: int, former: int | None = None) -> StepState:
    """The step with this task's record in place and all that is derived from it right.

    Args:
        former: The task's generation when it was placed before; None when that has not changed.
    """
    generation = generation_of(step, task)
    results = opens = failures = deaths = unable = 0
    for _, lease, rendered, failed, returned, requeued in record:
        if lease is None or lease[1] != generation:
            continue
        if rendered is not None:
            results += 1
        elif failed is not None:
            if failed[1] in UNABLE_REASONS:
                unable += 1
            else:
                failures += 1
        elif requeued is not None:
            failures += requeued[1] == "stalled"
            deaths += requeued[1] == "died"
        elif returned is None:
            opens += 1
    bit = 1 << task
    is_failed = not results and (failures >= tries or deaths >= MAX_DEATHS or unable >= MAX_UNABLE)
    counts, now = step.failures, {}
    if failures or unable or step.troubled & bit:
        now = _blamed(record, generation)
        was = _blamed(get_record(step, task), generation if former is None else former)
        counts = counts if was == now else _moved(counts, was, now)
    return StepState(
        put_entry(step.pages, task, pack_record(record) if results else record),
        step.retried,
        step.cancelled,
        step.published,
        _set(step.done, bit, results > 0),
        _set(step.failed, bit, is_failed),
        _set(step.leased, bit, opens > 0 and not results),
        _set(step.contested, bit, results > 1),
        _set(step.troubled, bit, bool(now)),
        counts,
    )


def _blamed(record: Record, generation: int) -> dict[NodeId, int]:
    """Worker -> its failures on this task; an attempt that it was unable to run counts as three."""
    counts: dict[NodeId, int] = {}
    for _, lease, rendered, failed, _, _ in record:
        if lease is not None and lease[1] == generation and rendered is None and failed is not None:
            counts[lease[2]] = counts.get(lease[2], 0) + (3 if failed[1] in UNABLE_REASONS else 1)
    return counts


def _moved(counts: Mapping[NodeId, int], was: Mapping[NodeId, int], now: Mapping[NodeId, int]) -> dict[NodeId, int]:
    """The counts of a step after those of one task changed."""
    moved = {node: counts.get(node, 0) - was.get(node, 0) + now.get(node, 0) for node in {**counts, **now}}
    return {node: count for node, count in moved.items() if count}


def _set(bits: int, bit: int, is_set: bool) -> int:
    if is_set:
        return bits | bit
    return bits ^ bit if bits & bit else bits


def _rederive(step: StepState, former: StepState, tasks: int, tries: int) -> StepState:
    """What is derived of these tasks anew: after a retry, or when the number of tries became known.

    Args:
        former: The step before its marks changed.
    """
    for task, entry in entries(step, tasks):
        record = unpack_record(entry) if isinstance(entry, bytes) else entry
        step = _place(step, task, record, tries, generation_of(former, task))
    return step


@lru_cache(maxsize=4096)
def spec_from(packed: bytes) -> JobSpec:
    """The specification inside a JobSubmitted; validated before, so this never fails."""
    spec: JobSpec = decode_spec(msgpack.unpackb(packed, use_list=False))
    return spec


def tries_of(submitted: Submitted | None, number: int) -> int:
    """How many failed attempts fail a task of that step."""
    if submitted is None:
        return DEFAULT_TRIES
    steps = spec_from(submitted[1]).steps
    return steps[number].tries if number < len(steps) else DEFAULT_TRIES
