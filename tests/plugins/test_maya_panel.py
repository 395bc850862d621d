"""The Maya panel says what is the matter in a sentence, whatever happens to the node, and never throws."""

from __future__ import annotations

import ast
import json
import re
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import maya_picture
import pytest
from maya_rig import ROOT, SETUP, RealFarm, RealNode, Show
from peerfarm_maya import menu, panel
from peerfarm_maya.rows import JobRow, NodeRow, View

from peerfarm.apps.base import Places
from peerfarm.apps.maya import MayaApp
from peerfarm.model.ids import JobId
from peerfarm.model.pathmap import PathMap, PathRule
from peerfarm.model.render import Capability, RenderTask

SCRIPTS = ROOT / "plugins" / "maya" / "scripts"
OWN = sorted((SCRIPTS / "peerfarm_maya").glob("*.py"))


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    show = Show(tmp_path)
    yield show
    show.close()


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealNode]:
    (tmp_path / "farm").mkdir()
    farm = RealFarm(tmp_path / "farm")
    farm.roots = []
    ada = farm.add("ada", render=False)
    monkeypatch.setenv("PEERFARM_HOME", str(ada.directory))
    ada.start()
    ada.await_hello()
    ada.call("init", name="studio")
    yield ada
    farm.close()


def announce(home: Path, port: int, token: str = "t" * 43) -> None:
    """Write what a running node writes for its user's programs."""
    home.mkdir(exist_ok=True)
    place = home / "local.json"
    place.write_text(json.dumps({"port": port, "token": token, "pid": 1, "protocol": 1, "version": "0"}), "utf-8")
    place.chmod(0o600)


def test_maya_starts_with_the_menu_and_batch_without_anything(show: Show) -> None:
    show.world.is_batch = True
    runpy.run_path(str(SETUP))
    assert show.world.at_start == []
    show.world.is_batch = False
    runpy.run_path(str(SETUP))
    show.world.start()
    menu.install()  # as after a reload
    labels = [widget.flags["label"] for widget in show.world.widgets.values() if widget.kind in {"menu", "menuItem"}]
    assert labels == ["peerfarm", "Send to peerfarm", "Farm status"]
    menu.uninstall()
    assert not show.world.named("peerfarmMenu")


def test_without_a_node_the_panel_says_so_and_offers_to_start_it(show: Show) -> None:
    panel.show()
    show.world.pump(lambda: show.world.says("peerfarm is not running"))
    assert show.world.find("Start peerfarm").kind == "button"
    show.world.click("peerfarmSendButton")
    show.world.pump(lambda: any("not running" in text for text in show.world.texts()[-1:]))


def test_an_unreadable_scene_and_an_odd_node_do_not_keep_the_panel_from_opening(show: Show) -> None:
    del show.world.nodes["defaultResolution"]
    panel.show()
    show.world.pump(lambda: show.world.says("could not be read"))


def test_opening_it_twice_or_anew_leaves_one_panel(show: Show) -> None:
    menu.install()
    show.world.click("Send to peerfarm")
    first = panel._panel
    show.world.click("Farm status")
    assert panel._panel is first
    assert show.world.widget("peerfarmSending").flags["collapse"] is True
    show.world.remove(show.world.widget("peerfarmPanel"))
    show.world.click("Send to peerfarm")
    assert panel._panel is not first
    assert [widget.name for widget in show.world.window.children].count("peerfarmPanel") == 1


def test_a_closed_panel_ends_its_connection_and_its_clock(show: Show) -> None:
    panel.show()
    opened = panel._panel
    assert opened is not None
    show.world.remove(show.world.widget("peerfarmPanel"))
    show.world.pump(lambda: not opened._ticker._thread.is_alive())
    assert opened.link._thread is None


def test_another_scene_shows_its_own_settings(show: Show) -> None:
    panel.show()
    assert show.world.says("shot.ma, Maya 2025, arnold, 64 x 36, frames 1-4")
    show.world.scene = str(show.project / "scenes" / "other.ma")
    show.world.overrides.clear()
    show.world.nodes["defaultRenderGlobals"].attributes["endFrame"] = 9.0
    show.world.happen("SceneOpened")
    assert show.world.says("other.ma, Maya 2025, arnold, 64 x 36, frames 1-9")


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff" * 4000 + b"\n", b"{}\n", b"[1,2]\n", b""]
)
def test_garbage_in_place_of_a_node_becomes_a_sentence(show: Show, tmp_path: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            try:
                while True:
                    (peer, _) = server.accept()
                    with peer:
                        peer.sendall(said)
            except OSError:
                pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        announce(tmp_path / "home", server.getsockname()[1])
        panel.show()
        assert panel._panel is not None
        shown = panel._panel
        show.world.pump(lambda: shown.link.state in {"refused", "not running"} and bool(shown.board.view.sentence))
        show.world.pump(lambda: show.world.says(shown.link.sentence))
        show.close()
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_wrong_token_is_told(show: Show, node: RealNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = json.loads(node.home.local.read_text("utf-8"))
    announce(tmp_path / "home", real["port"])
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path / "home"))
    panel.show()
    assert panel._panel is not None
    shown = panel._panel
    show.world.pump(lambda: shown.link.state == "refused")
    show.world.pump(lambda: show.world.says(shown.link.sentence))


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_node_that_goes_and_comes_back_is_followed(show: Show, node: RealNode) -> None:
    panel.show()
    show.world.pump(lambda: show.world.says("studio: 1 node"))
    node.stop()
    show.world.pump(lambda: show.world.says("peerfarm") and not show.world.says("studio: 1 node"))
    node.start()
    show.world.pump(lambda: show.world.says("studio: 1 node"), 60)


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_unsaved_changes_missing_files_and_a_farm_without_maya_are_the_artists_choice(
    show: Show, node: RealNode
) -> None:
    world = show.world
    panel.show()
    world.pump(lambda: world.says("studio: 1 node"))
    world.is_modified = True
    world.answers.append("Cancel")
    world.click("peerfarmSendButton")
    assert "not saved" in world.asked[-1]
    assert world.saves == 0

    (show.project / "sourceimages" / "lost.png").unlink()
    world.answers.extend(["Save and send", "Cancel"])
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("Not sent."))
    assert world.saves == 1
    assert "lost.png" in world.asked[-1]
    assert "No worker of the farm has Maya" in world.asked[-1]
    assert node.call("jobs")["jobs"] == []

    world.is_modified = True
    world.answers.extend(["Send last saved", "Send anyway"])
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("Sent: 10 frames"))
    assert world.saves == 1
    world.pump(lambda: world.says("My jobs") and any(text == "Pause" for text in world.texts()))
    world.click("Pause")
    world.pump(lambda: world.says("Go on"))
    world.click("Go on")
    world.pump(lambda: any(text == "Pause" for text in world.texts()))
    world.answers.append("Keep it")
    world.click("Cancel")
    world.answers.append("Cancel the job")
    world.click("Cancel")
    world.pump(lambda: world.says("Retry"))
    assert node.call("jobs")["jobs"][0]["status"] == "cancelled"


def test_only_one_module_imports_maya() -> None:
    importing = set()
    for path in OWN:
        for part in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            names += [part.module or ""] if isinstance(part, ast.ImportFrom) and not part.level else []
            if any(name.split(".")[0] == "maya" for name in names):
                importing.add(path.name)
    assert importing == {"mayacmds.py"}


def test_every_file_is_python_3_7() -> None:
    for path in [*OWN, SETUP]:
        ast.parse(path.read_text("utf-8"), feature_version=(3, 7))


_OURS = ("uiScript",)
"""Flags that Maya takes as text too, and the stubs as a function alone."""


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_every_maya_command_and_flag_exists(tmp_path: Path) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\ncheck_untyped_defs = True\nshow_error_codes = True\n", "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(settings), "--cache-dir", str(tmp_path), "peerfarm_maya"],
        cwd=SCRIPTS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "found module but no type hints" not in ended.stdout
    assert "import-not-found" not in ended.stdout, "maya-stubs is missing; install the [dev] packages"
    wrong = [
        line
        for line in ended.stdout.splitlines()
        if any(
            f"[{code}]" in line for code in ("call-arg", "attr-defined", "name-defined", "arg-type", "call-overload")
        )
        and not re.search(r'incompatible type "[^"]* [|] ', line)  # what commands give back depends on their flags
        and not any(flag in line for flag in _OURS)
        and not line.startswith("peerfarm_maya/client.py")
    ]
    assert wrong == []
    assert "Found" in ended.stdout or "Success" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_script_that_maps_paths_before_a_binary_scene_opens_uses_dirmap_as_maya_has_it(tmp_path: Path) -> None:
    app = MayaApp()
    params = app.check_params({"scene": "Z:/show/shot.mb"})
    task = RenderTask("a", JobId("j"), "job", 0, "s", 0, "maya", params, (1,), "/out", "s_####.exr")
    places = Places("/w", "/f", "", PathMap((PathRule("Z:/show", "/w/files"),)))
    command = app.build(Capability("maya", "2025", "/m/bin/Render"), task, places)
    (tmp_path / "userSetup.py").write_text(command.files["userSetup.py"], "utf-8")
    ast.parse(command.files["userSetup.py"], feature_version=(3, 7))
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--cache-dir", str(tmp_path), "userSetup.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout.startswith("Success"), ended.stdout


def test_the_module_file_has_a_place_for_version_and_path() -> None:
    words = (ROOT / "plugins" / "maya" / "peerfarm.mod.template").read_text("utf-8").split()
    assert words == ["+", "peerfarm", "@VERSION@", "@PATH@"]


def test_rows_change_their_words_and_not_their_widgets_when_machines_and_jobs_change_places(show: Show) -> None:
    opened = panel.show()
    assert opened is not None
    opened._ticker.stop()
    world = show.world
    nodes = [NodeRow(name, "live", "idle", False, 0.0) for name in ("ada", "ben")]
    first = JobRow("1", "job 1", "active", "rendering", 0.5, "6 min", "", "/o", True, False, True, False, "", 1)
    jobs = [first._replace(id="2", name="job 2"), first]
    opened.farm.update(View(1, "s", "", False, tuple(nodes), tuple(jobs), 0, (), "s", ""))
    assert world.says("rendering, 6 min left")
    widgets = set(world.widgets)
    busy = nodes[1]._replace(words="rendering frame 7", progress=0.5)
    new = jobs[0]._replace(id="3", name="job 3", thumbnail="/t.png")
    opened.farm.update(View(2, "s", "", False, (busy, nodes[0]), (new, jobs[0]), 1, (), "s", ""))
    assert set(world.widgets) == widgets
    assert [text for text in world.texts() if text.strip() in {"ada", "ben"}] == [" ben", " ada"]
    assert world.says("job 3")
    assert not world.says("job 1")
    assert world.says("and 1 more")
    asked: list[str] = []
    opened.farm._jobs[0]._on_job(asked.append)
    assert asked == ["3"]


def test_the_readmes_picture_is_of_this_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["maya_picture.py", str(tmp_path / "panel.svg")])
    maya_picture.main()
    drawn = (tmp_path / "panel.svg").read_text("utf-8")
    kept = (ROOT / "plugins" / "maya" / "panel.svg").read_text("utf-8")
    assert drawn == kept, "draw it anew: python tests/plugins/maya_picture.py plugins/maya/panel.svg"
