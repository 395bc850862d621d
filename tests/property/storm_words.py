"""The words of storms: small pools of ids, so that deeds meet; numbers and texts that are small, odd or extreme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from storm_farm import ASH, ASHS_FILM, ASHS_JOB, BOOT, ELM, JOBS, LOGS, OAK, PEERS, THEIRS, YEW

from peerfarm.model import job as spec
from peerfarm.model.ids import JobId, LogId, NodeId
from peerfarm.state import actions as a

MOST = (1 << 53) - 1
pick = st.sampled_from


def few(element: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """A short tuple."""
    return st.lists(element, max_size=most).map(tuple)


def one_of(kinds: Sequence[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of several kinds, each as likely as another, though some of them are many; named twice, twice as likely."""
    return pick(kinds).flatmap(lambda kind: kind)


def texts(limit: int) -> st.SearchStrategy[str]:
    """Text of at most so many characters, that many of four bytes among them."""
    odd = ["", "x", " ", "a b\nc", "\u2028\0", "x" * limit, "\U0001d11e" * limit, "-1", "/", "job", "sea", "ash"]
    return pick([text[:limit] for text in odd])


def counts(*extremes: int) -> st.SearchStrategy[int]:
    """Small numbers, and the largest."""
    return st.integers(0, 12) | pick([0, 1, 1 << 31, MOST - 1, *extremes])


peers = pick(PEERS)
nodes = pick([OAK, ASH, ELM, YEW, NodeId("q" * 16)])
jobs = pick([*JOBS[:2], *JOBS[:2], *JOBS[:4], ASHS_JOB, ASHS_JOB, ASHS_FILM, ASHS_FILM, JobId("q" * 12)])
logs = pick([*LOGS.values(), LogId("q" * 8)])
boots = pick([THEIRS, THEIRS, THEIRS, BOOT, BOOT, "", "\u00e9" * 16])
leases = st.tuples(nodes, logs, st.integers(1, 30) | pick([MOST])) | st.tuples(
    st.just(OAK), st.just(LOGS[OAK]), st.integers(5, 14)
)
steps = st.integers(0, 2) | pick([spec.MAX_STEPS - 1])
tasks = st.integers(0, 5) | pick([spec.MAX_TASKS_PER_STEP - 1])
generations = st.integers(0, 2) | pick([a.MAX_GENERATION])
reasons = pick(["died", "lost", "app-not-found", "app-failed", "", "\u00e9" * 40])
