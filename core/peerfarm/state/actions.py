"""Actions: past-tense facts, the only thing that changes a farm. Their meaning is in `reduce`.

An action's identity is (node, log, seq). Its bytes are made once, by its author, and relayed unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from peerfarm.errors import InvalidJob, PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.ids import ActionId, FarmId, JobId, LogId, NodeId
from peerfarm.model.job import MAX_FILES_PER_TASK, MAX_PRIORITY, MAX_STEPS, MAX_TASKS_PER_STEP
from peerfarm.model.speccodec import decode_spec

ACTION_VERSION = 1
MAX_ACTION_BYTES = 64 * 1024
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


class Action(NamedTuple):
    """One accepted entry of a log."""

    farm: FarmId
    node: NodeId
    log: LogId
    seq: int
    lamport: int
    wall_ms: int
    """The author's clock, for people only."""
    type: str
    body: Body | None
    """None for an unknown type or an invalid payload: stored, relayed, and a no-op."""
    raw: bytes
    is_of_later_release: bool = False
    """Its type or version is not known here: it is kept, for a later release of this node may know it."""

    @property
    def id(self) -> ActionId:
        """The identity: (node, log, seq)."""
        return (self.node, self.log, self.seq)


def _text(limit: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= limit


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _id(length: int) -> Callable[[Any], bool]:
    return lambda value: ids.is_id(value, length)


def is_action_id(value: Any) -> bool:
    """Whether a decoded value is an action's identity."""
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and ids.is_id(value[0], ids.NODE_ID_LENGTH)
        and ids.is_id(value[1], ids.LOG_ID_LENGTH)
        and type(value[2]) is int
        and 1 <= value[2] < MAX_LAMPORT
    )


def _is_ranges(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) > MAX_RANGES:
        return False
    for pair in value:
        if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is int):
            return False
        if not 0 <= pair[0] <= pair[1] < MAX_TASKS_PER_STEP:
            return False
    return True


def _is_frames(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) > MAX_FILES_PER_TASK:
        return False
    for entry in value:
        if not (isinstance(entry, tuple) and len(entry) == 3):
            return False
        name, size_bytes, digest = entry
        if not (isinstance(name, str) and 0 < len(name) <= 255 and "/" not in name and "\\" not in name):
            return False
        if name in {".", ".."} or "\0" in name:
            return False
        if not (type(size_bytes) is int and 0 <= size_bytes < MAX_LAMPORT):
            return False
        if not (isinstance(digest, bytes) and len(digest) == 32):
            return False
    return True


def _is_lines(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) <= 50 and all(isinstance(x, str) and len(x) <= 1000 for x in value)


def is_spec(value: Any) -> bool:
    """Whether a decoded value is a packed, valid job specification."""
    if not isinstance(value, bytes):
        return False
    try:
        decode_spec(unpack(value))
    except (InvalidJob, PeerProtocolError):
        return False
    return True


def is_key(value: Any) -> bool:
    """Whether a decoded value is spelt like a CURVE public key."""
    return isinstance(value, str) and len(value) == 40 and value.isascii() and value.isprintable()


_JOB, _STEP, _TASK = _id(ids.JOB_ID_LENGTH), _whole(0, MAX_STEPS - 1), _whole(0, MAX_TASKS_PER_STEP - 1)
_NODE = _id(ids.NODE_ID_LENGTH)
_GENERATION = _whole(0, MAX_GENERATION)
_MS = _whole(0, MAX_LAMPORT)
_MARKS = (_JOB, _STEP, _is_ranges, _GENERATION)
_ENDING = (_JOB, _STEP, _TASK, is_action_id)


def _is_exit_code(value: Any) -> bool:
    return value is None or (type(value) is int and abs(value) < 1 << 33)


_TYPES: dict[str, tuple[type[Any], tuple[Callable[[Any], bool], ...]]] = {
    "farm/created": (FarmCreated, (_text(100),)),
    "member/added": (MemberAdded, (_NODE, is_key, _text(100))),
    "member/removed": (MemberRemoved, (_NODE,)),
    "job/submitted": (JobSubmitted, (_JOB, is_spec)),
    "job/changed": (JobChanged, (_JOB, _text(20), lambda value: isinstance(value, (bool, int, str)))),
    "job/deleted": (JobDeleted, (_JOB,)),
    "job/archived": (JobArchived, (_JOB, lambda value: isinstance(value, bytes) and len(value) <= 16_384)),
    "tasks/cancelled": (TasksCancelled, _MARKS),
    "tasks/retried": (TasksRetried, _MARKS),
    "tasks/published": (TasksPublished, _MARKS),
    "task/leased": (TaskLeased, (_JOB, _STEP, _TASK, _GENERATION, _whole(1, 1 << 31), _NODE, _text(16), _MS)),
    "task/rendered": (TaskRendered, (*_ENDING, _is_frames, _MS)),
    "task/failed": (TaskFailed, (*_ENDING, _text(40), _is_exit_code, _text(2000), _is_lines, _MS)),
    "task/returned": (TaskReturned, (*_ENDING, _text(40))),
    "task/requeued": (TaskRequeued, (*_ENDING, _text(40))),
}
"""Wire name -> the body's type and one check per field: everything that a payload may hold stands here."""

_NAMES = {body: name for name, (body, _) in _TYPES.items()}

_REGISTERS: dict[str, Callable[[Any], bool]] = {
    "priority": _whole(0, MAX_PRIORITY),
    "paused": lambda value: isinstance(value, bool),
    "pool": _text(100),
}


def is_lease(value: Any) -> bool:
    """Whether a decoded value is what a TaskLeased says of its attempt: number, generation, worker, boot, request."""
    _, _, _, generation, number, *rest = _TYPES["task/leased"][1]
    return _fits(value, (number, generation, *rest))


def is_ending(name: str, value: Any) -> bool:
    """Whether a decoded value is an ending's identity and what an action of that type says after its lease."""
    return _fits(value, (is_action_id, *_TYPES[name][1][len(_ENDING) :]))


def _fits(value: Any, checks: tuple[Callable[[Any], bool], ...]) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check(part) for check, part in zip(checks, value, strict=True))
    )


def is_register(name: Any, value: Any) -> bool:
    """Whether a job has such a register and it can hold this value."""
    check = _REGISTERS.get(name) if isinstance(name, str) else None
    return check is not None and check(value)


def unpack(raw: bytes) -> Any:
    """Decode msgpack from a peer: tuples for lists, no ext types; PeerProtocolError for anything odd."""
    try:
        return msgpack.unpackb(raw, use_list=False, strict_map_key=True, ext_hook=_refuse_ext)
    except (ValueError, UnicodeDecodeError, RecursionError, msgpack.UnpackException, TypeError) as error:
        raise PeerProtocolError(f"undecodable bytes: {error}") from None


def _refuse_ext(code: int, _data: bytes) -> Any:
    raise ValueError(f"ext type {code}")


def encode_action(farm: FarmId, action_id: ActionId, lamport: int, wall_ms: int, body: Body) -> bytes:
    """The bytes of an own action.

    Raises:
        ValueError: Larger than 64 KiB; callers bound their payloads so that this is a bug.
    """
    node, log, seq = action_id
    raw: bytes = msgpack.packb(
        (ACTION_VERSION, farm, node, log, seq, lamport, wall_ms, _NAMES[type(body)], tuple(body))
    )
    if len(raw) > MAX_ACTION_BYTES:
        msg = f"an action of {len(raw)} bytes exceeds {MAX_ACTION_BYTES}"
        raise ValueError(msg)
    return raw


def decode_action(raw: bytes) -> Action:
    """Read an action's envelope, and its payload where type and payload are known and valid.

    Raises:
        PeerProtocolError: The envelope breaks the protocol; the sender is to be dropped.
    """
    if len(raw) > MAX_ACTION_BYTES:
        raise PeerProtocolError(f"an action of {len(raw)} bytes exceeds {MAX_ACTION_BYTES}")
    parts = unpack(raw)
    if not isinstance(parts, tuple) or not 9 <= len(parts) <= 10:
        raise PeerProtocolError("an action is a list of nine, or ten with a signature")
    version, farm, node, log, seq, lamport, wall_ms, name, payload = parts[:9]
    if not (
        type(version) is int
        and ids.is_id(farm, ids.FARM_ID_LENGTH)
        and ids.is_id(node, ids.NODE_ID_LENGTH)
        and ids.is_id(log, ids.LOG_ID_LENGTH)
        and type(seq) is int
        and 1 <= seq < MAX_LAMPORT
        and type(lamport) is int
        and 0 <= lamport < MAX_LAMPORT
        and type(wall_ms) is int
        and isinstance(name, str)
        and len(name) <= 40
    ):
        raise PeerProtocolError("an action's envelope has a wrong type or an impossible value")
    is_later = version != ACTION_VERSION or name not in _TYPES
    body = None if is_later else _read_body(name, payload)
    return Action(farm, node, log, seq, lamport, wall_ms, name, body, raw, is_later)


def _read_body(name: str, payload: Any) -> Body | None:
    known = _TYPES.get(name)
    if known is None or not isinstance(payload, tuple):
        return None
    make, checks = known
    if len(payload) != len(checks):
        return None
    for check, value in zip(checks, payload, strict=True):
        if not check(value):
            return None
    body: Body = make(*payload)
    if isinstance(body, JobChanged):
        return body if is_register(body.field, body.value) else None
    if isinstance(body, MemberAdded) and ids.node_id_of(body.key) != body.node:
        return None
    return body
