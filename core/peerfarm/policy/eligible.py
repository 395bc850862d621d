"""May a worker take a step's tasks? And is it left off a job that it keeps failing?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from peerfarm.model.ids import NodeId
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.worker import AppTold, WorkerView

Suits = Callable[[AppTold, Step], bool]
Missing = Callable[[Step], str]

MAX_WORKER_FAILURES = 3
"""Failures of one worker on one job before it is left off, while another can take over."""


def not_found(step: Step) -> str:
    """What is said of a worker that has no installation for a step."""
    return f"{step.app} {step.requires.version}".rstrip() + " was not found on it"


def unfit_reason(
    worker: WorkerView, spec: JobSpec, step: Step, pool: str, suits: Suits, missing: Missing = not_found
) -> str:
    """Why the worker cannot take this step's tasks, in words; empty when it can.

    Args:
        suits: Whether one of its installations can run the step's parameters and version; the app knows.
        missing: What to say when none can.
    """
    needs = step.requires
    if not worker.is_rendering:
        return "it does not render"
    if pool and pool not in worker.pools:
        return f"it is not in pool {pool}"
    if spec.workers and worker.name not in spec.workers and worker.node not in spec.workers:
        return "the job names other workers"
    fitting = [app for app in worker.apps if app[0] == step.app and suits(app, step)]
    if not fitting:
        return missing(step)
    if not any(set(needs.tags) <= {*worker.tags, *app[2]} for app in fitting):
        return f"it lacks one of the tags {', '.join(needs.tags)}"
    if needs.memory_mb > worker.memory_mb:
        return f"it has {worker.memory_mb} MB of memory, {needs.memory_mb} are asked for"
    if needs.cores > worker.cores:
        return f"it has {worker.cores} cores, {needs.cores} are asked for"
    return ""


def left_off(failures: Mapping[NodeId, int], able: set[NodeId]) -> set[NodeId]:
    """The workers that get no more of a job: three failures each, as long as another able one has fewer.

    Args:
        failures: Failed attempts on this job by worker.
        able: Live workers that fit at least one of its open steps.
    """
    bad = {node for node, count in failures.items() if count >= MAX_WORKER_FAILURES}
    return bad if able - bad else set()
