"""How long a renderer may run and be silent, and how often its progress is told. Pure: time arrives as `now_s`."""

from __future__ import annotations

import math

from peerfarm.model.render import AttemptProgressed, FailReason
from peerfarm.runner.failures import AttemptError

PROGRESS_EVERY_S = 0.25


class Limits:
    """An attempt's time limit and stall limit; zero means none."""

    def __init__(self, started_s: float, time_limit_s: float, stall_limit_s: float) -> None:
        self._time_limit_s = time_limit_s
        self._stall_limit_s = stall_limit_s
        self._over_s = started_s + time_limit_s if time_limit_s > 0 else math.inf
        self._moved_s = started_s

    def moved(self, now_s: float) -> None:
        """The renderer printed something."""
        self._moved_s = now_s

    @property
    def next_s(self) -> float:
        """When to look again; infinity for never."""
        stalled_s = self._moved_s + self._stall_limit_s if self._stall_limit_s > 0 else math.inf
        return min(self._over_s, stalled_s)

    def overrun(self, now_s: float) -> AttemptError | None:
        """Which limit has passed, in words; None when none has."""
        if now_s >= self._over_s:
            message = f"the render was not done after its time limit of {self._time_limit_s:g} s"
            return AttemptError(
                FailReason.TIMED_OUT, message, "Raise the job's time limit, or make the chunks smaller."
            )
        if now_s >= self.next_s:
            message = f"the render printed nothing for {self._stall_limit_s:g} s, its stall limit"
            return AttemptError(FailReason.STALLED, message, "Look at the log; raise the stall limit for slow frames.")
        return None


class Throttle:
    """Lets progress through a few times a second: the first at once, the last always."""

    def __init__(self) -> None:
        self._due_s = -math.inf
        self._held: AttemptProgressed | None = None

    @property
    def next_s(self) -> float:
        """When the held progress is due; infinity when none is held."""
        return self._due_s if self._held else math.inf

    def hold(self, progress: AttemptProgressed) -> None:
        """Take the newest progress; it replaces what is held."""
        self._held = progress

    def due(self, now_s: float) -> AttemptProgressed | None:
        """What is to be told now."""
        if self._held is None or now_s < self._due_s:
            return None
        self._due_s = now_s + PROGRESS_EVERY_S
        return self.last()

    def last(self) -> AttemptProgressed | None:
        """What is still held, due or not."""
        held, self._held = self._held, None
        return held
