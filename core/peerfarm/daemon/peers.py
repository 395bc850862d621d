"""Dialling members at the addresses known of them, one after the other, until a link stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.mesh import Mesh
from peerfarm.model.ids import NodeId

NEXT_ADDRESS_S = 3.0
PENALTY_S = 10.0
"""After a peer broke the protocol."""


@dataclass(slots=True)
class _Target:
    addresses: tuple[str, ...] = ()
    place: int = 0
    next_s: float = 0.0


@dataclass(slots=True)
class Dialling:
    """Who is to be dialled where."""

    mesh: Mesh
    seeds: tuple[str, ...] = ()
    linked: set[NodeId] = field(default_factory=set)
    _targets: dict[NodeId, _Target] = field(default_factory=dict)

    def want(self, node: NodeId, addresses: tuple[str, ...], now_s: float) -> None:
        """Reach this member at one of these addresses, or at a seed of the settings."""
        target = self._targets.setdefault(node, _Target())
        target.addresses = (*addresses, *(seed for seed in self.seeds if seed not in addresses))
        if node not in self.linked:
            target.next_s = min(target.next_s, now_s)

    def keep(self, members: set[NodeId]) -> None:
        """Forget who is no member any more."""
        for node in [node for node in self._targets if node not in members]:
            del self._targets[node]
            self.mesh.hang_up(node)

    def punish(self, node: NodeId, now_s: float) -> None:
        """Hang up, and do not dial for a while."""
        self.mesh.hang_up(node)
        self.linked.discard(node)
        if node in self._targets:
            self._targets[node].next_s = now_s + PENALTY_S

    @property
    def has_targets(self) -> bool:
        """Whether anybody is to be reached."""
        return bool(self._targets)

    @property
    def is_seeking(self) -> bool:
        """Whether a member has no link."""
        return any(node not in self.linked for node in self._targets)

    def tick(self, now_s: float) -> None:
        """Dial the next address of whoever is not linked."""
        for node, target in self._targets.items():
            if node in self.linked or not target.addresses or now_s < target.next_s:
                continue
            target.next_s = now_s + NEXT_ADDRESS_S
            self.mesh.dial(node, target.addresses[target.place % len(target.addresses)])
            target.place += 1
