"""Which task to whom, and when a lease lapses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from peerfarm.model.ids import NodeId
from peerfarm.state.farm import EMPTY_STEP, JobState, StepState, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import tasks_in

LOST_S = 15.0
"""A live worker that does not list a lease among its running ones for this long never got it."""
STALL_MARGIN_S = 60.0
"""The worker's own stall limit acts first; this much later the dispatcher takes the lease back."""


def _failed_on(step: StepState, task: int) -> set[NodeId]:
    generation = generation_of(step, task)
    return {a[1][2] for a in get_record(step, task) if a[1] is not None and a[1][1] == generation and a[3] is not None}


def choose_task(
    state: JobState, ready: Sequence[int], steps: Sequence[int], worker: NodeId, others: Collection[NodeId]
) -> tuple[int, int] | None:
    """The (step, task) to give to a worker: the first ready one, in the order of the steps and frames.

    What failed before comes after what did not; what a dead worker left comes in its place, for it is waited for.

    Args:
        ready: Per step a bit map of ready tasks.
        steps: The steps that the worker fits.
        others: Live workers beside this one that may take the job; a task that this one failed is kept for those of
            them that have not failed it.
    """
    able = set(others)
    for number in steps:
        step = state.steps.get(number, EMPTY_STEP)
        fresh = ready[number] & ~step.troubled
        if fresh:
            return number, (fresh & -fresh).bit_length() - 1
        for task in tasks_in(ready[number]):
            workers = _failed_on(step, task)
            if worker not in workers or not able - workers:
                return number, task
    return None
