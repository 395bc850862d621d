"""Jobs on request: list, show, pause, cancel, retry, change, archive, delete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from peerfarm.errors import PeerProtocolError, RequestRefused, UnknownJob
from peerfarm.model.frames import parse_frames, task_count
from peerfarm.model.ids import JobId
from peerfarm.model.job import JobSpec, RunWhen
from peerfarm.node.core import Core
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.joblist import JobList
from peerfarm.node.params import need, optional, step_number
from peerfarm.node.views import Views
from peerfarm.state.actions import (
    MAX_GENERATION,
    JobArchived,
    JobChanged,
    JobDeleted,
    TasksCancelled,
    TasksRetried,
    unpack,
)
from peerfarm.state.bitmaps import bits_of, range_batches
from peerfarm.state.farm import EMPTY_STEP, JobState, all_jobs, get_job
from peerfarm.state.selectors import JobStatus, StepBits, full_mask, job_status, spec_of, step_bits

_KEPT: dict[str, type] = {
    "name": str,
    "user": str,
    "status": str,
    "tasks": dict,
    "frames": dict,
    "output": str,
    "submitted_ms": int,
}
"""What an archived job is still known by."""
MAX_LISTED = 1000
"""Rows of one answer that asks for the newest jobs."""
_COUNTED = {"tasks": {"total", *StepBits._fields}, "frames": {"total", "done"}}


@dataclass(slots=True)
class JobControl:
    """What users do to jobs; each method answers one local request."""

    core: Core
    views: Views
    listed: JobList

    def jobs(self, request: LocalRequest) -> dict[str, Any]:
        """`jobs`: a row each, by time of submission; with `all` archived ones too; with `limit` the newest first."""
        if request.params.get("limit") is not None or request.params.get("mine") is not None:
            return self._newest(request)
        everything = optional(request, "all", bool, False)
        rows = []
        for job, state in all_jobs(self.core.farm):
            if state.archived is not None and everything:
                rows.append({"id": job, **_archived_row(state.archived[1])})
            row = self.views.summary(job, state)
            if row is not None:
                rows.append(row)
        return {"jobs": sorted(rows, key=lambda row: (row["submitted_ms"], row["id"]))}

    def _newest(self, request: LocalRequest) -> dict[str, Any]:
        """The newest jobs, and how many there are; no row is made for those that are not asked for."""
        limit = optional(request, "limit", int, MAX_LISTED)
        if not 0 < limit <= MAX_LISTED:
            raise RequestRefused(f"limit must be from 1 to {MAX_LISTED}, not {limit}")
        user = self.core.settings.user if optional(request, "mine", bool, False) else None
        jobs, total = self.listed.newest(limit, user)
        known = ((job, get_job(self.core.farm, job)) for job in jobs)
        rows = (self.views.summary(job, state) for job, state in known if state is not None)
        return {"jobs": [row for row in rows if row is not None], "total": total}

    def find(self, wanted: str) -> tuple[JobId, JobState]:
        """The job with that id, unique start of an id, or exact name.

        Raises:
            UnknownJob: There is none, or more than one.
        """
        exact = get_job(self.core.farm, JobId(wanted))
        if exact is not None and exact.submitted is not None:
            return JobId(wanted), exact
        found = []
        for job, state in all_jobs(self.core.farm):
            spec = spec_of(state)
            if spec is not None and wanted and (job.startswith(wanted) or spec.name == wanted):
                found.append((job, state))
        if len(found) != 1:
            if not found:
                raise UnknownJob(f"no job has the id or name {wanted!r}", "see `peerfarm jobs --all`")
            matching = ", ".join(sorted(job for job, _ in found)[:8])
            raise UnknownJob(f"{len(found)} jobs match {wanted!r}", f"say which one by its id: {matching}")
        return found[0]

    def found(self, request: LocalRequest) -> tuple[JobId, JobState, JobSpec]:
        """The job that the request names."""
        job, state = self.find(need(request, "job", str))
        spec = spec_of(state)
        assert spec is not None
        return job, state, spec

    def job(self, request: LocalRequest) -> dict[str, Any] | None:
        """`job`: one job with its steps, tasks and attempts."""
        job, state, _ = self.found(request)
        return self.views.job(job, state)

    def _changed(self, job: JobId) -> dict[str, Any]:
        state = get_job(self.core.farm, job)
        return {"job": self.views.summary(job, state) if state is not None else None}

    def change(self, request: LocalRequest, field: str, value: Any) -> dict[str, Any]:
        """`pause`, `resume`, `priority`: write a register."""
        job, _, _ = self.found(request)
        if field == "priority" and not 0 <= value <= 100:
            raise RequestRefused(f"priority {value} is not between 0 and 100", "higher goes first; 50 is usual")
        self.core.record(JobChanged(job, field, value))
        return self._changed(job)

    def _chosen(self, request: LocalRequest, spec: JobSpec) -> list[tuple[int, int]]:
        """Per step a bit map of the tasks that the request names; all of them when it names none."""
        step = request.params.get("step")
        numbers = range(len(spec.steps))
        if step is not None:
            numbers = range(step_number(spec, step), step_number(spec, step) + 1)
        chosen = []
        tasks = request.params.get("tasks")
        for number in numbers:
            bits = full_mask(spec, number)
            if isinstance(tasks, str) and tasks:
                bits &= bits_of(_spans(tasks, task_count(spec.steps[number])))
            chosen.append((number, bits))
        if tasks and not any(bits for _, bits in chosen):
            raise RequestRefused(f"the job has no task {tasks}", "see `peerfarm job JOB` for its tasks")
        return chosen

    def cancel(self, request: LocalRequest) -> dict[str, Any]:
        """`cancel`: the tasks named that are not over; when none are named all, but for clean-up, which then runs."""
        job, state, spec = self.found(request)
        is_whole = not request.params.get("tasks") and request.params.get("step") is None
        for number, chosen in self._chosen(request, spec):
            if is_whole and spec.steps[number].run is RunWhen.ALWAYS and spec.steps[number].depends_on:
                continue
            counts = step_bits(state, spec, number)
            bits = chosen & ~(counts.done | counts.cancelled | counts.failed)
            step = state.steps.get(number, EMPTY_STEP)
            generation = max(step.retried, default=0)
            for ranges in range_batches(bits):
                self.core.record(TasksCancelled(job, number, ranges, generation))
        self.core.tell("job/cancelled", job=job, name=spec.name)
        return self._changed(job)

    def retry(self, request: LocalRequest) -> dict[str, Any]:
        """`retry`: failed and cancelled tasks anew; done ones only when named."""
        job, state, spec = self.found(request)
        names_tasks = bool(request.params.get("tasks"))
        for number, chosen in self._chosen(request, spec):
            counts = step_bits(state, spec, number)
            bits = chosen & (counts.failed | counts.cancelled | (counts.done if names_tasks else 0))
            step = state.steps.get(number, EMPTY_STEP)
            generation = max((passed for passed, marked in step.retried.items() if marked & bits), default=0) + 1
            generation = max(generation, max(step.cancelled, default=-1) + 1)
            if generation > MAX_GENERATION:
                raise RequestRefused("these tasks were retried too often", "submit the job anew")
            for ranges in range_batches(bits):
                self.core.record(TasksRetried(job, number, ranges, generation))
        return self._changed(job)

    def delete(self, request: LocalRequest) -> dict[str, Any]:
        """`delete`: forget a job that is over."""
        job, state, spec = self.found(request)
        row = self._must_be_over(job, state, spec)
        if not row["is_published"] and not row["error"]:
            raise RequestRefused("its frames are on their way into the output folder", "try again in a few seconds")
        self.core.record(JobDeleted(job))
        return {"job": job}

    def archive(self, request: LocalRequest) -> dict[str, Any]:
        """`archive`: keep only the summary of a job that is over."""
        job, state, spec = self.found(request)
        row = self._must_be_over(job, state, spec)
        if not row["is_published"]:
            raise RequestRefused(
                "not all of its frames lie in the output folder yet",
                row["error"] or "try again in a few seconds",
            )
        kept = {key: row[key] for key in _KEPT}
        self.core.record(JobArchived(job, msgpack.packb(kept)))
        return {"job": job}

    def _must_be_over(self, job: JobId, state: JobState, spec: JobSpec) -> dict[str, Any]:
        if job_status(state, spec) in {JobStatus.ACTIVE, JobStatus.READY, JobStatus.PAUSED}:
            raise RequestRefused("the job is not over", "cancel it first: `peerfarm cancel JOB`")
        return self.views.summary(job, state) or {}


def _spans(tasks: str, count: int) -> Iterator[tuple[int, int]]:
    """The ranges of task indices that an expression like `0-9,20-30x2` names, up to that many tasks."""
    for first, last, stride in parse_frames(tasks):
        if stride == 1:
            yield first, last
        else:
            start = first if first >= 0 else first % stride
            yield from ((task, task) for task in range(start, min(last, count - 1) + 1, stride))


def _archived_row(summary: bytes) -> dict[str, Any]:
    """A member wrote it: what is not as it should be is shown as unknown."""
    try:
        row = unpack(summary)
    except PeerProtocolError:
        row = None
    if not (isinstance(row, dict) and row.keys() == _KEPT.keys() and all(map(_is_kept, row, row.values()))):
        return {"name": "?", "status": "archived", "submitted_ms": 0}
    return dict(row)


def _is_kept(key: str, value: Any) -> bool:
    if _KEPT[key] is dict:
        is_right = isinstance(value, dict) and value.keys() == _COUNTED[key]
        return is_right and all(type(count) is int for count in value.values())
    return type(value) is _KEPT[key]
