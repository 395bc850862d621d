"""`farm.json`: the farm's id and members beside the database, so that a node finds its farm again without it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from peerfarm.model.ids import NodeId
from peerfarm.node import Node
from peerfarm.node.inputs import Remembered
from peerfarm.state.selectors import live_members
from peerfarm.store.durable import write_private


@dataclass(slots=True)
class Lifeline:
    """Kept up to date at every change of members and addresses; read only when the database no longer knows a farm."""

    path: Path
    _kept: bytes = b""

    def keep(self, node: Node) -> None:
        """Write what is known now; a disk that refuses is asked again at the next change."""
        farm = node.core.farm_id
        if farm is None:
            return
        addresses = node.presence.addresses
        members = [[name, key, called, list(addresses.get(name, ()))] for name, key, called in _members(node)]
        content = json.dumps({"farm": farm, "members": members}, indent=1).encode()
        if content != self._kept:
            with suppress(OSError):
                write_private(self.path, content)
                self._kept = content

    def recall(self, remembered: Remembered) -> Remembered:
        """Complete what the database remembers by what lies here; unchanged when that cannot be read either."""
        try:
            said = json.loads(self.path.read_bytes())
            members = [(str(node), str(key), str(name)) for node, key, name, _ in said["members"]]
            addresses = {NodeId(row[0]): tuple(map(str, row[3])) for row in said["members"] if row[3]}
            lines = [str(said["farm"]), *(" ".join(member) for member in members)]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return remembered
        joining = "\n".join(lines).encode()
        return replace(remembered, joining=joining, addresses={**addresses, **remembered.addresses})


def _members(node: Node) -> list[tuple[NodeId, str, str]]:
    others = ((name, key, called) for name, (key, called) in live_members(node.core.farm).items())
    return sorted(member for member in others if member[0] != node.core.node)
