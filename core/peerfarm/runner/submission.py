"""Looks at the paths of a job when it is submitted, so that the artist hears at once what would fail later."""

from __future__ import annotations

import os
from pathlib import Path

from peerfarm.node.inputs import PathsChecked
from peerfarm.runner.failures import AttemptError, explain
from peerfarm.runner.paths import check_path, spelling_fault

_SCENES = (".blend", ".ma", ".mb", ".aep", ".aepx")
"""A scene must be there. Any other argument may name what an earlier step writes, or hold a pattern."""


def check_submission(
    request: str, inputs: tuple[str, ...], outputs: tuple[str, ...], roots: tuple[str, ...], node: str
) -> PathsChecked:
    """The first thing wrong with a submission's paths on this node; never raises."""
    try:
        for path in inputs:
            if fault := spelling_fault(path, (path,)):
                return PathsChecked(request, f"the path {path!r} {fault}", "Give a full path.")
            if path.lower().endswith(_SCENES) and not Path(path).is_file():
                return PathsChecked(request, f"there is no scene file {path}", "Check the path.")
        for path in outputs:
            if problem := _output_problem(Path(check_path(path, roots, node))):
                return PathsChecked(
                    request, f"the output directory {path} cannot be used: {problem}", "Choose another."
                )
    except AttemptError as error:
        return PathsChecked(request, str(error), error.hint)
    except Exception as error:  # noqa: BLE001 - a bug here must become an answer, or the user would wait in vain
        return PathsChecked(request, explain(error)[1])
    return PathsChecked(request, "")


def _output_problem(output: Path) -> str:
    """What keeps this node from writing there; its missing directories will be made."""
    place = output
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        return f"{place} is a file"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"this account may not write in {place}"
