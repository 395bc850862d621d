"""Who shall hold the second copy of an attempt's frames."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from peerfarm.model.ids import NodeId


def keepers_of(attempt: str, submitter: NodeId, candidates: Collection[NodeId]) -> list[NodeId]:
    """The candidates, best first: the submitter, who wants the frames anyway, then by rendezvous hash.

    So the frames of a job whose submitter is away are spread over the farm.

    Args:
        attempt: The attempt's name.
        candidates: Live nodes other than the one that rendered.
    """
    return sorted(candidates, key=lambda node: (node != submitter, _weight(attempt, node), node))


def _weight(attempt: str, node: NodeId) -> bytes:
    return hashlib.sha256(f"{attempt} {node}".encode()).digest()
