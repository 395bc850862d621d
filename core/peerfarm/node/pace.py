"""How fast something moves on, and when it will be through."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 10.0
"""What counts is what came in the last so many seconds: links and disks change their mind."""
APART_S = 0.5
"""Marks nearer to one another are put together, so that a window holds few."""


@dataclass(slots=True)
class Pace:
    """Marks of (seconds, done) of one piece of work, the newest at the end."""

    _marks: deque[tuple[float, float]] = field(default_factory=deque)

    def note(self, now_s: float, done: float) -> None:
        """So much is done by now; with less than before, it has begun anew."""
        marks = self._marks
        if marks and done < marks[-1][1]:
            marks.clear()
        if len(marks) > 1 and now_s - marks[-2][0] < APART_S:
            marks.pop()
        marks.append((now_s, done))
        while len(marks) > 2 and now_s - marks[0][0] > WINDOW_S:
            marks.popleft()

    @property
    def rate(self) -> float:
        """What is done in a second; 0 while nothing is known."""
        if len(self._marks) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


def left_s(left: float, rate: float) -> int | None:
    """Whole seconds until `left` is done at that rate; None when that is not known."""
    return math.ceil(left / rate) if rate > 0 and math.isfinite(left / rate) else None
