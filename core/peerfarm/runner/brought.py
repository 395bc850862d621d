"""An attempt of a job whose files travel between nodes: everything lies below the node's own folders."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from peerfarm.apps.base import App
from peerfarm.model.pathmap import AS_WRITTEN, PathMap
from peerfarm.model.render import FailReason, FrameFile, RenderTask
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.files import Errand, Files
from peerfarm.runner.frames import FramesPlace
from peerfarm.runner.inputs import INPUTS
from peerfarm.runner.paths import name_fault

CHECKOUT = "files"
"""Directory of the checkout in a slot's work directory."""
FRAMES = "frames"
"""Directory of an attempt's frames, until they are in the store."""


def result_pin(job: str, attempt: str) -> str:
    """Under which an attempt's frames are kept from eviction."""
    return f"result/{job}/{attempt}"


def check_out(task: RenderTask, work: Path, files: Files, errand: Errand) -> PathMap:
    """Lay the job's files out for this attempt; AS_WRITTEN when it needs none."""
    if task.manifest is None:
        return AS_WRITTEN
    directory = work / CHECKOUT
    return files.check_out(task.manifest, directory, errand)


def mapped_params(app: App, params: Mapping[str, Any], paths: PathMap, node: str) -> dict[str, Any]:
    """The parameters with every path that the app names replaced by its place in the checkout.

    Raises:
        AttemptError: A path is not among the files that the job brought along.
    """
    named = set(app.paths(params))
    mapped = dict(params)
    for name, value in params.items():
        if isinstance(value, str) and value in named:
            here = paths.translate(value)
            if here is None:
                raise AttemptError(
                    FailReason.FILES_MISSING,
                    f"{value} is not among the files that the job brought to {node or 'this node'}",
                    "Submit the job again.",
                )
            mapped[name] = here
    return mapped


def prepare_frames(directory: Path) -> FramesPlace:
    """Make the attempt's own directory for frames, empty."""
    place = directory / FRAMES
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    return FramesPlace(place, place.stat().st_mtime_ns)


def lay_out_inputs(task: RenderTask, work: Path, files: Files, errand: Errand) -> str:
    """Fetch what earlier steps rendered, and let it appear as `inputs/STEP/NAME`; the directory, empty for none."""
    if not task.inputs:
        return ""
    place = work / INPUTS
    place.mkdir()
    for given in task.inputs:
        for name in (given.step_name, *(frame.name for frame in given.frames)):
            if fault := name_fault(name):
                raise AttemptError(FailReason.NOT_ALLOWED, f"the input {name!r} {fault}")
        files.bring(f"inputs/{task.job}/{task.attempt}/{given.attempt}", given.frames, given.holders, errand)
        directory = place / given.step_name
        directory.mkdir(exist_ok=True)
        for frame in given.frames:
            files.place(frame, directory / frame.name)
    return str(place)


def keep_frames(
    task: RenderTask, place: FramesPlace, frames: tuple[FrameFile, ...], files: Files
) -> tuple[FrameFile, ...]:
    """Move verified frames into the store; the same frames, named by their blobs."""
    refs = files.take_in(result_pin(task.job, task.attempt), [place.path / frame.name for frame in frames])
    shutil.rmtree(place.path, ignore_errors=True)
    return tuple(
        replace(frame, sha256=ref.id, size_bytes=ref.size_bytes) for frame, ref in zip(frames, refs, strict=True)
    )
