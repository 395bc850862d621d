"""Which log this node writes: its former one only if every live member holds no more of it, else a new one."""

from __future__ import annotations

from peerfarm.model.ids import LogId, NodeId
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.state.logbook import LogKey, Position


class OwnLog:
    """Decides at the first own action of a start, and again when that log can be written no more."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._core = core
        self._presence = presence
        self.before: LogId | None = None
        """The log written in the last start, until this start has decided whether to go on with it."""
        self.is_in_doubt = False
        self._confirmed: set[NodeId] = set()
        """Peers that hold no more of our former log than we do."""
        self._is_disproved = False
        core.choose_log = self.choose

    def choose(self) -> LogId:
        """The log to write."""
        alive = {peer.node for peer in self._presence.alive()}
        may_go_on = (
            self.before is not None
            and not self.is_in_doubt
            and not self._is_disproved
            and bool(alive)
            and alive <= self._confirmed
        )
        return self.before if may_go_on and self.before is not None else self._core.identity.log

    def told(self, key: LogKey, position: Position) -> None:
        """A peer told how far it holds a log."""
        if key == (self._core.node, self.before) and position.seq > self._core.book.seq_of(key):
            self._is_disproved = True

    def told_all(self, node: NodeId) -> None:
        """A peer told of all the logs that it holds."""
        self._confirmed.add(node)

    def give_up(self, log: LogId) -> bool:
        """Others hold another content of this own log: whether it is the former one, which is not gone on with.

        A log that was opened in this start has an id that nobody could know before: who claims another content of it
        is wrong, and it is kept.
        """
        if log != self.before:
            return False
        self._is_disproved = True
        return True
