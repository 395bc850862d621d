"""`fetch`: a local user wants a job's frames in a folder of this machine, whoever submitted the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from peerfarm.errors import RequestRefused
from peerfarm.model.files import FetchProgressed
from peerfarm.model.frames import format_frames, task_count, task_frames
from peerfarm.model.ids import JobId, NodeId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.pathmap import join_path, split_path
from peerfarm.model.render import PublishResult
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.pace import Pace, left_s
from peerfarm.node.params import optional
from peerfarm.state.farm import EMPTY_STEP, Attempt, JobState, get_job
from peerfarm.state.selectors import canonical, full_mask, spec_of, submitter_of, tasks_in

MAX_UNDER_WAY = 4
"""Tasks of all fetches together."""
MAX_FETCHES = 16
MAX_SHOWN = 20
"""Tasks that are told by name when frames are missing."""
MAX_SIZED = 10_000
"""Tasks whose frames' sizes are added up when a fetch begins."""
TELL_EVERY_S = 0.5

Place = tuple[int, int]
"""(step, task)."""


class _Missing(NamedTuple):
    """A task whose frames could not be fetched."""

    place: Place
    why: str
    holder: NodeId | None = None
    """Who rendered them."""


@dataclass(slots=True)
class _Coming:
    """A task whose frames are on their way."""

    place: Place
    holder: NodeId
    size_bytes: int
    done_bytes: int = 0


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
    total_bytes: int
    under_way: dict[str, _Coming] = field(default_factory=dict)
    """By the attempt's name."""
    done: int = 0
    done_bytes: int = 0
    """Of tasks whose frames are in their folder."""
    missing: list[_Missing] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)
    told_s: float = -TELL_EVERY_S

    def bytes_now(self) -> int:
        """What has come, also of tasks that are under way."""
        return self.done_bytes + sum(coming.done_bytes for coming in self.under_way.values())


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
    away: Callable[[NodeId], str] = lambda _: ""
    """The name of a member that is not here; empty for any other node."""
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
        directories = self._directories(request, job, state, spec)
        todo = [
            (number, task)
            for number in directories
            for task in tasks_in(state.steps.get(number, EMPTY_STEP).done & full_mask(spec, number))
        ]
        is_overwriting = optional(request, "overwrite", bool, False)
        total_bytes = _total_bytes(state, todo)
        fetch = _Fetch(request.client, job, directories, is_overwriting, todo[::-1], len(todo), total_bytes)
        fetch.pace.note(self.core.mono_s, 0)
        self._fetches[job] = fetch
        if todo:
            self._tell_progress(fetch)
        wanted = sum(task_count(spec.steps[number]) for number in directories)
        return {
            "job": job,
            "tasks": len(todo),
            "not_done": wanted - len(todo),
            "size_bytes": total_bytes,
            "directories": list(dict.fromkeys(directories.values())),
        }

    def _directories(self, request: LocalRequest, job: JobId, state: JobState, spec: JobSpec) -> dict[int, str]:
        writing = {number: step.output_dir for number, step in enumerate(spec.steps) if step.output_dir}
        directory = optional(request, "directory", str, "")
        if not writing:
            raise RequestRefused("the job writes no frames", "its steps have no output")
        if not directory:
            if submitter_of(state) != self.core.node:
                raise RequestRefused(
                    "the job was submitted on another machine, whose output folder is not here",
                    f"say where the frames shall go: `peerfarm fetch {job} DIR`",
                )
            return writing
        if split_path(directory) is None:
            raise RequestRefused(f"{directory} is no absolute path", "name the folder from its root on")
        if len(set(writing.values())) == 1:
            return dict.fromkeys(writing, directory)
        return {number: join_path(directory, (spec.steps[number].name,)) for number in writing}

    def cancel(self, request: LocalRequest) -> dict[str, Any]:
        """`cancel_fetch`: order no more of it, and end what is under way; frames that are in place stay."""
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
            why = "it is rendered anew" if spec is not None else "the job was deleted"
            fetch.missing.append(_Missing(place, why))
            return True
        label = attempt_label(attempt[0])
        if self.is_taken(label) or self.is_under_way(label):
            return False
        fetch.under_way[label] = _Coming(place, attempt[1][2], _size_bytes(attempt))
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
        coming = fetch.under_way.pop(result.attempt, None) if fetch is not None else None
        if fetch is None or coming is None:
            return False
        if result.error:
            fetch.missing.append(_Missing(coming.place, result.error, coming.holder))
            fetch.total_bytes -= coming.size_bytes
        else:
            fetch.done += 1
            fetch.done_bytes += coming.size_bytes
        self._tell_progress(fetch)
        self.on_ended(result.job)
        return True

    def on_progressed(self, job: JobId, attempt: str, event: FetchProgressed) -> None:
        """Some of an attempt's frames have come."""
        fetch = self._fetches.get(job)
        coming = fetch.under_way.get(attempt) if fetch is not None else None
        if fetch is not None and coming is not None:
            coming.done_bytes = min(event.done_bytes, coming.size_bytes)
            self._tell_progress(fetch)

    def _tell_progress(self, fetch: _Fetch) -> None:
        now_s, done_bytes = self.core.mono_s, fetch.bytes_now()
        if now_s - fetch.told_s < TELL_EVERY_S:
            return
        fetch.told_s = now_s
        left_bytes = max(0, fetch.total_bytes - done_bytes)
        fetch.pace.note(now_s, done_bytes)
        self.core.tell_client(
            fetch.client,
            "fetch/progress",
            job=fetch.job,
            done=fetch.done,
            total=fetch.total,
            missing=len(fetch.missing),
            done_bytes=done_bytes,
            total_bytes=fetch.total_bytes,
            rate_bytes_s=round(fetch.pace.rate),
            left_s=left_s(left_bytes, fetch.pace.rate),
        )

    def _end(self, fetch: _Fetch, *, is_cancelled: bool) -> None:
        del self._fetches[fetch.job]
        self._leaving.update(fetch.under_way)
        self.core.effects.publish_stops += fetch.under_way
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
            missing=[self._missing_row(spec, missing) for missing in fetch.missing[:MAX_SHOWN]],
            waits_for=sorted({self._away(missing) for missing in fetch.missing} - {""}),
        )

    def _missing_row(self, spec: JobSpec | None, missing: _Missing) -> dict[str, Any]:
        number, task = missing.place
        return {
            "step": number,
            "step_name": spec.steps[number].name if spec is not None else "",
            "task": task,
            "frames": _frames(spec, number, task),
            "why": missing.why,
            "waits_for": self._away(missing),
        }

    def _away(self, missing: _Missing) -> str:
        return self.away(missing.holder) if missing.holder is not None else ""


def _total_bytes(state: JobState, todo: list[Place]) -> int:
    """What these tasks' frames are together; of very many tasks some are looked at, and stand for the others."""
    if not todo:
        return 0
    looked_at = todo[:: -(-len(todo) // MAX_SIZED)]
    sizes = sum(_size_bytes(canonical(state.steps[number], task)) for number, task in looked_at)
    return sizes * len(todo) // len(looked_at)


def _size_bytes(attempt: Attempt | None) -> int:
    """Of all frames of a result."""
    return sum(frame[1] for frame in attempt[2][1]) if attempt is not None else 0


def _frames(spec: JobSpec | None, number: int, task: int) -> str:
    if spec is None or not spec.steps[number].frames:
        return ""
    return format_frames(task_frames(spec.steps[number], task))
