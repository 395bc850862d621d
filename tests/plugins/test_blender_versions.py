"""The add-on in every Blender that is there: Debian's, and the `bpy` modules 4.2, 4.5 and 5.0 of `BPY_VENVS`."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from blender_rig import ADDON, ADDONS, ROOT, program

from peerfarm import __version__
from peerfarm.errors import RequestRefused

sys.path.append(str(ROOT / "tests" / "integration"))
from fake_node import FakeNode

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(120)]

LINE = "bpy.ops.peerfarm.send()"
"""The README's, which is to work whatever name Blender gives the add-on."""
SCENE = """
import sys
import peerfarm
print("NAMESAKE", peerfarm.__file__)
scene = bpy.context.scene
scene.frame_end, scene.render.filepath = 3, "//frames/sea_"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""
REGISTERS = Path(__file__).with_name("blender_registers.py")


def module_python(version: str) -> Path:
    """The Python of an environment with that version of Blender's module."""
    folder = os.environ.get("BPY_VENVS", "")
    python = Path(folder, version, "bin", "python")
    if not (folder and python.is_file()) and not os.environ.get("CI"):
        pytest.skip(f"BPY_VENVS holds no {version}: `.ci/run` says how these environments are made")
    assert python.is_file(), f"{python} is not there"
    return python


def registered(argv: list[str]) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    line = next((line for line in ended.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line, ended.stdout + ended.stderr
    found: dict[str, object] = json.loads(line.removeprefix("FOUND "))
    return found


def expected(version: str) -> dict[str, object]:
    return {"seen": [[version, "1-3", ["Camera"], ["ViewLayer"], True]] * 2, "left": []}


def test_the_add_on_is_switched_on_and_off_without_a_trace_in_debians_blender() -> None:
    blender = program("blender")
    said = subprocess.run([blender, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    argv = [blender, "-b", "--factory-startup", "-P", str(REGISTERS), "--", str(ADDONS)]
    assert registered(argv) == expected(".".join(said.split(".")[:2]))


@pytest.mark.parametrize("version", ["4.2", "4.5", "5.0"])
def test_the_add_on_is_switched_on_and_off_without_a_trace_in_newer_blenders(version: str) -> None:
    assert registered([str(module_python(version)), str(REGISTERS), str(ADDONS)]) == expected(version)


def environment(folder: Path, home: Path) -> dict[str, str]:
    """Settings of its own, no other paths; and the node's package where Blender's Python finds it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER_"))}
    own = {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "BLENDER_USER_RESOURCES": str(folder / "own"),
    }
    core = {"PYTHONPATH": str(ROOT / "core"), "PYTHONDONTWRITEBYTECODE": "1", "PEERFARM_HOME": str(home)}
    return {**kept, **own, **core}


def sent(argv: list[str], folder: Path, script: str) -> dict[str, Any]:
    """The job that a node gets when this Blender runs the script, started where the add-on's namesake is found too."""
    home, scene = folder / "home", folder / "sea.blend"
    home.mkdir(parents=True)
    program_text = f"import bpy\n{script}\n{SCENE}\n{LINE}"
    apps = [{"app": "blender", "version": version, "tags": ["denoiser"]} for version in ("3.4.1", "4.2.1", "5.0.1")]
    nodes = {"nodes": [{"name": "oak", "state": "live", "render": True, "apps": apps, "pools": []}]}
    answer = {"job": "j1", "frames": 3, "tasks": 3, "warnings": [], "files": {}}
    with FakeNode(home, {"nodes": nodes, "submit": answer}) as node:
        told = subprocess.run(
            [*argv, program_text, str(scene)],
            env=environment(folder, home),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        assert f"NAMESAKE {ROOT / 'core/peerfarm/__init__.py'}" in told.stdout
        assert "sent sea as job j1" in told.stdout
        (job,) = [dict(params["job"]) for method, params in node.asked if method == "submit"]
    return {**job, "steps": [{**step, "params": {}, "output": {}, "requires": {}} for step in job["steps"]]}


EXPECTED = {
    "name": "sea",
    "priority": 50,
    "steps": [
        {"name": "render", "app": "blender", "params": {}, "frames": "1-3", "chunk": 1, "output": {}, "requires": {}}
    ],
}


def test_the_nodes_package_on_debians_blenders_path_does_not_hide_the_add_on(tmp_path: Path) -> None:
    addons = tmp_path / "own/scripts/addons/peerfarm_blender"
    shutil.copytree(ADDON, addons, ignore=shutil.ignore_patterns("__pycache__"))
    argv = [program("blender"), "-b", "--addons", addons.name, "--python-exit-code", "4", "--python-expr"]
    assert sent(argv, tmp_path, "import sys") == EXPECTED


def test_a_script_is_told_in_its_own_words_how_frames_of_an_earlier_render_are_replaced(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    apps = [{"app": "blender", "version": "3.4.1", "tags": ["denoiser"]}]
    nodes = {"nodes": [{"name": "oak", "state": "live", "render": True, "apps": apps, "pools": []}]}
    refusal = RequestRefused("frames of that name exist already: /sea_0001.png", "Submit with --overwrite.")
    script = (
        f"import bpy, sys\nsys.path.insert(0, {str(ADDONS)!r})\nimport peerfarm_blender as p\np.register()\n{SCENE}"
    )
    argv = [program("blender"), "-b", "--factory-startup", "--python-exit-code", "4", "--python-expr", script + LINE]
    with FakeNode(home, {"nodes": nodes, "submit": refusal}):
        ended = subprocess.run(
            [*argv, "--", str(tmp_path / "sea.blend")],
            env=environment(tmp_path, home),
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
    assert ended.returncode == 4
    assert "sea_0001.png. Choose another output folder, or send anyway to replace them" in ended.stdout + ended.stderr
    assert "--overwrite" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("version", ["4.2", "5.0"])
def test_one_line_sends_the_same_job_from_the_add_on_and_from_the_extension(version: str, tmp_path: Path) -> None:
    python = module_python(version)
    addons = tmp_path / "one/own/scripts/addons/peerfarm_blender"
    shutil.copytree(ADDON, addons, ignore=shutil.ignore_patterns("__pycache__"))
    as_add_on = sent(
        [str(python), "-c"], tmp_path / "one", "import addon_utils\nassert addon_utils.enable('peerfarm_blender')"
    )
    built = build(python, tmp_path)
    install = f"bpy.ops.extensions.package_install_files(filepath={str(built)!r}, repo='user_default')"
    assert sent([str(python), "-c"], tmp_path / "two", install) == as_add_on == EXPECTED


def test_all_parts_of_the_add_on_say_the_same_version() -> None:
    information = ast.literal_eval((ADDON / "__init__.py").read_text("utf-8").split("bl_info = ")[1].split("\n\n")[0])
    manifest = tomllib.loads((ADDON / "blender_manifest.toml").read_text("utf-8"))
    headless = re.search(r'^VERSION = "(.+)"$', (ADDON / "headless.py").read_text("utf-8"), re.MULTILINE)
    assert headless
    told = {".".join(map(str, information["version"])), manifest["version"], headless[1]}
    assert told == {__version__}
    assert manifest["id"] == ADDON.name


def build(python: Path, folder: Path) -> Path:
    """The extension, by Blender's own tool."""
    (tool,) = python.parents[1].glob("lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    source = folder / "source"
    shutil.copytree(ADDON, source, ignore=shutil.ignore_patterns("__pycache__"))
    for words in (["validate", str(source)], ["build", "--source-dir", str(source), "--output-dir", str(folder)]):
        ended = subprocess.run([str(python), str(tool), *words], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (built,) = folder.glob("*.zip")
    return built


def test_blenders_own_tool_takes_the_manifest_and_builds_the_extension(tmp_path: Path) -> None:
    built = build(module_python("4.2"), tmp_path)
    wanted = {path.name for path in ADDON.iterdir() if path.name != "__pycache__"}
    assert {name.rpartition("/")[2] for name in zipfile.ZipFile(built).namelist()} == wanted
