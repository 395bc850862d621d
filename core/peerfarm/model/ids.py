"""Names of things: nodes, jobs, logs, actions. No ids are minted here; the shell mints them."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import NewType

NodeId = NewType("NodeId", str)
"""16 lower-case base32 characters: the first 80 bits of SHA-256 over the node's CURVE public key."""

JobId = NewType("JobId", str)
"""12 lower-case base32 characters, random; minted by the node that takes the submission."""

FarmId = NewType("FarmId", str)
"""16 lower-case base32 characters, random; minted by `peerfarm init`."""

LogId = NewType("LogId", str)
"""8 lower-case base32 characters, random; one node writes one log at a time and never reuses an id."""

BootId = NewType("BootId", str)
"""8 lower-case base32 characters, random; one per start of a node."""

ActionId = tuple[NodeId, LogId, int]
"""(node, log, seq): the identity of an action; seq counts from 1 without gaps in each log."""

TaskId = tuple[JobId, int, int]
"""(job, step index, task index): the same on every node, for tasks are derived from the job."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
NODE_ID_LENGTH = 16
JOB_ID_LENGTH = 12
FARM_ID_LENGTH = 16
LOG_ID_LENGTH = 8


def node_id_of(public_key: str) -> NodeId:
    """The node id that belongs to a CURVE public key given as 40 Z85 characters."""
    digest = hashlib.sha256(public_key.encode("ascii")).digest()
    return NodeId(base64.b32encode(digest[:10]).decode("ascii").lower())


def id_from_bytes(entropy: bytes, length: int) -> str:
    """Spell random bytes as an id of `length` characters; needs 5 bits of entropy a character."""
    text = base64.b32encode(entropy).decode("ascii").lower()
    if len(text.rstrip("=")) < length:
        msg = f"{len(entropy)} bytes are too few for an id of {length} characters"
        raise ValueError(msg)
    return text[:length]


def is_id(text: object, length: int) -> bool:
    """Whether `text` is spelt like an id of that length."""
    return isinstance(text, str) and len(text) == length and _is_spelt_right(text)


@lru_cache(maxsize=16_384)
def _is_spelt_right(text: str) -> bool:
    """Kept, for a node reads the same few ids hundreds of thousands of times."""
    return not text.strip(ALPHABET)


def attempt_label(lease: ActionId) -> str:
    """The name of an attempt in paths and logs: `NODE-LOG-SEQ` of its TaskLeased."""
    return f"{lease[0]}-{lease[1]}-{lease[2]}"


def parse_attempt_label(label: str) -> ActionId | None:
    """The identity behind an attempt's name; None when it is not one."""
    node, dash, rest = label.partition("-")
    log, dash2, seq = rest.partition("-")
    if not (dash and dash2 and is_id(node, NODE_ID_LENGTH) and is_id(log, LOG_ID_LENGTH)):
        return None
    if not (seq.isascii() and seq.isdigit() and len(seq) <= 16):
        return None
    return NodeId(node), LogId(log), int(seq)
