"""What actions say: one past-tense fact each, and the protocol's limits to what a fact may hold.

Not here: how they are checked (`payloads`), what they mean (`reduce`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from peerfarm.model.ids import ActionId, JobId, NodeId

MAX_LAMPORT = 1 << 53
"""Protocol constants, the same for all: no clock, setting or version of one node decides what is accepted."""
MAX_GENERATION = 1000
MAX_RANGES = 4000

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of task indices."""


class FarmCreated(NamedTuple):
    """A farm began; the first action of its founder."""

    name: str


class MemberAdded(NamedTuple):
    """A machine belongs to the farm from now on."""

    node: NodeId
    key: str
    name: str


class MemberRemoved(NamedTuple):
    """A machine left the farm for ever; its key never returns."""

    node: NodeId


class JobSubmitted(NamedTuple):
    """A job exists."""

    job: JobId
    spec: bytes
    """`msgpack(encode_spec(spec))`."""


class JobChanged(NamedTuple):
    """One of a job's registers has a new value: priority, paused or pool."""

    job: JobId
    field: str
    value: Any


class JobDeleted(NamedTuple):
    """The job is forgotten; absorbs everything else about it."""

    job: JobId


class JobArchived(NamedTuple):
    """The job is over and only its summary stays."""

    job: JobId
    summary: bytes


class TasksCancelled(NamedTuple):
    """Nobody shall render these tasks up to this generation."""

    job: JobId
    step: int
    ranges: Ranges
    generation: int


class TasksRetried(NamedTuple):
    """These tasks start anew as this generation."""

    job: JobId
    step: int
    ranges: Ranges
    generation: int


class TasksPublished(NamedTuple):
    """The frames of these tasks, in this generation, lie under their final names."""

    job: JobId
    step: int
    ranges: Ranges
    generation: int


class TaskLeased(NamedTuple):
    """A worker has the right to run a task; the identity of this action names the attempt."""

    job: JobId
    step: int
    task: int
    generation: int
    number: int
    """Of the attempt, from 1, as the dispatcher counts."""
    worker: NodeId
    boot: str
    """Of the worker: a lease to an earlier start of it is void."""
    request: int
    """The worker's own number for what it asked."""


class TaskRendered(NamedTuple):
    """Every frame of an attempt is verified and durable."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    frames: tuple[tuple[str, int, bytes], ...]
    """(name, size in bytes, SHA-256)."""
    render_ms: int


class TaskFailed(NamedTuple):
    """An attempt gave no full set of frames; counts as a try."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    reason: str
    exit_code: int | None
    message: str
    last_lines: tuple[str, ...]
    render_ms: int


class TaskReturned(NamedTuple):
    """A worker gave a lease back unused or cut short on order; not a try."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    reason: str


class TaskRequeued(NamedTuple):
    """A dispatcher took a lease back: `died`, `removed` (not tries) or `stalled` (a try)."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    reason: str


Body = (
    FarmCreated
    | MemberAdded
    | MemberRemoved
    | JobSubmitted
    | JobChanged
    | JobDeleted
    | JobArchived
    | TasksCancelled
    | TasksRetried
    | TasksPublished
    | TaskLeased
    | TaskRendered
    | TaskFailed
    | TaskReturned
    | TaskRequeued
)
