"""`fetch`: a local user wants a job's frames in a folder of this machine, whoever submitted the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from peerfarm.errors import RequestRefused
from peerfarm.model.frames import format_frames, task_count, task_frames
from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.pathmap import join_path, split_path
from peerfarm.model.render import PublishResult
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import optional
from peerfarm.state.farm import EMPTY_STEP, JobState, get_job
from peerfarm.state.selectors import canonical, full_mask, spec_of, submitter_of, tasks_in

MAX_UNDER_WAY = 4
"""Tasks of all fetches together."""
MAX_FETCHES = 16
MAX_SHOWN = 20
"""Tasks that are told by name when frames are missing."""
TELL_EVERY_S = 0.5

Place = tuple[int, int]
"""(step, task)."""


@dataclass(slots=True)
class _Fetch:
    """One request under way."""

    client: int
    job: JobId
    directories: dict[int, str]
    """Step -> where its frames go."""
    is_overwriting: bool
    todo: list[Place]
    total: int
    under_way: dict[str, Place] = field(default_factory=dict)
    done: int = 0
    missing: list[tuple[Place, str]] = field(default_factory=list)
    """What could not be fetched, and why."""
    told_s: float = 0.0


@dataclass(slots=True)
class Fetching:
    """The fetches of this node's users, one a job."""

    core: Core
    found: Callable[[LocalRequest], tuple[JobId, JobState, JobSpec]]
    """The job that a request names."""
    is_taken: Callable[[str], bool] = lambda _: False
    """Whether an attempt's frames are being put in place by this node as the submitter."""
    on_ended: Callable[[JobId], None] = lambda _: None
    """An attempt of that job is free again."""
    _fetches: dict[JobId, _Fetch] = field(default_factory=dict)
    _leaving: set[str] = field(default_factory=set)
    """Attempts under way of fetches that were cancelled."""

    @property
    def is_busy(self) -> bool:
        """Whether somebody fetches."""
        return bool(self._fetches or self._leaving)

    def is_under_way(self, attempt: str) -> bool:
        """Whether an attempt's frames are being fetched into a folder."""
        return attempt in self._leaving or any(attempt in fetch.under_way for fetch in self._fetches.values())

    def fetch(self, request: LocalRequest) -> dict[str, Any]:
        """`fetch`: answered at once; what comes of it is told by events."""
        job, state, spec = self.found(request)
        if spec.files is not FilesMode.PEERS:
            places = ", ".join(dict.fromkeys(step.output_dir for step in spec.steps if step.output_dir))
            raise RequestRefused("this job's frames lie on shared storage", f"look into {places}" if places else "")
        if job in self._fetches:
            raise RequestRefused("this job's frames are being fetched already", "wait, or `cancel_fetch` first")
        if len(self._fetches) >= MAX_FETCHES:
            raise RequestRefused("too many fetches are under way", "try again when one of them has ended")
        directories = self._directories(request, state, spec)
        todo = [
            (number, task)
            for number in directories
            for task in tasks_in(state.steps.get(number, EMPTY_STEP).done & full_mask(spec, number))
        ]
        is_overwriting = optional(request, "overwrite", bool, False)
        self._fetches[job] = _Fetch(request.client, job, directories, is_overwriting, todo[::-1], len(todo))
        wanted = sum(task_count(spec.steps[number]) for number in directories)
        return {
            "job": job,
            "tasks": len(todo),
            "not_done": wanted - len(todo),
            "directories": list(dict.fromkeys(directories.values())),
        }

    def _directories(self, request: LocalRequest, state: JobState, spec: JobSpec) -> dict[int, str]:
        writing = {number: step.output_dir for number, step in enumerate(spec.steps) if step.output_dir}
        directory = optional(request, "directory", str, "")
        if not writing:
            raise RequestRefused("the job writes no frames", "its steps have no output")
        if not directory:
            if submitter_of(state) != self.core.node:
                raise RequestRefused(
                    "the job was submitted on another machine, whose output folder is not here",
                    "say where the frames shall go: `peerfarm fetch JOB DIR`",
                )
            return writing
        if split_path(directory) is None:
            raise RequestRefused(f"{directory} is no absolute path", "name the folder from its root on")
        if len(set(writing.values())) == 1:
            return dict.fromkeys(writing, directory)
        return {number: join_path(directory, (spec.steps[number].name,)) for number in writing}

    def cancel(self, request: LocalRequest) -> dict[str, Any]:
        """`cancel_fetch`: order no more of it; what is being written is finished."""
        job, _, _ = self.found(request)
        fetch = self._fetches.get(job)
        if fetch is None:
            raise RequestRefused("nobody fetches this job's frames here")
        self._end(fetch, is_cancelled=True)
        return {"job": job}

    def client_gone(self, client: int) -> None:
        """Nobody is told any more; so nobody waits."""
        for fetch in [fetch for fetch in self._fetches.values() if fetch.client == client]:
            self._end(fetch, is_cancelled=True)

    # What follows

    def settle(self) -> None:
        """Order as much as there is room for."""
        for fetch in list(self._fetches.values()):
            later: list[Place] = []
            while fetch.todo and self._count() < MAX_UNDER_WAY:
                place = fetch.todo.pop()
                if not self._order(fetch, place):
                    later.append(place)
            fetch.todo += later[::-1]
            if not fetch.todo and not fetch.under_way:
                self._end(fetch, is_cancelled=False)

    def _count(self) -> int:
        return len(self._leaving) + sum(len(fetch.under_way) for fetch in self._fetches.values())

    def _order(self, fetch: _Fetch, place: Place) -> bool:
        """Order one task's frames; False when they are just being put in place, so that they have to wait."""
        number, task = place
        state = get_job(self.core.farm, fetch.job)
        spec = spec_of(state) if state is not None else None
        step = state.steps.get(number, EMPTY_STEP) if state is not None else EMPTY_STEP
        attempt = canonical(step, task) if spec is not None else None
        if spec is None or attempt is None:
            fetch.missing.append((place, "it is rendered anew" if spec is not None else "the job was deleted"))
            return True
        label = attempt_label(attempt[0])
        if self.is_taken(label) or self.is_under_way(label):
            return False
        fetch.under_way[label] = place
        order = delivery_order(fetch.job, spec, number, task, step, attempt)
        self.core.effects.publishes.append(
            replace(
                order,
                output_dir=fetch.directories[number],
                is_overwriting=fetch.is_overwriting,
                is_asked_here=True,
            )
        )
        return True

    def on_result(self, result: PublishResult) -> bool:
        """A task's frames are in their folder, or not; False when nobody fetches that attempt."""
        if result.attempt in self._leaving:
            self._leaving.discard(result.attempt)
            self.on_ended(result.job)
            return True
        fetch = self._fetches.get(result.job)
        place = fetch.under_way.pop(result.attempt, None) if fetch is not None else None
        if fetch is None or place is None:
            return False
        if result.error:
            fetch.missing.append((place, result.error))
        else:
            fetch.done += 1
        if self.core.mono_s - fetch.told_s >= TELL_EVERY_S:
            fetch.told_s = self.core.mono_s
            self.core.tell_client(
                fetch.client,
                "fetch/progress",
                job=fetch.job,
                done=fetch.done,
                total=fetch.total,
                missing=len(fetch.missing),
            )
        self.on_ended(result.job)
        return True

    def _end(self, fetch: _Fetch, *, is_cancelled: bool) -> None:
        del self._fetches[fetch.job]
        self._leaving.update(fetch.under_way)
        state = get_job(self.core.farm, fetch.job)
        spec = spec_of(state) if state is not None else None
        self.core.tell_client(
            fetch.client,
            "fetch/ended",
            job=fetch.job,
            is_cancelled=is_cancelled,
            done=fetch.done,
            total=fetch.total,
            missing_count=len(fetch.missing),
            missing=[
                {"step": number, "task": task, "frames": _frames(spec, number, task), "why": why}
                for (number, task), why in fetch.missing[:MAX_SHOWN]
            ],
        )


def _frames(spec: JobSpec | None, number: int, task: int) -> str:
    if spec is None or not spec.steps[number].frames:
        return ""
    return format_frames(task_frames(spec.steps[number], task))
