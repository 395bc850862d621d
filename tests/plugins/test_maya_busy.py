"""Maya belongs to the artist: whatever it is busy with, opens or ends, peerfarm's panel waits, follows and lets go."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from maya_rig import RealFarm, RealNode, Show, World
from peerfarm_maya import panel, settings, submit, ticker

LIMIT_S = 20.0


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


def opened(world: World) -> panel.Panel:
    """The panel, once it is connected."""
    panel.show()
    found = panel._panel
    assert found is not None
    world.pump(lambda: world.says("studio: 1 node"))
    return found


def test_one_call_waits_in_a_busy_mayas_queue_and_a_dialog_of_its_own_does_not_call_it_again(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = show.world
    monkeypatch.setattr(ticker, "EVERY_S", 0.001)
    came = threading.Semaphore(0)
    soon = ticker.mayacmds.soon

    def deferred(call: object) -> None:
        soon(call)
        came.release()

    monkeypatch.setattr(ticker.mayacmds, "soon", deferred)
    depths = []
    depth = 0

    def tick() -> float | None:
        nonlocal depth
        depth += 1
        depths.append(depth)
        clock._was_called.set()  # as if a dialog stayed open for so long that Maya is asked once more
        assert came.acquire(timeout=LIMIT_S)
        world.idle()
        depth -= 1
        return 0.001

    clock = ticker.Ticker(tick)
    clock.start()
    assert came.acquire(timeout=LIMIT_S)
    assert not came.acquire(timeout=0.1), "a second call was put into the queue of a Maya that is busy"
    assert len(world.deferred) == 1
    world.idle()
    assert depths == [1]
    clock.stop()
    clock._thread.join(LIMIT_S)
    assert not clock._thread.is_alive()


def test_reading_the_layers_leaves_no_trace_in_undo_and_in_whether_the_scene_is_saved(show: Show) -> None:
    world = show.world
    panel.show()
    assert world.undoable == []
    prepared = submit.Preparation()
    prepared.finish()
    assert [layer.last for layer in prepared.settings.renderable] == [4, 2]
    assert (world.undoable, world.is_modified, world.layer) == ([], False, "defaultRenderLayer")
    assert world.has_undo


def test_opening_the_panel_switches_no_layer(show: Show) -> None:
    show.world.broken_layers.update({"rs_beauty", "rs_shadow"})
    assert [layer.last for layer in settings.glance().renderable] == [4, 4]
    panel.show()
    assert not show.world.says("could not be read")


def test_a_panel_of_a_saved_workspace_is_there_after_a_restart(show: Show) -> None:
    panel.show()
    show.world.restart(is_seen=True)
    assert show.world.says("shot.ma, Maya 2025")
    assert panel._panel is not None
    assert panel._panel._ticker._thread.is_alive()


def test_a_panel_in_a_hidden_tab_is_filled_where_it_is_when_the_menu_asks_for_it(show: Show) -> None:
    world = show.world
    panel.show()
    docked = world.widget("peerfarmPanel")
    world.restart(is_seen=False)
    assert not docked.children
    panel.show()
    assert world.widget("peerfarmPanel") is docked
    assert world.says("shot.ma, Maya 2025")


def test_a_workspace_without_an_attribute_editor_has_room_for_the_panel(show: Show) -> None:
    show.world.remove(show.world.widget("AttributeEditor"))
    panel.show()
    assert show.world.says("shot.ma, Maya 2025")


def test_a_camera_that_was_made_after_the_panel_is_rendered_too(show: Show) -> None:
    panel.show()
    show.world.add("lateCam", "transform")
    show.world.add("lateCamShape", "camera", renderable=True).parent = "lateCam"
    assert panel._panel is not None
    assert panel._panel.send is not None
    prepared = submit.Preparation(panel._panel.send.choices())
    prepared.finish()
    assert "beauty-lateCam" in [step["name"] for step in prepared.job["steps"]]
    show.world.click("closeCam")
    chosen = panel._panel.send.choices()
    assert chosen.cameras == ["shotCam"]


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_the_same_scene_opened_anew_while_it_is_looked_into_is_not_sent_half(show: Show, node: RealNode) -> None:
    world = show.world
    opened(world)
    world.click("peerfarmSendButton")
    world.open(str(show.scene))
    world.pump(lambda: world.says("Another scene was opened meanwhile"))
    assert node.call("jobs")["jobs"] == []


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_new_scene_while_the_old_one_is_looked_into_sends_nothing(show: Show, node: RealNode) -> None:
    world = show.world
    found = opened(world)
    world.click("peerfarmSendButton")
    assert found.send is not None
    assert found.send.is_preparing
    world.open("")
    world.pump(lambda: world.says("Another scene was opened meanwhile"))
    assert world.says("a scene that was never saved")
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("has never been saved. Save it"))
    assert world.asked == []
    assert node.call("jobs")["jobs"] == []


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_disk_that_does_not_answer_stops_neither_the_panel_nor_giving_up(
    show: Show, node: RealNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = show.world
    answers = threading.Event()
    waited_for: list[str] = []
    listdir = os.listdir

    def slow(path: str) -> list[str]:
        if threading.get_ident() == world.main_thread:
            waited_for.append(str(path))
        else:
            answers.wait(LIMIT_S)
        return listdir(path)

    found = opened(world)
    monkeypatch.setattr(os, "listdir", slow)
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("Looking for files"))
    node.stop()
    world.pump(lambda: not world.says("studio: 1 node"))  # it goes on to look at the farm
    world.click("Give up")
    world.pump(lambda: world.says("Not sent."))
    answers.set()
    assert [path for path in waited_for if path.startswith((str(show.project), str(show.elsewhere)))] == []
    assert found.send is not None
    assert not found.send.is_preparing


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_maya_ends_while_the_panel_is_connected_and_nothing_of_it_stays(show: Show, node: RealNode) -> None:
    world = show.world
    found = opened(world)
    link = found.link._thread
    assert link is not None
    world.quit()
    for thread in (found._ticker._thread, link):
        thread.join(LIMIT_S)
        assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_panel_that_is_closed_before_the_scene_is_sent_says_so_and_opens_again(show: Show, node: RealNode) -> None:
    world = show.world
    found = opened(world)
    world.click("peerfarmSendButton")
    world.remove(world.widget("peerfarmPanel"))
    world.pump(lambda: bool(world.warnings))
    assert "it was not sent" in world.warnings[0]
    world.pump(lambda: not found._ticker._thread.is_alive())
    again = opened(world)
    assert again is not found
    assert node.call("jobs")["jobs"] == []


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_panel_that_is_closed_while_files_are_packed_gives_it_up_and_says_so(show: Show, node: RealNode) -> None:
    world = show.world
    opened(world)
    large = show.project / "assets" / "odd.vdb"
    with large.open("wb") as stream:
        stream.truncate(3 << 30)
    world.add("smoke", "aiVolume", ("filename",), filename=str(large))
    world.answers.append("Send anyway")
    world.click("peerfarmSendButton")
    world.pump(lambda: world.says("hashing"))
    world.remove(world.widget("peerfarmPanel"))
    world.pump(lambda: bool(world.warnings))
    assert "gives it up" in world.warnings[0]
    again = opened(world)
    world.pump(lambda: world.says("Nothing sent yet."))
    assert again.board.is_sending is False
    assert node.call("jobs")["jobs"] == []
