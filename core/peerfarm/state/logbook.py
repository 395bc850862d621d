"""Which actions are held: one position per log, gaps held back, forks found. The store keeps the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from peerfarm.errors import PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.ids import LogId, NodeId
from peerfarm.state.actions import MAX_LAMPORT, Action

LogKey = tuple[NodeId, LogId]
MAX_HELD_BACK = 2000
"""Actions kept per node of ours while a gap before them is pulled; more are dropped and pulled later."""
CHAIN_BYTES = 8
NO_CHAIN = b"\0" * CHAIN_BYTES


class Position(NamedTuple):
    """How far a log is held, and a digest over all that was held."""

    seq: int
    chain: bytes
    """First 8 bytes of SHA-256(previous chain + action bytes): equal seq with another chain is a fork."""


Vector = dict[LogKey, Position]


def next_chain(chain: bytes, raw: bytes) -> bytes:
    """The digest after one more action."""
    return hashlib.sha256(chain + raw).digest()[:CHAIN_BYTES]


class LogBook:
    """The positions of every log that this node knows, and what waits behind gaps."""

    def __init__(self) -> None:
        self.vector: Vector = {}
        self.quarantined: set[LogKey] = set()
        """Logs that forked: nothing more is accepted from them."""
        self._held_back: dict[LogKey, dict[int, Action]] = {}
        self._held_back_count = 0
        self._digest: bytes | None = None

    def offer(self, action: Action) -> list[Action]:
        """Take an action in; the actions that are next in order now, oldest first. Empty: known, or behind a gap."""
        key = (action.node, action.log)
        seq, chain = self.vector.get(key, (0, NO_CHAIN))
        if action.seq <= seq or key in self.quarantined:
            return []
        if action.seq > seq + 1:
            if self._held_back_count < MAX_HELD_BACK and action.seq not in self._held_back.get(key, ()):
                self._held_back.setdefault(key, {})[action.seq] = action
                self._held_back_count += 1
            return []
        ready = [action, *self._behind(key, action.seq)]
        for entry in ready:
            chain = next_chain(chain, entry.raw)
        self.vector[key] = Position(ready[-1].seq, chain)
        self._digest = None
        return ready

    def _behind(self, key: LogKey, seq: int) -> list[Action]:
        """What was held back and comes right after that action, in order; no longer held back."""
        waiting = self._held_back.get(key)
        if waiting is None:
            return []
        ready: list[Action] = []
        while (behind := waiting.pop(seq + 1 + len(ready), None)) is not None:
            ready.append(behind)
        self._held_back_count -= len(ready)
        if not waiting:
            del self._held_back[key]
        return ready

    def jump(self, key: LogKey, position: Position) -> list[Action]:
        """A snapshot covers this log up to there; what was held back and is next in order now, oldest first."""
        if position.seq <= self.seq_of(key):
            return []
        waiting = self._held_back.get(key, {})
        for seq in [seq for seq in waiting if seq <= position.seq]:
            del waiting[seq]
            self._held_back_count -= 1
        ready = self._behind(key, position.seq)
        seq, chain = position
        for entry in ready:
            seq, chain = entry.seq, next_chain(chain, entry.raw)
        self.vector[key] = Position(seq, chain)
        self._digest = None
        return ready

    def has_gap(self, key: LogKey) -> bool:
        """Whether actions of that log are held back."""
        return key in self._held_back

    def gaps(self) -> list[tuple[LogKey, int, int]]:
        """(log, first, last) of what is missing before actions that are held back."""
        return [(key, self.seq_of(key) + 1, min(waiting) - 1) for key, waiting in self._held_back.items()]

    def seq_of(self, key: LogKey) -> int:
        """How far that log is held; 0 for nothing."""
        return self.vector.get(key, (0, NO_CHAIN))[0]

    def digest(self) -> bytes:
        """16 bytes that are equal for equal vectors."""
        if self._digest is None:
            whole = hashlib.sha256()
            for node, log in sorted(self.vector):
                seq, chain = self.vector[(node, log)]
                whole.update(f"{node} {log} {seq} ".encode() + chain)
            self._digest = whole.digest()[:16]
        return self._digest

    def forks(self, other: Vector) -> list[LogKey]:
        """Logs in which another node holds the same seq with other content."""
        return [
            key
            for key, position in other.items()
            if key in self.vector
            and self.vector[key].seq == position.seq
            and NO_CHAIN not in (self.vector[key].chain, position.chain)
            and self.vector[key].chain != position.chain
        ]

    def missing(self, other: Vector) -> list[tuple[LogKey, int, int]]:
        """(log, first, last) of what the other holds and we do not; only up to what is held back here already."""
        return sorted(
            (key, self.seq_of(key) + 1, min(position.seq, min(self._held_back.get(key) or (position.seq + 1,)) - 1))
            for key, position in other.items()
            if position.seq > self.seq_of(key) and key not in self.quarantined
        )


def covers(mine: Mapping[LogKey, Position], other: Mapping[LogKey, Position]) -> bool:
    """Whether `mine` holds everything that `other` does."""
    return all(key in mine and mine[key].seq >= position.seq for key, position in other.items())


def encode_vector(vector: Mapping[LogKey, Position]) -> list[tuple[Any, ...]]:
    """A vector as plain values."""
    return [(*key, *vector[key]) for key in sorted(vector)]


def decode_vector(value: Any) -> Vector:
    """Read a vector from a peer.

    Raises:
        PeerProtocolError: It is malformed.
    """
    if not isinstance(value, tuple):
        raise PeerProtocolError("a vector is a list")
    vector: Vector = {}
    for entry in value:
        if not (isinstance(entry, tuple) and len(entry) == 4):
            raise PeerProtocolError("a vector's entry has four parts")
        node, log, seq, chain = entry
        if not (
            ids.is_id(node, ids.NODE_ID_LENGTH)
            and ids.is_id(log, ids.LOG_ID_LENGTH)
            and type(seq) is int
            and 0 < seq < MAX_LAMPORT
            and isinstance(chain, bytes)
            and len(chain) == CHAIN_BYTES
        ):
            raise PeerProtocolError("a vector's entry has a wrong type or an impossible value")
        vector[(node, log)] = Position(seq, chain)
    return vector
