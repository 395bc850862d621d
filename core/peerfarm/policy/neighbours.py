"""Whom a node pushes to: everybody in a small farm, a fixed number with relay in a large one."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from peerfarm.model.ids import NodeId

FULL_MESH = 64
"""Up to this many members everybody pushes to everybody and nobody relays."""
DEGREE = 8
"""Links per node beyond it, besides those that others chose: a random graph of that degree stays connected."""


def neighbours(own: NodeId, members: Collection[NodeId]) -> tuple[list[NodeId], bool]:
    """The peers to push to, and whether that is a full mesh.

    Beyond the full mesh, a ring in order of the ids keeps the graph connected, and hashed chords keep it shallow; the
    relation is symmetric, so both ends agree.
    """
    if len(members) <= FULL_MESH:
        return list(members), True
    everybody = sorted({own, *members})
    place = everybody.index(own)
    chosen = {everybody[place - 1], everybody[(place + 1) % len(everybody)]}
    limit = DEGREE * (1 << 32) // len(everybody)
    chosen.update(node for node in everybody if node != own and _chord(own, node) < limit)
    return sorted(chosen - {own}), False


def _chord(one: NodeId, other: NodeId) -> int:
    pair = " ".join(sorted((one, other)))
    return int.from_bytes(hashlib.sha256(pair.encode()).digest()[:4], "big")
