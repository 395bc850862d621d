"""`peerfarm plugins` puts plug-ins where the applications look, says so, and takes back exactly what it wrote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from peerfarm import __version__
from peerfarm.cli.pluginplaces import places
from peerfarm.daemon.launch import write_launch

LIMIT_S = 60.0


class Studio:
    """A user's home, with the folders that the applications make when they are started."""

    def __init__(self, directory: Path) -> None:
        self.home = directory
        self.addons = directory / ".config/blender/9.9/scripts/addons/peerfarm_blender"
        self.addons.parents[2].mkdir(parents=True)
        self.modules = directory / "maya/modules"
        self.modules.parent.mkdir()

    def run(self, *words: str, code: int = 0, most_bytes: int = 0, **variables: str) -> list[dict[str, Any]]:
        """The rows that `peerfarm plugins` tells; with `most_bytes` the disk takes no larger file."""
        environ = {**os.environ, "HOME": str(self.home), "PEERFARM_HOME": str(self.home / "farm"), "PATH": "/nowhere"}
        environ |= {"XDG_CONFIG_HOME": str(self.home / ".config"), "PYTHONPATH": os.pathsep.join(sys.path)}
        environ |= variables
        argv = [sys.executable, "-m", "peerfarm", "plugins", *words, "--json"]
        if most_bytes:
            limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes}))"
            start = "import runpy; runpy.run_module('peerfarm', run_name='__main__', alter_sys=True)"
            argv = [sys.executable, "-c", f"{limit}; {start}", *argv[3:]]
        ended = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert ended.returncode == code, ended.stderr
        rows: list[dict[str, Any]] = json.loads(ended.stdout)["plugins"]
        return rows

    def states(self, *words: str, code: int = 0) -> dict[str, str]:
        return {row["app"]: row["state"] for row in self.run(*words, code=code)}


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_plug_ins_are_installed_shown_and_taken_back(studio: Studio) -> None:
    assert studio.states("status") == {"blender": "none", "maya": "none", "aftereffects": "absent"}
    assert studio.states("install") == {"blender": "current", "maya": "current", "aftereffects": "absent"}
    assert (studio.addons / "client.py").is_file()
    assert f"+ peerfarm {__version__} " in (studio.modules / "peerfarm.mod").read_text("utf-8")
    assert studio.states("status")["blender"] == "current"
    assert studio.states("uninstall") == {"blender": "none", "maya": "none", "aftereffects": "absent"}
    assert not (studio.home / ".config/blender/9.9/scripts").exists()  # nor what was made around it
    assert list((studio.home / "maya").iterdir()) == []
    assert (studio.home / ".config/blender/9.9").is_dir()


def test_what_the_user_changed_is_neither_replaced_nor_removed(studio: Studio) -> None:
    studio.run("install", "blender")
    changed, plain = studio.addons / "client.py", studio.addons / "wire.py"
    changed.write_text("# mine\n", "utf-8")
    (row,) = studio.run("install", "blender", code=1)
    assert row["state"] == "changed"
    assert str(changed) in row["note"]
    assert changed.read_text("utf-8") == "# mine\n"
    (row,) = studio.run("uninstall", "blender")
    assert str(changed) in row["note"]
    assert changed.read_text("utf-8") == "# mine\n"
    assert not plain.exists()


def test_installing_again_brings_an_older_one_up_to_date_and_removes_what_it_no_longer_has(studio: Studio) -> None:
    studio.run("install", "blender")
    record = studio.home / "farm/plugins.json"
    told = json.loads(record.read_text("utf-8"))
    former = studio.addons / "former.py"
    former.write_text("", "utf-8")
    told["written"][str(former)] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    record.write_text(json.dumps(told), "utf-8")
    (studio.addons / "wire.py").unlink()
    assert studio.states("status", "blender") == {"blender": "old"}
    assert studio.states("install", "blender") == {"blender": "current"}
    assert not former.exists()


def test_an_add_on_under_its_former_name_is_replaced(studio: Studio) -> None:
    studio.run("install", "blender")
    former = studio.addons.with_name("peerfarm")
    studio.addons.rename(former)
    record = studio.home / "farm/plugins.json"
    record.write_text(record.read_text("utf-8").replace("addons/peerfarm_blender", "addons/peerfarm"), "utf-8")
    assert studio.states("status", "blender") == {"blender": "old"}
    assert studio.states("install", "blender") == {"blender": "current"}
    assert [path.name for path in studio.addons.parent.iterdir()] == ["peerfarm_blender"]
    assert "addons/peerfarm/" not in record.read_text("utf-8")


FULL_BYTES = 10_000
"""The record of what was written is smaller, some files of the add-on are not."""


def test_an_installation_that_the_disk_cut_short_is_told_and_taken_back_or_done_again(studio: Studio) -> None:
    (row,) = studio.run("install", "blender", code=1, most_bytes=FULL_BYTES)
    assert row["state"] == "failed"
    assert "File too large" in row["note"]
    assert studio.addons.is_dir()
    assert studio.states("status", "blender") == {"blender": "old"}
    assert studio.states("uninstall", "blender") == {"blender": "none"}
    assert not studio.addons.parents[1].exists()

    studio.run("install", "blender", code=1, most_bytes=FULL_BYTES)
    assert studio.states("install", "blender") == {"blender": "current"}
    assert not list(studio.addons.rglob(".*"))


def test_an_upgrade_that_the_disk_cut_short_is_not_taken_for_the_users_changes(studio: Studio) -> None:
    studio.run("install", "blender")
    record = studio.home / "farm/plugins.json"
    told = json.loads(record.read_text("utf-8"))
    for name in told["written"]:
        Path(name).write_text("# an older version\n", "utf-8")
        told["written"][name] = hashlib.sha256(b"# an older version\n").hexdigest()
    record.write_text(json.dumps(told), "utf-8")
    assert studio.states("status", "blender") == {"blender": "old"}
    studio.run("install", "blender", code=1, most_bytes=FULL_BYTES)
    contents = {path.read_text("utf-8") == "# an older version\n" for path in studio.addons.rglob("*.py")}
    assert contents == {True, False}
    assert studio.states("status", "blender") == {"blender": "old"}
    assert studio.states("install", "blender") == {"blender": "current"}


def test_a_developers_linked_add_on_is_neither_written_through_nor_emptied(studio: Studio) -> None:
    checkout = studio.home / "checkout"
    checkout.mkdir()
    (checkout / "client.py").write_text("# work of a week\n", "utf-8")
    studio.addons.parent.mkdir(parents=True)
    studio.addons.symlink_to(checkout)
    (row,) = studio.run("install", "blender", code=1)
    assert "is a link that somebody made" in row["note"]
    shutil.copy(Path(__file__).parents[2] / "README.md", checkout / "peerfarm.mod")
    studio.modules.mkdir()
    (studio.modules / "peerfarm.mod").symlink_to(checkout / "peerfarm.mod")
    (row,) = studio.run("install", "maya", code=1)
    assert "is a link that somebody made" in row["note"]
    (checkout / "peerfarm.mod").unlink()
    studio.run("install", "maya", code=1)  # nor one that leads nowhere
    assert (studio.modules / "peerfarm.mod").is_symlink()
    studio.run("uninstall", "blender")
    assert [path.name for path in checkout.iterdir()] == ["client.py"]
    assert (checkout / "client.py").read_text("utf-8") == "# work of a week\n"
    assert studio.addons.is_symlink()


def test_what_the_user_keeps_beside_the_plug_ins_stays(studio: Studio) -> None:
    studio.run("install")
    own = [studio.addons.with_name("own.py"), studio.modules / "own.mod", studio.home / "maya/scripts/userSetup.py"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine", "utf-8")
    studio.run("uninstall")
    assert [path.read_text("utf-8") for path in own] == ["mine"] * 3
    assert not list(studio.home.glob("maya/**/*peerfarm*"))
    assert not studio.addons.exists()


def test_a_plug_in_whose_application_moved_is_shown_and_taken_back_all_the_same(studio: Studio) -> None:
    former = studio.home / "former"
    former.mkdir()
    studio.run("install", "maya", MAYA_APP_DIR=str(former))
    module = former / "modules/peerfarm.mod"
    assert module.is_file()
    now, then = studio.run("status", "maya")
    assert (now["directory"], now["state"]) == (str(studio.modules), "none")
    assert (then["directory"], then["state"]) == (str(module.parent), "current")
    assert "not found here any more" in then["note"]
    told = studio.run("uninstall", "maya")
    assert "Removed 1 file." in [row["note"] for row in told]
    assert list(former.iterdir()) == []
    assert [row["directory"] for row in studio.run("status", "maya")] == [str(studio.modules)]


def test_a_folder_that_somebody_put_among_compiled_files_stays(studio: Studio) -> None:
    studio.run("install", "blender")
    own = studio.addons / "__pycache__/folder/own"
    own.parent.mkdir(parents=True)
    own.write_text("", "utf-8")
    assert studio.states("uninstall", "blender") == {"blender": "none"}
    assert [path for path in studio.addons.rglob("*") if path.is_file()] == [own]


def test_a_folder_that_cannot_be_written_is_told(studio: Studio) -> None:
    studio.modules.write_text("a file where a folder belongs", "utf-8")
    (row,) = studio.run("install", "maya", code=1)
    assert row["state"] == "failed"
    assert "peerfarm.mod" in row["note"] or "modules" in row["note"]


def test_without_any_application_installing_says_what_to_do(studio: Studio) -> None:
    (row,) = studio.run("install", "aftereffects", code=1)
    assert row["state"] == "absent"
    assert "start it once" in row["note"]


def home_of(tmp_path: Path, *folders: str) -> Mapping[str, str]:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    return {"HOME": str(tmp_path), "APPDATA": str(tmp_path / "AppData/Roaming"), "PATH": "", "PROGRAMFILES": "/none"}


def test_each_system_has_its_folders(tmp_path: Path) -> None:
    windows = home_of(
        tmp_path / "w",
        "AppData/Roaming/Blender Foundation/Blender/4.2",
        "AppData/Roaming/Blender Foundation/Blender/2.93",
        "AppData/Roaming/Adobe/After Effects/24.1",
        "Documents/maya",
    )
    (blender,) = places("blender", "Windows", windows)
    assert blender.version == "4.2"  # 2.93 is too old
    assert blender.directory.as_posix().endswith("Blender/4.2/scripts/addons/peerfarm_blender")
    (panel,) = places("aftereffects", "Windows", windows)
    assert panel.directory.as_posix().endswith("After Effects/24.1/Scripts/ScriptUI Panels")
    assert places("maya", "Windows", windows)[0].directory.as_posix().endswith("Documents/maya/modules")
    mac = home_of(
        tmp_path / "m",
        "Library/Application Support/Blender/5.0",
        "Library/Preferences/Adobe/After Effects/25.0",
        "Library/Preferences/Autodesk/maya",
    )
    assert [place.version for place in places("blender", "Darwin", mac)] == ["5.0"]
    assert [place.version for place in places("aftereffects", "Darwin", mac)] == ["25.0"]
    assert places("maya", "Darwin", mac)[0].directory.as_posix().endswith("Autodesk/maya/modules")
    assert places("aftereffects", "Linux", mac) == []


def test_documents_that_onedrive_took_over_are_mayas_too(tmp_path: Path) -> None:
    windows = {**home_of(tmp_path, "OneDrive - Studio/Documents/maya"), "OneDrive": str(tmp_path / "OneDrive - Studio")}
    (place,) = places("maya", "Windows", windows)
    assert place.directory == tmp_path / "OneDrive - Studio/Documents/maya/modules"
    (tmp_path / "Documents/maya").mkdir(parents=True)
    assert len(places("maya", "Windows", windows)) == 2
    chosen = tmp_path / "OneDrive - Studio/Documents/maya"
    (place,) = places("maya", "Windows", {**windows, "MAYA_APP_DIR": str(chosen)})
    assert place.directory == chosen / "modules"


def program(path: Path, version: str) -> str:
    """A program that tells this version, as Blender does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'Blender {version}'\necho '\tbuild date: 2024-01-01'\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def test_several_blenders_at_once_get_the_add_on_each_in_its_own_folder(tmp_path: Path) -> None:
    folders = home_of(tmp_path / "w", "AppData/Roaming/Blender Foundation/Blender/3.6")
    windows = {**folders, "PROGRAMFILES": str(tmp_path / "Program Files")}
    new = program(tmp_path / "Program Files/Blender Foundation/Blender 4.2/blender.exe", "4.2.3 LTS")
    old = program(tmp_path / "Program Files/Blender Foundation/Blender 3.6/blender.exe", "3.6.5")
    program(tmp_path / "Program Files/Blender Foundation/Blender 2.8/blender.exe", "2.83.1")
    program(tmp_path / "Program Files/Blender Foundation/Odd/blender.exe", "of nobody")
    found = places("blender", "Windows", windows)
    assert [(place.version, place.program) for place in found] == [("3.6", old), ("4.2", new)]
    assert [place.directory.parents[2].name for place in found] == ["3.6", "4.2"]

    linux = {**home_of(tmp_path / "l", ".config/blender/4.2", ".config/blender/5.0"), "PATH": str(tmp_path / "bin")}
    fifth = program(tmp_path / "bin/blender", "5.0.1")
    assert [(one.version, one.program) for one in places("blender", "Linux", linux)] == [("4.2", ""), ("5.0", fifth)]

    mac = home_of(tmp_path / "m", "Applications")
    app = program(tmp_path / "m/Applications/Blender 4.5.app/Contents/MacOS/Blender", "4.5.2 LTS")
    (place,) = places("blender", "Darwin", mac)
    assert (place.version, place.program) == ("4.5", app)
    assert place.directory == tmp_path / "m/Library/Application Support/Blender/4.5/scripts/addons/peerfarm_blender"


def test_blenders_own_word_on_where_scripts_lie_goes_first(tmp_path: Path) -> None:
    environ = {**home_of(tmp_path, ".config/blender/4.2"), "BLENDER_USER_SCRIPTS": "/studio/scripts"}
    (place,) = places("blender", "Linux", environ)
    assert place.directory == Path("/studio/scripts/addons/peerfarm_blender")


def test_how_a_node_is_started_is_left_for_plug_ins(tmp_path: Path) -> None:
    write_launch(tmp_path / "local.json", {"PEERFARM_HOME": "/f", "HOME": "/h"})
    path = tmp_path / "launch.json"
    told = json.loads(path.read_text("utf-8"))
    assert told == {"argv": [sys.executable, "-m", "peerfarm", "start"], "environment": {"PEERFARM_HOME": "/f"}}
    assert path.stat().st_mode & 0o077 == 0
