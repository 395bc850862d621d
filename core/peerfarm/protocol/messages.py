"""Messages between peers: one table says everything that the wire may hold. Identity comes from the link."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack

from peerfarm.errors import PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.ids import ActionId, JobId, LogId, NodeId
from peerfarm.model.worker import AppTold
from peerfarm.protocol.checks import Check, bytes_up_to, id_of, is_flag, many, row, text_up_to, whole
from peerfarm.protocol.filemessages import (
    MAX_PICTURE_BYTES,
    MAX_PICTURE_EDGE,
    MAX_STUCK,
    MAX_WHY,
    FilesStuck,
    KeepAsk,
    KeepMoved,
    KeepTold,
    PictureAsk,
    PictureTell,
)
from peerfarm.state.actions import MAX_LAMPORT, is_action_id, is_key, unpack
from peerfarm.state.payloads import MAX_STEP, MAX_TASK, is_frames

PROTOCOL_VERSION = 1
"""Greeted at first; a peer of another major version is told so and left alone."""
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_RUNNING = 64 * 8
"""Attempts in one heartbeat: more than the most slots can run and lease ahead."""
MAX_WORDS = 256
"""Pools or tags of a node, as many as its settings may list."""
MAX_TOLD_ADDRESSES = 16
BATCH_BYTES = 256 * 1024
"""Actions go in batches of at most this."""
MAX_FETCHING = 4
"""Fetches that a heartbeat tells of."""
MAX_ROWS = 4096
"""Positions of logs in one message, some 200 KB; vectors and the snapshots that carry them go in parts."""

RunningAttempt = tuple[ActionId, int, int]
"""(lease, progress in thousandths, frame being rendered or 0)."""


class Greeting(NamedTuple):
    """The first message on a link, from both sides."""

    version: int
    farm: str
    boot: str


class Goodbye(NamedTuple):
    """A clean shutdown: not a death, and no reason to wait."""

    boot: str


class About(NamedTuple):
    """What a node is; sent after the greeting and when it changes. The latest counts."""

    name: str
    version: str
    is_rendering: bool
    slots: int
    job_version: int
    """Highest version of job specifications that it dispatches."""
    pools: tuple[str, ...]
    tags: tuple[str, ...]
    apps: tuple[AppTold, ...]
    memory_mb: int
    cores: int
    addresses: tuple[str, ...]
    transfer_port: int = 0
    """Where it serves files to peers, at the same addresses; 0 while it serves none."""


class Beat(NamedTuple):
    """Once a second: alive, how busy, how far. Never enters the log."""

    boot: str
    digest: bytes
    """Of the vector; empty while the disk refuses."""
    state_hash: str
    reducer_version: int
    load_percent: int
    running: tuple[RunningAttempt, ...]
    fetching: tuple[tuple[JobId, int], ...] = ()
    """(job, thousandths): whose files it fetches, and how far it is."""


class Actions(NamedTuple):
    """Actions as their authors made them."""

    raws: tuple[bytes, ...]


class VectorAsk(NamedTuple):
    """Tell me which logs moved since you last told me, and how far you hold them durably; without a mark, all logs."""

    token: int
    boot: str = ""
    """The start of the peer in which it told its mark; in any other it tells everything."""
    since: int = 0
    """That mark."""


class VectorTell(NamedTuple):
    """What I hold durably of the logs that moved between two marks; without marks, of all that I know."""

    token: int
    vector: tuple[Any, ...]
    """At most `MAX_ROWS` positions, the oldest change first."""
    since: int = 0
    until: int = 0
    """Ask from here on for more."""
    is_last: bool = True
    """Nothing moved since."""


class Pull(NamedTuple):
    """Send me these ranges of logs."""

    ranges: tuple[tuple[NodeId, LogId, int, int], ...]


class SnapshotPart(NamedTuple):
    """One part of a snapshot, for a peer that asked for what was cut: first the state, then the vector."""

    farm: str
    number: int
    is_last: bool
    """It carries nothing more: the whole may be joined."""
    part: bytes
    vector: tuple[Any, ...]
    """At most `MAX_ROWS` positions."""


class SnapshotGot(NamedTuple):
    """Send the next part; the receiver sets the pace."""

    number: int


class Held(NamedTuple):
    """Your log is durable here up to this action."""

    log: LogId
    seq: int


class LeaseAsk(NamedTuple):
    """Give me a task of this job."""

    boot: str
    request: int
    job: JobId


class LeaseRefused(NamedTuple):
    """Not now."""

    boot: str
    request: int
    reason: str
    again_ms: int


class LeaseWithdrawn(NamedTuple):
    """I no longer want what I asked for."""

    boot: str
    request: int


class LogAsk(NamedTuple):
    """Send me a piece of an attempt's log (the paper's GET_LOG)."""

    token: int
    lease: ActionId
    offset: int
    """In bytes; less than zero counts from the end."""
    limit: int


class LogTell(NamedTuple):
    """A piece of an attempt's log."""

    token: int
    is_found: bool
    text: str
    offset: int
    next_offset: int
    is_complete: bool


class Whereabouts(NamedTuple):
    """Where other members can be dialled, as the sender knows (the paper's Known Worker List)."""

    places: tuple[tuple[NodeId, tuple[str, ...]], ...]


class JoinAsk(NamedTuple):
    """A newcomer, on the join socket."""

    version: int
    token: str
    key: str
    name: str
    addresses: tuple[str, ...]


class JoinTell(NamedTuple):
    """Welcome, or why not."""

    error: str
    farm: str
    farm_name: str
    members: tuple[tuple[NodeId, str, str, tuple[str, ...]], ...]
    """(node, key, name, addresses)."""


Message = (
    Greeting
    | Goodbye
    | About
    | Beat
    | Actions
    | VectorAsk
    | VectorTell
    | Pull
    | SnapshotPart
    | SnapshotGot
    | Held
    | LeaseAsk
    | LeaseRefused
    | LeaseWithdrawn
    | LogAsk
    | LogTell
    | KeepAsk
    | KeepTold
    | KeepMoved
    | FilesStuck
    | PictureAsk
    | PictureTell
    | Whereabouts
    | JoinAsk
    | JoinTell
)

_NODE, _JOB, _LOG = id_of(ids.NODE_ID_LENGTH), id_of(ids.JOB_ID_LENGTH), id_of(ids.LOG_ID_LENGTH)
_COUNT = whole(0, MAX_LAMPORT)
_SEQ = whole(1, MAX_LAMPORT)
_BOOT = text_up_to(16)
_WORDS = many(MAX_WORDS, text_up_to(200))
_ROWS = many(MAX_ROWS, lambda value: isinstance(value, tuple))

_TYPES: dict[int, tuple[type[Any], tuple[Check, ...]]] = {
    1: (Greeting, (whole(0, 1 << 16), text_up_to(ids.FARM_ID_LENGTH), _BOOT)),
    2: (Goodbye, (_BOOT,)),
    3: (
        About,
        (
            text_up_to(100),
            text_up_to(40),
            is_flag,
            whole(0, 64),
            whole(0, 1 << 16),
            _WORDS,
            _WORDS,
            many(64, row(text_up_to(40), text_up_to(40), _WORDS)),
            _COUNT,
            whole(0, 1 << 16),
            many(MAX_TOLD_ADDRESSES, text_up_to(200)),
            whole(0, 65535),
        ),
    ),
    4: (
        Beat,
        (
            _BOOT,
            bytes_up_to(16),
            text_up_to(64),
            whole(0, 1 << 16),
            whole(0, 100_000),
            many(MAX_RUNNING, row(is_action_id, whole(0, 1000), whole(-(1 << 40), 1 << 40))),
            many(MAX_FETCHING, row(_JOB, whole(0, 1000))),
        ),
    ),
    5: (Actions, (many(20_000, bytes_up_to(64 * 1024)),)),
    6: (VectorAsk, (_COUNT, _BOOT, _COUNT)),
    7: (VectorTell, (_COUNT, _ROWS, _COUNT, _COUNT, is_flag)),
    8: (Pull, (many(10_000, row(_NODE, _LOG, _SEQ, _SEQ)),)),
    9: (SnapshotPart, (text_up_to(ids.FARM_ID_LENGTH), _COUNT, is_flag, bytes_up_to(MAX_MESSAGE_BYTES), _ROWS)),
    10: (SnapshotGot, (_COUNT,)),
    11: (Held, (_LOG, _COUNT)),
    12: (LeaseAsk, (_BOOT, _COUNT, _JOB)),
    13: (LeaseRefused, (_BOOT, _COUNT, text_up_to(40), whole(0, 600_000))),
    14: (LeaseWithdrawn, (_BOOT, _COUNT)),
    15: (LogAsk, (_COUNT, is_action_id, whole(-MAX_LAMPORT, MAX_LAMPORT), whole(1, 512 * 1024))),
    16: (LogTell, (_COUNT, is_flag, text_up_to(600 * 1024), _COUNT, _COUNT, is_flag)),
    19: (Whereabouts, (many(10_000, row(_NODE, many(MAX_TOLD_ADDRESSES, text_up_to(200)))),)),
    20: (KeepAsk, (is_action_id, _JOB, whole(0, MAX_STEP), whole(0, MAX_TASK), is_frames)),
    21: (KeepTold, (is_action_id, is_flag, text_up_to(400))),
    22: (KeepMoved, (is_action_id, whole(0, 1000))),
    23: (FilesStuck, (many(MAX_STUCK, row(_JOB, is_flag, text_up_to(MAX_WHY))),)),
    24: (PictureAsk, (_COUNT, is_action_id, _JOB, whole(0, MAX_STEP), whole(0, MAX_TASK), whole(1, MAX_PICTURE_EDGE))),
    25: (
        PictureTell,
        (
            _COUNT,
            text_up_to(255),
            whole(0, MAX_PICTURE_EDGE),
            whole(0, MAX_PICTURE_EDGE),
            bytes_up_to(MAX_PICTURE_BYTES),
            text_up_to(MAX_WHY),
        ),
    ),
    17: (
        JoinAsk,
        (whole(0, 1 << 16), text_up_to(100), is_key, text_up_to(100), many(MAX_TOLD_ADDRESSES, text_up_to(200))),
    ),
    18: (
        JoinTell,
        (
            text_up_to(1000),
            text_up_to(16),
            text_up_to(100),
            many(10_000, row(_NODE, is_key, text_up_to(100), many(MAX_TOLD_ADDRESSES, text_up_to(200)))),
        ),
    ),
}

_LATER: dict[type[Any], str] = {About: "transfer_port", Beat: "fetching"}
"""A last field that the message got after version 1; it is left out while it says nothing."""

_CODES = {message: code for code, (message, _) in _TYPES.items()}


def encode_message(message: Message) -> bytes:
    """The message's bytes.

    Raises:
        ValueError: Larger than a peer accepts; callers bound what they send so that this is a bug.
    """
    raw: bytes = msgpack.packb((_CODES[type(message)], *_told_fields(message)))
    if len(raw) > MAX_MESSAGE_BYTES:
        msg = f"a {type(message).__name__} of {len(raw)} bytes exceeds {MAX_MESSAGE_BYTES}"
        raise ValueError(msg)
    return raw


def _told_fields(message: Message) -> tuple[Any, ...]:
    """The fields, without a later one that says nothing."""
    later = _LATER.get(type(message))
    if later is not None and getattr(message, later) == message._field_defaults[later]:
        return tuple(message)[:-1]
    return tuple(message)


def decode_message(raw: bytes) -> Message | None:
    """The message behind the bytes; None for a type of a later version, which is to be ignored.

    Raises:
        PeerProtocolError: The bytes break the protocol; the sender's link is to be dropped.
    """
    if len(raw) > MAX_MESSAGE_BYTES:
        raise PeerProtocolError(f"a message of {len(raw)} bytes exceeds {MAX_MESSAGE_BYTES}")
    parts = unpack(raw)
    if not isinstance(parts, tuple) or not parts or type(parts[0]) is not int:
        raise PeerProtocolError("a message is a list that opens with its type")
    known = _TYPES.get(parts[0])
    if known is None:
        return None
    make, checks = known
    if not len(checks) - (make in _LATER) <= len(parts) - 1 <= len(checks):
        raise PeerProtocolError(f"a {make.__name__} has {len(checks)} fields, not {len(parts) - 1}")
    for check, value, field in zip(checks, parts[1:], make._fields, strict=False):
        if not check(value):
            raise PeerProtocolError(f"a {make.__name__}'s {field} has a wrong type or an impossible value")
    message: Message = make(*parts[1:])
    return message
