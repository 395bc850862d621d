"""`peerfarm plugins` with a real Blender in a home of its own, from a checkout and from an installed wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from peerfarm import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
LIMIT_S = 200.0
ADD_ON = """
bl_info = {"name": "peerfarm", "version": (0, 1, 0), "blender": (3, 3, 0), "category": "Render"}

def register():
    print("REGISTERED")

def unregister():
    pass
"""
BLENDER = pytest.mark.blender


def plugins(argv: Sequence[str], home: Path, *words: str, **variables: str) -> list[dict[str, Any]]:
    """The rows that a `peerfarm plugins` of that home tells."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("BLENDER_", "XDG_", "PYTHON"))}
    environ |= {"HOME": str(home), "PEERFARM_HOME": str(home / "farm"), **variables}
    ended = subprocess.run(
        [*argv, "plugins", *words, "--json"], env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows: list[dict[str, Any]] = json.loads(ended.stdout)["plugins"]
    return rows


def printed_by_blender(home: Path, expression: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ["HOME"] = str(home)
    argv = ["blender", "-b", "-noaudio", "--python-expr", expression]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose add-on does nothing but register."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "core/peerfarm", folder / "core/peerfarm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "plugins", folder / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "plugins/blender/peerfarm_blender/__init__.py").write_text(ADD_ON, "utf-8")
    return folder


@BLENDER
def test_blender_starts_with_the_add_on_until_it_is_taken_back(tmp_path: Path, checkout: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    argv, paths = [sys.executable, "-m", "peerfarm"], {"PYTHONPATH": str(checkout / "core")}
    (row,) = plugins(argv, home, "install", "blender", **paths)
    assert (row["state"], row["enabled"], row["installed"]) == ("current", True, __version__)
    assert "REGISTERED" in printed_by_blender(home, "pass")  # also in the next start
    assert plugins(argv, home, "status", "blender", **paths) == [{**row, "note": ""}]

    (row,) = plugins(argv, home, "uninstall", "blender", **paths)
    assert (row["state"], row["enabled"], row["installed"]) == ("none", None, "")
    assert not Path(row["directory"]).exists()
    told = printed_by_blender(home, "import bpy; print('ON', 'peerfarm_blender' in bpy.context.preferences.addons)")
    assert "ON False" in told
    assert "REGISTERED" not in told
    left = [path for path in home.rglob("*") if "peerfarm" in path.name]
    assert [path for path in left if path.parent != home / "farm"] == []
    assert not (Path(row["directory"]).parents[1]).exists()
    assert b"peerfarm" not in next(home.rglob("userpref.blend")).read_bytes()


@BLENDER
def test_an_artist_may_switch_the_add_on_on_herself(tmp_path: Path, checkout: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    argv, paths = [sys.executable, "-m", "peerfarm"], {"PYTHONPATH": str(checkout / "core")}
    (row,) = plugins(argv, home, "install", "blender", "--no-enable", **paths)
    assert (row["state"], row["enabled"]) == ("current", False)
    assert "REGISTERED" not in printed_by_blender(home, "pass")


@BLENDER
def test_a_broken_add_on_is_said_not_to_be_switched_on(tmp_path: Path, checkout: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (checkout / "plugins/blender/peerfarm_blender/__init__.py").write_text(ADD_ON.replace("print(", "broken("), "utf-8")
    argv, paths = [sys.executable, "-m", "peerfarm"], {"PYTHONPATH": str(checkout / "core")}
    (row,) = plugins(argv, home, "install", "blender", **paths)
    assert row["enabled"] is False
    assert "could not be switched on" in row["note"]


def test_an_installed_wheel_brings_the_plug_ins(tmp_path: Path) -> None:
    home, wheels, folder = tmp_path / "home", tmp_path / "wheels", tmp_path / "venv"
    (home / "maya").mkdir(parents=True)
    (home / ".config/blender/9.9").mkdir(parents=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(build, capture_output=True, timeout=LIMIT_S, check=True)
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    (wheel,) = wheels.glob("*.whl")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, capture_output=True, timeout=LIMIT_S, check=True)

    rows = plugins([str(python), "-m", "peerfarm"], home, "install", PATH="/nowhere")
    assert {row["app"]: row["state"] for row in rows} == {
        "blender": "current",
        "maya": "current",
        "aftereffects": "absent",
    }
    said = (home / "maya/modules/peerfarm.mod").read_text("utf-8").split(maxsplit=3)
    assert said[:3] == ["+", "peerfarm", __version__]
    place = Path(said[3].splitlines()[0])
    assert place.is_relative_to(folder.resolve())
    assert (place / "scripts/peerfarm_maya/client.py").is_file()
    sent = home / ".config/blender/9.9/scripts/addons/peerfarm_blender/client.py"
    assert sent.read_bytes() == (ROOT / "plugins/blender/peerfarm_blender/client.py").read_bytes()
