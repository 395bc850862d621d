"""The replicated farm as persistent values: a change copies only what it touches.

Layout chosen by measurement: jobs in buckets, tasks in pages of chunks, a done task as one `bytes`, exact tuples
elsewhere (the garbage collector then ignores them). Only this room knows the layout; others ask `selectors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import msgpack

from peerfarm.model.ids import ALPHABET, ActionId, FarmId, JobId, LogId, NodeId

BUCKETS = 64
CHUNK = 32
PAGE = CHUNK * CHUNK
_CHUNK_BITS = (1 << CHUNK) - 1
_PAGE_BITS = (1 << PAGE) - 1

Stamp = tuple[int, str, str, int]
"""(lamport, node, log, seq): decides between concurrent writers of a register; greater wins."""

Lease = tuple[int, int, NodeId, str, int]
"""(attempt number, generation, worker, boot, request)."""

Attempt = tuple[ActionId, Any, Any, Any, Any, Any]
"""(identity of TaskLeased, Lease | None, rendered, failed, returned, requeued): each None until its action came.

rendered = (action id, frames, render_ms); failed = (action id, reason, exit_code, message, lines, render_ms);
returned, requeued = (action id, reason). Of two different ones the least action id stays.
"""

Record = tuple[Attempt, ...]
"""What is known of one task, ordered by attempt identity; empty for a task that nobody touched."""

EMPTY_CHUNK: tuple[Any, ...] = (None,) * CHUNK


class Member(NamedTuple):
    """A machine of the farm, present or past."""

    added: tuple[ActionId, str, str] | None
    """(action, CURVE public key, name)."""
    removed: ActionId | None


class StepState(NamedTuple):
    """What is known of one step's tasks. The bit maps hold one bit per task index."""

    pages: Mapping[int, tuple[Any, ...]]
    retried: Mapping[int, int]
    """Generation -> tasks that were retried as that generation."""
    cancelled: Mapping[int, int]
    """Generation -> tasks that were cancelled up to it."""
    published: Mapping[int, int]
    done: int = 0
    """This and what follows is derived from the above, kept up by the joins, and not hashed."""
    failed: int = 0
    leased: int = 0
    contested: int = 0
    """More than one result in the current generation."""
    troubled: int = 0
    """At least one attempt of the current generation failed."""
    failures: Mapping[NodeId, int] = {}
    """Worker -> its failed attempts of current generations, weighed; summed up here, for it is asked at each lease."""


EMPTY_STEP = StepState({}, {}, {}, {})


Submitted = tuple[ActionId, bytes, int]
"""(action, packed specification, lamport time): the last orders jobs by submission without anybody's clock."""


class JobState(NamedTuple):
    """One job; `submitted` is None while only actions about it have arrived."""

    submitted: Submitted | None = None
    registers: Mapping[str, tuple[Stamp, Any]] = {}
    steps: Mapping[int, StepState] = {}
    archived: tuple[ActionId, bytes] | None = None
    deleted: ActionId | None = None


EMPTY_JOB = JobState()


UnknownPage = tuple[NodeId, LogId, int]
"""(node, log, seq // PAGE)."""


class Farm(NamedTuple):
    """The whole replicated state."""

    created: tuple[ActionId, FarmId, str] | None
    members: Mapping[NodeId, Member]
    jobs: tuple[Mapping[JobId, JobState], ...]
    unknown: Mapping[UnknownPage, Mapping[int, bytes]] = {}
    """Actions of types that only later releases know, as their authors made them: a snapshot must not lose them."""


EMPTY_FARM = Farm(None, {}, ({},) * BUCKETS)


_BUCKET_OF = {one + other: place % BUCKETS for place, (one, other) in enumerate(product(ALPHABET, ALPHABET))}


def _bucket(job: JobId) -> int:
    """Not by `hash`, which differs from start to start: every node and every replay walks the jobs in one order."""
    return _BUCKET_OF.get(job[:2], 0)


def get_job(farm: Farm, job: JobId) -> JobState | None:
    """The job's state; None when nothing is known of it."""
    return farm.jobs[_bucket(job)].get(job)


def put_job(farm: Farm, job: JobId, state: JobState) -> Farm:
    """The farm with this job's state in place."""
    number = _bucket(job)
    bucket = dict(farm.jobs[number])
    bucket[job] = state
    jobs = (*farm.jobs[:number], bucket, *farm.jobs[number + 1 :])
    return Farm(farm.created, farm.members, jobs, farm.unknown)


def get_record(step: StepState, task: int) -> Record:
    """The attempts of one task."""
    page = step.pages.get(task // PAGE)
    if page is None:
        return ()
    chunk = page[task // CHUNK % CHUNK]
    if chunk is None:
        return ()
    entry = chunk[task % CHUNK]
    if entry is None:
        return ()
    return unpack_record(entry) if type(entry) is bytes else entry


def put_entry(pages: Mapping[int, tuple[Any, ...]], task: int, entry: Record | bytes) -> dict[int, tuple[Any, ...]]:
    """The pages with one task's entry in place."""
    number, slot, place = task // PAGE, task // CHUNK % CHUNK, task % CHUNK
    page = pages.get(number, EMPTY_CHUNK)
    chunk = page[slot] or EMPTY_CHUNK
    chunk = (*chunk[:place], entry, *chunk[place + 1 :])
    changed = dict(pages)
    changed[number] = (*page[:slot], chunk, *page[slot + 1 :])
    return changed


def pack_record(record: Record) -> bytes:
    """A record as the compact, canonical bytes that done tasks are kept as and that hashes are made of."""
    packed: bytes = msgpack.packb(record)
    return packed


def unpack_record(packed: bytes) -> Record:
    """The record behind `pack_record`."""
    record: Record = msgpack.unpackb(packed, use_list=False)
    return record


def entries(step: StepState, within: int = -1) -> Iterator[tuple[int, Record | bytes]]:
    """Every touched task of a step with its entry, in order of the index; of the tasks in the bit map alone."""
    for number in sorted(step.pages):
        wanted = within >> number * PAGE & _PAGE_BITS
        if not wanted:
            continue
        for slot, chunk in enumerate(step.pages[number]):
            bits = wanted >> slot * CHUNK & _CHUNK_BITS
            if chunk is None or not bits:
                continue
            for place, entry in enumerate(chunk):
                if entry is not None and bits >> place & 1:
                    yield number * PAGE + slot * CHUNK + place, entry


def unknown_actions(farm: Farm) -> Iterator[tuple[ActionId, bytes]]:
    """Every action of a later release, in order of node, log and seq."""
    for page in sorted(farm.unknown):
        node, log, _ = page
        for seq in sorted(farm.unknown[page]):
            yield (node, log, seq), farm.unknown[page][seq]


def put_unknown(farm: Farm, action: ActionId, raw: bytes) -> Farm:
    """The farm with an action of a later release in it; the same object when it is there already."""
    node, log, seq = action
    place = (node, log, seq // PAGE)
    page = farm.unknown.get(place, {})
    return farm if seq in page else farm._replace(unknown={**farm.unknown, place: {**page, seq: raw}})


def all_jobs(farm: Farm) -> Iterator[tuple[JobId, JobState]]:
    """Every job that anything is known of, in no particular order."""
    for bucket in farm.jobs:
        yield from bucket.items()
