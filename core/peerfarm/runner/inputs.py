"""Lays out what earlier steps rendered, so that an attempt finds it under `inputs/STEP/NAME`."""

from __future__ import annotations

import shutil
from pathlib import Path

from peerfarm.model.render import FailReason, RenderTask
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.frames import own_directory
from peerfarm.runner.paths import check_path, name_fault

INPUTS = "inputs"


def lay_out(task: RenderTask, work: Path, roots: tuple[str, ...]) -> str:
    """Give the directory that holds one directory per earlier step, each with links to its canonical frames.

    Links where the system has them, else copies. A program must not write into its inputs: they are the other
    attempts' own frames.

    Raises:
        AttemptError: A frame is not to be seen here, or lies outside the roots.
    """
    place = work / INPUTS
    place.mkdir()
    for given in task.inputs:
        output = check_path(given.output_dir, roots, task.worker_name)
        for name in (given.step_name, *given.names):
            if fault := name_fault(name):
                raise AttemptError(FailReason.NOT_ALLOWED, f"the input {name!r} {fault}")
        directory = place / given.step_name
        directory.mkdir(exist_ok=True)
        for name in given.names:
            source = _seen(own_directory(output, task.job, given.attempt) / name, Path(output) / name)
            if source is None:
                raise AttemptError(
                    FailReason.OUTPUT_MISSING,
                    f"{task.worker_name or 'this node'} does not see {name}, which step {given.step_name} rendered",
                    f"Is {given.output_dir} the same directory on all workers?",
                )
            _link(source, directory / name)
    return str(place)


def _seen(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except (OSError, NotImplementedError):
        shutil.copyfile(source, target)
