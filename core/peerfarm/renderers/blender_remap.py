"""Let the open scene find its files where they lie on this machine, whatever paths it was saved with.

Runs in Blender 3.3 to 5.x (Python 3.10 and later). Of peerfarm it loads one file by its path, `model/pathmap.py`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent

if TYPE_CHECKING:
    from peerfarm.model.pathmap import PathMap
    from peerfarm.renderers.blender_files import Disk
    from peerfarm.renderers.blender_passes import silence_file_outputs
    from peerfarm.renderers.blender_reference import Reference, absolute, essential
    from peerfarm.renderers.blender_references import libraries, references
else:
    from blender_files import Disk
    from blender_passes import silence_file_outputs
    from blender_reference import Reference, absolute, essential
    from blender_references import libraries, references

_PATHMAP = Path(__file__).resolve().parents[1] / "model" / "pathmap.py"


MISSING = "missing"
"""Directory of a checkout in which nothing is: where paths lead that must not be found on this machine."""


@dataclass
class Opened:
    """What became of a scene's paths."""

    warnings: list[str] = field(default_factory=list)
    """A sentence for each path that was left as it is though its file may be another one here, or taken away."""
    lost: list[str] = field(default_factory=list)
    """Needed files that this machine has and the job did not bring along: they count as missing."""
    nowhere: str = ""
    """The directory, not there, that paths to them lead to now; empty when there may be none such."""


def open_scene(scene: str, rules: dict[str, Any]) -> Opened:
    """Open a scene, run none of its scripts, and name this machine's paths in it, libraries first.

    The paths change after the file is read and before anything is worked out from it: geometry nodes look for their
    bakes but once.

    Args:
        rules: What `PathMap.as_json` gave; without any rule nothing is touched.
    """
    opened = Opened()
    errors: list[Exception] = []

    @persistent  # type: ignore[untyped-decorator] # bpy comes without types
    def on_load(*_: Any) -> None:
        try:
            _remap(rules, opened)
        except Exception as error:  # noqa: BLE001 - Blender would only print it; it is raised below
            errors.append(error)

    if rules["rules"]:
        bpy.app.handlers.load_post.append(on_load)
    try:
        bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False, use_scripts=False)
    finally:
        if rules["rules"]:
            bpy.app.handlers.load_post.remove(on_load)
    if errors:
        raise errors[0]
    return opened


def _remap(rules: dict[str, Any], opened: Opened) -> None:
    remapping = _Remapping(_read_map(rules), opened)
    remapping.libraries()
    for reference in list(references()):
        remapping.place(reference)
    if remapping.is_composed:
        silence_file_outputs()
    opened.warnings = list(dict.fromkeys(opened.warnings))


def _read_map(rules: dict[str, Any]) -> PathMap:
    spec = importlib.util.spec_from_file_location("peerfarm_pathmap", _PATHMAP)
    if spec is None or spec.loader is None:
        raise OSError(f"{_PATHMAP} is missing: install peerfarm again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    paths: PathMap = module.read_map(rules)
    return paths


class _Remapping:
    """One scene's paths on their way to this machine."""

    def __init__(self, paths: PathMap, opened: Opened) -> None:
        self._paths = paths
        self._back = paths.inverse()
        self._disk = Disk()
        self._opened = opened
        self._unbaked: dict[str, int] = {}
        """Folders of caches that nobody baked, in the order in which they were met."""
        if paths.is_composed:
            checkout = Path(paths.rules[0].here)
            places = (checkout / f"{MISSING}{number or ''}" for number in count())
            opened.nowhere = str(next(place for place in places if not os.path.lexists(place)))

    @property
    def is_composed(self) -> bool:
        """Whether the scene's files travelled, and it is rendered in a folder made for it."""
        return self._paths.is_composed

    def libraries(self) -> None:
        """Read every library from where it lies here; one that could not be read hides the libraries that it needs."""
        seen: set[tuple[str, str]] = set()
        while True:
            pending = [reference for reference in libraries() if (reference.owner, reference.path) not in seen]
            if not pending:
                return
            reference = pending[0]
            seen.add((reference.owner, reference.path))
            if path := self._find(reference):
                library = reference.thing
                if self._is_nowhere(path):  # it has been read already, and is again when another one that needs it is
                    before = len(bpy.data.libraries)
                    bpy.data.libraries.remove(library)
                    if len(bpy.data.libraries) < before:
                        seen.discard((reference.owner, reference.path))
                    continue
                library.filepath = path
                seen.add((reference.owner, path))
                library.reload()

    def place(self, reference: Reference) -> None:
        """Name another path where that is needed, or say why nothing was done."""
        path = self._find(reference)
        if path:
            try:
                reference.assign(path)
            except (AttributeError, RuntimeError, TypeError) as error:
                self._opened.warnings.append(f"{reference.owner} could not be pointed to {path}: {error}")

    def _find(self, reference: Reference) -> str:
        """The path to name instead; empty to leave the one that is there."""
        path, seen = reference.path, absolute(reference.path, reference.library)
        is_relative = path.startswith("//")
        is_inside = self._back.translate(seen) is not None
        may_be_taken = is_inside or not self._paths.is_composed
        if is_relative and may_be_taken and self._is_there(reference, seen):
            named = self._disk.named(seen)
            return named if named != seen else ""
        if own := essential(seen):
            return own if own != seen else ""
        there = (self._back.translate(seen) or seen) if is_relative else path
        here = self._paths.translate(there)
        if here and self._is_there(reference, here):
            named = self._disk.named(here)
            return named if named != path else ""
        if is_inside or (is_relative and may_be_taken):
            return ""
        return self._left(reference, seen, is_known=here is not None)

    def _left(self, reference: Reference, path: str, *, is_known: bool) -> str:
        """The path to name instead of one that the job did not bring along; empty to leave it."""
        if self._is_there(reference, path):
            if self._paths.is_composed:
                words = "which the job did not bring along; what this machine has under that name is not taken"
                self._opened.warnings.append(f"{reference.owner} names {path}, {words}")
                if reference.is_used and reference.is_seen and not reference.may_be_absent:
                    self._opened.lost.append(path)
                return os.path.join(self._opened.nowhere, os.path.basename(path))  # noqa: PTH118, PTH119 - texts throughout
        elif self._paths.is_composed and reference.may_be_absent:  # what is simulated is written there meanwhile
            number = self._unbaked.setdefault(path, len(self._unbaked))
            return os.path.join(self._opened.nowhere, str(number), os.path.basename(path))  # noqa: PTH118, PTH119 - as above
        elif reference.is_used and not reference.may_be_absent:
            words = "which is not among the job's files" if is_known else "which no rule for paths covers"
            self._opened.warnings.append(f"{reference.owner} names {path}, {words}; it is not on this machine")
        return ""

    def _is_nowhere(self, path: str) -> bool:
        return bool(self._opened.nowhere) and path.startswith(self._opened.nowhere + os.sep)

    def _is_there(self, reference: Reference, path: str) -> bool:
        return bool(reference.expand(self._disk, path).files)


def missing_files(opened: Opened) -> list[str]:
    """Files that the frames of the open scene need and that this machine does not see, or must not take."""
    disk = Disk()
    missing = list(opened.lost)
    for reference in references():
        if reference.is_used and reference.is_seen and not reference.may_be_absent:
            path = absolute(reference.path, reference.library)
            is_told = opened.nowhere and path.startswith(opened.nowhere + os.sep)
            if not is_told and not essential(path):
                missing += reference.expand(disk, path).missing
    return list(dict.fromkeys(missing))
