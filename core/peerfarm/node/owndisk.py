"""Room on the disk of the node's own folder: what the log needs must not be filled by work that cannot end well."""

from __future__ import annotations

from peerfarm.node.core import Core
from peerfarm.node.inputs import DiskRecovered, DiskRefused
from peerfarm.node.work import Work

LEAST_ROOM_BYTES = 64 * 1024 * 1024
"""With less free on the disk of its own folder a node takes no new work; with twice as much it does again."""
_ROOM_ALARM = f"less than {LEAST_ROOM_BYTES >> 20} MiB are free on the own disk: no new work until there is room"


class OwnDisk:
    """Takes no new work while the disk refuses to write, or is nearly full."""

    def __init__(self, core: Core, work: Work) -> None:
        self.core = core
        self.work = work

    def refused(self, event: DiskRefused) -> None:
        """What was to be made durable waits."""
        if not self.core.disk_error:
            self.core.disk_error = event.reason
            self.core.not_durable = dict(event.waiting)
            self.core.alarm(_disk_alarm(event.reason))

    def recovered(self, event: DiskRecovered) -> None:
        """What waited is durable now, or was dropped."""
        alarm = _disk_alarm(self.core.disk_error)
        self.core.calm(alarm)
        self.core.disk_error = ""
        self.core.not_durable = {}
        self.work.disk_recovered(event.dropped)

    def has_room(self, free_bytes: int | None) -> None:
        """So many bytes are free; None where nobody knows."""
        core = self.core
        if free_bytes is None:
            return
        if free_bytes < LEAST_ROOM_BYTES and not core.is_short_of_room:
            core.is_short_of_room = True
            core.alarm(_ROOM_ALARM)
        elif free_bytes >= 2 * LEAST_ROOM_BYTES and core.is_short_of_room:
            core.is_short_of_room = False
            core.calm(_ROOM_ALARM)
            self.work.wake()


def _disk_alarm(reason: str) -> str:
    return f"the disk refuses ({reason}): no new work until there is room"
