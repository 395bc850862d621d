"""Which actions are held: one position per log, gaps held back, forks found. The store keeps the bytes."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
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
        self.total = 0
        """Actions in all logs."""
        self.quarantined: set[LogKey] = set()
        """Logs that forked: nothing more is accepted from them."""
        self._held_back: dict[LogKey, dict[int, Action]] = {}
        self._held_back_count = 0
        self._moved: dict[LogKey, None] = {}
        """Logs whose position changed since `_changes` was last brought up to date."""
        self._changes = _Changes()

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
        self.total += len(ready)
        self._moved[key] = None
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
        self.total += seq - self.seq_of(key)
        self.vector[key] = Position(seq, chain)
        self._moved[key] = None
        return ready

    def rechain(self, key: LogKey, chain: bytes) -> None:
        """The digest of what is held of that log was hearsay and wrong: it is this one."""
        self.vector[key] = Position(self.seq_of(key), chain)
        self._moved[key] = None

    def has_gap(self, key: LogKey) -> bool:
        """Whether actions of that log are held back."""
        return key in self._held_back

    def gaps(self) -> list[tuple[LogKey, int, int]]:
        """(log, first, last) of what is missing before actions that are held back."""
        return [(key, self.seq_of(key) + 1, min(waiting) - 1) for key, waiting in self._held_back.items()]

    def seq_of(self, key: LogKey) -> int:
        """How far that log is held; 0 for nothing."""
        return self.vector.get(key, (0, NO_CHAIN))[0]

    def missing(self, key: LogKey, seq: int) -> tuple[int, int] | None:
        """(first, last) of what is missing of a log up to `seq`; only up to what is held back here already."""
        first = self.seq_of(key) + 1
        if seq < first or key in self.quarantined:
            return None
        return first, min(seq, min(self._held_back.get(key) or (seq + 1,)) - 1)

    def conflicts(self, key: LogKey, position: Position) -> bool:
        """Whether another node holds the same seq of a log with other content."""
        mine = self.vector.get(key)
        return (
            mine is not None
            and mine.seq == position.seq
            and mine.chain != position.chain
            and NO_CHAIN not in (mine.chain, position.chain)
        )

    def digest(self) -> bytes:
        """16 bytes that are equal for equal vectors; kept up incrementally, as the state's hash is."""
        self._note_changes()
        return self._changes.total.to_bytes(_WEIGHT_BYTES, "big")

    def mark(self) -> int:
        """A number that grows with every change of a position; `changes` tells what moved after it."""
        self._note_changes()
        return self._changes.mark

    def changes(self, since: int, limit: int) -> tuple[list[LogKey], int]:
        """Logs that moved after that mark, the longest unmoved first, at most `limit`; and the mark they lead up to."""
        self._note_changes()
        return self._changes.after(since, limit)

    def touch(self, key: LogKey) -> None:
        """Let a log count as moved, so that it is told again."""
        if key in self.vector:
            self._moved[key] = None

    def _note_changes(self) -> None:
        for key in self._moved:
            self._changes.note(key, self.vector[key])
        self._moved.clear()


_WEIGHT_BYTES = 16


class _Changes:
    """Which log moved when, and the sum over all positions."""

    def __init__(self) -> None:
        self.mark = 0
        self.total = 0
        """Modulo 2^128."""
        self._last: dict[LogKey, tuple[int, int]] = {}
        """Mark and weight of each log's latest change."""
        self._trail: list[tuple[int, LogKey]] = []
        """All of them in order, and some that are out of date."""

    def note(self, key: LogKey, position: Position) -> None:
        """A log stands here now."""
        text = f"{key[0]} {key[1]} {position.seq} ".encode() + position.chain
        weight = int.from_bytes(hashlib.sha256(text).digest()[:_WEIGHT_BYTES], "big")
        self.total = (self.total + weight - self._last.get(key, (0, 0))[1]) % (1 << 8 * _WEIGHT_BYTES)
        self.mark += 1
        self._last[key] = (self.mark, weight)
        self._trail.append((self.mark, key))
        if len(self._trail) > 2 * len(self._last) + 64:
            self._trail = [entry for entry in self._trail if self._is_latest(entry)]

    def _is_latest(self, entry: tuple[int, LogKey]) -> bool:
        return self._last[entry[1]][0] == entry[0]

    def after(self, since: int, limit: int) -> tuple[list[LogKey], int]:
        """Logs whose latest change came after that mark, in order; and the mark of the last of them."""
        keys: list[LogKey] = []
        for place in range(bisect_right(self._trail, since, key=lambda entry: entry[0]), len(self._trail)):
            entry = self._trail[place]
            if self._is_latest(entry):
                if len(keys) == limit:
                    return keys, since
                keys.append(entry[1])
                since = entry[0]
        return keys, max(since, self.mark)


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
