"""Says the same thing at most once a minute, so that a stranger who knocks cannot flood anybody's log."""

from __future__ import annotations

from dataclasses import dataclass, field

QUIET_S = 60.0
MOST_SUBJECTS = 256
"""Different subjects remembered; while it is full, new ones are not reported at all."""


@dataclass(slots=True)
class Throttle:
    """Remembers what was reported when."""

    said_s: dict[str, float] = field(default_factory=dict)

    def lets_pass(self, subject: str, now_s: float) -> bool:
        """Whether to report this subject now; a yes is remembered."""
        last_s = self.said_s.get(subject)
        if last_s is not None and now_s - last_s < QUIET_S:
            return False
        if last_s is None and len(self.said_s) >= MOST_SUBJECTS:
            self.said_s = {key: at_s for key, at_s in self.said_s.items() if now_s - at_s < QUIET_S}
            if len(self.said_s) >= MOST_SUBJECTS:
                return False
        self.said_s[subject] = now_s
        return True
