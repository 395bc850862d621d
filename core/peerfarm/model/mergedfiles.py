"""The files of several scenes of one job as one list, each still where its own scene looks for it."""

from __future__ import annotations

from dataclasses import replace

from peerfarm.model.collected import Collected, CollectedFile
from peerfarm.model.pathmap import FOLDING_SYSTEMS, split_path, starts_with


def merged(found: tuple[Collected, ...]) -> Collected:
    """One list; the base is the outermost of the bases that hold the first scene's.

    What lies elsewhere keeps its place below the outermost directory that any of the scenes keeps together: two files
    that one scene names relative to each other stay so, also when another scene names one of them alone.

    Args:
        found: At least one, all of the same system.
    """
    base = found[0].base
    folds = found[0].system in FOLDING_SYSTEMS
    for other in found[1:]:
        if _is_below(base, other.base, folds):
            base = other.base
    roots: list[str] = []
    own_roots = (file.root or one.base for one in found for file in one.files)
    for root in sorted(dict.fromkeys(own_roots), key=_depth):
        if not any(_is_below(root, outer, folds) for outer in (base, *roots)):
            roots.append(root)
    files: dict[str, CollectedFile] = {}
    for file in (file for one in found for file in one.files):
        if file.path not in files:
            root = next((outer for outer in (base, *roots) if _is_below(file.path, outer, folds)), base)
            files[file.path] = replace(file, root="" if root == base else root)
    missing = dict.fromkeys(missing for one in found for missing in one.missing)
    warnings = dict.fromkeys(warning for one in found for warning in one.warnings)
    return Collected(base, found[0].system, tuple(files.values()), tuple(missing), tuple(warnings))


def _depth(path: str) -> int:
    return len(split_path(path) or ())


def _is_below(path: str, directory: str, folds: bool) -> bool:
    parts, prefix = split_path(path), split_path(directory)
    return parts is not None and prefix is not None and starts_with(parts, prefix, folds)
