"""Which payloads are valid: one table with a check for every field of every action; snapshots use the same checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

from peerfarm.errors import InvalidJob, PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.job import MAX_FILES_PER_TASK, MAX_PRIORITY, MAX_STEPS, MAX_TASKS_PER_STEP
from peerfarm.model.speccodec import decode_spec
from peerfarm.state.bodies import (
    MAX_GENERATION,
    MAX_LAMPORT,
    MAX_RANGES,
    Body,
    FarmCreated,
    JobArchived,
    JobChanged,
    JobDeleted,
    JobSubmitted,
    MemberAdded,
    MemberRemoved,
    TaskFailed,
    TaskLeased,
    TaskRendered,
    TaskRequeued,
    TaskReturned,
    TasksCancelled,
    TasksPublished,
    TasksRetried,
)

Frame = tuple[str, int, bytes]
"""(name, size in bytes, blob id)."""
MAX_STEP = MAX_STEPS - 1
MAX_TASK = MAX_TASKS_PER_STEP - 1


def unpack(raw: bytes) -> Any:
    """Decode msgpack from a peer: tuples for lists, no ext types; PeerProtocolError for anything odd."""
    try:
        return msgpack.unpackb(raw, use_list=False, strict_map_key=True, ext_hook=_refuse_ext)
    except (ValueError, UnicodeDecodeError, RecursionError, msgpack.UnpackException, TypeError) as error:
        raise PeerProtocolError(f"undecodable bytes: {error}") from None


def _refuse_ext(code: int, _data: bytes) -> Any:
    raise ValueError(f"ext type {code}")


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


def is_frames(value: Any) -> bool:
    """Whether a decoded value names the files of one attempt."""
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


_JOB, _STEP, _TASK = _id(ids.JOB_ID_LENGTH), _whole(0, MAX_STEP), _whole(0, MAX_TASK)
_NODE = _id(ids.NODE_ID_LENGTH)
_GENERATION = _whole(0, MAX_GENERATION)
_MS = _whole(0, MAX_LAMPORT)
_MARKS = (_JOB, _STEP, _is_ranges, _GENERATION)
_ENDING = (_JOB, _STEP, _TASK, is_action_id)


def _is_exit_code(value: Any) -> bool:
    return value is None or (type(value) is int and abs(value) < 1 << 33)


TYPES: dict[str, tuple[type[Any], tuple[Callable[[Any], bool], ...]]] = {
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
    "task/rendered": (TaskRendered, (*_ENDING, is_frames, _MS)),
    "task/failed": (TaskFailed, (*_ENDING, _text(40), _is_exit_code, _text(2000), _is_lines, _MS)),
    "task/returned": (TaskReturned, (*_ENDING, _text(40))),
    "task/requeued": (TaskRequeued, (*_ENDING, _text(40))),
}
"""Wire name -> the body's type and one check per field: everything that a payload may hold stands here."""

_NAMES = {body: name for name, (body, _) in TYPES.items()}

_REGISTERS: dict[str, Callable[[Any], bool]] = {
    "priority": _whole(0, MAX_PRIORITY),
    "paused": lambda value: isinstance(value, bool),
    "pool": _text(100),
}


def is_lease(value: Any) -> bool:
    """Whether a decoded value is what a TaskLeased says of its attempt: number, generation, worker, boot, request."""
    _, _, _, generation, number, *rest = TYPES["task/leased"][1]
    return _fits(value, (number, generation, *rest))


def is_ending(name: str, value: Any) -> bool:
    """Whether a decoded value is an ending's identity and what an action of that type says after its lease."""
    return _fits(value, (is_action_id, *TYPES[name][1][len(_ENDING) :]))


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


def name_of(body: Body) -> str:
    """The wire name of this fact."""
    return _NAMES[type(body)]


def read_body(name: str, payload: Any) -> Body | None:
    """The fact that a decoded payload of that type tells; None when the type is unknown or the payload invalid."""
    known = TYPES.get(name)
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
