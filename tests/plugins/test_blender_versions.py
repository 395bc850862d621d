"""The add-on in every Blender that is there: Debian's, and the `bpy` modules 4.2, 4.5 and 5.0 of `BPY_VENVS`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from blender_rig import ADDONS, program

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(120)]

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


def test_blenders_own_tool_takes_the_manifest_and_builds_the_extension(tmp_path: Path) -> None:
    python = module_python("4.2")
    (tool,) = python.parents[1].glob("lib/python3*/site-packages/bpy/4.2/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    source = tmp_path / "peerfarm"
    shutil.copytree(ADDONS / "peerfarm", source, ignore=shutil.ignore_patterns("__pycache__"))
    for words in (["validate", str(source)], ["build", "--source-dir", str(source), "--output-dir", str(tmp_path)]):
        ended = subprocess.run([str(python), str(tool), *words], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (built,) = tmp_path.glob("peerfarm-*.zip")
    wanted = {path.name for path in source.iterdir()}
    assert {name.rpartition("/")[2] for name in zipfile.ZipFile(built).namelist()} == wanted
