"""What a node knows of each peer's logs, and what of it ends with the connection or with the membership."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from peerfarm.model.ids import LogId, NodeId
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.policy.liveness import PeerState
from peerfarm.state.logbook import LogKey, Position

MAX_KNOWN = 20_000
"""Logs of which it is noted how far a peer is ahead; whatever it says beyond costs doubled messages, not memory."""


@dataclass(slots=True)
class Claim:
    """A peer said that it holds more of a log than this node."""

    position: Position
    reached: int
    """How far the log was held here when this was last looked at."""
    asked_s: float | None = None
    """Attentive: when that peer was first asked to send it since the log last moved here."""
    is_unserved: bool = False
    """It was asked for in vain for so long that no grant waits for it."""


@dataclass(slots=True)
class Link:
    """What is known of a peer's logs."""

    # While its connection holds
    known: dict[LogKey, int] = field(default_factory=dict)
    """Sent to it or got from it up to here: never sent again on this connection. Only what is ahead of this node's
    own positions matters, so the rest is forgotten now and then."""
    boot: str = ""
    cursor: int = 0
    """The peer's mark up to which it has told its vector, in that start of it."""
    is_telling: bool = False
    """It said that there is more than it told."""
    asked_token: int = 0
    asked_s: float = -math.inf
    answered_token: int = 0
    claims: dict[LogKey, Claim] = field(default_factory=dict)
    """What it told and this node does not hold; those longest not asked for come first."""
    asked: dict[LogKey, tuple[float, int]] = field(default_factory=dict)
    """When its actions of a log were last asked for, and up to which."""
    moved_s: float = 0.0
    """Attentive: when a part of its snapshot last arrived."""
    distrusted: set[LogKey] = field(default_factory=set)
    """Logs of others in which it holds another content than this node: what it says of them is not heard."""

    # As long as it is a member
    needed_token: int = 0
    """Grants wait until this question or a later one is answered and what it told is held; 0: nothing needed."""
    needed_s: float = 0.0
    """Attentive: since when."""
    told_s: float = 0.0
    """Attentive: when it last told anything that was new here."""
    awaited: dict[LogKey, int] | None = None
    """What it told of itself to that question and this node does not hold yet."""
    lapses: int = 0
    """How often grants had to go on without what it claims; each time they wait half as long for it."""
    lapsed_s: float = 0.0
    held: dict[LogId, int] = field(default_factory=dict)
    """Of our own logs: how far the peer holds them durably."""
    equal_mark: int = -1
    """The mark of this node's positions at which the peer's digest was last equal."""


class Links:
    """One link for each member that was ever spoken of; gone with the member."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._core = core
        self._presence = presence
        self.of: dict[NodeId, Link] = {}
        presence.on_gone.append(self._on_gone)

    def __getitem__(self, node: NodeId) -> Link:
        return self.of.setdefault(node, Link())

    def begin(self, node: NodeId) -> None:
        """A new connection, or a new start of the peer: nothing is known to have arrived over it."""
        former = self[node]
        peer = self._presence.peers.get(node)
        self.of[node] = Link(
            boot=peer.boot if peer is not None else "",
            asked_token=former.asked_token,
            answered_token=former.asked_token,
            needed_token=former.needed_token,
            needed_s=former.needed_s,
            told_s=former.told_s,
            lapses=former.lapses,
            lapsed_s=former.lapsed_s,
            held=former.held,
            equal_mark=former.equal_mark,
        )

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        if node in self._presence.peers:
            self.begin(node)
            self[node].needed_token = 0  # it is needed anew when the peer comes back
        else:
            self.of.pop(node, None)

    def is_there(self, node: NodeId) -> bool:
        """Whether it can be asked something."""
        peer = self._presence.peers.get(node)
        return peer is not None and peer.has_greeted and peer.state not in {PeerState.DEAD, PeerState.LEFT}

    def claim(self, node: NodeId, key: LogKey, position: Position) -> bool:
        """Note that a peer holds more of a log than this node; whether that is new."""
        link = self[node]
        seq = self._core.book.seq_of(key)
        if position.seq <= seq or key in self._core.book.quarantined:
            return False
        self.note_known(link, key, position.seq)
        before = link.claims.get(key)
        if before is None:
            link.claims[key] = Claim(position, seq)
        elif position.seq > before.position.seq:
            before.position = position
        return before is None

    def note_known(self, link: Link, key: LogKey, seq: int) -> None:
        """A peer has a log up to there."""
        if seq > link.known.get(key, 0) and (key in link.known or len(link.known) < MAX_KNOWN):
            link.known[key] = seq

    def forget_known(self) -> None:
        """At the end of a turn, when all is sent: what is not ahead of this node's positions matters no more."""
        for link in self.of.values():
            passed = [key for key, seq in link.known.items() if seq <= self._core.book.seq_of(key)]
            for key in passed:
                del link.known[key]
