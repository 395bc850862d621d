"""The files of several scenes of one job as one list, each still where its own scene looks for it."""

from __future__ import annotations

from dataclasses import replace

from peerfarm.model.collected import Collected, CollectedFile
from peerfarm.model.pathmap import FOLDING_SYSTEMS, split_path, starts_with


def merged(found: tuple[Collected, ...]) -> Collected:
    """One list; the base is the outermost of the bases that hold the first scene's.

    A scene whose own base lies elsewhere keeps its files together, as one root outside.

    Args:
        found: At least one, all of the same system.
    """
    base = found[0].base
    folds = found[0].system in FOLDING_SYSTEMS
    for other in found[1:]:
        if _is_below(base, other.base, folds):
            base = other.base
    files: dict[str, CollectedFile] = {}
    for one in found:
        home = "" if _is_below(one.base, base, folds) else one.base
        for file in one.files:
            root = "" if _is_below(file.path, base, folds) else file.root or home
            files.setdefault(file.path, replace(file, root=root))
    missing = dict.fromkeys(missing for one in found for missing in one.missing)
    warnings = dict.fromkeys(warning for one in found for warning in one.warnings)
    return Collected(base, found[0].system, tuple(files.values()), tuple(missing), tuple(warnings))


def _is_below(path: str, directory: str, folds: bool) -> bool:
    parts, prefix = split_path(path), split_path(directory)
    return parts is not None and prefix is not None and starts_with(parts, prefix, folds)
