"""List all files that a scene needs: `blender -b -Y --python-exit-code 9 -P blender_collect.py -- SCENE RESULT`.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm. RESULT, a JSON file, holds the
lists, for they may name a hundred thousand files; the line that is printed holds the counts.
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
    from peerfarm.renderers.blender_reference import Reference, absolute, anchor_of, essential
    from peerfarm.renderers.blender_references import references
else:
    from blender_caches import unbaked
    from blender_files import MOST_FILES, Disk, header_version, is_scene
    from blender_reference import Reference, absolute, anchor_of, essential
    from blender_references import references

SYSTEMS = {"win32": "windows", "darwin": "darwin"}


class CannotCollect(Exception):
    """The scene cannot be looked into; the message is for the artist."""


def tell(event: str, **values: Any) -> None:
    """Print one line; the newline before it ends whatever Blender left unfinished."""
    sys.stdout.write("\nPEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def open_scene(path: str) -> None:
    """Load the scene without running its scripts, or say why not."""
    if not Path(path).is_file():
        raise CannotCollect(f"there is no scene file {path}")
    if not is_scene(path):
        raise CannotCollect(f"{path} is not a blend file")
    running = bpy.app.version[:2]
    saved = header_version(path)
    if saved is None or saved <= running:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
        saved = bpy.data.version[:2]
    if tuple(saved) > tuple(running):
        raise CannotCollect(
            f"the scene was saved by Blender {saved[0]}.{saved[1]}, and this is Blender {running[0]}.{running[1]}, "
            "which may not see all of it"
        )


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


def main() -> None:
    """Open the scene, list its files, write them to the result."""
    scene, result = sys.argv[sys.argv.index("--") + 1 :]
    scene = os.path.abspath(scene)  # noqa: PTH100 - as it is named, links kept
    try:
        open_scene(scene)
        collection = collect()
        check_count(len(collection.files) + 1)
    except (CannotCollect, RuntimeError, OSError) as error:
        tell("error", message=str(error).strip() or type(error).__name__)
        sys.exit(9)
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


if __name__ == "__main__":
    main()
