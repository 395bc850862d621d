"""P7: every lease of a task after its first in a generation has one cause of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerfarm.model.ids import ActionId, JobId, NodeId, parse_attempt_label
from peerfarm.state.actions import TaskLeased

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World

Place = tuple[JobId, int, int, int]
"""(job, step, task, generation)."""


@dataclass(slots=True)
class Granted:
    """The leases of one task in one generation, and what was charged for them."""

    leases: dict[ActionId, NodeId] = field(default_factory=dict)
    """Lease -> who gave it."""
    causes: dict[ActionId, object] = field(default_factory=dict)
    """Lease -> what it is charged to."""
    started: int = 0


class Charges:
    """An end that the dispatcher knew of pays for one lease; a declaration of death pays for one it could not know."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.granted_at: dict[Place, Granted] = {}
        self._place_of: dict[ActionId, Place] = {}
        self._declarations: dict[NodeId, list[tuple[NodeId, NodeId, int]]] = {}
        self.rolled_back: list[NodeId] = []

    def declared(self, observer: NodeId, subject: NodeId) -> None:
        """Somebody holds somebody for dead or gone."""
        known = self._declarations.setdefault(observer, [])
        known.append((observer, subject, len(known)))

    def forget(self, action: ActionId) -> None:
        """A lease was never durable, so nobody ever had it."""
        place = self._place_of.pop(action, None)
        if place is not None:
            self.granted_at[place].leases.pop(action, None)
            self.granted_at[place].causes.pop(action, None)

    def granted(self, shell: SimNode, lease: ActionId, body: TaskLeased, known: set[ActionId]) -> None:
        """A dispatcher gave a lease; `known` are the ones in this generation that it knew, all ended."""
        place = (body.job, body.step, body.task, body.generation)
        granted = self.granted_at.setdefault(place, Granted())
        cause: object = "first"
        if granted.leases:
            cause = self._cause(shell.id, granted, known)
            self._world.check(
                "P7",
                cause is not None,
                lambda: f"{shell.name} leases {place} again as {lease}; known to it {known}, given {granted.leases}",
            )
        granted.causes[lease] = cause
        granted.leases[lease] = shell.id
        self._place_of[lease] = place

    def _cause(self, observer: NodeId, granted: Granted, known: set[ActionId]) -> object:
        charged = set(granted.causes.values())
        for end in sorted(known):
            if end not in charged:
                self._world.count("leases charged to an end")
                return end
        unknown = [giver for lease, giver in granted.leases.items() if lease not in known]
        for lease in granted.leases:
            teller = "" if lease in known else self._world.watch.should_know(self._world.nodes[observer], lease)
            self._world.check("P7", not teller, f"a lease is given before {teller} was asked, who knew of {lease}")
        for node in (observer, *unknown) if unknown else ():
            for declaration in self._declarations.get(node, ()):
                if declaration not in charged:
                    self._world.count("leases charged to a death")
                    return declaration
        for place, node in enumerate(self.rolled_back):
            if (place, node) not in charged and node in (observer, *unknown):
                self._world.count("leases charged to a disk put back")
                return (place, node)
        return None

    def generation_of(self, attempt: str) -> int:
        """Of the task that a lease was for; -1 for a lease that nobody gave."""
        lease = parse_attempt_label(attempt)
        place = self._place_of.get(lease) if lease is not None else None
        return place[3] if place is not None else -1

    def started(self, lease: ActionId) -> None:
        """A renderer starts with that lease."""
        place = self._place_of.get(lease)
        self._world.check("P7", place is not None, f"{lease} is started and nobody gave it")
        assert place is not None
        granted = self.granted_at[place]
        granted.started += 1
        if granted.started > 1:
            self._world.count("tasks started again")
            self._world.check("P7", not self._world.plan.is_calm, f"{place} is started twice without any fault")
