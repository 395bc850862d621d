"""Bringing done tasks' frames under their final names: one node does, one attempt per task.

On shared storage it is the job's dispatcher; where files travel between nodes, the submitter and nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from peerfarm.model.ids import JobId, NodeId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import PublishResult
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order, is_lost
from peerfarm.node.dispatch import Dispatch
from peerfarm.node.tasksets import TaskSet
from peerfarm.state.actions import MAX_GENERATION, Action, TaskLeased, TaskRendered, TasksPublished, TasksRetried
from peerfarm.state.bitmaps import bits_of, range_batches
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, StepState, all_jobs, get_job
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import (
    canonical,
    full_mask,
    live_members,
    outdated_bits,
    published_bits,
    retried_after,
    spec_of,
    submitter_of,
    tasks_in,
    unpublished_bits,
)

MAX_UNDER_WAY = 8
AGAIN_S = 5.0
"""After a publish that failed, e.g. because the output folder is not writable."""
MARK_EVERY_S = 0.5
LONGEST_AGAIN_S = 60.0
"""Frames whose holders are away are looked for less and less often, up to this, and at once when a peer comes."""

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
    """When to try again what failed."""
    _next_mark_s: float = 0.0
    errors: dict[JobId, str] = field(default_factory=dict)
    _far: TaskSet = field(default_factory=TaskSet)
    """PEERS: whose holders seem to be away; they are tried when nothing else is left."""
    _failed: TaskSet = field(default_factory=TaskSet)
    """PEERS: what could not be fetched; left alone until a peer comes, or for a while."""
    _failures: dict[JobId, int] = field(default_factory=dict)
    is_taken: Callable[[str], bool] = lambda _: False
    """Whether an attempt's frames are being put in place by somebody else here."""
    is_here: Callable[[NodeId], bool] = lambda _: True
    """Whether a node can be fetched from."""
    on_begun: Callable[[JobId, str, int], None] = lambda _job, _attempt, _size_bytes: None
    """An attempt's frames, so many bytes, are ordered in place."""

    def __post_init__(self) -> None:
        self.core.observers.append(self._on_action)
        self.core.refreshers.append(self._on_replaced)

    def _on_action(self, action: Action, before: Farm) -> None:
        """Another result, or a second publication: what stands under the final names is to be looked at."""
        body = action.body
        if isinstance(body, (TaskLeased, TaskRendered)):
            self._drop(body.job, body.step, 1 << body.task)
        elif isinstance(body, TasksRetried):
            self._drop(body.job, body.step, bits_of(body.ranges))
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

    def _drop(self, job: JobId, number: int, bits: int) -> None:
        for tasks in (self._placed, self._far, self._failed):
            tasks.drop(job, number, bits)

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
            self._failures.pop(job, None)
            for tasks in (self._placed, self._doubtful, self._far, self._failed):
                tasks.forget(job)
            self._marks = {key: bits for key, bits in self._marks.items() if key[0] != job}

    def settle(self) -> None:
        """Order what is wanted, as far as there is room."""
        if not self._wanted or self.core.disk_error or self.core.is_stopping or not self.core.is_member:
            return
        if self.dispatch.must_compare:
            return  # what was rendered or retried meanwhile must be known, else old frames replace new ones
        while self._wanted and len(self._under_way) < MAX_UNDER_WAY:
            job = next(iter(self._wanted))
            if (job in self._again_s and job not in self._failed) or self._order(job):
                del self._wanted[job]

    def _order(self, job: JobId) -> bool:
        """Order this job's publications; True when nothing is left to order for now."""
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or not self._is_mine(job, state, spec):
            return True
        for is_far in (False, True) if spec.files is FilesMode.PEERS else (False,):
            for number in range(len(spec.steps)):
                step = state.steps.get(number, EMPTY_STEP)
                bits = self._wanted_bits(job, state, spec, number)
                far = self._far.bits(job, number)
                for task in tasks_in(bits & far if is_far else bits & ~far):
                    if not self._order_task(job, spec, number, task, step, is_far=is_far):
                        return False
        return True

    def _is_mine(self, job: JobId, state: JobState, spec: JobSpec) -> bool:
        if spec.files is FilesMode.PEERS:
            return submitter_of(state) == self.core.node
        return self.dispatch.dispatcher_of(job) == self.core.node

    def left_bits(self, job: JobId, state: JobState, spec: JobSpec, number: int) -> int:
        """The tasks of a step whose frames are to be put in place by this node, as far as they can be fetched."""
        return self._wanted_bits(job, state, spec, number) if self._is_mine(job, state, spec) else 0

    def _wanted_bits(self, job: JobId, state: JobState, spec: JobSpec, number: int) -> int:
        step = state.steps.get(number, EMPTY_STEP)
        bits = unpublished_bits(state, spec, number)
        if spec.steps[number].output_dir:
            doubtful = step.contested | self._doubtful.bits(job, number)
            bits |= doubtful & step.done & full_mask(spec, number)
        return bits & ~self._placed.bits(job, number) & ~self._failed.bits(job, number)

    def _order_task(self, job: JobId, spec: JobSpec, number: int, task: int, step: StepState, *, is_far: bool) -> bool:
        """Order one task's frames in place, unless that is under way; False when there is no room."""
        attempt = canonical(step, task)
        if attempt is None:
            return True
        label = attempt_label(attempt[0])
        if label in self._under_way or self.is_taken(label):
            return True
        if spec.files is FilesMode.PEERS and not is_far and not self.is_here(attempt[1][2]):
            self._far.add(job, number, 1 << task)
            return True
        if len(self._under_way) >= MAX_UNDER_WAY:
            return False
        self._under_way[label] = (job, number, task), generation_of(step, task)
        self.core.effects.publishes.append(delivery_order(job, spec, number, task, step, attempt))
        self.on_begun(job, label, sum(frame[1] for frame in attempt[2][1]))
        return True

    def is_under_way(self, attempt: str) -> bool:
        """Whether an attempt's frames are being put in place."""
        return attempt in self._under_way

    def stuck(self, job: JobId, number: int) -> int:
        """The tasks of a step whose frames could not be fetched, or put in place, at the last try."""
        return self._failed.bits(job, number)

    def on_taken_ended(self, job: JobId) -> None:
        """Somebody else here is through with a task of this job."""
        self._wanted[job] = None

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
            if job not in self._failed:
                self.errors.pop(job, None)
                self._failures.pop(job, None)
            self._mark(job, number, generation, task)
            if state is not None and self._is_last(job, state):
                self.flush_marks()
        elif self._is_lost(result) and generation < MAX_GENERATION and not self.core.disk_error:
            self.core.alarm(f"the frames of {result.attempt} are lost and are rendered again: {result.error}")
            self.core.record(TasksRetried(job, number, ((task, task),), generation + 1))
            if job not in self._failed:
                self.errors.pop(job, None)
        else:
            self._failed_to_place(job, number, task, state, result.error)

    def _is_lost(self, result: PublishResult) -> bool:
        """Whether only another render helps: the frames are damaged, or no member holds them, here or away."""
        return result.is_lost or (
            (result.is_missing or bool(result.lacking))
            and is_lost(result.lacking, self.core.node, live_members(self.core.farm))
        )

    def _failed_to_place(self, job: JobId, number: int, task: int, state: JobState | None, error: str) -> None:
        is_new = self.errors.get(job) != error
        self.errors[job] = error
        spec = spec_of(state) if state is not None else None
        again_s = AGAIN_S
        if spec is not None and spec.files is FilesMode.PEERS:  # the others of the job may well be here
            self._failed.add(job, number, 1 << task)
            if job in self._again_s:
                return
            self._failures[job] = min(self._failures.get(job, 0) + 1, 8)
            again_s = min(AGAIN_S * 2 ** (self._failures[job] - 1), LONGEST_AGAIN_S)
        self._again_s[job] = self.core.mono_s + again_s
        if is_new:
            self.core.tell("alarm", text=error)

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
        """Jobs may have become this node's to publish, and who came back may have published others' attempts.

        Or it holds what nobody else does.
        """
        self._placed.clear()
        self._far.clear()
        for job in self._failed:
            self._again_s.pop(job, None)
            self._wanted[job] = None
        self._failed.clear()
        self._failures.clear()
        self._wanted.update(dict.fromkeys(self._doubtful))
        for job, state in all_jobs(self.core.farm):
            if any(step.done & (step.contested | ~published_bits(step, step.done)) for step in state.steps.values()):
                self._wanted[job] = None

    def tick(self) -> None:
        """Record marks now and then; try again what failed."""
        if self._marks and self.core.mono_s >= self._next_mark_s:
            self._next_mark_s = self.core.mono_s + MARK_EVERY_S
            self.flush_marks()
        for job in [job for job, due_s in self._again_s.items() if self.core.mono_s >= due_s]:
            del self._again_s[job]
            self._failed.forget(job)
            self._wanted[job] = None
