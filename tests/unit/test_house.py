"""The repository's own rules: what it depends on, how it is laid out, what it ships."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core" / "peerfarm"
SERVICES = ROOT / "install" / "services"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LONGEST = 500
TASK_XML = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
START = ["start", "--foreground"]


def rooms() -> list[Path]:
    """The folders under core/peerfarm."""
    return sorted(path for path in CORE.rglob("*/") if "__pycache__" not in path.parts)


def test_the_core_depends_on_exactly_four_packages() -> None:
    names = {re.split(r"[^\w.-]", text)[0] for text in PROJECT["project"]["dependencies"]}
    assert names == {"pyzmq", "msgpack", "PyYAML", "platformdirs"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_room_imports_what_stands_above_it() -> None:
    lint_imports = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint_imports, "lint-imports is missing; install the [dev] packages"
    environ = dict(os.environ) | {"PYTHONPATH": str(ROOT / "core")}
    ended = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_folder_says_what_lives_in_it() -> None:
    folders = [ROOT, ROOT / "core", ROOT / "plugins", ROOT / "tests", ROOT / "install", CORE, *rooms()]
    folders += [ROOT / "plugins" / name for name in ("maya", "blender", "aftereffects")]
    assert [str(path.relative_to(ROOT)) for path in folders if not (path / "README.md").is_file()] == []


def test_no_file_of_the_core_is_too_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in CORE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def test_no_two_test_files_have_the_same_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_core_is_apache_and_the_blender_add_on_gpl() -> None:
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
    blender = (ROOT / "plugins" / "blender" / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE\n                       Version 3" in blender
    assert PROJECT["project"]["license"] == "Apache-2.0 AND GPL-3.0-or-later"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that was built from that sdist alone."""
    folder = tmp_path_factory.mktemp("built")
    argv = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_wheel_holds_the_package_the_plug_ins_and_the_login_templates(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {path for path in CORE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    wanted = {f"peerfarm/{path.relative_to(CORE).as_posix()}" for path in sources}
    for part in ("plugins", "install"):
        files = {path for path in (ROOT / part).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        wanted |= {f"peerfarm/_share/{path.relative_to(ROOT).as_posix()}" for path in files}
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == wanted
    assert {name.partition(".dist-info/")[2] for name in info} >= {
        "licenses/LICENSE",
        "licenses/plugins/blender/LICENSE",
        "entry_points.txt",
    }


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_sdist_holds_all_that_a_checkout_needs_and_nothing_else(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    parts = {"core", "plugins", "install", "tests"}
    files = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".gitignore", "PKG-INFO"}
    assert {name.partition("/")[0] for name in names} == parts | files
    assert {"install/bootstrap.py", "plugins/blender/LICENSE", "tests/unit/test_house.py"} <= names
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


def test_the_systemd_unit_starts_the_node_and_outlives_a_crash() -> None:
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign] # configparser's documented way to keep case
    unit.read(SERVICES / "peerfarm.service")
    assert unit["Service"]["ExecStart"].split() == ['"@PEERFARM@"', *START]
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Install"]["WantedBy"] == "default.target"


def test_the_desktop_entry_starts_the_node() -> None:
    entry = configparser.RawConfigParser()
    entry.read(SERVICES / "peerfarm.desktop")
    assert entry["Desktop Entry"]["exec"].split() == ['"@PEERFARM@"', *START]
    assert entry["Desktop Entry"]["type"] == "Application"


def test_the_launch_agent_starts_the_node_and_outlives_a_crash() -> None:
    agent = plistlib.loads((SERVICES / "org.peerfarm.node.plist").read_bytes())
    assert agent["ProgramArguments"] == ["@PEERFARM@", *START]
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Label"] == "org.peerfarm.node"


def test_the_windows_task_starts_the_node_and_never_times_out() -> None:
    task = ET.parse(SERVICES / "peerfarm-task.xml").getroot()
    assert task.findtext(f".//{TASK_XML}Arguments") == " ".join(["-m", "peerfarm", *START])
    assert task.findtext(f".//{TASK_XML}ExecutionTimeLimit") == "PT0S"
    assert task.findtext(f".//{TASK_XML}LogonType") == "InteractiveToken"
