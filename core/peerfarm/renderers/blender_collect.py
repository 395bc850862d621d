"""List all files that a scene needs: `blender … -P blender_collect.py -- SCENE RESULT [newer-too]`.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm. RESULT, a JSON file, holds the
lists, for they may name a hundred thousand files; the line that is printed holds the counts. With `newer-too`, of a
scene that a newer Blender saved what can be seen is listed, at least the scene's own file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

sys.path.append(str(Path(__file__).parent))  # Blender does not look for modules beside a program

if TYPE_CHECKING:
    from peerfarm.renderers.blender_caches import unbaked
    from peerfarm.renderers.blender_files import MOST_FILES, Disk, header_version, is_scene
    from peerfarm.renderers.blender_passes import count_file_outputs
    from peerfarm.renderers.blender_reference import Reference, absolute, anchor_of, essential
    from peerfarm.renderers.blender_references import references
else:
    from blender_caches import unbaked
    from blender_files import MOST_FILES, Disk, header_version, is_scene
    from blender_passes import count_file_outputs
    from blender_reference import Reference, absolute, anchor_of, essential
    from blender_references import references

NEWER_TOO = "newer-too"
SYSTEMS = {"win32": "windows", "darwin": "darwin"}


class CannotCollect(Exception):
    """The scene cannot be looked into; the message is for the artist."""


class TooNew(CannotCollect):
    """Another Blender than this one saved the scene, a newer one."""

    def __init__(self, saved: tuple[int, int]) -> None:
        self.saved = f"{saved[0]}.{saved[1]}"
        running = f"{bpy.app.version[0]}.{bpy.app.version[1]}"
        super().__init__(
            f"the scene was saved by Blender {self.saved}, and this machine has Blender {running}, "
            "which may not see all of its files"
        )


def tell(event: str, **values: Any) -> None:
    """Print one line; the newline before it ends whatever Blender left unfinished."""
    sys.stdout.write("\nPEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def check_file(path: str) -> TooNew | None:
    """Why the scene should not be opened, if it should not; CannotCollect when it is none at all."""
    if not Path(path).is_file():
        raise CannotCollect(f"there is no scene file {path}")
    if not is_scene(path):
        raise CannotCollect(f"{path} is not a blend file")
    return too_new(header_version(path))


def too_new(saved: tuple[int, int] | None) -> TooNew | None:
    """What is wrong with that version, if anything is."""
    return TooNew(saved) if saved is not None and saved > tuple(bpy.app.version[:2]) else None


def open_scene(path: str) -> TooNew | None:
    """Load the scene without running its scripts; what its header hid, when it was compressed, is told."""
    bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
    return too_new((bpy.data.version[0], bpy.data.version[1]))


def check_count(files: int) -> None:
    """Refuse more files than a manifest holds."""
    if files > MOST_FILES:
        raise CannotCollect(f"the scene names {files} files, and at most {MOST_FILES} can travel")


class Collection:
    """What was found so far."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.files: list[tuple[str, str, str, str]] = []
        """Path, owner, anchor, root: as `peerfarm.model.collected.NamedFile`."""
        self.missing: dict[str, str] = {}
        self.warnings: list[str] = []

    def add(self, reference: Reference) -> None:
        """Look a reference's files up."""
        path = absolute(reference.path, reference.library)
        if essential(path):
            return
        anchor = self.disk.named(anchor_of(reference)) if reference.path.startswith("//") else ""
        found = reference.expand(self.disk, path)
        root = self.disk.named(path) if reference.is_directory else ""
        self.files += [(file, reference.owner, anchor, root) for file in found.files]
        for file in () if reference.may_be_absent else found.missing:
            if reference.is_used:
                self.missing.setdefault(file, reference.owner)
            else:
                self.warnings.append(f"{reference.owner} is not used, and its file is not there: {file}")
        if found.gaps:
            numbers = ", ".join(map(str, found.gaps[:5])) + (", …" if len(found.gaps) > 5 else "")
            self.warnings.append(f"{reference.owner} is a sequence in which these numbers are missing: {numbers}")

    def add_rest(self) -> None:
        """Whatever Blender itself knows of that no reference named; texts aside, they are in the scene."""
        known = {file for file, *_ in self.files} | {absolute(text.filepath, text.library) for text in bpy.data.texts}
        for name in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
            path = self.disk.named(os.path.normpath(name)) if name else ""
            if path and path not in known and self.disk.is_file(path) and not essential(path):
                known.add(path)
                self.files.append((path, "the scene", "", ""))

    def warn(self) -> None:
        """What looks different elsewhere, though no file is missing."""
        loose = list(unbaked())
        if loose:
            names = "; ".join(loose[:5]) + (f" and {len(loose) - 5} more" if len(loose) > 5 else "")
            self.warnings.append(f"simulated but not baked, so that frames may come out different: {names}")
        if count := count_file_outputs():
            nodes = "a File Output node" if count == 1 else f"{count} File Output nodes"
            words = "only the main picture comes back; multilayer OpenEXR holds passes too"
            self.warnings.append(f"{nodes} of the compositor will write nothing: {words}")
        for cache in bpy.data.cache_files:
            if Path(cache.filepath).suffix.lower().startswith(".usd"):
                self.warnings.append(f"cache file '{cache.name}' is USD: files that it names itself are not looked for")
        if colors := os.environ.get("OCIO"):
            self.warnings.append(f"the colors follow {colors}, to which OCIO points here: workers need the same")


def collect() -> Collection:
    """All that the open scene needs, the scene's own file aside."""
    collection = Collection()
    for reference in references():
        collection.add(reference)
    collection.add_rest()
    collection.warn()
    return collection


def write(result: str, scene: str, collection: Collection) -> None:
    """Put the list where it is looked for, and say so."""
    whole = {
        "scene": collection.disk.named(scene),
        "system": SYSTEMS.get(sys.platform, "linux"),
        "files": collection.files,
        "missing": list(collection.missing.items()),
        "warnings": collection.warnings,
    }
    # A name that is no text travels as its bytes in surrogates, and the manifest says which it is.
    Path(result).write_text(json.dumps(whole), encoding="ascii")
    tell("collected", files=len(collection.files) + 1, missing=len(collection.missing))


def list_files(scene: str, result: str, takes_newer: bool) -> None:
    """Open the scene, list its files, write them to the result."""
    doubt = check_file(scene)
    if doubt is not None:
        if not takes_newer:
            raise doubt
        # Written before the scene is opened: 3.4 crashes on a file of 4.2.
        alone = Collection()
        alone.warnings.append(f"{doubt}; nothing but the scene itself was found")
        write(result, scene, alone)
    try:
        doubt = open_scene(scene) or doubt
    except RuntimeError:
        if doubt is None:
            raise
        return
    if doubt is not None and not takes_newer:
        raise doubt
    collection = collect()
    if doubt is not None:
        collection.warnings.append(str(doubt))
    check_count(len(collection.files) + 1)
    write(result, scene, collection)


def main() -> None:
    """Do what the words after `--` say, tell any error in a line of ours."""
    scene, result, *options = sys.argv[sys.argv.index("--") + 1 :]
    scene = os.path.abspath(scene)  # noqa: PTH100 - as it is named, links kept
    try:
        list_files(scene, result, NEWER_TOO in options)
    except TooNew as error:
        tell("error", message=str(error), saved_by=error.saved)
        sys.exit(9)
    except (CannotCollect, RuntimeError, OSError) as error:
        tell("error", message=str(error).strip() or type(error).__name__)
        sys.exit(9)


if __name__ == "__main__":
    main()
