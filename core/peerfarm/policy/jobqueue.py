"""Which job next: an index over the state, kept up per changed job, so that a choice never scans the farm."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from peerfarm.model.ids import JobId
from peerfarm.model.job import JOB_VERSION
from peerfarm.state.farm import JobState
from peerfarm.state.selectors import register, spec_of, step_bits

Rank = tuple[int, int, JobId]
"""(minus priority, lamport time of the submission, job): smaller goes first."""


class JobQueue:
    """The jobs that have ready tasks, best first."""

    def __init__(self) -> None:
        self._ranks: dict[JobId, Rank] = {}
        self._order: list[Rank] = []
        self._ready: dict[JobId, tuple[int, ...]] = {}

    def update(self, job: JobId, state: JobState | None) -> None:
        """Take note of a changed job."""
        rank, ready = _rank_of(job, state)
        known = self._ranks.get(job)
        if known != rank:
            if known is not None:
                del self._order[bisect_left(self._order, known)]
                del self._ranks[job]
            if rank is not None:
                insort(self._order, rank)
                self._ranks[job] = rank
        if rank is None:
            self._ready.pop(job, None)
        else:
            self._ready[job] = ready

    def __iter__(self) -> Iterator[JobId]:
        """Jobs with ready tasks, best first."""
        return (job for _, _, job in self._order)

    def ready_of(self, job: JobId) -> tuple[int, ...]:
        """Per step a bit map of ready tasks; empty when there are none."""
        return self._ready.get(job, ())


def _rank_of(job: JobId, state: JobState | None) -> tuple[Rank | None, tuple[int, ...]]:
    if state is None or state.submitted is None or state.archived or state.deleted:
        return None, ()
    spec = spec_of(state)
    if spec is None or spec.version > JOB_VERSION or register(state, "paused"):
        return None, ()
    ready = tuple(step_bits(state, spec, number).ready for number in range(len(spec.steps)))
    if not any(ready):
        return None, ()
    return (-register(state, "priority"), state.submitted[2], job), ready
