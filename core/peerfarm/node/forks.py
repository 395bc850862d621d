"""Logs with two contents: whom to believe, and what to take no more of.

Nobody signs actions, so of two contents none can be proven. The author's own word decides about its log; anybody else
who holds another content is alone not heard about that log any more, so that one odd member stops nobody else's log.
"""

from __future__ import annotations

from collections.abc import Callable

from peerfarm.model.ids import NodeId
from peerfarm.node.core import Core
from peerfarm.node.links import Links
from peerfarm.node.ownlog import OwnLog
from peerfarm.node.presence import Presence
from peerfarm.state.logbook import LogKey, Position


class Forks:
    """Compares what peers tell with what is held here."""

    def __init__(self, core: Core, presence: Presence, links: Links, own: OwnLog) -> None:
        self._core = core
        self._presence = presence
        self._links = links
        self._own = own
        self.hearsay: dict[LogKey, NodeId] = {}
        """Logs whose digest was taken from a peer's snapshot and not worked out here, and which peer that was."""
        self._dissent: dict[LogKey, tuple[NodeId, Position]] = {}
        """Another digest of such a log, and who told it."""
        self.on_corrected: Callable[[], None] = lambda: None
        """A digest that was hearsay was replaced; the one in the snapshot on disk is wrong."""

    def is_believed(self, teller: NodeId, key: LogKey, position: Position) -> bool:
        """Whether what a peer tells of a log may be used; looks for a fork."""
        if key in self._links[teller].distrusted:
            return False
        if self._core.book.conflicts(key, position):
            return self._decide(teller, key, position)
        if self.hearsay and self.hearsay.get(key, teller) != teller and position == self._core.book.vector.get(key):
            self._confirm(key)
        return True

    def agreed(self, teller: NodeId) -> None:
        """A peer's whole vector is equal to this node's."""
        for key in [key for key, source in self.hearsay.items() if source != teller]:
            self._confirm(key)

    def _confirm(self, key: LogKey) -> None:
        self.hearsay.pop(key, None)
        self._dissent.pop(key, None)

    def _decide(self, teller: NodeId, key: LogKey, position: Position) -> bool:
        """Two contents: whether the teller is believed, and nobody else's word lost by it."""
        if key in self._core.book.quarantined:
            return False
        if key in self.hearsay:
            others = self._dissent.setdefault(key, (teller, position))
            if teller == key[0] or (others[0] != teller and others[1] == position):
                self._correct(key, position)
                return True
            self._dissent[key] = (teller, position)
            return False
        self._core.counters.forks += 1
        if key[0] == self._core.node:
            self._distrust(teller, key)
            if self._own.give_up(key[1]):
                self._core.book.quarantined.add(key)
        elif teller == key[0]:
            self._quarantine(key)
        else:
            self._distrust(teller, key)
        return False

    def _quarantine(self, key: LogKey) -> None:
        name = self._presence.name_of(key[0])
        self._core.alarm(
            f"the log {key[1]} of node {name} has two contents, here and on {name} itself: it is quarantined; remove "
            "that node from the farm and add it anew"
        )
        self._core.book.quarantined.add(key)

    def _distrust(self, teller: NodeId, key: LogKey) -> None:
        link, name = self._links[teller], self._presence.name_of(teller)
        self._core.alarm(
            f"the log {key[1]} of node {self._presence.name_of(key[0])} has another content on {name} than here: what "
            f"{name} says of it is not heard; remove {name} from the farm and add it anew, unless other nodes say the "
            "same of this node"
        )
        link.distrusted.add(key)
        link.claims.pop(key, None)

    def _correct(self, key: LogKey, position: Position) -> None:
        source = self.hearsay[key]
        self._confirm(key)
        for link in self._links.of.values():
            link.distrusted.discard(key)
        self._core.book.rechain(key, position.chain)
        self._core.counters.forks += 1
        self._distrust(source, key)
        self.on_corrected()
