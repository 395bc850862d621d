"""An attempt of a job whose files travel between nodes: everything lies below the node's own folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from peerfarm.apps.base import App, MentioningApp, collecting, mentioning
from peerfarm.errors import DiskFull, StoreError
from peerfarm.model.pathmap import AS_WRITTEN, PathMap
from peerfarm.model.render import FailReason, FrameFile, RenderTask
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.files import Errand, Files, FilesLacking
from peerfarm.runner.frames import FramesPlace
from peerfarm.runner.inputs import INPUTS
from peerfarm.runner.pathparams import with_paths
from peerfarm.runner.paths import check_path, name_fault
from peerfarm.runner.workplace import make_empty

CHECKOUT = "files"
"""Directory of the checkout in a slot's work directory."""
FRAMES = "frames"
"""Directory of an attempt's frames, until they are in the store."""


def result_pin(job: str, attempt: str) -> str:
    """Under which an attempt's frames are kept from eviction."""
    return f"result/{job}/{attempt}"


def check_out(task: RenderTask, work: Path, files: Files, errand: Errand) -> PathMap:
    """Lay the job's files out for this attempt, in a work directory that is emptied; AS_WRITTEN when it needs none."""
    make_empty(work)  # an attempt that ended before its process began leaves what it had
    if task.manifest is None:
        return AS_WRITTEN
    with _translated(work):
        return files.check_out(task.manifest, work / CHECKOUT, errand)


def mapped_params(
    app: App, params: Mapping[str, Any], paths: PathMap, node: str, roots: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The parameters as the app is to get them, with every path that it names among the files brought along.

    An app whose scenes name further files looks its own parameters up too, by the map that it is given; for all
    others each path is replaced by its place in the checkout. What parameters merely mention may also be a path on
    this machine, within `roots`.

    Raises:
        AttemptError: A path is not among the files that the job brought along, and may not be used on this machine.
    """
    loose = mentioning(app)
    if loose is not None:
        return with_paths(params, _mentioned(loose, app.paths(params), paths, node, roots))
    named = {path: paths.translate(path) for path in app.paths(params)}
    for path, here in named.items():
        if here is None or (path == params.get("scene") and not Path(here).is_file()):
            raise AttemptError(
                FailReason.FILES_USELESS,  # and no other fetch will bring it
                f"{path} is not among the files that the job brought to {node or 'this node'}",
                "Submit the job again.",
            )
    if collecting(app) is not None:
        return dict(params)
    return with_paths(params, {path: here for path, here in named.items() if here is not None})


def _mentioned(
    app: MentioningApp, named: tuple[str, ...], paths: PathMap, node: str, roots: tuple[str, ...]
) -> dict[str, str]:
    """Path -> its place in the checkout, for those that were brought along."""
    brought = {}
    for path in named:
        here = paths.translate(path)
        if here is not None and Path(here).exists():
            brought[path] = here
        elif not app.is_everywhere(path):
            check_path(path, roots, node)
    return brought


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
    for given in task.inputs:
        for name in (given.step_name, *(frame.name for frame in given.frames)):
            if fault := name_fault(name):
                raise AttemptError(FailReason.NOT_ALLOWED, f"the input {name!r} {fault}")
    place = work / INPUTS
    with _translated(work):
        try:
            _bring_inputs(task, place, files, errand)
        except FilesLacking as error:
            if error.is_missing:
                raise
            make_empty(place)  # one was damaged on this node's disk, as is known since now: others may have it
            _bring_inputs(task, place, files, errand)
    return str(place)


def _bring_inputs(task: RenderTask, place: Path, files: Files, errand: Errand) -> None:
    frames = [frame for given in task.inputs for frame in given.frames]
    holders = dict.fromkeys(node for given in task.inputs for node in given.holders)
    try:
        with files.bring(frames, tuple(holders), errand):
            place.mkdir(exist_ok=True)
            for given in task.inputs:
                directory = place / given.step_name
                directory.mkdir(exist_ok=True)
                for frame in given.frames:
                    files.place(frame, directory / frame.name, errand)
    except FilesLacking as error:
        if error.is_missing:
            lost = [any(frame.sha256 in error.missing for frame in given.frames) for given in task.inputs]
            error.inputs = tuple(given.attempt for given, is_lost in zip(task.inputs, lost, strict=True) if is_lost)
        raise


def keep_frames(
    task: RenderTask, place: FramesPlace, frames: tuple[FrameFile, ...], files: Files
) -> tuple[FrameFile, ...]:
    """Move verified frames into the store; the same frames, named by their blobs.

    Raises:
        AttemptError: STORE_REFUSED also when the disk is full: the task was rendered as it should be.
    """
    with _translated(is_full_too=True):
        refs = files.take_in(result_pin(task.job, task.attempt), [place.path / frame.name for frame in frames])
    shutil.rmtree(place.path, ignore_errors=True)
    return tuple(
        replace(frame, sha256=ref.id, size_bytes=ref.size_bytes) for frame, ref in zip(frames, refs, strict=True)
    )


@contextmanager
def _translated(work: Path | None = None, *, is_full_too: bool = False) -> Iterator[None]:
    """Give an error of the store its reason, and leave nothing half laid out in the work directory."""
    try:
        yield
    except BaseException as error:
        if work is not None:
            make_empty(work)
        if isinstance(error, StoreError) and (is_full_too or not isinstance(error, DiskFull)):
            raise AttemptError(FailReason.STORE_REFUSED, str(error), error.hint) from error
        raise
