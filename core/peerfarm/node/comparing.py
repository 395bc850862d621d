"""Comparing with peers who holds what: digests in every heartbeat, vectors part by part where they differ.

Nobody grants before it has compared with every live member. What a peer claims and does not send holds grants up for
a bounded time only; node/README.md says why that is safe.
"""

from __future__ import annotations

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.forks import Forks
from peerfarm.node.links import Claim, Link, Links
from peerfarm.node.ownlog import OwnLog
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.node.pulling import ASK_AGAIN_S, Pulling
from peerfarm.protocol.messages import MAX_ROWS, Beat, VectorAsk, VectorTell, encode_message
from peerfarm.state.logbook import decode_vector, encode_vector
from peerfarm.state.reduce import REDUCER_VERSION

COMPARE_EVERY_S = 30.0
COMPARE_JITTER_S = 10.0
MAX_CLAIMS = 16_000
"""A peer is not asked to tell more while so much of what it told is missing here."""
SERVE_S = 20.0
"""So long a peer may be asked in vain for what it claims to hold, before grants go on without it: longer than silence
makes a peer dead, and far longer than a disk takes."""
TELL_S = 60.0
"""The same for a peer that answers no question, or tells only what is held here."""
COMPARE_S = 600.0
"""The same for a comparison as a whole: catching up with a million actions takes minutes."""
FORGIVEN_S = 3600.0
"""A peer without fault for so long is waited for as long as any other."""


class Comparing:
    """One node's questions who holds what, and its answers to others'."""

    def __init__(
        self, core: Core, presence: Presence, links: Links, pulling: Pulling, forks: Forks, own: OwnLog
    ) -> None:
        self._core = core
        self._presence = presence
        self._links = links
        self._pulling = pulling
        self._forks = forks
        self._own = own
        self._token = 0
        self._questions: dict[NodeId, VectorAsk] = {}
        """Who asked in this turn what is held here."""
        self._next_compare_s = COMPARE_EVERY_S
        presence.on_alive.append(self._on_alive)

    # Asking

    def _on_alive(self, node: NodeId) -> None:
        self.need(node)
        self._ask(node)

    def need(self, node: NodeId) -> None:
        """Grant nothing until this peer has told, from now on, what it holds."""
        link = self._links[node]
        if not link.needed_token:
            link.needed_s = self._core.now_s
        link.needed_token = self._token + 1
        link.awaited = None
        link.asked_s = self._core.mono_s - ASK_AGAIN_S

    def need_all(self) -> None:
        """The same for every member that counts as alive; the others' turn is when they come back."""
        for peer in self._presence.alive():
            self.need(peer.node)

    def pending(self) -> list[NodeId]:
        """Members that count as alive and that have not been compared with since it was last needed."""
        return [peer.node for peer in self._presence.alive() if self._links[peer.node].needed_token]

    def _ask(self, node: NodeId) -> None:
        peer = self._presence.peers.get(node)
        if peer is None or not peer.has_greeted or self._core.mono_s - self._links[node].asked_s < ASK_AGAIN_S:
            return
        if self._links[node].boot != peer.boot:
            self._links.begin(node)
        self._ask_on(self._links[node], node)

    def _ask_on(self, link: Link, node: NodeId) -> None:
        if len(link.claims) >= MAX_CLAIMS:
            return
        self._token += 1
        link.asked_token = self._token
        link.asked_s = self._core.mono_s
        self._core.send(node, VectorAsk(self._token, link.boot, link.cursor))

    def on_vector_tell(self, peer: Peer, message: VectorTell) -> None:
        """A peer told part of what it holds: pull what is missing here, report forks, ask for the next part."""
        rows = decode_vector(message.vector)
        link = self._links[peer.node]
        is_asked_for = link.answered_token < message.token <= link.asked_token and message.since in {0, link.cursor}
        if not is_asked_for:
            return
        if message.until <= message.since and not message.is_last:
            raise PeerProtocolError("a vector without end")
        link.answered_token = message.token
        link.cursor = message.until
        link.is_telling = not message.is_last
        for key, position in rows.items():
            if not self._forks.is_believed(peer.node, key, position):
                continue
            self._own.told(key, position)
            if key[0] == self._core.node and self._core.book.seq_of(key):
                link.held[key[1]] = max(link.held.get(key[1], 0), position.seq)
            if self._links.claim(peer.node, key, position):
                link.told_s = self._core.now_s
        if message.is_last:
            self._own.told_all(peer.node)
            if link.needed_token and message.token >= link.needed_token:
                link.awaited = {key: c.position.seq for key, c in link.claims.items() if not c.is_unserved}
        self._pulling.pull_claims(peer.node)
        self.settle(peer.node)

    def settle(self, node: NodeId) -> None:
        """Actions came from a peer: see whether all is here that it claimed, or whether it should tell more."""
        link, book = self._links[node], self._core.book
        if link.awaited is not None:
            while link.awaited:
                key, seq = next(iter(link.awaited.items()))
                is_over = book.seq_of(key) >= seq or key in book.quarantined or key in link.distrusted
                if not is_over:
                    break
                del link.awaited[key]
            if not link.awaited:
                link.awaited = None
                link.needed_token = 0
        if link.is_telling and link.answered_token == link.asked_token:
            self._ask_on(link, node)

    def on_beat(self, peer: Peer, message: Beat) -> None:
        """Compare digests: equal vectors must mean equal hashes; different ones are looked into."""
        core = self._core
        if not message.digest or core.disk_error:
            return
        link = self._links[peer.node]
        if message.digest == core.book.digest():
            link.equal_mark = core.book.mark()
            self._forks.agreed(peer.node)
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

    # Answering

    def on_vector_ask(self, peer: Peer, message: VectorAsk) -> None:
        """Tell what is held: at the end of the turn, after what the turn itself sends, so that nobody pulls that."""
        if not self._core.disk_error:
            self._questions[peer.node] = message
            return
        try:  # others must not wait for this disk: what it holds already can be told
            self._core.effects.beats.append((peer.node, encode_message(self._part(message))))
        except ValueError as error:
            self._core.alarm(f"{error}: it was not sent; report this with this node's log")
        for key in self._core.not_durable:
            self._core.book.touch(key)

    def flush(self) -> None:
        """Answer who asked in this turn."""
        if self._questions:
            self._core.effects.must_sync = True
        for node, question in self._questions.items():
            self._core.send(node, self._part(question))
        self._questions.clear()

    def _part(self, question: VectorAsk) -> VectorTell:
        book, vector = self._core.book, self._core.durable_vector()
        since = question.since if question.boot == self._core.identity.boot else 0
        keys, until = book.changes(since, MAX_ROWS)
        rows = encode_vector({key: vector[key] for key in keys if key in vector})
        return VectorTell(question.token, tuple(rows), since, until, until >= book.mark())

    # Time

    def tick(self) -> None:
        """Ask again, give up what never comes, compare with somebody now and then."""
        core = self._core
        for node, link in list(self._links.of.items()):
            self._look_at_claims(node, link)
            self.settle(node)
        for node in self.pending():
            self._ask(node)
            self._give_up(node, self._links[node])
        for node, link in self._links.of.items():
            if link.is_telling:
                self._ask(node)
        if core.mono_s >= self._next_compare_s:
            live = sorted(node for node, peer in self._presence.peers.items() if peer.has_greeted)
            self._token += 1
            spread = int.from_bytes(f"{core.identity.boot}{self._token}".encode()[-4:], "big")
            self._next_compare_s = core.mono_s + COMPARE_EVERY_S + spread % 1000 / 1000 * COMPARE_JITTER_S
            if live:
                self._ask(live[spread % len(live)])

    def _look_at_claims(self, node: NodeId, link: Link) -> None:
        """Forget the claims to what has come; a log that moved is asked for with fresh patience."""
        for key, claim in list(link.claims.items()):
            seq = self._core.book.seq_of(key)
            if seq >= claim.position.seq or key in self._core.book.quarantined:
                del link.claims[key]
                self._forks.is_believed(node, key, claim.position)
            elif seq > claim.reached or self._core.disk_error:
                claim.reached, claim.asked_s, claim.is_unserved = seq, None, False

    def _give_up(self, node: NodeId, link: Link) -> None:
        """Let grants go on without what a peer claims and does not send, or without its answer."""
        now_s = self._core.now_s
        if link.lapses and now_s - link.lapsed_s >= FORGIVEN_S:
            link.lapses = 0
        share = 0.5**link.lapses
        if self._core.disk_error or not self._links.is_there(node):
            link.told_s = now_s
            return
        if now_s - link.needed_s >= COMPARE_S * share:
            link.awaited, link.needed_token = None, 0
            self._lapse(node, link, "is compared with for too long")
        elif link.awaited is None and now_s - max(link.needed_s, link.told_s) >= TELL_S * share:
            link.needed_token = 0
            self._lapse(node, link, "does not tell what it holds")
        elif link.awaited is not None:
            late = [key for key in link.awaited if self._is_late(link, link.claims.get(key), SERVE_S * share)]
            for key in late:
                link.claims[key].is_unserved = True
                del link.awaited[key]
            if late:
                self._lapse(node, link, "does not send what it says it holds")
                self.settle(node)

    def _is_late(self, link: Link, claim: Claim | None, limit_s: float) -> bool:
        if claim is None or claim.asked_s is None:
            return False
        return self._core.now_s - max(claim.asked_s, link.moved_s) >= limit_s

    def _lapse(self, node: NodeId, link: Link, what: str) -> None:
        link.lapses += 1
        link.lapsed_s = self._core.now_s
        name = self._presence.name_of(node)
        self._core.alarm(
            f"{name} {what}, so this node gives out tasks without it: restart {name}, or remove it from the farm"
        )
