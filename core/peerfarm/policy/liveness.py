"""Is a peer alive? One pure function with a table of cases, on this node's own attentive time.

Attentive time passes only while this node is able to hear: a paused or overloaded node does not count its own
absence as its peers' silence, so no machine's clock and no busy processor makes a false death.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BEAT_S = 1.0
SUSPECT_S = 3.0
DEAD_S = 8.0
"""Of silence. Under full load beats came at most 2.1 s apart; a pause of a few seconds must not requeue renders."""
DEAD_AFTER_LINK_LOSS_S = 3.0
"""A closed connection that does not come back is a killed process or a machine that was switched off."""
ATTENTION_S = 1.5
"""Longest step of attentive time between two turns of the loop."""


class PeerState(StrEnum):
    """What this node believes of a member."""

    UNKNOWN = "unknown"
    """Not heard since this node's start; counts as alive until the death limit has passed."""
    LIVE = "live"
    SUSPECT = "suspect"
    """Silent for a while; still counts as alive, gets no new sends that need an answer."""
    DEAD = "dead"
    LEFT = "left"
    """Said goodbye."""


@dataclass(slots=True)
class Signs:
    """What was seen of one member, in this node's attentive seconds."""

    since_s: float
    """When this node began to expect it: its own start, or when the member was added."""
    heard_s: float | None = None
    lost_s: float | None = None
    """When the link closed; None while it is open or was never open."""
    has_left: bool = False


def judge(signs: Signs, now_s: float) -> PeerState:
    """What the signs say at attentive time `now_s`."""
    if signs.has_left:
        return PeerState.LEFT
    if signs.heard_s is None:
        return PeerState.UNKNOWN if now_s - signs.since_s < DEAD_S else PeerState.DEAD
    silence_s = now_s - signs.heard_s
    if silence_s >= DEAD_S or (
        signs.lost_s is not None and min(silence_s, now_s - signs.lost_s) >= DEAD_AFTER_LINK_LOSS_S
    ):
        return PeerState.DEAD
    return PeerState.SUSPECT if silence_s >= SUSPECT_S or signs.lost_s is not None else PeerState.LIVE


def counts_as_alive(state: PeerState) -> bool:
    """Whether its leases stand and its turn as a dispatcher is respected."""
    return state in {PeerState.UNKNOWN, PeerState.LIVE, PeerState.SUSPECT}


class AttentiveClock:
    """Turns the monotonic clock into attentive time."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self.now_s = 0.0

    def advance(self, monotonic_s: float) -> float:
        """The attentive time at this turn; gaps longer than the loop ever plans are counted short."""
        if self._last_s is not None:
            self.now_s += max(0.0, min(monotonic_s - self._last_s, ATTENTION_S))
        self._last_s = monotonic_s
        return self.now_s
