"""Whether a worker can take a step's tasks: the policy's rules together with what the app says of installations."""

from __future__ import annotations

from peerfarm.apps.command import CommandApp, not_listed
from peerfarm.apps.registry import APPS
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.render import Capability
from peerfarm.model.worker import AppTold, WorkerView
from peerfarm.policy import eligible


def unfit_reason(worker: WorkerView, spec: JobSpec, step: Step, pool: str) -> str:
    """Why the worker cannot take this step's tasks, in words; empty when it can."""
    return eligible.unfit_reason(worker, spec, step, pool, _suits, _missing)


def _missing(step: Step) -> str:
    if step.app == CommandApp.name:
        return not_listed(str(step.params.get("command", "")))
    return eligible.not_found(step)


def _suits(told: AppTold, step: Step) -> bool:
    app = APPS.get(step.app)
    name, version, tags = told
    return app is not None and app.suits(Capability(name, version, "", tags), step.params, step.requires.version)
