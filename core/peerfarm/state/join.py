"""Joins: the one way in which a farm grows, by an action or by a snapshot.

Every join is commutative, associative and idempotent, so the state is a function of the set of actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgpack

from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.model.speccodec import decode_spec
from peerfarm.state.actions import MAX_RANGES
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


def least(mine: Any, other: Any) -> Any:
    """Of two facts that open with their action id, the one with the least; None knows nothing."""
    if mine is None or (other is not None and other[0] < mine[0]):
        return other
    return mine


def join_created(farm: Farm, created: tuple[ActionId, Any, str]) -> Farm:
    """A farm's name and id."""
    chosen = least(farm.created, created)
    return farm if chosen is farm.created else farm._replace(created=chosen)


def join_unknown(farm: Farm, action: ActionId, raw: bytes) -> Farm:
    """An action of a later release."""
    return farm if action in farm.unknown else farm._replace(unknown={**farm.unknown, action: raw})


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
        joined = joined._replace(
            steps={number: _rederive(step, tries_of(chosen, number)) for number, step in joined.steps.items()}
        )
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
    if joined.retried != step.retried:
        joined = _rederive(joined, tries_of(state.submitted, number))
    return put_job(farm, job, state._replace(steps={**state.steps, number: joined}))


def _union(mine: Mapping[int, int], other: Mapping[int, int]) -> Mapping[int, int]:
    marked = {generation: bits for generation, bits in other.items() if bits}
    if not marked:
        return mine  # marks on no task at all must leave no trace, or a snapshot would hash differently
    return {generation: mine.get(generation, 0) | marked.get(generation, 0) for generation in {*mine, *marked}}


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
    for place, known in enumerate(record):
        if known[0] == attempt[0]:
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
    if not record:
        return (attempt,)
    return tuple(sorted((*record, attempt), key=_attempt_id))


def _attempt_id(attempt: Attempt) -> ActionId:
    return attempt[0]


def generation_of(step: StepState, task: int) -> int:
    """The task's current generation: the highest that it was retried as, 0 at first."""
    if not step.retried:
        return 0
    return max((generation for generation, bits in step.retried.items() if bits >> task & 1), default=0)


def results_of(record: Record, generation: int) -> list[Attempt]:
    """The attempts of that generation that gave a result."""
    return [a for a in record if a[2] is not None and a[1] is not None and a[1][1] == generation]


def _place(step: StepState, task: int, record: Record, tries: int) -> StepState:
    """The step with this task's record in place and its derived bits right."""
    generation = generation_of(step, task)
    results = opens = failures = deaths = unable = trouble = 0
    for _, lease, rendered, failed, returned, requeued in record:
        if lease is None or lease[1] != generation:
            continue
        if rendered is not None:
            results += 1
        elif failed is not None and failed[1] in UNABLE_REASONS:
            unable += 1
            trouble = 1
        elif failed is not None or (requeued is not None and requeued[1] == "stalled"):
            failures += 1
            trouble = 1
        elif requeued is not None:
            deaths += requeued[1] == "died"
            trouble = 1
        elif returned is None:
            opens += 1
    bit = 1 << task
    is_failed = not results and (failures >= tries or deaths >= MAX_DEATHS or unable >= MAX_UNABLE)
    entry = pack_record(record) if results else record
    return StepState(
        put_entry(step.pages, task, entry),
        step.retried,
        step.cancelled,
        step.published,
        _set(step.done, bit, results > 0),
        _set(step.failed, bit, is_failed),
        _set(step.leased, bit, opens > 0 and not results),
        _set(step.contested, bit, results > 1),
        _set(step.troubled, bit, trouble > 0),
    )


def _set(bits: int, bit: int, is_set: bool) -> int:
    if is_set:
        return bits | bit
    return bits ^ bit if bits & bit else bits


def _rederive(step: StepState, tries: int) -> StepState:
    """All derived bits anew: after a retry, or when the number of tries became known."""
    fresh = StepState(step.pages, step.retried, step.cancelled, step.published)
    for task, entry in entries(step):
        fresh = _place(fresh, task, unpack_record(entry) if isinstance(entry, bytes) else entry, tries)
    return fresh


def bits_of(ranges: Iterable[tuple[int, int]]) -> int:
    """Inclusive ranges of indices as a bit map."""
    bits = 0
    for first, last in ranges:
        bits |= ((1 << (last - first + 1)) - 1) << first
    return bits


def ranges_of(bits: int) -> tuple[tuple[int, int], ...]:
    """A bit map as inclusive ranges of indices."""
    ranges = []
    place = 0
    while bits:
        skip = (bits & -bits).bit_length() - 1
        bits >>= skip
        length = (~bits & (bits + 1)).bit_length() - 1
        ranges.append((place + skip, place + skip + length - 1))
        bits >>= length
        place += skip + length
    return tuple(ranges)


def range_batches(bits: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A bit map as ranges, no more at a time than one action holds."""
    ranges = ranges_of(bits)
    for start in range(0, len(ranges), MAX_RANGES):
        yield ranges[start : start + MAX_RANGES]


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
