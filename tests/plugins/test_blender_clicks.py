"""A Blender with a window, a mouse, a real node: from the click on Send to frames, and what the panel shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blender_rig import ADDONS, ROOT, BlenderOnDesktop, desktop, program, until

sys.path.append(str(ROOT / "tests" / "e2e"))
from farm_rig import RealFarm

from peerfarm.apps.programs import program_path

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealFarm]:
    """One node that has Blender, with a farm of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "core"))
    made = RealFarm(tmp_path, knows_blender=True)
    made.add("oak")
    made.start()
    yield made
    made.close()


@pytest.fixture
def scene(farm: RealFarm) -> Path:
    """A small sea whose frames go beside it."""
    path = farm.scenes / "sea.blend"
    argv = [program("blender"), "-b", "--factory-startup", "-P", program_path("make_ocean_scene.py"), "--", str(path)]
    subprocess.run([*argv, "--size", "160x90", "--samples", "4", "--frames", "3"], check=True, capture_output=True)
    script = (
        "import bpy; s = bpy.context.scene; s.render.filepath = '//frames/sea_'; s.cycles.use_denoising = False; "
        "bpy.ops.wm.save_mainfile(compress=False)"
    )
    subprocess.run([program("blender"), "-b", str(path), "--python-expr", script], check=True, capture_output=True)
    return path


@pytest.fixture
def blender(farm: RealFarm, scene: Path, tmp_path: Path) -> Iterator[BlenderOnDesktop]:
    """Blender on a desktop of its own, linked to the node."""
    with desktop() as display:
        started = BlenderOnDesktop(display, scene, farm.nodes[0].directory, tmp_path / "asks")
        yield started
        started.close()


def press(blender: BlenderOnDesktop, name: str) -> None:
    """Click on the highest of the operators' buttons that are on the screen: the one that sends."""
    left, top, width, height = max(blender.buttons(name), key=lambda button: button[3])
    blender.click(left + width // 2, top + height // 2)


def test_a_click_on_send_brings_frames_and_the_panel_says_done(
    farm: RealFarm, blender: BlenderOnDesktop, scene: Path
) -> None:
    blender.make_room()
    blender.picture("1-start")
    blender.open_output_tab()
    blender.scroll(1080, 500, 60)
    until("the link to the node", lambda: blender.session("now.is_linked"))
    blender.picture("2-panel")
    blender.ask(LISTEN)
    press(blender, "3")
    until("the submission", lambda: blender.session("bool(now.findings) or now.words.startswith('Sent')"))
    assert blender.session("[finding.sentence for finding in now.findings]") == []
    until("the job in the panel", lambda: blender.session("len(now.board.view.jobs)"))
    blender.scroll(1080, 500, 60)
    blender.picture("3-sent")
    until("the end of the job", lambda: "done, 3 of 3 frames" in blender.ask(HEARD), 120.0)
    assert sorted(path.name for path in (scene.parent / "frames").glob("*.png")) == [
        "sea_0001.png",
        "sea_0002.png",
        "sea_0003.png",
    ]
    until("the last frame's picture", lambda: blender.ask(PICTURED))
    blender.scroll(1080, 500, 60)
    blender.picture("4-done")
    assert blender.session("now.words").startswith("Sent sea: 3 frames in 3 tasks")
    assert [path.name for path in scene.parent.glob("*.blend")] == ["sea.blend"]

    shutil.rmtree(scene.parent / "frames")
    assert sent_headless(scene, farm.nodes[0].directory) == without_copy(blender.ask(SENT))
    job = farm.nodes[0].call("jobs", limit=1)["jobs"][0]["id"]
    farm.wait_published(job, farm.nodes[0])
    assert len(list((scene.parent / "frames").glob("sea_*.png"))) == 3


def test_where_peerfarm_does_not_run_the_panel_says_so_and_offers_to_start_it(tmp_path: Path) -> None:
    scene = tmp_path / "plain.blend"
    script = f"import bpy; bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})"
    subprocess.run([program("blender"), "-b", "--factory-startup", "--python-expr", script], check=True)
    with desktop() as display:
        blender = BlenderOnDesktop(display, scene, tmp_path / "nowhere", tmp_path / "asks")
        try:
            blender.make_room()
            blender.open_output_tab()
            blender.scroll(1080, 500, 60)
            until("the sentence", lambda: blender.session("now.board.view.can_start"))
            blender.ask(LISTEN)
            blender.scroll(1080, 500, 60)
            press(blender, "5")
            until("the answer", lambda: blender.session("now.words") == "Not sent.")
            blender.picture("6-not-running")
            assert blender.session("[now.phase, now.board.view.sentence]") == ["idle", "peerfarm is not running."]
            blender.ask("bpy.ops.peerfarm.start_node()")
            until("why it does not start", lambda: "could not be started" in blender.session("now.board.view.sentence"))
            blender.picture("7-not-started")
        finally:
            blender.close()


def without_copy(job: dict[str, Any]) -> dict[str, Any]:
    """The job with the scene's own name: a slip of the mouse may have changed the scene, and then a copy is sent."""
    for step in job["steps"]:
        step["params"]["scene"] = re.sub(r"\.peerfarm-[0-9a-f]{8}\.blend$", ".blend", step["params"]["scene"])
    return job


def sent_headless(scene: Path, home: Path) -> dict[str, Any]:
    """Send the scene as scripts do; gives the request that the node got."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PEERFARM_", "PYTHON"))}
    ended = subprocess.run(
        [program("blender"), "-b", str(scene), "--python-exit-code", "4", "--python-expr", HEADLESS, "--", str(ADDONS)],
        env={**kept, "PEERFARM_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    line = next(line for line in ended.stdout.splitlines() if line.startswith("SENT "))
    found: dict[str, Any] = json.loads(line.removeprefix("SENT "))
    return found


HEADLESS = """
import json, sys
sys.path.insert(0, sys.argv[-1])
import peerfarm_blender
peerfarm_blender.register()
from peerfarm_blender import headless
real = headless.call_once

def call_once(app, version, method, params, **rest):
    if method == "submit":
        print("\\nSENT " + json.dumps(params["job"]))
    return real(app, version, method, params, **rest)

headless.call_once = call_once
peerfarm_blender.submit()
"""
LISTEN = """
from peerfarm_blender import drawing
real, heard = drawing.bar, bpy.app.driver_namespace.setdefault("heard", [])

def bar(layout, context, row, fraction, words):
    heard.append(words)
    real(layout, context, row, fraction, words)

drawing.bar = bar
from peerfarm_blender.state import session
board = session().board
send = board.send

def note(job, *rest):
    bpy.app.driver_namespace["sent"] = job
    return send(job, *rest)

board.send = note
"""
"""What the bars of jobs say is what was drawn on the screen, not only what the add-on knows."""
HEARD = "answer = bpy.app.driver_namespace['heard'][-1:]"
SENT = "answer = bpy.app.driver_namespace['sent']"
PICTURED = """
from peerfarm_blender.state import picture_of, session
answer = picture_of(session().board.view.jobs[0].thumbnail)
"""
