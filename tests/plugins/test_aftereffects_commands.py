"""`peerfarm submit project.aep`: from the command line to verified frames, with real nodes that share no folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aftereffects_farm_rig import images, started
from aftereffects_project import FRAMES, aep, shot
from aftereffects_rig import ROOT, AfterEffects
from farm_rig import RealFarm, peerfarm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealFarm]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "core"))
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


def test_a_project_is_submitted_by_its_name_and_its_frames_arrive_here(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "", "german")
    project = shot(art, art / "frames")
    said = peerfarm(artist, "submit", project["file"], "--chunk", "2", "--wait")
    assert said.returncode == 0, said.stderr
    assert ": 8 frames in 4 tasks" in said.stdout
    assert images(art / "frames") == FRAMES
    workers = {name for row in farm.attempts("shot", artist) for name in [row["worker"]]}
    assert "ada" not in workers


def test_the_panel_and_the_command_make_the_same_job(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "hang")
    project = shot(art, art / "frames")
    submitted = peerfarm(artist, "submit", project["file"], "--paused", "--name", "by hand", "--chunk", "5")
    assert submitted.returncode == 0, submitted.stderr
    with AfterEffects(artist.directory, project) as ae:
        ae.press("Send to peerfarm")
        ae.until("the submission", lambda: "Sent: " in ae.text())
    told = [artist.call("job", job=name) for name in ("by hand", "shot")]
    by_hand, by_click = ((one["tasks"]["total"], one["frames"]["total"], one["output"]) for one in told)
    assert by_hand == by_click
    assert [step["name"] for step in told[0]["steps"]] == [step["name"] for step in told[1]["steps"]] == ["1 Shot 010"]


def test_missing_footage_is_told_before_anything_is_submitted(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    gone = art / "footage" / "gone.mov"
    footage = [art / "footage" / "title card.png", art / "footage" / "plates", gone]
    Path(project["file"]).write_bytes(aep(footage, project["queue"]))
    said = peerfarm(artist, "submit", project["file"])
    assert said.returncode == 1
    assert str(gone) in said.stderr
    assert "--allow-missing" in said.stderr
    assert artist.call("jobs", all=True)["jobs"] == []
    said = peerfarm(artist, "submit", project["file"], "--allow-missing", "--wait")
    assert said.returncode == 0, said.stderr
    assert images(art / "frames") == FRAMES


def test_a_project_that_was_moved_with_its_footage_is_rendered_all_the_same(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    footage = [art / "footage" / "title card.png", art / "footage" / "plates"]
    moved = art / "moved"
    moved.mkdir()
    (moved / "shot.aep").write_bytes(aep(footage, project["queue"], saved_in=art))
    (art / "footage").rename(moved / "footage")
    said = peerfarm(artist, "submit", str(moved / "shot.aep"), "--wait")
    assert said.returncode == 0, said.stderr
    assert images(art / "frames") == FRAMES


def test_an_aerender_that_hangs_is_ended_and_the_job_says_so(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "hang")
    project = shot(art, art / "frames")
    said = peerfarm(artist, "submit", project["file"], "--stall-limit", "2", "--tries", "1", "--wait")
    assert said.returncode == 4, said.stderr
    assert "printed nothing for 2 s" in farm.job("shot", artist)["error"]


def test_one_of_several_items_is_chosen_and_a_wrong_choice_is_explained(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = shot(art, art / "frames")
    other = {**project["queue"][0], "comp": "Cut", "outputs": [str(art / "cut" / "cut.mov")]}
    Path(project["file"]).write_bytes(aep([], [project["queue"][0], other]))
    said = peerfarm(artist, "submit", project["file"], "--frames", "1-2")
    assert "--item 1 (Shot 010), --item 2 (Cut)" in said.stderr
    said = peerfarm(artist, "submit", project["file"], "--item", "3")
    assert "no item 3" in said.stderr
    said = peerfarm(artist, "submit", project["file"], "--item", "2", "--wait")
    assert said.returncode == 0, said.stderr
    assert ": 1 frame in 1 task" in said.stdout
    assert (art / "cut" / "cut.mov").stat().st_size > 8 * 256
    assert not (art / "frames").exists()


def test_what_is_no_project_is_refused_in_words(farm: RealFarm, art: Path) -> None:
    artist = started(farm, "")
    project = art / "shot.aepx"
    project.write_text("<html/>", "utf-8")
    said = peerfarm(artist, "submit", str(project))
    assert said.returncode == 1
    assert "no After Effects project" in said.stderr
    assert artist.call("jobs", all=True)["jobs"] == []
