"""The farm over which storms go: this node oak, the members ash and elm, and yew, who is none."""

from __future__ import annotations

from typing import NamedTuple

from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.state.actions import Body

FARM = FarmId("f" * 16)
OAK_KEY, ASH_KEY, ELM_KEY, YEW_KEY = (name.ljust(40, "0") for name in ("oak", "ash", "elm", "yew"))
OAK, ASH, ELM, YEW = map(node_id_of, (OAK_KEY, ASH_KEY, ELM_KEY, YEW_KEY))
"""This node, two other members, and one that only actions of a storm may add."""
PEERS = (ASH, ELM)
BOOT = BootId("bootboot")
LOGS = {OAK: LogId("loglog22"), ASH: LogId("ashlog22"), ELM: LogId("elmlog22"), YEW: LogId("yewlog22")}
ASHS_JOB = JobId("p" * 12)
ASHS_FILM = JobId("r" * 12)
"""Its files travel."""
JOBS = tuple(JobId(letter * 12) for letter in "abcdef")
THEIRS = "theirs"
"""In a message: the boot id or the token that would be right. A vector with token 0 answers the last question."""


class Act(NamedTuple):
    """An action that a peer sends, written by itself or, so it says, by another."""

    author: NodeId
    skipped: int
    """Seqs of the author's log that are left out before it."""
    lamport: int
    body: Body
    farm: FarmId = FARM


def boot_of(peer: NodeId) -> BootId:
    """Of a peer's program, which never starts anew."""
    return BootId(f"boot{peer[:4]}")
