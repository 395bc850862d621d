"""Which jobs' files travel between nodes now: while there is one, nodes keep their transfer links up."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.model.ids import JobId
from peerfarm.model.job import FilesMode
from peerfarm.state.farm import JobState
from peerfarm.state.selectors import JobStatus, job_status, spec_of, unpublished_bits

_OVER = {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED}


@dataclass(slots=True)
class TravellingJobs:
    """The jobs with `files: peers` that are not over, or whose frames are not all in place."""

    _jobs: set[JobId] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    @property
    def jobs(self) -> frozenset[JobId]:
        """Those jobs."""
        return frozenset(self._jobs)

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job may have come, or be over."""
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or spec.files is not FilesMode.PEERS or state.archived or state.deleted:
            self._jobs.discard(job)
        elif job_status(state, spec) not in _OVER or any(
            unpublished_bits(state, spec, number) for number in range(len(spec.steps))
        ):
            self._jobs.add(job)
        else:
            self._jobs.discard(job)
