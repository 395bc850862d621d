"""Paths on shared storage that were written on another system, as this machine sees them."""

from __future__ import annotations

import sys
from dataclasses import replace

from peerfarm.apps.base import App
from peerfarm.config import Settings
from peerfarm.model.pathmap import PathMap, shared_map
from peerfarm.model.render import RenderTask
from peerfarm.runner.pathparams import with_paths

_SYSTEMS = {"win32": "windows", "darwin": "darwin"}


def paths_here(settings: Settings) -> PathMap:
    """The map of the setting `shared` for this machine's system; without rules when the setting is empty."""
    return shared_map(settings.shared, _SYSTEMS.get(sys.platform, "linux"))


def path_here(path: str, paths: PathMap) -> str:
    """Where a path of a job lies on this machine; as it is where no rule covers it."""
    return paths.translate(path) or path


def task_here(task: RenderTask, app: App, paths: PathMap) -> RenderTask:
    """The task with its scene, its output and its inputs where this machine sees them."""
    if not paths.rules:
        return task
    params = with_paths(task.params, {path: path_here(path, paths) for path in app.paths(task.params)})
    inputs = tuple(replace(given, output_dir=path_here(given.output_dir, paths)) for given in task.inputs)
    output_dir = path_here(task.output_dir, paths) if task.output_dir else ""
    return replace(task, params=params, output_dir=output_dir, inputs=inputs)
