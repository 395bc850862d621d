"""Asking peers for what is missing here, and sending them what they miss: a batch at a time, from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.effects import ReadRows
from peerfarm.node.inputs import RowsRead
from peerfarm.node.links import Link, Links
from peerfarm.node.peer import Peer
from peerfarm.protocol.messages import BATCH_BYTES, Actions, Pull
from peerfarm.state.logbook import LogKey

ASK_AGAIN_S = 1.0
"""A question to a peer that stays unanswered is asked again after this."""
MAX_PULLS = 64
"""Ranges in one Pull."""
OUTSTANDING_S = 30.0
"""What was asked for and did not come within this is forgotten; it is asked for again long before."""

Range = tuple[LogKey, int, int]


class Pulling:
    """One node's questions for actions, and its answers to others'."""

    def __init__(self, core: Core, links: Links) -> None:
        self._core = core
        self._links = links
        self._pulled_s: dict[LogKey, float] = {}
        """When a log was last asked for, of whomever: who comes back must not get everything from everybody."""
        self.cut: dict[LogKey, int] = {}
        """The logs are kept from after these positions on; before them stands the snapshot."""
        self.on_cut: Callable[[NodeId], None] = lambda _node: None
        """A peer asked for what was cut from the logs: only a snapshot helps it."""

    def pull_claims(self, node: NodeId) -> None:
        """Pull the next batch of what a peer told that it holds, unless enough is on its way."""
        link = self._links[node]
        recent = [
            asked_s for asked_s, _ in islice(reversed(link.asked.values()), MAX_PULLS) if self._is_recent(asked_s)
        ]
        if link.claims and len(recent) <= MAX_PULLS // 2:
            self._pull(node, islice(self._wanted(node, link), MAX_PULLS - len(recent)))

    def _wanted(self, node: NodeId, link: Link) -> Iterator[Range]:
        for key, claim in list(link.claims.items()):
            if key in link.asked and self._is_recent(link.asked[key][0]):
                return  # those behind it were asked for even later
            missing = self._core.book.missing(key, claim.position.seq)
            if missing is not None and self._may_ask(node, key):
                yield (key, *missing)

    def _is_recent(self, asked_s: float) -> bool:
        return self._core.mono_s - asked_s < ASK_AGAIN_S

    def pull_on(self, node: NodeId, keys: Iterable[LogKey]) -> None:
        """Actions of these logs came from a peer: the rest of them, as far as it told that it holds them."""
        link, wanted = self._links[node], []
        for key in keys:
            asked = link.asked.get(key)
            if asked is not None and self._core.book.seq_of(key) >= asked[1]:
                del link.asked[key]
            claim = link.claims.get(key)
            missing = self._core.book.missing(key, claim.position.seq) if claim is not None else None
            if missing is not None and self._may_ask(node, key):
                wanted.append((key, *missing))
        self._pull(node, iter(wanted))

    def pull_gaps(self, node: NodeId) -> None:
        """Pull what is missing before the actions that are held back, if this peer has it."""
        known = self._links[node].known
        gaps = self._core.book.gaps()
        self._pull(node, (gap for gap in gaps if known.get(gap[0], 0) > gap[2] and self._may_ask(node, gap[0])))

    def _pull(self, node: NodeId, ranges: Iterator[Range]) -> None:
        if self._core.disk_error or not self._links.is_there(node):
            return
        link, now_s = self._links[node], self._core.mono_s
        asked = list(islice(ranges, MAX_PULLS))
        for key, _, last in asked:
            self._pulled_s[key] = now_s
            link.asked.pop(key, None)
            link.asked[key] = (now_s, last)
            claim = link.claims.pop(key, None)
            if claim is not None:
                link.claims[key] = claim  # to the end: the others come first, next time
                claim.asked_s = self._core.now_s if claim.asked_s is None else claim.asked_s
        if asked:
            self._core.send(node, Pull(tuple((*key, first, last) for key, first, last in asked)))

    def _may_ask(self, node: NodeId, key: LogKey) -> bool:
        if key in self._links[node].distrusted:
            return False
        asked_s = self._pulled_s.get(key)
        return asked_s is None or (not self._is_recent(asked_s) and not self._is_others_turn(node, key))

    def _is_others_turn(self, node: NodeId, key: LogKey) -> bool:
        """Whether somebody else said that it holds more of that log and was not asked, or longer ago."""
        before = self._links[node].asked.get(key)
        if before is None:
            return False
        return any(
            other != node
            and key in link.claims
            and link.claims[key].position.seq > self._core.book.seq_of(key)
            and link.asked.get(key, (-ASK_AGAIN_S, 0)) < before
            and self._links.is_there(other)
            for other, link in self._links.of.items()
        )

    def came(self, key: LogKey) -> None:
        """A log moved: the rest of it may be asked for at once."""
        self._pulled_s.pop(key, None)

    def is_awaiting(self, node: NodeId) -> bool:
        """Whether something that was asked of this peer, over this connection, has not come yet."""
        since_s = self._core.mono_s - OUTSTANDING_S
        return any(
            asked_s >= since_s and self._core.book.seq_of(key) < last
            for key, (asked_s, last) in self._links[node].asked.items()
        )

    def moved(self, node: NodeId) -> None:
        """Part of a snapshot came in place of what was asked for: ask nobody while more of it is on its way."""
        link, now_s = self._links[node], self._core.mono_s
        link.moved_s = link.told_s = self._core.now_s
        for key, (_, last) in link.asked.items():
            link.asked[key] = (now_s, last)
            self._pulled_s[key] = now_s

    def tick(self) -> None:
        """Forget what was asked for and has come, or never will; go on with what peers hold."""
        since_s = self._core.mono_s - OUTSTANDING_S
        self._pulled_s = {key: asked_s for key, asked_s in self._pulled_s.items() if asked_s >= since_s}
        for node, link in self._links.of.items():
            for key, (asked_s, last) in list(link.asked.items()):
                if asked_s < since_s or self._core.book.seq_of(key) >= last:
                    del link.asked[key]
            if link.claims:
                self.pull_claims(node)

    # Serving

    def on_pull(self, peer: Peer, message: Pull) -> None:
        """A peer misses something: read it from the store, a batch at a time."""
        waiting = sum(1 for read in self._core.effects.reads if read.node == peer.node)
        for node, log, first, last in message.ranges[: max(0, MAX_PULLS - waiting)]:
            have = self._core.durable_seq((node, log))
            if first <= self.cut.get((node, log), 0):
                self.on_cut(peer.node)
            elif first <= min(last, have):
                self._core.effects.must_sync |= not self._core.disk_error
                self._core.effects.reads.append(ReadRows(peer.node, (node, log), first, min(last, have), BATCH_BYTES))

    def on_rows(self, rows: RowsRead) -> None:
        """The store gave what a peer had asked for."""
        if rows.raws:
            self._core.counters.actions_sent += len(rows.raws)
            self._core.send(rows.node, Actions(rows.raws))
