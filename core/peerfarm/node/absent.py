"""Which members are away for so long that their disks count for nothing until they are back."""

from __future__ import annotations

from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.policy.liveness import counts_as_alive
from peerfarm.state.selectors import live_members

AWAY_S = 600.0
"""Most restarts are over by then; frames are seldom so many that a needless copy more is a burden."""


def members_there(core: Core, presence: Presence) -> frozenset[NodeId]:
    """Members, this node among them, that were heard within AWAY_S as far as this node knows."""
    there = set(live_members(core.farm))
    for peer in presence.peers.values():
        heard_s = peer.signs.since_s if peer.signs.heard_s is None else peer.signs.heard_s
        if not counts_as_alive(peer.state) and core.now_s - heard_s >= AWAY_S:
            there.discard(peer.node)
    return frozenset(there)
