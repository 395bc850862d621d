"""Scenes made by this machine's Blender, collected and checked out: for the tests of what a scene needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from peerfarm.apps.base import COLLECTED, Places
from peerfarm.apps.blender import BlenderApp
from peerfarm.apps.programs import program_path
from peerfarm.model.blob import blocks_of
from peerfarm.model.collected import Collected
from peerfarm.model.ids import JobId
from peerfarm.model.manifest import Manifest, ManifestFile
from peerfarm.model.pathmap import PathMap, checkout_map
from peerfarm.model.render import Capability, RenderTask

APP = BlenderApp()
MAKER = Path(__file__).with_name("make_scene_with_files.py")
RENDERERS = str(Path(program_path("blender_collect.py")).parent)


def blender() -> Capability:
    """The Blender on PATH."""
    path = shutil.which("blender")
    assert path, "these tests need a Blender on PATH"
    return Capability("blender", "", path)


def run_script(script: str, *args: str) -> str:
    """What a script prints that runs in an empty Blender; it must end well."""
    argv = (blender().executable, "-b", "--factory-startup", "--python-exit-code", "9", "--python-expr", script)
    ended = subprocess.run((*argv, "--", *args), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def make_scene(top: Path, *words: str) -> Path:
    """The scene that needs files of every kind; see `make_scene_with_files.py`."""
    argv = (blender().executable, "-b", "--factory-startup", "--python-exit-code", "9", "-P", str(MAKER), "--")
    ended = subprocess.run((*argv, str(top), *words), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return top / "show" / "shots" / "scene.blend"


def collect(scene: Path, work: Path, **params: Any) -> Collected:
    """What the scene needs, as a node would ask; raises as `CollectingApp.collected`."""
    work.mkdir(parents=True, exist_ok=True)
    command = APP.collect(blender(), APP.check_params({"scene": str(scene), **params}), str(work))
    ended = subprocess.run(
        command.argv, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    listed = work / COLLECTED
    return APP.collected(ended.stdout, listed.read_text("utf-8") if listed.exists() else "")


def saved_by_newer(scene: Path, copy: Path) -> Path:
    """A copy that claims to come from Blender 9.9."""
    content, count = re.subn(rb"\ABLENDER([-_][vV])\d{3}", rb"BLENDER\g<1>909", scene.read_bytes())
    assert count == 1
    copy.write_bytes(content)
    return copy


def check_out(found: Collected, checkout: Path) -> PathMap:
    """Copy the files to their places in a checkout; the map of the submitter's paths to it."""
    files = []
    for place in found.places():
        target = checkout / place.place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(place.path, target)
        files.append(ManifestFile(place.place, blocks_of(target.read_bytes()), origin=place.origin))
    return checkout_map(Manifest(found.base, found.system, tuple(files)), str(checkout))


def render(scene: str, home: Path, paths: PathMap, **params: Any) -> tuple[str, Path]:
    """One frame of a scene under its path there, with the paths here; what Blender printed, and the frame's file."""
    checked = APP.check_params({"scene": scene, "threads": 1, **params})
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, "blender", checked, (1,), "/out", "frame_####.png")
    places = Places(str(home / "work"), str(home / "frames"), "", paths)
    for place in (places.work, places.frames):
        Path(place).mkdir(parents=True)
    command = APP.build(blender(), task, places)
    for name, text in command.files.items():
        (home / "work" / name).write_text(text, "utf-8")
    ended = subprocess.run(
        command.argv, cwd=home / "work", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return ended.stdout, home / "frames" / "frame_0001.png"


def named_after_remap(scene: Path, paths: PathMap) -> dict[str, Any]:
    """Open a scene as a render does, and tell the paths that it names then: `named`, `missing`, `warnings`."""
    script = f"""
import json, sys
import bpy
sys.path.append({RENDERERS!r})
from blender_reference import absolute
from blender_references import references
from blender_remap import missing_files, open_scene
opened = open_scene({str(scene)!r}, json.loads({json.dumps(paths.as_json())!r}))
named = [(each.owner, absolute(each.path, each.library)) for each in references()]
print("\\nTOLD " + json.dumps(dict(named=named, missing=missing_files(opened), warnings=opened.warnings)))
"""
    line = next(line for line in run_script(script).splitlines() if line.startswith("TOLD "))
    told: dict[str, Any] = json.loads(line.removeprefix("TOLD "))
    return told
