"""Which jobs there are, by age, and how each stands: kept by the changes, for panels that ask every second."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from typing import NamedTuple

from peerfarm.model.ids import JobId
from peerfarm.node.core import Core
from peerfarm.state.farm import JobState, get_job
from peerfarm.state.selectors import job_status, spec_of


class _Row(NamedTuple):
    submitted_ms: int
    user: str
    status: str


class JobList:
    """Jobs that are not archived. A change costs nothing until somebody asks; each changed job is looked at then."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._changed: dict[JobId, None] = {}
        self._rows: dict[JobId, _Row] = {}
        self._order: list[tuple[int, JobId]] = []
        self._by_status: dict[str, int] = {}
        self._by_user: dict[str, int] = {}

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """See `JobIndex.on_changed`."""
        if state is None or state.submitted is None:
            self._changed.pop(job, None)
            self._drop(job)
        else:
            self._changed[job] = None

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        self._freshen()
        return dict(self._by_status)

    def newest(self, limit: int, user: str | None) -> tuple[list[JobId], int]:
        """The newest jobs, of one user or of all, and how many there are."""
        self._freshen()
        jobs = (job for _, job in reversed(self._order) if user is None or self._rows[job].user == user)
        return list(islice(jobs, limit)), len(self._rows) if user is None else self._by_user.get(user, 0)

    def _freshen(self) -> None:
        changed, self._changed = self._changed, {}
        for job in changed:
            state = get_job(self._core.farm, job)
            spec = spec_of(state) if state is not None and state.archived is None else None
            if state is None or spec is None:
                self._drop(job)
                continue
            row = _Row(spec.submitted_ms, spec.user, str(job_status(state, spec)))
            if row != self._rows.get(job):
                self._drop(job)
                self._rows[job] = row
                insort(self._order, (row.submitted_ms, job))
                _count(self._by_status, row.status, 1)
                _count(self._by_user, row.user, 1)

    def _drop(self, job: JobId) -> None:
        row = self._rows.pop(job, None)
        if row is not None:
            del self._order[bisect_left(self._order, (row.submitted_ms, job))]
            _count(self._by_status, row.status, -1)
            _count(self._by_user, row.user, -1)


def _count(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
    if not counts[name]:
        del counts[name]
