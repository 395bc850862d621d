"""From the click in Maya's menu to verified frames: a pretended Maya and Render, and real nodes between them."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maya_rig import SETUP, RealFarm, RealNode, Show, peerfarm, render_program
from peerfarm_maya import job, panel, submit

from peerfarm.apps.images import check_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    show = Show(tmp_path)
    yield show
    show.close()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RealFarm]:
    (tmp_path / "farm").mkdir()
    farm = RealFarm(tmp_path / "farm")
    farm.roots = []  # whatever a worker reads has travelled to it
    yield farm
    farm.close()


def worker(farm: RealFarm, name: str, mode: str) -> RealNode:
    """A node whose machine has Maya 2025."""
    return farm.add(name, maya=[str(render_program(farm.directory / f"{name}'s programs", mode))])


def artist(farm: RealFarm, monkeypatch: pytest.MonkeyPatch) -> RealNode:
    """The node on the machine that Maya runs on; it has no Render."""
    node = farm.add("ada", render=False)
    monkeypatch.setenv("PEERFARM_HOME", str(node.directory))
    return node


def images(folder: Path) -> dict[str, tuple[int, int]]:
    """Path below the folder -> size of every complete image."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with path.open("rb") as stream:
            info = check_image(stream, path.stat().st_size, path.name)
        found[path.relative_to(folder).as_posix()] = (info.width, info.height)
    return found


EVERYTHING = {
    **{
        f"beauty/{camera}/shot.000{frame}.png": (64, 36) for camera in ("shotCam", "closeCam") for frame in (1, 2, 3, 4)
    },
    **{f"shadow/shot.000{frame}.png": (64, 36) for frame in (1, 2)},
}


def open_panel(show: Show) -> None:
    """What happens when Maya starts and the artist chooses the menu entry."""
    runpy.run_path(str(SETUP))
    show.world.start()
    show.world.click("Send to peerfarm")
    show.world.pump(lambda: panel._panel is not None and panel._panel.link.state == "connected")


def the_job(node: RealNode) -> dict[str, Any]:
    (row,) = node.call("jobs")["jobs"]
    return dict(row)


def test_from_the_menu_to_the_frames_of_every_layer_and_camera(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    open_panel(show)
    show.world.click("peerfarmSendButton")
    show.world.pump(lambda: show.world.says("Sent: 10 frames"))
    # The artist's files are out of the worker's sight: it has what travelled to it, and nothing else.
    hidden = show.elsewhere.rename(show.elsewhere.with_name("away"))
    job_id = the_job(ada)["id"]
    farm.wait_published(job_id, ada)
    hidden.rename(show.elsewhere)
    assert images(show.project / "images") == EVERYTHING
    show.world.pump(lambda: show.world.says("done, 10 of 10 frames"))
    assert farm.duplicate_starts(job_id) == 0


def test_frames_of_an_earlier_render_are_replaced_only_after_a_yes(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    earlier = show.project / "images" / "shadow" / "shot.0001.png"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"earlier")
    open_panel(show)
    show.world.answers.append("Cancel")
    show.world.click("peerfarmSendButton")
    show.world.pump(lambda: show.world.says("Not sent."))
    assert str(earlier) in show.world.asked[-1]
    assert "--" not in show.world.asked[-1]
    assert ada.call("jobs")["jobs"] == []
    with pytest.raises(submit.NotSent, match=r"overwrite=True"):
        submit.submit()
    show.world.answers.append("Replace them")
    show.world.click("peerfarmSendButton")
    show.world.pump(lambda: show.world.says("Sent: 10 frames"))
    farm.wait_published(the_job(ada)["id"], ada)
    assert images(show.project / "images") == EVERYTHING


def test_a_jobs_row_has_its_last_frame_its_log_and_its_folder(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    opened = farm.directory / "opened"
    browser = farm.directory / "bin" / "xdg-open"
    browser.parent.mkdir()
    browser.write_text(
        f'#!/bin/sh\necho "$1 ${{LD_LIBRARY_PATH:-clean}}" > "{opened}.new" && mv "{opened}.new" "{opened}"\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{browser.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/autodesk/maya2025/lib")
    world = show.world
    open_panel(show)
    world.click("shadow")
    world.click("closeCam")
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("done, 4 of 4 frames"), 60)

    def pictures() -> list[Path]:
        shown = [widget.flags.get("image") for widget in world.widgets.values() if widget.kind == "image"]
        return [Path(path) for path in shown if path]

    world.pump(lambda: bool(pictures()))
    with pictures()[0].open("rb") as stream:
        assert check_image(stream, pictures()[0].stat().st_size, "x.png").width == 64
    world.click("Log")
    world.pump(lambda: any(widget.kind == "scrollField" for widget in world.widgets.values()))
    logs = [widget for widget in world.widgets.values() if widget.kind == "scrollField"]
    assert "Finished Rendering" in logs[0].flags["text"]
    world.click("Folder")
    world.pump(opened.exists)
    assert opened.read_text("utf-8").split() == [str(show.project / "images" / "beauty"), "clean"]


def test_packing_shows_how_far_it_is_and_can_be_given_up(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    farm.start()
    with (show.project / "assets" / "odd.vdb").open("wb") as stream:
        stream.truncate(3 << 30)  # without room on the disk, and long to read
    show.world.add("smoke", "aiVolume", ("filename",), filename=str(show.project / "assets" / "odd.vdb"))
    world = show.world
    open_panel(show)
    world.answers.append("Send anyway")  # nobody has Maya here
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("hashing") and world.says("3.2 GB"))
    assert not world.find("peerfarmSendButton").flags["enable"]
    assert world.find("peerfarmBar").kind == "progressBar"
    world.click("Give up")
    world.pump(lambda: world.says("cancelled"))
    world.pump(lambda: world.find("peerfarmSendButton").flags["enable"])
    assert ada.call("jobs")["jobs"] == []


def test_a_scene_that_is_not_fit_to_be_sent_is_refused_in_mayapy_with_what_to_do(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    farm.start()
    show.world.is_batch = True
    show.world.is_modified = True
    with pytest.raises(submit.NotSent, match='unsaved="save"'):
        submit.submit()
    (show.project / "sourceimages" / "lost.png").unlink()
    with pytest.raises(submit.NotSent, match="allow_missing=True"):
        submit.submit(unsaved="save")
    assert show.world.saves == 1
    show.world.scene = ""
    with pytest.raises(submit.NotSent, match="never been saved"):
        submit.submit(unsaved="save")
    assert ada.call("jobs")["jobs"] == []


def test_mayapy_sends_the_same_job_as_the_button(show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    said: list[str] = []
    choices = job.Choices(layers=["shadow"])
    sent = submit.submit(choices, say=said.append)
    farm.wait_published(sent, ada)
    assert images(show.project / "images") == {"shadow/shot.0001.png": (64, 36), "shadow/shot.0002.png": (64, 36)}
    open_panel(show)
    assert panel._panel is not None
    view = panel._panel.send
    assert view is not None
    by_hand, by_script = submit.Preparation(view.choices()), submit.Preparation()
    by_hand.finish()
    by_script.finish()
    assert by_hand.request() == by_script.request()
    assert set(by_script.request()["files"]) == show.needed


def test_a_worker_without_a_licence_leaves_the_job_to_one_that_has_it(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "licence")
    worker(farm, "cleo", "ok")
    farm.start()
    farm.wait_for("word of both Mayas", lambda: sum(bool(row["apps"]) for row in ada.call("nodes")["nodes"]) == 2)
    sent = submit.submit(job.Choices(layers=["beauty"], cameras=["shotCam"], chunk=1))
    farm.wait_published(sent, ada)
    assert set(farm.shares(sent, ada)) == {"cleo"}
    failed = [row for row in farm.attempts(sent, ada) if row["outcome"] == "failed"]
    assert failed
    assert all(row["worker"] == "ben" and "licence" in row["message"] for row in failed)
    assert "another one has to take it" in failed[0]["message"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [("206", "command line"), ("210", "depth buffer"), ("211-short", "opened with errors")],
)
def test_a_render_that_fails_is_told_in_the_panel(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch, mode: str, words: str
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", mode)
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    open_panel(show)
    submit.submit(job.Choices(layers=["shadow"]))
    show.world.pump(lambda: show.world.says(words), 60)
    assert images(show.project / "images") == {}
    show.world.pump(lambda: show.world.says("Retry") or show.world.says("waiting"), 30)


def test_a_scene_that_opens_with_errors_passes_when_every_frame_is_there(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "211")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    sent = submit.submit(job.Choices(layers=["shadow"]))
    farm.wait_published(sent, ada)
    assert len(images(show.project / "images")) == 2


def test_a_text_scene_from_the_command_line_is_rendered_as_it_says_and_brings_its_files_along(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    done = peerfarm(ada, "submit", str(show.scene), "--chunk", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    hidden = show.elsewhere.rename(show.elsewhere.with_name("away"))
    farm.wait_published(the_job(ada)["id"], ada)
    hidden.rename(show.elsewhere)
    assert images(show.project / "images") == {
        f"{layer}/{camera}/shot.000{frame}.png": (64, 36)
        for layer in ("beauty", "shadow")
        for camera in ("shotCam", "closeCam")
        for frame in (1, 2, 3, 4)
    }


def test_a_file_that_is_missing_is_told_before_a_scene_is_submitted(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    (show.project / "sourceimages" / "lost.png").unlink()
    submit_shadow = ("submit", str(show.scene), "--frames", "2", "--param", "layer=shadow", "--param", "camera=shotCam")
    done = peerfarm(ada, *submit_shadow)
    assert done.returncode != 0
    assert "lost.png (file 'lost')" in done.stderr
    assert "--allow-missing" in done.stderr
    assert ada.call("jobs")["jobs"] == []
    assert peerfarm(ada, *submit_shadow, "--allow-missing").returncode == 0
    assert (the_job(ada)["frames"]["total"], the_job(ada)["name"]) == (1, "shot")


def test_a_binary_scene_needs_frames_and_output_and_finds_its_files_where_they_travelled_to(
    show: Show, farm: RealFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = artist(farm, monkeypatch)
    worker(farm, "ben", "ok")
    farm.start()
    farm.wait_for("word of ben's Maya", lambda: any(row["apps"] for row in ada.call("nodes")["nodes"]))
    scene = show.scene.with_suffix(".mb")
    named = "".join(f"STR\0{path}\0" for path in (show.crowd.with_name("mob.abc"), show.tiles[0], *show.textures))
    show.crowd.with_name("mob.abc").write_bytes(b"x")
    head = b"FOR8\0\0\0\0\0\0\1\0MayaHEAD\0\0\0\0\0\0\0\x10VERS\0\0\0\0\0\0\0\x052025\0"
    scene.write_bytes(head + named.encode())
    done = peerfarm(ada, "submit", str(scene))
    assert done.returncode != 0
    assert "shot.mb is a binary scene" in done.stderr
    assert "--frames" in done.stderr
    out = farm.directory / "out"
    done = peerfarm(ada, "submit", str(scene), "--frames", "1-3", "--output", str(out / "s_####.png"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what is missing" in done.stderr
    away = [(folder, folder.with_name(folder.name + " away")) for folder in (show.elsewhere, show.tiles[0].parent)]
    for folder, hidden in away:
        folder.rename(hidden)
    farm.wait_published(the_job(ada)["id"], ada)
    for folder, hidden in away:
        hidden.rename(folder)
    assert images(out) == {f"s_000{frame}.png": (64, 36) for frame in (1, 2, 3)}
