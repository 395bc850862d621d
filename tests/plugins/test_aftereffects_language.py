"""The panel's text is what After Effects understands: ECMAScript 3, its own words, and one file made of the parts."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from aftereffects_rig import PLUGIN, STAGE

PANEL = PLUGIN / "peerfarm.jsx"
MODULES = STAGE / "node_modules"
HAS_TOOLS = MODULES.is_dir() or os.environ.get("CI")
needs_tools = pytest.mark.skipif(not HAS_TOOLS, reason=f"run `npm ci` in {STAGE} for the panel's lint and type check")


def lint(text: str) -> list[str]:
    """What eslint has against it."""
    argv = [str(MODULES / ".bin" / "eslint"), "--stdin", "--stdin-filename", "panel.jsx", "--format", "json"]
    ended = subprocess.run(argv, input=text, cwd=STAGE, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in {0, 1}, ended.stderr
    (told,) = json.loads(ended.stdout)
    return [f"{one['line']}: {one['message']}" for one in told["messages"]]


def type_faults(text: str, folder: Path, version: str) -> str:
    """What the compiler has against it, with the types of that After Effects and no library of a browser."""
    (folder / "panel.js").write_text(text, "utf-8")
    told = json.loads((STAGE / "tsconfig.json").read_text("utf-8"))
    names = [name.replace("24.0", version) for name in told["files"]]
    told["files"] = [str(STAGE / name) for name in names] + [str(folder / "panel.js")]
    (folder / "tsconfig.json").write_text(json.dumps(told), "utf-8")
    argv = [str(MODULES / ".bin" / "tsc"), "-p", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def test_the_panel_is_made_of_its_parts() -> None:
    assemble = runpy.run_path(str(PLUGIN / "assemble.py"))["assemble"]
    assert PANEL.read_text("utf-8") == assemble(), "run python plugins/aftereffects/assemble.py"


def test_no_part_is_too_long_and_all_are_ascii() -> None:
    lengths = {path.name: len(path.read_text("ascii").splitlines()) for path in (PLUGIN / "parts").glob("*.jsx")}
    assert len(lengths) > 5
    assert {name: length for name, length in lengths.items() if length > 200} == {}


@needs_tools
def test_the_panel_is_ecmascript_3() -> None:
    assert lint(PANEL.read_text("utf-8")) == []


@needs_tools
@pytest.mark.parametrize(
    "line",
    [
        "var f = () => 1;",
        "let a = 1;",
        "var l = [1, 2, ];",
        "JSON.parse('1');",
        "[1].forEach(alert);",
        "var o = {get a() {}};",
    ],
)
def test_newer_language_is_found(line: str) -> None:
    assert lint(f"{line}\n") != []


@needs_tools
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", ["17.0", "18.0", "22.0", "24.0", "26.0"])
def test_the_panel_uses_what_each_after_effects_from_2020_to_2026_has(tmp_path: Path, version: str) -> None:
    text = PANEL.read_text("utf-8")
    assert type_faults(text, tmp_path, version) == ""
    wrong = text.replace("app.project.renderQueue", "app.project.renderqueue", 1)
    assert "renderqueue" in type_faults(wrong, tmp_path, version)


def test_the_lock_file_names_no_registry() -> None:
    assert shutil.which("node"), "install the package nodejs"
    assert '"resolved"' not in (STAGE / "package-lock.json").read_text("utf-8")
