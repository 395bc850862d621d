"""Which job next: an index over the state, kept up per changed job, so that a choice never scans the farm."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator, Mapping

from peerfarm.model.ids import JobId
from peerfarm.model.job import JOB_VERSION
from peerfarm.state.farm import JobState
from peerfarm.state.selectors import register, spec_of, step_bits

Rank = tuple[int, int, JobId]
"""(minus priority, lamport time of the submission, job): smaller goes first."""
FEW = 8
"""Up to so many jobs are moved one by one; for more the whole order is made anew."""


class JobQueue:
    """The jobs that have ready tasks, best first, without those that were looked at and cannot be had for now."""

    def __init__(self) -> None:
        self._ranks: dict[JobId, Rank] = {}
        self._ready: dict[JobId, tuple[int, ...]] = {}
        self._order: list[Rank] = []
        """Of the jobs that are not set aside."""
        self._aside: dict[JobId, Hashable] = {}
        self._behind: dict[Hashable, dict[JobId, None]] = {}
        """Obstacle -> the jobs that were set aside because of it."""

    def update(self, job: JobId, state: JobState | None) -> None:
        """Take note of a changed job; one that was set aside is back."""
        rank, ready = _rank_of(job, state)
        known = self._ranks.get(job)
        if known is not None and (known != rank or job in self._aside):
            self._take_out(job, known)
            known = None
        if rank is None:
            self._ready.pop(job, None)
            return
        self._ready[job] = ready
        if known is None:
            self._ranks[job] = rank
            insort(self._order, rank)

    def _take_out(self, job: JobId, rank: Rank) -> None:
        del self._ranks[job]
        if job not in self._aside:
            del self._order[bisect_left(self._order, rank)]
            return
        obstacle = self._aside.pop(job)
        jobs = self._behind[obstacle]
        del jobs[job]
        if not jobs:
            del self._behind[obstacle]

    def set_aside(self, obstacles: Mapping[JobId, Hashable]) -> None:
        """Pass over these jobs, each until it changes or its obstacle is gone."""
        for job, obstacle in obstacles.items():
            self._aside[job] = obstacle
            self._behind.setdefault(obstacle, {})[job] = None
        if len(obstacles) > FEW:
            self._order = [rank for rank in self._order if rank[2] not in obstacles]
        else:
            for job in obstacles:
                del self._order[bisect_left(self._order, self._ranks[job])]

    def bring_back(self, obstacle: Hashable) -> None:
        """What was in the way of some jobs is gone, or may be: they are looked at again."""
        jobs = self._behind.pop(obstacle, {})
        for job in jobs:
            del self._aside[job]
        if len(jobs) > FEW:
            self._order = sorted([*self._order, *(self._ranks[job] for job in jobs)])
        else:
            for job in jobs:
                insort(self._order, self._ranks[job])

    def __iter__(self) -> Iterator[JobId]:
        """Jobs with ready tasks that are not set aside, best first."""
        return (job for _, _, job in self._order)

    def ready_of(self, job: JobId) -> tuple[int, ...]:
        """Per step a bit map of ready tasks, also of a job that is set aside; empty when there are none."""
        return self._ready.get(job, ())

    def rank_of(self, job: JobId) -> Rank | None:
        """Where the job stands among those with ready tasks, also when it is set aside; None when it has none."""
        return self._ranks.get(job)


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
