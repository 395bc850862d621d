"""What an attempt finds of the steps that it depends on: their canonical frames, as far as they are done."""

from __future__ import annotations

from collections.abc import Iterator

from peerfarm.model.frames import task_count, task_frames, task_of_frame
from peerfarm.model.ids import attempt_label
from peerfarm.model.job import Dependency, DependencyKind, FilesMode, JobSpec
from peerfarm.model.render import FrameFile, StepInput
from peerfarm.state.farm import EMPTY_STEP, JobState
from peerfarm.state.selectors import canonical, submitter_of


def inputs_of(state: JobState, spec: JobSpec, number: int, task: int) -> tuple[StepInput, ...]:
    """The attempts whose frames this task may read, ordered by step and task; only what it depends on."""
    inputs = []
    is_fetched = spec.files is FilesMode.PEERS
    submitter = submitter_of(state)
    for dependency in spec.steps[number].depends_on:
        other = spec.steps[dependency.step]
        if not other.output_dir:
            continue
        step = state.steps.get(dependency.step, EMPTY_STEP)
        for needed in _needed(spec, number, task, dependency):
            attempt = canonical(step, needed)
            if attempt is not None:
                frames = tuple(FrameFile(*frame) for frame in attempt[2][1])
                names = tuple(frame.name for frame in frames)
                place = (other.name, other.output_dir, attempt_label(attempt[0]), names)
                holders = tuple(node for node in (attempt[1][2], submitter) if node is not None)
                inputs.append(StepInput(*place, frames, holders) if is_fetched else StepInput(*place))
    return tuple(inputs)


def tasks_read(spec: JobSpec, number: int, task: int) -> Iterator[tuple[int, int]]:
    """(step, task) of everything whose frames a task may read."""
    for dependency in spec.steps[number].depends_on:
        if spec.steps[dependency.step].output_dir:
            for needed in _needed(spec, number, task, dependency):
                yield dependency.step, needed


def _needed(spec: JobSpec, number: int, task: int, dependency: Dependency) -> list[int]:
    other = spec.steps[dependency.step]
    if dependency.kind is DependencyKind.STEP:
        return list(range(task_count(other)))
    if dependency.kind is DependencyKind.TASKS:
        return [needed for needed in dependency.tasks if needed < task_count(other)]
    frames = task_frames(spec.steps[number], task)
    found = {task_of_frame(other, frame + offset) for frame in frames for offset in dependency.offsets}
    return sorted(needed for needed in found if needed is not None)
