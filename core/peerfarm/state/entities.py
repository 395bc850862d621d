"""The farm as a set of small canonical values: what snapshots carry and what the state hash sums over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack

from peerfarm.model.ids import JobId
from peerfarm.state.farm import (
    BUCKETS,
    CHUNK,
    EMPTY_FARM,
    EMPTY_STEP,
    PAGE,
    Farm,
    JobState,
    Member,
    StepState,
    all_jobs,
    entries,
    pack_record,
    unknown_actions,
)

HASH_BITS = 256
_MODULUS = 1 << HASH_BITS

Entity = tuple[Any, ...]
"""(kind, key..., content...): `farm`, `member`, `job`, `marks` or `task`."""


def entities(farm: Farm) -> Iterator[Entity]:
    """All of the farm, in a canonical form; a farm is equal to another if and only if the sets are equal."""
    if farm.created is not None:
        yield ("farm", *farm.created)
    for node in sorted(farm.members):
        yield _member_entity(node, farm.members[node])
    for _, raw in unknown_actions(farm):
        yield ("action", raw)
    for job, state in sorted(all_jobs(farm)):
        yield from _job_entities(job, state)


def _member_entity(node: str, member: Member) -> Entity:
    return ("member", node, member.added, member.removed)


def _job_entities(job: JobId, state: JobState) -> Iterator[Entity]:
    yield _head_entity(job, state)
    for number in sorted(state.steps):
        step = state.steps[number]
        yield from _mark_entities(job, number, step)
        for task, entry in entries(step):
            yield _task_entity(job, number, task, entry)


def _head_entity(job: JobId, state: JobState) -> Entity:
    registers = tuple((name, *state.registers[name]) for name in sorted(state.registers))
    return ("job", job, state.submitted, registers, state.archived, state.deleted)


def _mark_entities(job: JobId, number: int, step: StepState) -> Iterator[Entity]:
    if step.retried or step.cancelled or step.published:
        yield ("marks", job, number, _pack_bits(step.retried), _pack_bits(step.cancelled), _pack_bits(step.published))


def _pack_bits(marks: Mapping[int, int]) -> tuple[tuple[int, bytes], ...]:
    return tuple(
        (generation, bits.to_bytes((bits.bit_length() + 7) // 8, "little"))
        for generation, bits in sorted(marks.items())
        if bits
    )


def _task_entity(job: JobId, number: int, task: int, entry: Any) -> Entity:
    return ("task", job, number, task, entry if type(entry) is bytes else pack_record(entry))


def _digest(entity: Entity) -> int:
    return int.from_bytes(hashlib.sha256(msgpack.packb(entity)).digest(), "big")


def state_hash(farm: Farm) -> str:
    """64 hex digits over the canonical encoding of the whole farm; independent of the order of its actions."""
    return f"{sum(map(_digest, entities(farm))) % _MODULUS:064x}"


class RunningHash:
    """The state hash kept up at the cost of what changed: two versions share their unchanged parts."""

    def __init__(self) -> None:
        self._farm = EMPTY_FARM
        self._sum = 0

    def of(self, farm: Farm) -> str:
        """The hash of `farm`, equal to `state_hash(farm)`; cheap when little changed since the last call."""
        if farm is not self._farm:
            self._sum = (self._sum + _farm_change(self._farm, farm)) % _MODULUS
            self._farm = farm
        return f"{self._sum:064x}"


def _farm_change(old: Farm, new: Farm) -> int:
    change = 0
    if old.created != new.created:
        change += _digest(("farm", *new.created)) if new.created else 0
        change -= _digest(("farm", *old.created)) if old.created else 0
    if old.unknown is not new.unknown:
        change += _unknown_beyond(old, new) - _unknown_beyond(new, old)
    if old.members is not new.members:
        for node in {*old.members, *new.members}:
            before, after = old.members.get(node), new.members.get(node)
            if before != after:
                change += _digest(_member_entity(node, after)) if after else 0
                change -= _digest(_member_entity(node, before)) if before else 0
    for number in range(BUCKETS):
        if old.jobs[number] is not new.jobs[number]:
            for job in {**old.jobs[number], **new.jobs[number]}:
                before_job, after_job = old.jobs[number].get(job), new.jobs[number].get(job)
                if before_job is not after_job:
                    change += _job_change(job, before_job, after_job)
    return change


def _unknown_beyond(old: Farm, new: Farm) -> int:
    """The digests of the actions of later releases that only the new farm holds."""
    change = 0
    for place, page in new.unknown.items():
        before = old.unknown.get(place, {})
        if page is not before:
            change += sum(_digest(("action", raw)) for seq, raw in page.items() if seq not in before)
    return change


def _job_change(job: JobId, old: JobState | None, new: JobState | None) -> int:
    change = 0
    if old is None or new is None or _head_entity(job, old) != _head_entity(job, new):
        change += _digest(_head_entity(job, new)) if new else 0
        change -= _digest(_head_entity(job, old)) if old else 0
    old_steps, new_steps = old.steps if old else {}, new.steps if new else {}
    for number in {**old_steps, **new_steps}:
        before, after = old_steps.get(number, EMPTY_STEP), new_steps.get(number, EMPTY_STEP)
        if before is not after:
            change += sum(map(_digest, _mark_entities(job, number, after)))
            change -= sum(map(_digest, _mark_entities(job, number, before)))
            change += _tasks_change(job, number, before, after)
    return change


def _tasks_change(job: JobId, number: int, old: StepState, new: StepState) -> int:
    change = 0
    blank = (None,) * CHUNK
    for page in {**old.pages, **new.pages}:
        old_page, new_page = old.pages.get(page, blank), new.pages.get(page, blank)
        if old_page is new_page:
            continue
        for slot in range(CHUNK):
            old_chunk, new_chunk = old_page[slot] or blank, new_page[slot] or blank
            if old_chunk is new_chunk:
                continue
            for place in range(CHUNK):
                before, after = old_chunk[place], new_chunk[place]
                if before is not after:
                    task = page * PAGE + slot * CHUNK + place
                    change += _digest(_task_entity(job, number, task, after)) if after is not None else 0
                    change -= _digest(_task_entity(job, number, task, before)) if before is not None else 0
    return change
