"""Frames of an earlier step that a later one needs and no member holds any more: their tasks are rendered again."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.model.render import AttemptFailed
from peerfarm.node.core import Core
from peerfarm.node.delivery import is_lost
from peerfarm.node.slots import Attempt
from peerfarm.policy.inputs import tasks_read
from peerfarm.state.actions import MAX_GENERATION, TasksRetried
from peerfarm.state.bitmaps import range_batches
from peerfarm.state.farm import EMPTY_STEP, JobState, get_job
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import canonical, live_members, spec_of


@dataclass(slots=True)
class LostInputs:
    """What this worker found to be lost."""

    core: Core
    _again: dict[JobId, dict[tuple[int, int], int]] = field(default_factory=dict)
    """Job -> (step, task) -> how often it was rendered again for this worker."""

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job that is put away is forgotten."""
        if state is None or state.archived is not None or state.deleted is not None:
            self._again.pop(job, None)

    def render_again(self, attempt: Attempt, event: AttemptFailed) -> bool:
        """Retry the earlier tasks whose frames the attempt could not get.

        False when that would be of no use: somebody may have the frames, or they were lost as often as the step has
        tries; then nothing was changed.
        """
        state = get_job(self.core.farm, attempt.job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or not event.lost_inputs:
            return False
        if not is_lost(event.lacking, self.core.node, live_members(self.core.farm)):
            return False
        lost = self._lost(attempt, event, state, spec)
        again = self._again.get(attempt.job, {})
        if any(again.get(place, 0) >= spec.steps[place[0]].tries for place in lost):
            return False
        for (number, generation), bits in _by_generation(lost).items():
            if generation < MAX_GENERATION:
                for ranges in range_batches(bits):
                    self.core.record(TasksRetried(attempt.job, number, ranges, generation + 1))
        if lost:
            self._again[attempt.job] = {**again, **{place: again.get(place, 0) + 1 for place in lost}}
            what = f"the frames of {len(lost)} tasks of earlier steps" if len(lost) > 1 else "frames of an earlier step"
            self.core.alarm(f"{what} of {spec.name} are lost and are rendered again: {event.message}")
        return True

    def _lost(
        self, attempt: Attempt, event: AttemptFailed, state: JobState, spec: JobSpec
    ) -> dict[tuple[int, int], int]:
        """(step, task) -> its generation, for those whose frames are still the ones that were lost."""
        labels, lost = set(event.lost_inputs), {}
        for number, task in tasks_read(spec, attempt.step, attempt.task):
            step = state.steps.get(number, EMPTY_STEP)
            result = canonical(step, task)
            if result is not None and attempt_label(result[0]) in labels:
                lost[number, task] = generation_of(step, task)
        return lost


def _by_generation(lost: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """(step, generation) -> the tasks."""
    bits: dict[tuple[int, int], int] = {}
    for (number, task), generation in lost.items():
        bits[number, generation] = bits.get((number, generation), 0) | 1 << task
    return bits
