"""Telling peers what is new: each action once over each connection, and how far their own logs are held here."""

from __future__ import annotations

from typing import NamedTuple

from peerfarm.node.core import Core
from peerfarm.node.links import Links
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.policy.neighbours import neighbours
from peerfarm.protocol.messages import BATCH_BYTES, Actions, Held, encode_message
from peerfarm.state.actions import Action, JobSubmitted, MemberRemoved
from peerfarm.state.logbook import LogKey

HELD_EVERY_S = 0.1
MAX_HELD_TOLD = 1000
"""Logs that are acknowledged one by one; who wants to know of more asks for the vector, as everybody does who comes."""


class _Outgoing(NamedTuple):
    key: LogKey
    seq: int
    raw: bytes


class Pushing:
    """What this node sends without being asked."""

    def __init__(self, core: Core, presence: Presence, links: Links) -> None:
        self._core = core
        self._presence = presence
        self._links = links
        self._fresh: list[_Outgoing] = []
        """Actions of this turn, to be pushed with its effects."""
        self._has_new_job = False
        self._next_held_s = 0.0
        self._acknowledged = 0
        """The mark of the positions that the peers were told last."""
        core.relay = self._relay

    def _relay(self, action: Action) -> None:
        removed = action.body.node if isinstance(action.body, MemberRemoved) else None
        if removed is not None and self._links.is_there(removed):
            self._core.send(removed, Actions((action.raw,)))  # its link closes soon: let it know why
        self._fresh.append(_Outgoing((action.node, action.log), action.seq, action.raw))
        if isinstance(action.body, JobSubmitted) and action.node != self._core.node:
            self._has_new_job = True

    def flush(self) -> None:
        """At the end of a turn: push this turn's actions to whom they concern, each once."""
        fresh, self._fresh = self._fresh, []
        if fresh and self._presence.peers:
            self._push(fresh)

    def _push(self, fresh: list[_Outgoing]) -> None:
        core = self._core
        near, is_full = neighbours(core.node, self._presence.peers)
        packed: dict[tuple[_Outgoing, ...], list[bytes]] = {}
        for node in near:
            if not self._links.is_there(node):
                continue
            known = self._links[node].known
            wanted = []
            for entry in fresh:
                if is_full and entry.key[0] != core.node:
                    continue
                if entry.seq > known.get(entry.key, 0):
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

    # How far logs are held

    def acknowledge_job(self) -> None:
        """A job is acknowledged at once, for its user waits for that."""
        if self._has_new_job:
            self._has_new_job = False
            self.acknowledge()

    def tick(self) -> None:
        """Acknowledge what became durable lately."""
        if self._core.mono_s >= self._next_held_s and not self._core.disk_error:
            self._next_held_s = self._core.mono_s + HELD_EVERY_S
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the peers how far those of their own logs that moved are durable here."""
        book = self._core.book
        keys, until = book.changes(self._acknowledged, MAX_HELD_TOLD)
        self._acknowledged = book.mark()
        if until < self._acknowledged:
            return
        for node, log in keys:
            peer = self._presence.peers.get(node)
            if peer is not None and peer.has_greeted:
                self._core.effects.must_sync = True
                self._core.send(node, Held(log, book.seq_of((node, log))))

    def on_held(self, peer: Peer, message: Held) -> None:
        """A peer holds our log durably up to there."""
        held = self._links[peer.node].held
        if self._core.book.seq_of((self._core.node, message.log)):
            held[message.log] = max(held.get(message.log, 0), message.seq)


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
