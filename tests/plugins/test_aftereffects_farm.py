"""From the click in After Effects' panel to verified frames: a pretended After Effects and aerender, real nodes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aftereffects_farm_rig import images, started
from aftereffects_project import FRAMES, aep, shot
from aftereffects_rig import ROOT, AfterEffects
from farm_rig import RealFarm, RealNode

from peerfarm.apps.images import check_image
from peerfarm.cli.demo_nodes import wait_until
from peerfarm.gateway.client import LocalClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
DONE = "done"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "core"))


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RealFarm]:
    (tmp_path / "farm").mkdir()
    farm = RealFarm(tmp_path / "farm")
    farm.roots = []  # whatever a worker reads has travelled to it
    yield farm
    farm.close()


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """The artist's folder."""
    folder = tmp_path / "art work"
    folder.mkdir()
    return folder


def sent(ae: AfterEffects) -> None:
    """Press the button, and follow until the job is in."""
    ae.press("Send to peerfarm")
    ae.until("the submission", lambda: "Sent: " in ae.text())


def ended(ae: AfterEffects, word: str) -> None:
    ae.until(f"the job {word}", lambda: bool(ae.rows()) and ae.rows()[0][2].startswith(word))


def test_a_click_sends_the_queued_item_and_the_panel_shows_it_done(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "", "german")
    out = art / "frames"
    with AfterEffects(artist.directory, shot(art, out), docked=True) as ae:
        ae.until("word of the workers", lambda: "2 with After Effects" in ae.text())
        assert "1 queued item: Shot 010" in ae.text()
        ae.do("type", label="Frames per task", text="2")
        sent(ae)
        assert "Sent: 8 frames in 4 tasks." in ae.text()
        (art / "footage").rename(art / "not where it was")  # the workers have their own, and the project finds it there
        ended(ae, DONE)
        assert ae.rows()[0][:2] == ["shot", "██████ 100 %"]
        ae.until("all frames", lambda: images(out) == FRAMES)
        ae.until("their place", lambda: ae.rows()[0][2] == DONE)
        ae.until("a picture", lambda: any(f"shot: {name}" in ae.text() for name in FRAMES))
        (picture,) = ae.temporary.iterdir()
        with picture.open("rb") as stream:
            assert check_image(stream, picture.stat().st_size, picture.name).width == 32
        ae.choose(0)
        ae.press("Open folder")
        assert ae.folders == [str(out)]
        ae.press("Show log")
        assert "(2): 0 Se" in ae.asked[-1]
        assert [text for text in ae.asked if text.endswith("?")] == []
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == FRAMES


def test_footage_is_relinked_on_the_worker_and_a_lost_file_would_fail_it(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    stray = art / "footage" / "named by nobody.exr"
    stray.write_bytes(b"x")
    Path(project["file"]).write_bytes(aep([stray], project["queue"]))
    with AfterEffects(artist.directory, project) as ae:
        sent(ae)
        stray.unlink()
        ended(ae, "failed")
        assert "named by nobody.exr" in ae.rows()[0][2]
        assert "missing" in ae.rows()[0][2]


def test_a_movie_is_one_task_of_one_worker(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "dropframe", "german")
    project = shot(art, art / "frames")
    project["queue"][0]["outputs"] = [str(art / "frames" / "shot.mov")]
    with AfterEffects(artist.directory, project) as ae:
        sent(ae)
        assert "in 1 task." in ae.text()
        ended(ae, DONE)
        ae.until("the movie", (art / "frames" / "shot.mov").is_file)
    assert (art / "frames" / "shot.mov").stat().st_size > 8 * 256


@pytest.mark.parametrize(
    ("habit", "words"), [("fonts", "font of the project is not installed"), ("silent-error", "Rendering error")]
)
def test_a_worker_that_cannot_render_says_why_in_the_panel(farm: RealFarm, art: Path, habit: str, words: str) -> None:
    artist = started(farm, habit)
    with AfterEffects(artist.directory, shot(art, art / "frames")) as ae:
        sent(ae)
        ended(ae, "failed" if habit != "fonts" else "")
        ae.until("the reason", lambda: words in ae.rows()[0][2])
    assert images(art / "frames") == []


def test_what_lacks_fonts_on_one_worker_is_rendered_by_the_other(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "fonts", "")
    with AfterEffects(artist.directory, shot(art, art / "frames")) as ae:
        sent(ae)
        ended(ae, DONE)
        ae.until("all frames", lambda: images(art / "frames") == FRAMES)


def test_missing_footage_is_asked_about_and_then_rendered_without(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    gone = art / "footage" / "gone.mov"
    project["comps"][0]["layers"].append({"file": str(gone), "missing": True, "name": "gone.mov"})
    footage = [art / "footage" / "title card.png", art / "footage" / "plates", gone]
    Path(project["file"]).write_bytes(aep(footage, project["queue"]))
    with AfterEffects(artist.directory, project, confirm=False) as ae:
        ae.press("Send to peerfarm")
        assert f"Footage is missing: gone.mov ({gone})" in ae.asked[-1]
        assert "Not sent." in ae.text()
        assert artist.call("jobs", all=True)["jobs"] == []
        ae.do("answer", confirm=True)
        sent(ae)
        ended(ae, DONE)
        ae.until("all frames", lambda: images(art / "frames") == FRAMES)


def test_frames_of_an_earlier_render_are_replaced_only_after_a_yes(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    out = art / "frames"
    out.mkdir()
    (out / FRAMES[0]).write_bytes(b"earlier")
    with AfterEffects(artist.directory, shot(art, out), confirm=False) as ae:
        ae.press("Send to peerfarm")
        ae.until("the question", lambda: bool(ae.asked) and ae.asked[-1].endswith("Replace them?"))
        assert FRAMES[0] in ae.asked[-1]
        assert "--" not in ae.asked[-1]
        assert "Not sent." in ae.text()
        assert (out / FRAMES[0]).read_bytes() == b"earlier"
        ae.do("answer", confirm=True)
        sent(ae)
        ended(ae, DONE)
        ae.until("their place", lambda: ae.rows()[0][2] == DONE)
    assert images(out) == FRAMES


def test_a_submission_is_cancelled_while_its_files_are_packed(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    heavy = art / "footage" / "heavy.mov"
    with heavy.open("wb") as stream:
        stream.truncate(3 * 1024**3)  # a hole: takes seconds to hash and no room
    project["comps"][0]["layers"].append({"file": str(heavy)})
    with AfterEffects(artist.directory, project) as ae:
        ae.press("Send to peerfarm")
        assert not ae.button("Send to peerfarm")["enabled"]
        ae.press("Stop sending")
        assert "cancelled" in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]
        assert not ae.button("Stop sending")["enabled"]
    assert artist.call("jobs", all=True)["jobs"] == []


def test_changes_are_saved_first_and_the_saved_project_is_what_is_rendered(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project: dict[str, Any] = shot(art, art / "frames")
    saved = Path(project["file"]).read_bytes()
    Path(project["file"]).write_bytes(aep([], [{**project["queue"][0], "status": "UNQUEUED"}]))
    project |= {"dirty": True, "saved": base64.b64encode(saved).decode()}
    with AfterEffects(artist.directory, project) as ae:
        sent(ae)
        assert ae.saves == 1
        assert "Save and send?" in ae.asked[0]
        ended(ae, DONE)


def test_jobs_are_paused_resumed_cancelled_and_tried_again_from_the_list(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "hang")
    with AfterEffects(artist.directory, shot(art, art / "frames")) as ae:
        sent(ae)
        ae.until("the job", lambda: bool(ae.rows()))
        for button, word in (("Pause", "paused"), ("Resume", ""), ("Cancel", "cancelled"), ("Retry", "")):
            ae.choose(0)
            ae.press(button)
            ended(ae, word)
        ae.until("the retry", lambda: not ae.rows()[0][2].startswith("cancelled"))


def test_a_node_that_is_gone_is_started_by_the_button_and_one_that_restarted_is_found_again(
    farm: RealFarm, art: Path
) -> None:
    artist = started(farm, "")
    with AfterEffects(artist.directory, shot(art, art / "frames"), hasty=20) as ae:
        ae.until("the farm", lambda: "1 with After Effects" in ae.text())
        artist.stop()
        ae.until("the end", lambda: "peerfarm is not running." in ae.text() or "went away" in ae.text())
        artist.start()  # another port and another token
        artist.await_hello()
        ae.press("Refresh")
        ae.until("the farm again", lambda: "nodes, " in ae.text() or "node, " in ae.text())
        assert "not running" not in ae.text()
        artist.stop()
        ae.press("Refresh")
        ae.press("Refresh")
        assert ae.button("Start peerfarm")["visible"]
        try:
            ae.press("Start peerfarm")
            assert "peerfarm is starting" in ae.text()
            ae.press("Start peerfarm")
            assert "peerfarm is starting" in ae.text()
            ae.until("the node that the panel started", lambda: "not running" not in ae.text() and bool(farm_of(ae)))
        finally:
            ended_by_word(artist)


def farm_of(ae: AfterEffects) -> str:
    """The sentence about the farm; empty when the panel has none."""
    return next((line for line in ae.text().splitlines() if line.startswith("demo: ")), "")


def ended_by_word(node: RealNode) -> None:
    """End a node that is no process of the test's own."""
    wait_until(node.home.local.is_file, 20)
    with LocalClient(node.home.local, timeout_s=20.0, client="test") as client:
        client.call("stop")
    assert wait_until(lambda: not node.home.local.exists(), 20)
