"""What one turn sends and wants done; rows of the same kind for the same peer share messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import (
    MAX_LIST_ASKS,
    Ask,
    Have,
    Lack,
    ListAsk,
    Seek,
    TransferMessage,
    Unask,
    Unseek,
    encode_transfer,
    split_rows,
)
from peerfarm.swarm.events import SwarmEffects

ROWS = 8192
"""Of ids or of (id, block), about 300 KiB."""
HAVE_ROWS = 2048
"""At most about 600 KiB, with a full bitmap in each."""

Rows = type[Seek] | type[Unseek] | type[Have] | type[ListAsk] | type[Ask] | type[Unask] | type[Lack]

_LIMITS: dict[Rows, int] = {Have: HAVE_ROWS, ListAsk: MAX_LIST_ASKS}


class Outbox:
    """Gathers a turn's effects."""

    def __init__(self) -> None:
        self.effects = SwarmEffects()
        self._rows: dict[NodeId, list[tuple[Rows, list[Any]]]] = {}

    def put(self, node: NodeId, kind: Rows, rows: Sequence[Any]) -> None:
        """Add rows to what a peer is told, after what it is told already."""
        if not rows:
            return
        waiting = self._rows.setdefault(node, [])
        if waiting and waiting[-1][0] is kind:
            waiting[-1][1].extend(rows)
        else:
            waiting.append((kind, list(rows)))

    def send(self, node: NodeId, message: TransferMessage) -> None:
        """Send a message of its own, after the rows that wait for that peer."""
        self._flush(node)
        self.effects.sends.append((node, encode_transfer(message)))

    def forget(self, node: NodeId) -> None:
        """The peer is away: nothing can be told to it."""
        self._rows.pop(node, None)
        if any(to == node for to, _ in self.effects.sends):
            self.effects.sends = [(to, raw) for to, raw in self.effects.sends if to != node]

    def take(self) -> SwarmEffects:
        """The turn's effects; the next turn begins."""
        for node in tuple(self._rows):
            self._flush(node)
        effects, self.effects = self.effects, SwarmEffects()
        return effects

    def _flush(self, node: NodeId) -> None:
        for kind, rows in self._rows.pop(node, ()):
            for group in split_rows(rows, _LIMITS.get(kind, ROWS)):
                self.effects.sends.append((node, encode_transfer(kind(group))))
