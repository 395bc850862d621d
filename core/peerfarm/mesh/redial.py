"""When to dial a member: pure rules, shared by the real mesh and its in-memory twin."""

from __future__ import annotations

from dataclasses import dataclass

from peerfarm.model.ids import NodeId

PATIENCE_S = 1.0
"""How long the higher node id waits for the lower one to dial, so that a pair rarely dials twice."""

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""A newly added member is refused until the others heard of it, so the pause must stay short."""


def pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row: doubles from 0.2 s up to 5 s."""
    return min(FIRST_PAUSE_S * 2.0 ** min(max(failures - 1, 0), 30), LONGEST_PAUSE_S)


def dials_at_once(own: NodeId, peer: NodeId, is_listening: bool) -> bool:
    """Whether this node should dial without waiting: it has the lower id, or nobody can dial it."""
    return own < peer or not is_listening


def keeps_dialled(own: NodeId, peer: NodeId) -> bool:
    """Whether this node's own connection is the one kept when both dialled: the lower id's is."""
    return own < peer


@dataclass(slots=True)
class Redial:
    """When one member is dialled next."""

    is_patient: bool
    """Waits PATIENCE_S first, for the other side is expected to dial."""
    failures: int = 0
    """In a row, since the last link or change of address."""
    due_s: float | None = None
    """None: not yet decided, the next `is_due` decides."""

    def is_due(self, now_s: float) -> bool:
        """Whether to dial now; the first question starts the patience."""
        if self.due_s is None:
            self.due_s = now_s + (PATIENCE_S if self.is_patient else 0.0)
        return now_s >= self.due_s

    def failed(self, now_s: float) -> None:
        """Note that an attempt came to nothing."""
        self.failures += 1
        self.due_s = now_s + pause_s(self.failures)

    def restart(self, is_patient: bool) -> None:
        """Begin anew: a link broke, or the peer's chances changed."""
        self.is_patient = is_patient
        self.failures = 0
        self.due_s = None
