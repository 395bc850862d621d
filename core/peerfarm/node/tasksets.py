"""Sets of tasks of many jobs, small enough to be kept for as long as the jobs are, and gone with them at once."""

from __future__ import annotations

from collections.abc import Iterator

from peerfarm.model.ids import JobId


class TaskSet:
    """Some tasks of some jobs, as a bit map for each step."""

    def __init__(self) -> None:
        self._bits: dict[JobId, dict[int, int]] = {}

    def bits(self, job: JobId, step: int) -> int:
        """The tasks of that step that are in the set."""
        steps = self._bits.get(job)
        return steps.get(step, 0) if steps is not None else 0

    def add(self, job: JobId, step: int, bits: int) -> None:
        """Take tasks in."""
        if bits:
            steps = self._bits.setdefault(job, {})
            steps[step] = steps.get(step, 0) | bits

    def drop(self, job: JobId, step: int, bits: int) -> None:
        """Take tasks out, those that are in."""
        left = self.bits(job, step) & ~bits
        if left:
            self._bits[job][step] = left
        elif job in self._bits:
            self._bits[job].pop(step, None)
            if not self._bits[job]:
                del self._bits[job]

    def forget(self, job: JobId) -> None:
        """The job is no more."""
        self._bits.pop(job, None)

    def clear(self) -> None:
        """Take everything out."""
        self._bits.clear()

    def __contains__(self, job: object) -> bool:
        """Whether the set has tasks of that job."""
        return job in self._bits

    def __iter__(self) -> Iterator[JobId]:
        """The jobs with tasks in the set."""
        return iter(self._bits)
