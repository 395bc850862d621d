"""What a worker's slots hold: the attempt that runs, those leased ahead, and the asks under way."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.node.dispatch import Ask
from peerfarm.state.actions import TaskLeased

SHORT_RENDER_S = 0.5
"""After a render as short as this the next lease is asked for while the current one still runs."""
UNKNOWN_RENDER_S = 5.0
"""What a render is expected to take before one has ended well; long enough that nothing is leased ahead."""
GIVE_BACK_S = 1.0
"""What was leased ahead behind a render that turns out longer than this goes back, for others may be idle."""
AHEAD_S = 0.05
MAX_AHEAD = 4
"""Of still shorter ones so many are leased ahead, but no more than `AHEAD_S` of work: a round trip and two commits take
longer than such a render, and whatever waits here waits for this worker alone."""


@dataclass(slots=True)
class Attempt:
    """One attempt that this node runs or is about to."""

    lease: ActionId
    job: JobId
    step: int
    task: int
    generation: int
    slot: int
    is_started: bool = False
    started_s: float = 0.0
    """When the runner was told to start it, monotonic."""
    is_travelling: bool = False
    """Whether its frames go into this node's store; known from its start on, for the job may be deleted meanwhile."""
    is_stopping: str = ""
    """Why it was told to stop; empty while it may run."""
    thousandths: int = 0
    frame: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """An ask without an answer so far."""

    ask: Ask
    node: NodeId
    """The dispatcher that was asked."""
    since_s: float


@dataclass(slots=True)
class Slot:
    """One concurrent render."""

    number: int
    current: Attempt | None = None
    ahead: list[Attempt] = field(default_factory=list)
    """Leased ahead; each starts when the one before it ends."""
    asks: list[Asked] = field(default_factory=list)
    last_render_s: float = UNKNOWN_RENDER_S

    def wanted(self) -> int:
        """How many more leases this slot has use for now."""
        count = 1
        if self.current is not None:
            count = 0
            if self.last_render_s <= SHORT_RENDER_S and not self.current.is_stopping:
                count = min(MAX_AHEAD, max(1, int(AHEAD_S / max(self.last_render_s, 0.001))))
        return count - len(self.ahead) - len(self.asks)

    def holds_too_long(self, now_s: float) -> bool:
        """Whether leases wait behind a render that is not the short one that was expected."""
        return bool(self.ahead) and self.current is not None and now_s - self.current.started_s > GIVE_BACK_S

    def withdraw(self, request: int) -> Asked | None:
        """Expect no answer to that ask any more; None when there is no such ask."""
        for asked in self.asks:
            if asked.ask.request == request:
                self.asks.remove(asked)
                return asked
        return None

    def awaits(self, lease: TaskLeased) -> bool:
        """Whether the lease answers an ask of this slot."""
        return any(asked.ask.request == lease.request and asked.ask.job == lease.job for asked in self.asks)
