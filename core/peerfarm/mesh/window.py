"""How many bytes may be on their way to one peer: a count on both sides, so that memory is bounded in bytes."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_BYTES = 16 << 20
"""ZeroMQ's high-water mark counts messages; 10 000 of them could be 10 GB. This bounds a slow peer's queue."""

REPORT_BYTES = 1 << 20
"""A reader tells how much it has taken each time it took this much more."""


@dataclass(slots=True)
class Window:
    """Bytes sent and taken on one connection, both ways, since it was opened."""

    sent: int = 0
    taken_by_peer: int = 0
    """As far as the peer told."""
    taken: int = 0
    reported: int = 0
    """How much of `taken` the peer was told of."""

    @property
    def unread_bytes(self) -> int:
        """Sent, and not yet known to be taken."""
        return self.sent - self.taken_by_peer

    def has_room(self, size_bytes: int) -> bool:
        """Whether a message of that size may be sent now."""
        return self.sent - self.taken_by_peer + size_bytes <= WINDOW_BYTES

    def note_report(self, total_bytes: int) -> bool:
        """Take the peer's report of its total; False when the number cannot be true."""
        if not self.taken_by_peer <= total_bytes <= self.sent:
            return False
        self.taken_by_peer = total_bytes
        return True

    def owes_report(self) -> bool:
        """Whether the peer should be told how much was taken."""
        return self.taken - self.reported >= REPORT_BYTES
