"""Another member as this node sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.model.ids import ActionId, NodeId
from peerfarm.policy.liveness import PeerState, Signs
from peerfarm.protocol.messages import About, Beat


@dataclass(slots=True)
class Peer:
    """What this node knows of another member; nothing of it is replicated."""

    node: NodeId
    signs: Signs
    state: PeerState = PeerState.UNKNOWN
    has_link: bool = False
    has_greeted: bool = False
    boot: str = ""
    former_boots: tuple[str, ...] = ()
    about: About | None = None
    addresses: tuple[str, ...] = ()
    beat: Beat | None = None
    progress_s: dict[ActionId, tuple[int, float]] = field(default_factory=dict)
    """Of its running attempts: progress, and when it last moved."""
