"""Bringing done tasks' frames under their final names: only the job's dispatcher does, one attempt per task."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.job import FilesMode
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult
from peerfarm.node.core import Core
from peerfarm.node.dispatch import Dispatch
from peerfarm.node.tasksets import TaskSet
from peerfarm.state.actions import MAX_GENERATION, Action, TaskLeased, TaskRendered, TasksPublished, TasksRetried
from peerfarm.state.bitmaps import bits_of, range_batches
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, all_jobs, get_job
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import (
    canonical,
    full_mask,
    outdated_bits,
    published_bits,
    retried_after,
    spec_of,
    tasks_in,
    unpublished_bits,
)

MAX_UNDER_WAY = 8
AGAIN_S = 5.0
"""After a publish that failed, e.g. because the output folder is not writable."""
MARK_EVERY_S = 0.5

Place = tuple[JobId, int, int]


@dataclass(slots=True)
class Publishing:
    """One node's publications."""

    core: Core
    dispatch: Dispatch
    _wanted: dict[JobId, None] = field(default_factory=dict)
    _under_way: dict[str, tuple[Place, int]] = field(default_factory=dict)
    """Attempt -> its task, and the generation it was of when its frames were ordered in place."""
    _placed: TaskSet = field(default_factory=TaskSet)
    """Whose frames this node brought in place in this start, while nothing was heard since that could change them."""
    _doubtful: TaskSet = field(default_factory=TaskSet)
    """Of which several nodes brought frames in place, perhaps not the same."""
    _marks: dict[tuple[JobId, int, int], int] = field(default_factory=dict)
    """(job, step, generation) -> tasks published and not yet recorded."""
    _again_s: dict[JobId, float] = field(default_factory=dict)
    """When to try again what failed; the one that is due first stands first."""
    _next_mark_s: float = 0.0
    errors: dict[JobId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.core.observers.append(self._on_action)
        self.core.refreshers.append(self._on_replaced)

    def _on_action(self, action: Action, before: Farm) -> None:
        """Another result, or a second publication: what stands under the final names is to be looked at."""
        body = action.body
        if isinstance(body, (TaskLeased, TaskRendered)):
            self._placed.drop(body.job, body.step, 1 << body.task)
        elif isinstance(body, TasksRetried):
            self._placed.drop(body.job, body.step, bits_of(body.ranges))
        elif isinstance(body, TasksPublished) and action.node != self.core.node:
            state = get_job(before, body.job)
            spec = spec_of(state) if state is not None else None
            if state is None or spec is None or body.step >= len(spec.steps):
                return
            step = state.steps.get(body.step, EMPTY_STEP)
            marked = bits_of(body.ranges) & full_mask(spec, body.step)
            known = reduce(or_, (bits & marked for bits in step.published.values()), 0)
            known |= retried_after(step, body.generation, marked) | self._placed.bits(body.job, body.step)
            self._placed.drop(body.job, body.step, marked)
            self._doubtful.add(body.job, body.step, marked & known)

    def _on_replaced(self) -> None:
        """A snapshot does not tell who published when: old frames may have come over those of a retry."""
        self._placed.clear()
        for job, state in all_jobs(self.core.farm):
            for number, step in state.steps.items():
                self._doubtful.add(job, number, outdated_bits(step, step.done))

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job may have something to publish."""
        if state is not None and state.submitted is not None and any(step.done for step in state.steps.values()):
            self._wanted[job] = None
        elif state is None or state.deleted or state.archived:
            self.errors.pop(job, None)
            self._wanted.pop(job, None)
            self._again_s.pop(job, None)
            self._placed.forget(job)
            self._doubtful.forget(job)
            self._marks = {key: bits for key, bits in self._marks.items() if key[0] != job}

    def settle(self) -> None:
        """Order what is wanted, as far as there is room."""
        if not self._wanted or self.core.disk_error or self.core.is_stopping or not self.core.is_member:
            return
        if self.dispatch.must_compare:
            return  # what was rendered or retried meanwhile must be known, else old frames replace new ones
        while self._wanted and len(self._under_way) < MAX_UNDER_WAY:
            job = next(iter(self._wanted))
            if job in self._again_s or self._order(job):
                del self._wanted[job]

    def _order(self, job: JobId) -> bool:
        """Order this job's publications; True when nothing is left to order for now."""
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or spec.files is not FilesMode.SHARED:
            return True
        if self.dispatch.dispatcher_of(job) != self.core.node:
            return True
        for number in range(len(spec.steps)):
            step = state.steps.get(number, EMPTY_STEP)
            bits = unpublished_bits(state, spec, number)
            if spec.steps[number].output_dir:
                doubtful = step.contested | self._doubtful.bits(job, number)
                bits |= doubtful & step.done & full_mask(spec, number)
            for task in tasks_in(bits & ~self._placed.bits(job, number)):
                attempt = canonical(step, task)
                if attempt is None:
                    continue
                label = attempt_label(attempt[0])
                if label in self._under_way:
                    continue
                if len(self._under_way) >= MAX_UNDER_WAY:
                    return False
                self._under_way[label] = (job, number, task), generation_of(step, task)
                frames = tuple(FrameFile(*frame) for frame in attempt[2][1])
                self.core.effects.publishes.append(
                    PublishOrder(label, job, number, task, spec.steps[number].output_dir, frames)
                )
        return True

    def on_result(self, result: PublishResult) -> None:
        """A publish order ended."""
        place, ordered = self._under_way.pop(result.attempt, (None, 0))
        if place is None:
            return
        job, number, task = place
        self._wanted[job] = None
        state = get_job(self.core.farm, job)
        step = state.steps.get(number, EMPTY_STEP) if state is not None else EMPTY_STEP
        attempt = canonical(step, task)
        generation = generation_of(step, task)
        if attempt is None or attempt_label(attempt[0]) != result.attempt:
            if generation > ordered:  # these frames may stand in place of the retry's: let the dispatcher look
                self._placed.drop(job, number, 1 << task)
                self._doubtful.add(job, number, 1 << task)
                self._mark(job, number, ordered, task)
            return
        if not result.error:
            self._placed.add(job, number, 1 << task)
            self._doubtful.drop(job, number, 1 << task)
            self.errors.pop(job, None)
            self._mark(job, number, generation, task)
            if state is not None and self._is_last(job, state):
                self.flush_marks()
        elif result.is_lost and generation < MAX_GENERATION and not self.core.disk_error:
            self.core.alarm(f"the frames of {result.attempt} are lost and are rendered again: {result.error}")
            self.core.record(TasksRetried(job, number, ((task, task),), generation + 1))
        else:
            self.errors[job] = result.error
            self._again_s.pop(job, None)
            self._again_s[job] = self.core.mono_s + AGAIN_S
            self.core.tell("alarm", text=result.error)

    def _mark(self, job: JobId, number: int, generation: int, task: int) -> None:
        self._marks[job, number, generation] = self._marks.get((job, number, generation), 0) | 1 << task

    def _is_last(self, job: JobId, state: JobState) -> bool:
        spec = spec_of(state)
        if spec is None:
            return False
        for number in range(len(spec.steps)):
            step = state.steps.get(number, EMPTY_STEP)
            left = unpublished_bits(state, spec, number)
            for (other, other_step, _), bits in self._marks.items():
                if (other, other_step) == (job, number):
                    left &= ~bits
            if left or step.done != full_mask(spec, number):
                return False
        return True

    def flush_marks(self) -> None:
        """Record what was published."""
        if self.core.disk_error:
            return
        marks, self._marks = self._marks, {}
        for (job, number, generation), bits in marks.items():
            for ranges in range_batches(bits):
                self.core.record(TasksPublished(job, number, ranges, generation))

    @property
    def is_marking(self) -> bool:
        """Whether publications wait to be recorded."""
        return bool(self._marks)

    def on_dispatcher_changed(self) -> None:
        """Jobs may have become this node's to publish, and who came back may have published others' attempts."""
        self._placed.clear()
        self._wanted.update(dict.fromkeys(self._doubtful))
        for job, state in all_jobs(self.core.farm):
            if any(step.done & (step.contested | ~published_bits(step, step.done)) for step in state.steps.values()):
                self._wanted[job] = None

    def tick(self) -> None:
        """Record marks now and then; try again what failed."""
        if self._marks and self.core.mono_s >= self._next_mark_s:
            self._next_mark_s = self.core.mono_s + MARK_EVERY_S
            self.flush_marks()
        while self._again_s and self.core.mono_s >= next(iter(self._again_s.values())):
            job = next(iter(self._again_s))
            del self._again_s[job]
            self._wanted[job] = None
