"""Who gives out a job's tasks. Nobody elects anybody: each node works it out from what it sees."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from peerfarm.model.ids import JobId, NodeId


def dispatcher_of(job: JobId, submitter: NodeId, candidates: Collection[NodeId]) -> NodeId | None:
    """The submitter while it is a candidate, else the first by rendezvous hash; None without candidates.

    Args:
        candidates: The nodes that count as alive and dispatch at the job's version.
    """
    if submitter in candidates:
        return submitter
    return max(candidates, key=lambda node: (_weight(job, node), node), default=None)


def _weight(job: JobId, node: NodeId) -> bytes:
    return hashlib.sha256(f"{job} {node}".encode()).digest()
