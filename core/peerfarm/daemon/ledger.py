"""The one place that makes a node's actions durable, and that holds back what must not be told before."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import msgpack

from peerfarm.errors import StoreError
from peerfarm.model.ids import ActionId, LogId, NodeId
from peerfarm.node import Node
from peerfarm.node.effects import Effects, Row, SaveSnapshot
from peerfarm.node.inputs import Remembered
from peerfarm.state.actions import decode_action
from peerfarm.state.farm import EMPTY_FARM, Farm
from peerfarm.state.logbook import LogKey, Vector, decode_vector, encode_vector
from peerfarm.state.snapshot import encode_snapshot, join_part
from peerfarm.store import Doubt, LogStore

LAZY_S = 0.05
"""Peers' actions may wait this long for an own commit to ride on: their author holds them durably."""
RETRY_S = 1.0
MAX_HELD_BACK = 10_000


@dataclass(slots=True)
class Ledger:
    """Commits once per turn at most; after a commit that failed, everything waits until one succeeds."""

    store: LogStore
    release: Callable[[Effects], None]
    """Carries out what follows from durable rows."""
    _rows: list[Row] = field(default_factory=list)
    _facts: dict[str, bytes] = field(default_factory=dict)
    _snapshot: SaveSnapshot | None = None
    _held_back: list[Effects] = field(default_factory=list)
    _waiting_since_s: float | None = None
    _retry_s: float = 0.0
    error: str = ""
    dropped: tuple[str, ...] = ()
    """Attempts that the last `retry` did not start."""

    @property
    def due_s(self) -> float:
        """When peers' actions that wait for a commit should wait no longer; infinity while none does."""
        return math.inf if self._waiting_since_s is None or self.error else self._waiting_since_s + LAZY_S

    def is_waiting(self, action: ActionId) -> bool:
        """Whether this action of an earlier turn is not on disk yet."""
        return any(row[:3] == action for row in self._rows)

    def waiting(self) -> dict[LogKey, int]:
        """Per log the first seq that is not on disk yet."""
        first: dict[LogKey, int] = {}
        for node, log, seq, _ in self._rows:
            key = (NodeId(node), LogId(log))
            first[key] = min(seq, first.get(key, seq))
        return first

    def take(self, effects: Effects, now_s: float) -> None:
        """Commit what must be and release the rest, or hold it back.

        Raises:
            StoreError: Only when too much is held back; the node must end.
        """
        self._rows += effects.rows
        self._facts |= effects.facts
        self._snapshot = effects.snapshot or self._snapshot
        if self._rows and self._waiting_since_s is None:
            self._waiting_since_s = now_s
        if self.error:
            if effects.rows or effects.must_sync:
                self._held_back.append(effects)
                if len(self._held_back) > MAX_HELD_BACK:
                    raise StoreError(f"the disk refuses for too long: {self.error}", "make room, then start again")
            else:
                self.release(effects)
            return
        is_due = self._waiting_since_s is not None and now_s - self._waiting_since_s >= LAZY_S
        if (effects.must_sync or is_due or self._facts or self._snapshot) and not self._commit():
            self._retry_s = now_s + RETRY_S
            self._held_back.append(effects)
            return
        self.release(effects)

    def retry(self, now_s: float) -> bool:
        """After a refusal: try again now and then; True when the disk accepts again and all was released.

        All but the starts of renders: nobody was told of their leases, so others may have the tasks. They are in
        `dropped`, for the node to give back.
        """
        if not self.error or now_s < self._retry_s:
            return False
        self._retry_s = now_s + RETRY_S
        if not self._commit():
            return False
        held_back, self._held_back = self._held_back, []
        self.dropped = tuple(order.task.attempt for effects in held_back for order in effects.starts)
        for effects in held_back:
            effects.starts.clear()
            self.release(effects)
        return True

    def _commit(self) -> bool:
        try:
            if self._rows:
                self.store.append(self._rows)
                self._rows = []
            self._waiting_since_s = None
            for key in list(self._facts):
                self.store.put(key, self._facts[key])
                del self._facts[key]
            if self._snapshot is not None:
                _save(self.store, self._snapshot)
                self._snapshot = None
        except StoreError as error:
            self.error = str(error)
            return False
        self.error = ""
        return True


def _save(store: LogStore, snapshot: SaveSnapshot) -> None:
    cut = [(*key, seq) for key, seq in sorted(snapshot.cut.items())]
    meta = msgpack.packb((encode_vector(snapshot.vector), cut))
    positions = {(str(node), str(log)): seq for (node, log), seq in snapshot.cut.items()}
    store.save_snapshot(encode_snapshot(snapshot.farm), meta, positions, lambda raw: decode_action(raw).body is None)


def load_snapshot(store: LogStore) -> tuple[Farm, Vector, dict[LogKey, int]]:
    """The farm, vector and cut of the snapshot on disk; empty ones when there is none."""
    found = store.load_snapshot()
    if found is None:
        return EMPTY_FARM, {}, {}
    meta, parts = found
    vector, cut = msgpack.unpackb(meta, use_list=False)
    farm = EMPTY_FARM
    for part in parts:
        farm = join_part(farm, part)
    return farm, decode_vector(vector), {(node, log): seq for node, log, seq in cut}


def recall(node: Node, store: LogStore, doubt: Doubt) -> Remembered:
    """Put the state of the last start in place: the snapshot, then the log after it."""
    farm, vector, cut = load_snapshot(store)
    node.restore(farm)
    for key, position in vector.items():
        node.core.book.jump(key, position)
    for _, _, _, raw in store.rows():
        node.core.replay(raw)
    own_log = store.get("own_log")
    addresses = {}
    for line in (store.get("addresses") or b"").decode().splitlines():
        name, *where = line.split(" ")
        addresses[NodeId(name)] = tuple(where)
    return Remembered(
        own_log=LogId(own_log.decode()) if own_log is not None else None,
        is_in_doubt=doubt is not Doubt.NONE,
        addresses=addresses,
        joining=store.get("joining") or b"",
        cut=cut,
    )
