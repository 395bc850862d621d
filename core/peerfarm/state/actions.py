"""Actions: past-tense facts, the only thing that changes a farm. Their meaning is in `reduce`.

An action's identity is (node, log, seq). Its bytes are made once, by its author, and relayed unchanged.
"""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from peerfarm.errors import PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.ids import ActionId, FarmId, LogId, NodeId
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
    Ranges,
    TaskFailed,
    TaskLeased,
    TaskRendered,
    TaskRequeued,
    TaskReturned,
    TasksCancelled,
    TasksPublished,
    TasksRetried,
)
from peerfarm.state.payloads import TYPES, is_action_id, is_key, name_of, read_body, unpack

__all__ = [
    "ACTION_VERSION",
    "MAX_ACTION_BYTES",
    "MAX_GENERATION",
    "MAX_LAMPORT",
    "MAX_RANGES",
    "Action",
    "Body",
    "FarmCreated",
    "JobArchived",
    "JobChanged",
    "JobDeleted",
    "JobSubmitted",
    "MemberAdded",
    "MemberRemoved",
    "Ranges",
    "TaskFailed",
    "TaskLeased",
    "TaskRendered",
    "TaskRequeued",
    "TaskReturned",
    "TasksCancelled",
    "TasksPublished",
    "TasksRetried",
    "decode_action",
    "encode_action",
    "is_action_id",
    "is_key",
    "unpack",
]

ACTION_VERSION = 1
MAX_ACTION_BYTES = 64 * 1024


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


def encode_action(farm: FarmId, action_id: ActionId, lamport: int, wall_ms: int, body: Body) -> bytes:
    """The bytes of an own action.

    Raises:
        ValueError: Larger than 64 KiB; callers bound their payloads so that this is a bug.
    """
    node, log, seq = action_id
    raw: bytes = msgpack.packb((ACTION_VERSION, farm, node, log, seq, lamport, wall_ms, name_of(body), tuple(body)))
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
    is_later = version != ACTION_VERSION or name not in TYPES
    body = None if is_later else read_body(name, payload)
    return Action(farm, node, log, seq, lamport, wall_ms, name, body, raw, is_later)
