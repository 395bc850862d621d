"""Which blobs this node's store must not lose: results that nobody has put in place, scenes of jobs under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from peerfarm.model.ids import ActionId, JobId, attempt_label, parse_attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.state.farm import EMPTY_STEP, Attempt, JobState, entries, get_job, get_record, unpack_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import (
    JobStatus,
    cancelled_bits,
    canonical,
    full_mask,
    job_status,
    published_bits,
    spec_of,
    submitter_of,
    unpublished_bits,
)

LOOK_EVERY_S = 1.0
"""A job's pins are looked through at most so often, however many of its tasks end meanwhile."""
FOUND_EVERY_S = 30.0
"""Attempts that are pinned and not known yet are searched for so often."""


class Held(NamedTuple):
    """An attempt whose frames are pinned here."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    generation: int


def scene_key(job: JobId) -> str:
    """The pin and the fetch of a job's files."""
    return f"scene/{job}"


def result_key(job: JobId, attempt: str) -> str:
    """The pin of frames that this node rendered, and the fetch of them on the node that puts them in place."""
    return f"result/{job}/{attempt}"


def keep_key(job: JobId, attempt: str) -> str:
    """The pin and the fetch of frames of which this node keeps the second copy."""
    return f"keep/{job}/{attempt}"


@dataclass(slots=True)
class _Pinned:
    """The pins of one job."""

    has_scene: bool = False
    attempts: dict[str, Held | None] = field(default_factory=dict)
    """Key -> its attempt; None while the attempt is not known here."""
    next_search_s: float = 0.0


@dataclass(slots=True)
class Pins:
    """One node's pins. What is done and canonical and not yet published is never released."""

    core: Core
    is_handed_over: Callable[[str], bool] = lambda _: False
    """Whether an own attempt's frames wait for a second copy."""
    is_packed: Callable[[JobId], bool] = lambda _: False
    """Whether the job is being submitted here."""
    on_let_go: Callable[[str], None] = lambda _: None
    """An attempt's pin is released: whoever fetches for it need not go on."""
    _jobs: dict[JobId, _Pinned] = field(default_factory=dict)
    _stale: dict[JobId, None] = field(default_factory=dict)
    _next_look_s: float = 0.0

    def start(self, keys: Iterable[str]) -> None:
        """The store kept these over the restart."""
        for key in keys:
            kind, _, rest = key.partition("/")
            job, _, attempt = rest.partition("/")
            if kind == "scene":
                self._of(JobId(job)).has_scene = True
            elif kind in {"result", "keep"} and parse_attempt_label(attempt) is not None:
                self._of(JobId(job)).attempts[key] = None
            elif kind == "fetch":
                self._let_go(key)
        self._stale.update(dict.fromkeys(self._jobs))

    def _of(self, job: JobId) -> _Pinned:
        return self._jobs.setdefault(job, _Pinned())

    def has(self, key: str) -> bool:
        """Whether this node knows of that pin."""
        job = JobId(key.split("/")[1])
        pinned = self._jobs.get(job)
        return pinned is not None and (key in pinned.attempts or (pinned.has_scene and key == scene_key(job)))

    def kept(self) -> Iterator[Held | None]:
        """The attempts of which this node keeps the second copy; None for one that is not known yet."""
        for pinned in self._jobs.values():
            for key, held in pinned.attempts.items():
                if key.startswith("keep/"):
                    yield held

    def note(self, key: str, held: Held) -> None:
        """An attempt's frames are pinned, or about to be."""
        self._of(held.job).attempts[key] = held
        self._stale[held.job] = None

    def note_scene(self, job: JobId) -> None:
        """A job's files are pinned, or about to be."""
        self._of(job).has_scene = True
        self._stale[job] = None

    def release(self, job: JobId, key: str) -> None:
        """The frames are wanted by nobody."""
        pinned = self._jobs.get(job)
        if pinned is not None:
            pinned.attempts.pop(key, None)
            self._drop_empty(job, pinned)
        self._let_go(key)
        self.on_let_go(key)

    def release_scene(self, job: JobId) -> None:
        """The job's files are wanted by nobody here."""
        pinned = self._jobs.get(job)
        if pinned is not None:
            pinned.has_scene = False
            self._drop_empty(job, pinned)
        self._let_go(scene_key(job))

    def _let_go(self, key: str) -> None:
        self.core.effects.released.append(key)
        self.core.effects.must_sync = True  # what makes it needless must not be forgotten after it is gone

    def _drop_empty(self, job: JobId, pinned: _Pinned) -> None:
        if not pinned.has_scene and not pinned.attempts:
            self._jobs.pop(job, None)

    def on_job_changed(self, job: JobId, _state: JobState | None) -> None:
        """Some of a job's pins may be needless."""
        if job in self._jobs:
            self._stale[job] = None

    def tick(self) -> None:
        """Release what nobody needs any more."""
        if not self._stale or self.core.mono_s < self._next_look_s or self.core.disk_error:
            return
        self._next_look_s = self.core.mono_s + LOOK_EVERY_S
        stale, self._stale = self._stale, {}
        for job in stale:
            pinned = self._jobs.get(job)
            if pinned is not None:
                self._look(job, pinned)

    def _look(self, job: JobId, pinned: _Pinned) -> None:
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        if state is not None and (state.deleted or state.archived):
            for key in list(pinned.attempts):
                self.release(job, key)
            self.release_scene(job)
            return
        if state is None or spec is None:
            if pinned.has_scene and not self.is_packed(job):
                self.release_scene(job)  # a submission that a crash cut short; what was rendered is never given up so
            return
        if None in pinned.attempts.values():
            self._search(job, state, spec, pinned)
        if pinned.has_scene and not self._needs_scene(state, spec):
            self.release_scene(job)
        steps: dict[int, _StepNeeds] = {}
        for key, held in list(pinned.attempts.items()):
            if held is None:
                continue
            if held.step not in steps:
                steps[held.step] = _step_needs(state, spec, held.step)
            if not self._needs(key, held, state, steps[held.step]):
                self.release(job, key)

    def is_wanted(self, key: str, held: Held) -> bool:
        """Whether that pin would stay."""
        state = get_job(self.core.farm, held.job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or state.archived or state.deleted:
            return False
        return self._needs(key, held, state, _step_needs(state, spec, held.step))

    def _search(self, job: JobId, state: JobState, spec: JobSpec, pinned: _Pinned) -> None:
        """Find the tasks of attempts that are known by their names alone."""
        if self.core.mono_s < pinned.next_search_s:
            self._stale[job] = None
            return
        pinned.next_search_s = self.core.mono_s + FOUND_EVERY_S
        wanted: dict[str, list[str]] = {}
        for key, held in pinned.attempts.items():
            if held is None:
                wanted.setdefault(key.split("/")[2], []).append(key)
        for number in range(len(spec.steps)):
            step = state.steps.get(number, EMPTY_STEP)
            for task, entry in entries(step, full_mask(spec, number)):
                for attempt in unpack_record(entry) if isinstance(entry, bytes) else entry:
                    if attempt[1] is not None and attempt_label(attempt[0]) in wanted:
                        held = Held(job, number, task, attempt[0], attempt[1][1])
                        pinned.attempts |= dict.fromkeys(wanted.pop(attempt_label(attempt[0])), held)
        if wanted:
            self._stale[job] = None

    def _needs_scene(self, state: JobState, spec: JobSpec) -> bool:
        """A worker needs it while there is something to render; the submitter as long as that may come again."""
        status = job_status(state, spec)
        if status not in {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED}:
            return True
        is_mine = submitter_of(state) == self.core.node
        return is_mine and (
            status is not JobStatus.DONE
            or any(unpublished_bits(state, spec, number) for number in range(len(spec.steps)))
        )

    def _needs(self, key: str, held: Held, state: JobState, step: _StepNeeds) -> bool:
        known = state.steps.get(held.step, EMPTY_STEP)
        bit = 1 << held.task
        if not step.tasks & bit:
            return False  # a member leased what the job does not have
        if generation_of(known, held.task) > held.generation:
            return False
        if step.done & bit:
            if step.contested & bit:
                best = canonical(known, held.task)
                return best is None or best[0] == held.lease
            return bool(step.is_read_on or step.unpublished & bit)
        attempt = next((a for a in get_record(known, held.task) if a[0] == held.lease), None)
        if key.startswith("result/"):
            return self.is_handed_over(attempt_label(held.lease))
        return attempt is None or not _is_given_up(attempt)


def _is_given_up(attempt: Attempt) -> bool:
    """Whether its worker will never say that it rendered: a lease that was only taken back may end well yet."""
    _, _, _, failed, returned, _ = attempt
    return failed is not None or returned is not None


class _StepNeeds(NamedTuple):
    """What decides whether a step's results are needed, a bit for each task."""

    tasks: int
    """All that the step has; none of a step that the job does not have."""
    done: int
    unpublished: int
    contested: int
    is_read_on: bool
    """A later step reads the frames and is not through."""


def _step_needs(state: JobState, spec: JobSpec, number: int) -> _StepNeeds:
    if number >= len(spec.steps):
        return _StepNeeds(0, 0, 0, 0, is_read_on=False)
    step = state.steps.get(number, EMPTY_STEP)
    mask = full_mask(spec, number)
    done = step.done & mask
    unpublished = done & ~published_bits(step, done) if spec.steps[number].output_dir else 0
    return _StepNeeds(mask, done, unpublished, step.contested, _is_read_on(state, spec, number))


def _is_read_on(state: JobState, spec: JobSpec, number: int) -> bool:
    for place, step in enumerate(spec.steps):
        if any(dependency.step == number for dependency in step.depends_on):
            known = state.steps.get(place, EMPTY_STEP)
            mask = full_mask(spec, place)
            if mask & ~known.done & ~cancelled_bits(known, mask):
                return True
    return False
