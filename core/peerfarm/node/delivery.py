"""What it takes to put a task's frames in place in a job whose files travel between nodes."""

from __future__ import annotations

from collections.abc import Collection

from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import FrameFile, PublishOrder
from peerfarm.state.farm import Attempt, StepState, get_record


def delivery_order(
    job: JobId, spec: JobSpec, number: int, task: int, step: StepState, attempt: Attempt
) -> PublishOrder:
    """The order to bring an attempt's frames under their final names.

    Args:
        step: What is known of the step; it tells which files may be replaced, since they are this task's too.
        attempt: One with a result.
    """
    label = attempt_label(attempt[0])
    frames = tuple(FrameFile(*frame) for frame in attempt[2][1])
    place = spec.steps[number].output_dir
    if spec.files is not FilesMode.PEERS:
        return PublishOrder(label, job, number, task, place, frames)
    return PublishOrder(
        label,
        job,
        number,
        task,
        place,
        frames,
        FilesMode.PEERS,
        (attempt[1][2],),
        is_overwriting=spec.overwrite,
        former=_former(step, task, attempt[0]),
    )


def _former(step: StepState, task: int, chosen: ActionId) -> tuple[bytes, ...]:
    others = (a for a in get_record(step, task) if a[0] != chosen and a[2] is not None)
    return tuple(dict.fromkeys(digest for attempt in others for _, _, digest in attempt[2][1]))


def is_lost(lacking: Collection[NodeId], own: NodeId, members: Collection[NodeId]) -> bool:
    """Whether every other member has said that it holds nothing of what is missing here: nobody can bring it back."""
    return set(members) - {own} <= set(lacking)
