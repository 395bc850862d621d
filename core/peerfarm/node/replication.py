"""Keeping every node's logs equal: push what is new, pull what is missing, compare, raise alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import LogId, NodeId
from peerfarm.node.core import Core
from peerfarm.node.effects import ReadRows
from peerfarm.node.inputs import RowsRead
from peerfarm.node.presence import Peer, Presence
from peerfarm.policy.liveness import PeerState
from peerfarm.policy.neighbours import neighbours
from peerfarm.protocol.messages import (
    BATCH_BYTES,
    Actions,
    Beat,
    Held,
    Pull,
    VectorAsk,
    VectorTell,
    encode_message,
)
from peerfarm.state.actions import Action, JobSubmitted, MemberRemoved, decode_action
from peerfarm.state.logbook import LogKey, Vector, covers, decode_vector, encode_vector
from peerfarm.state.reduce import REDUCER_VERSION

ASK_AGAIN_S = 1.0
"""A question to a peer that stays unanswered is asked again after this."""
COMPARE_EVERY_S = 30.0
COMPARE_JITTER_S = 10.0
HELD_EVERY_S = 0.1
AWAIT_S = 60.0
"""Catching up with 100 000 actions takes seconds; what has not come after this is worth an alarm."""
MAX_KNOWN = 100_000
"""Logs that one peer may speak of over one connection; a vector has room for some 20 000."""
MAX_PULLS = 64
"""Ranges in one Pull."""


@dataclass(slots=True)
class Link:
    """What is known of a peer's logs while its connection holds."""

    known: dict[LogKey, int] = field(default_factory=dict)
    """Sent to it or got from it up to here: never sent again on this connection."""
    needed_token: int = 0
    """Grants wait until this question or a later one is answered and what it told is held; 0: nothing needed."""
    asked_token: int = 0
    asked_s: float = -ASK_AGAIN_S
    awaited_s: float = 0.0
    """When it first told of what is awaited."""
    awaited: Vector | None = None
    """What the peer told of itself and this node does not hold yet."""
    told_vector: Vector | None = None
    """The same, whether or not a grant waits for it."""
    pulled_s: dict[LogKey, float] = field(default_factory=dict)
    """When it was last asked for a log's missing actions."""
    held: dict[LogId, int] = field(default_factory=dict)
    """Of our own logs: how far the peer holds them durably. Survives the connection."""
    told: dict[LogId, int] = field(default_factory=dict)
    """Of the peer's logs: how far we told it that we hold them durably."""
    equal_vector: Vector | None = None
    """Ours, when the peer's digest was last equal to it."""


class _Outgoing(NamedTuple):
    key: LogKey
    seq: int
    raw: bytes


class Replication:
    """One node's side of the replicated log."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._core = core
        self._presence = presence
        self.links: dict[NodeId, Link] = {}
        self._fresh: list[_Outgoing] = []
        """Actions of this turn, to be pushed with its effects."""
        self._questions: list[tuple[NodeId, int]] = []
        """(peer, token): who asked in this turn what is held here."""
        self._has_new_job = False
        self._token = 0
        self._pulled_s: dict[LogKey, float] = {}
        """When a log was last asked for, of whomever: who comes back must not get everything from everybody."""
        self._next_held_s = 0.0
        self._next_compare_s = COMPARE_EVERY_S
        self.own_log_before: LogId | None = None
        """The log written in the last start, until this start has decided whether to go on with it."""
        self.is_in_doubt = False
        self._confirmed: set[NodeId] = set()
        """Peers that hold no more of our former log than we do."""
        self._is_disproved = False
        self.cut: dict[LogKey, int] = {}
        """The logs are kept from after these positions on; before them stands the snapshot."""
        self.on_cut: Callable[[NodeId], None] = lambda _node: None
        """A peer asked for what was cut from the logs: only a snapshot helps it."""
        core.relay = self._relay
        core.choose_log = self._choose_log
        presence.on_alive.append(self._on_alive)

    def link(self, node: NodeId) -> Link:
        """What is known of a peer's logs."""
        return self.links.setdefault(node, Link())

    # Deciding the own log

    def _choose_log(self) -> LogId:
        """The log to write: the former one only when every live member confirmed it, else a new one."""
        alive = {peer.node for peer in self._presence.alive()}
        may_go_on = (
            self.own_log_before is not None
            and not self.is_in_doubt
            and not self._is_disproved
            and bool(alive)
            and alive <= self._confirmed
        )
        return self.own_log_before if may_go_on and self.own_log_before is not None else self._core.identity.log

    def _check_former_log(self, node: NodeId, vector: Vector) -> None:
        if self.own_log_before is None or self._core.own_log is not None:
            return
        key = (self._core.node, self.own_log_before)
        if key in vector and vector[key].seq > self._core.book.seq_of(key):
            self._is_disproved = True
        else:
            self._confirmed.add(node)

    # Links

    def link_up(self, node: NodeId) -> None:
        """A new connection: nothing is known to have arrived over it."""
        link = self.link(node)
        link.known.clear()
        link.pulled_s.clear()
        link.asked_s = -ASK_AGAIN_S

    def _on_alive(self, node: NodeId) -> None:
        self.need_comparison(node)
        self._ask(node)

    def need_comparison(self, node: NodeId) -> None:
        """Grant nothing until this peer has told, from now on, what it holds."""
        self.link(node).needed_token = self._token + 1
        self.link(node).asked_s = -ASK_AGAIN_S

    def need_all_comparisons(self) -> None:
        """The same for every member: at start and at takeover."""
        for node in self._presence.peers:
            self.need_comparison(node)

    def not_compared(self) -> list[NodeId]:
        """Members that count as alive and that have not been compared with since it was last needed."""
        return [peer.node for peer in self._presence.alive() if self.link(peer.node).needed_token]

    def _ask(self, node: NodeId) -> None:
        link = self.link(node)
        peer = self._presence.peers.get(node)
        if peer is None or not peer.has_greeted or self._core.mono_s - link.asked_s < ASK_AGAIN_S:
            return
        self._token += 1
        link.asked_token = self._token
        link.asked_s = self._core.mono_s
        self._core.send(node, VectorAsk(self._token))

    # Messages

    def on_actions(self, peer: Peer, message: Actions) -> None:
        """Actions arrived."""
        core = self._core
        if core.disk_error:
            return
        known = self.link(peer.node).known
        for raw in message.raws:
            action = decode_action(raw)
            if action.farm != core.farm_id:
                raise PeerProtocolError("an action of another farm")
            core.counters.actions_received += 1
            key = (action.node, action.log)
            if action.seq > known.get(key, 0):
                known[key] = action.seq
            if core.accept(action):
                self._pulled_s.pop(key, None)
            elif action.seq <= core.book.seq_of(key):
                core.counters.duplicates_received += 1
        if self._has_new_job:
            self._has_new_job = False
            self.acknowledge()
        self._pull_gaps(peer.node)
        self._pull_on(peer.node)
        self._settle(peer.node)

    def on_vector_ask(self, peer: Peer, message: VectorAsk) -> None:
        """Tell what is held: at the end of the turn, after what the turn itself sends, so that nobody pulls that."""
        if self._core.disk_error:  # others must not wait for this disk: what it holds already can be told
            vector = tuple(encode_vector(self._core.durable_vector()))
            self._core.effects.beats.append((peer.node, encode_message(VectorTell(message.token, vector))))
        else:
            self._questions = [question for question in self._questions if question[0] != peer.node]
            self._questions.append((peer.node, message.token))

    def on_vector_tell(self, peer: Peer, message: VectorTell) -> None:
        """A peer told what it holds: pull what is missing here, report forks."""
        vector = decode_vector(message.vector)
        link = self.link(peer.node)
        self._check_former_log(peer.node, vector)
        for key in self._core.book.forks(vector):
            self._quarantine(key, peer.node)
        if len(link.known.keys() | vector.keys()) > MAX_KNOWN:
            raise PeerProtocolError("vectors of ever new logs")
        for key, position in vector.items():
            link.known[key] = max(link.known.get(key, 0), position.seq)
            if key[0] == self._core.node:
                link.held[key[1]] = max(link.held.get(key[1], 0), position.seq)
        if link.needed_token and message.token >= link.needed_token:
            link.awaited_s = link.awaited_s if link.awaited is not None else self._core.mono_s
            link.awaited = vector
        link.told_vector = vector
        self._pull_on(peer.node)
        self._settle(peer.node)

    def _settle(self, node: NodeId) -> None:
        link = self.link(node)
        if link.awaited is not None:
            quarantined = self._core.book.quarantined
            needed = {key: position for key, position in link.awaited.items() if key not in quarantined}
            if covers(self._core.book.vector, needed):
                link.awaited = None
                link.needed_token = 0

    def _quarantine(self, key: LogKey, teller: NodeId) -> None:
        if key in self._core.book.quarantined:
            return
        self._core.counters.forks += 1
        self._core.alarm(
            f"the log {key[1]} of node {self._presence.name_of(key[0])} has two contents, here and on "
            f"{self._presence.name_of(teller)}: it is quarantined; remove that node from the farm and add it anew"
        )
        self._core.book.quarantined.add(key)

    def _pull(self, node: NodeId, missing: list[tuple[LogKey, int, int]]) -> None:
        if self._core.disk_error or not self._is_there(node):
            return
        link, now_s = self.link(node), self._core.mono_s
        ranges: list[tuple[NodeId, LogId, int, int]] = []
        for key, first, last in missing:
            if len(ranges) == MAX_PULLS:
                break
            asked_s = self._pulled_s.get(key)
            if asked_s is not None and (now_s - asked_s < ASK_AGAIN_S or self._is_others_turn(node, key)):
                continue
            self._pulled_s[key] = link.pulled_s[key] = now_s
            ranges.append((*key, first, last))
        if ranges:
            self._core.send(node, Pull(tuple(ranges)))

    def _is_there(self, node: NodeId) -> bool:
        peer = self._presence.peers.get(node)
        return peer is not None and peer.has_greeted and peer.state not in {PeerState.DEAD, PeerState.LEFT}

    def _is_others_turn(self, node: NodeId, key: LogKey) -> bool:
        """Whether somebody else said that it holds more of that log and was not asked, or longer ago."""
        before_s = self.link(node).pulled_s.get(key)
        if before_s is None:
            return False
        return any(
            other != node
            and link.told_vector is not None
            and key in link.told_vector
            and link.told_vector[key].seq > self._core.book.seq_of(key)
            and link.pulled_s.get(key, -ASK_AGAIN_S) < before_s
            and self._is_there(other)
            for other, link in self.links.items()
        )

    def _pull_gaps(self, node: NodeId) -> None:
        known = self.link(node).known
        self._pull(
            node,
            [(key, first, last) for key, first, last in self._core.book.gaps() if known.get(key, 0) > last],
        )

    def _pull_on(self, node: NodeId) -> None:
        """Pull the next batch of what the peer told that it holds; forget what it told once all of it is here."""
        link = self.link(node)
        if link.told_vector is None:
            return
        missing = self._core.book.missing(link.told_vector)
        if missing:
            self._pull(node, missing)
        else:
            link.told_vector = None

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

    def on_held(self, peer: Peer, message: Held) -> None:
        """A peer holds our log durably up to there."""
        held = self.link(peer.node).held
        if self._core.book.seq_of((self._core.node, message.log)):
            held[message.log] = max(held.get(message.log, 0), message.seq)

    def on_beat(self, peer: Peer, message: Beat) -> None:
        """Compare digests: equal vectors must mean equal hashes; different ones are looked into."""
        core = self._core
        if not message.digest or core.disk_error:
            return
        link = self.link(peer.node)
        if message.digest == core.book.digest():
            link.equal_vector = dict(core.book.vector)
            is_same = message.state_hash == core.hash.of(core.farm)
            if not is_same and message.reducer_version == REDUCER_VERSION:
                core.counters.diverged += 1
                core.alarm(
                    f"this node and {self._presence.name_of(peer.node)} hold the same actions but another state: "
                    "report this with both nodes' databases"
                )
        elif core.mono_s - link.asked_s >= self._patience():
            self._ask(peer.node)

    def _patience(self) -> float:
        """With many peers each is asked less often, so that the questions per second stay bounded."""
        return ASK_AGAIN_S * max(1, len(self._presence.peers) / 4)

    # Sending

    def _relay(self, action: Action) -> None:
        removed = action.body.node if isinstance(action.body, MemberRemoved) else None
        if removed in self._presence.peers and removed is not None and self._is_there(removed):
            self._core.send(removed, Actions((action.raw,)))  # its link closes soon: let it know why
        self._fresh.append(_Outgoing((action.node, action.log), action.seq, action.raw))
        if isinstance(action.body, JobSubmitted) and action.node != self._core.node:
            self._has_new_job = True

    def flush(self) -> None:
        """At the end of a turn: push this turn's actions to whom they concern, each once."""
        fresh, self._fresh = self._fresh, []
        if fresh and self._presence.peers:
            self._push(fresh)
        if self._questions:
            self._core.effects.must_sync = True
            vector = tuple(encode_vector(self._core.book.vector))
            for node, token in self._questions:
                self._core.send(node, VectorTell(token, vector))
            self._questions.clear()

    def _push(self, fresh: list[_Outgoing]) -> None:
        core = self._core
        near, is_full = neighbours(core.node, self._presence.peers)
        packed: dict[tuple[_Outgoing, ...], list[bytes]] = {}
        for node in near:
            peer = self._presence.peers[node]
            if not peer.has_greeted or peer.state in {PeerState.DEAD, PeerState.LEFT}:
                continue
            known = self.link(node).known
            wanted = []
            for entry in fresh:
                if is_full and entry.key[0] != core.node:
                    continue
                before = known.get(entry.key, 0)
                if entry.seq > before:
                    known[entry.key] = entry.seq
                    wanted.append(entry)
            if not wanted:
                continue
            core.counters.actions_sent += len(wanted)
            core.effects.must_sync = True
            key = tuple(wanted)
            if key not in packed:
                packed[key] = list(_batches(wanted))
            core.effects.sends.extend((node, raw) for raw in packed[key])

    def tick(self) -> None:
        """Ask again, acknowledge, compare with somebody now and then."""
        core = self._core
        for node in self.not_compared():
            self._ask(node)
            link = self.link(node)
            if link.awaited is not None and core.mono_s - link.awaited_s >= AWAIT_S:
                name = self._presence.name_of(node)
                core.alarm(
                    f"{name} does not send what it says it holds, so this node gives out no tasks: "
                    f"restart {name}, or remove it from the farm"
                )
        for node, link in self.links.items():
            if link.told_vector is not None and node in self._presence.peers:
                self._pull_on(node)
        if core.mono_s >= self._next_held_s and not core.disk_error:
            self._next_held_s = core.mono_s + HELD_EVERY_S
            self.acknowledge()
        if core.mono_s >= self._next_compare_s:
            live = sorted(node for node, peer in self._presence.peers.items() if peer.has_greeted)
            self._token += 1
            spread = int.from_bytes(f"{core.identity.boot}{self._token}".encode()[-4:], "big")
            self._next_compare_s = core.mono_s + COMPARE_EVERY_S + spread % 1000 / 1000 * COMPARE_JITTER_S
            if live:
                self._ask(live[spread % len(live)])

    def acknowledge(self) -> None:
        """Tell the peers how far their own logs are durable here."""
        for node, peer in self._presence.peers.items():
            if not peer.has_greeted:
                continue
            told = self.link(node).told
            for key in [key for key in self._core.book.vector if key[0] == node]:
                seq = self._core.book.seq_of(key)
                if seq > told.get(key[1], 0):
                    told[key[1]] = seq
                    self._core.effects.must_sync = True
                    self._core.send(node, Held(key[1], seq))


def _batches(entries: list[_Outgoing]) -> list[bytes]:
    messages: list[bytes] = []
    batch: list[bytes] = []
    size_bytes = 0
    for entry in entries:
        if batch and size_bytes + len(entry.raw) > BATCH_BYTES:
            messages.append(encode_message(Actions(tuple(batch))))
            batch, size_bytes = [], 0
        batch.append(entry.raw)
        size_bytes += len(entry.raw)
    messages.append(encode_message(Actions(tuple(batch))))
    return messages
