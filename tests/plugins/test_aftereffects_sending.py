"""What the After Effects panel reads from the project, says and asks before it sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aftereffects_answers import ANSWERS, answering
from aftereffects_project import shot
from aftereffects_rig import AfterEffects
from fake_node import FakeNode

from peerfarm.errors import RequestRefused


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, ANSWERS) as node:
        yield node


def submitted(node: FakeNode) -> dict[str, Any]:
    return dict(node.params_of("submit"))


def test_the_job_holds_what_the_render_queue_says_and_every_file_that_it_needs(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: 8 frames in 2 tasks." in ae.text()
    told = submitted(node)
    (step,) = told["job"]["steps"]
    assert told["job"]["name"] == "shot"
    assert (step["frames"], step["chunk"]) == ("10-17", 5)
    assert step["output"] == {"dir": str(tmp_path / "out"), "pattern": "shot_####.png"}
    assert step["requires"] == {"version": "24"}
    assert step["params"] == {
        "scene": project["file"],
        "item": 1,
        "comp": "Shot 010",
        "listed": True,
        "several_frames_at_once": True,
        "processor_percent": 80,
    }
    names = sorted(Path(path).name for path in told["files"])
    assert names == ["plate_001.exr", "plate_002.exr", "plate_003.exr", "title card.png"]
    assert told["background"] is True


def test_versions_before_2022_are_asked_nothing_about_several_frames_at_once(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out"), version="18.4x41") as ae:
        (asked,) = (one for one in ae.widgets() if one["children"] and one["children"][0]["type"] == "checkbox")
        assert not asked["visible"]
        ae.press("Send to peerfarm")
    (step,) = submitted(node)["job"]["steps"]
    assert "several_frames_at_once" not in step["params"]
    assert step["requires"] == {"version": "18"}


@pytest.mark.parametrize(
    ("more", "frames"),
    [
        ({"skip": 1}, "10-17x2"),
        ({"duration": 1 / 25}, "10"),
        ({"start": 0}, "0-7"),
    ],
)
def test_frames_are_those_of_the_queued_item(node: FakeNode, tmp_path: Path, more: dict[str, Any], frames: str) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0] |= more
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert submitted(node)["job"]["steps"][0]["frames"] == frames


def test_projects_that_count_from_one_are_rendered_from_one(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out") | {"framesCountType": "FC_START_1"}
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert submitted(node)["job"]["steps"][0]["frames"] == "11-18"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "No project is open."),
        ({"file": None}, "The project was never saved. Save it, then send it."),
        ({"queue": []}, "Nothing is queued in the render queue."),
    ],
)
def test_what_cannot_be_sent_is_told_with_what_to_do(
    node: FakeNode, tmp_path: Path, change: dict[str, Any] | None, words: str
) -> None:
    project = None if change is None else shot(tmp_path, tmp_path / "out") | change
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert words in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]
    assert "submit" not in node.methods()


@pytest.mark.parametrize(
    ("outputs", "words"), [([], "Shot 010 has no output file."), (["/out/a?_[##].png"], "not every system can store")]
)
def test_an_output_that_cannot_be_written_is_told(
    node: FakeNode, tmp_path: Path, outputs: list[str], words: str
) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0]["outputs"] = outputs
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert words in ae.text()
    assert "submit" not in node.methods()


def test_missing_fonts_are_asked_about(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    with AfterEffects(tmp_path, project, missingFonts=["BrandonGrotesque-Bold"], confirm=False) as ae:
        ae.press("Send to peerfarm")
        assert "Fonts are missing: BrandonGrotesque-Bold." in ae.asked[-1]
        assert "submit" not in node.methods()
        ae.do("answer", confirm=True)
        ae.press("Send to peerfarm")
    assert submitted(node)["allow_missing"] is True


def test_a_layer_that_cannot_be_read_stops_nothing(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["comps"][0]["layers"].insert(0, {"broken": True})
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: " in ae.text()
    assert len(submitted(node)["files"]) == 4


def test_very_many_files_are_named_by_their_folders(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    for frame in range(4, 4100):
        (tmp_path / "footage" / "plates" / f"plate_{frame:03d}.exr").touch()
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert sorted(submitted(node)["files"]) == [str(tmp_path / "footage"), str(tmp_path / "footage" / "plates")]


def test_long_paths_of_any_writing_fit_into_a_request_or_are_refused_in_words(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    folders = [tmp_path / f"{'映像' * 40}{number}" for number in range(700)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.png").touch()
        (folder / "b.png").touch()
    layers = project["comps"][1]["layers"]
    layers += [{"file": str(folder / name)} for folder in folders for name in ("a.png", "b.png")]
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: " in ae.text()
        assert str(folders[0]) in submitted(node)["files"]
        layers += [{"file": f"{tmp_path}/{'映' * 80}/{'像' * 80}{number}/a.png"} for number in range(1000)]
        ae.do("project", project=project)
        ae.press("Send to peerfarm")
        assert "more folders than can be named at once" in ae.text()


def test_a_number_that_is_none_is_refused_by_name(node: FakeNode, tmp_path: Path) -> None:
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.do("type", label="Frames per task", text="lots")
        ae.press("Send to peerfarm")
        assert 'Frames per task must be a whole number from 1 to 500, not "lots".' in ae.text()
    assert "submit" not in node.methods()


def test_a_refusal_of_the_node_is_shown_with_what_to_do(node: FakeNode, tmp_path: Path) -> None:
    node.answers["submit"] = RequestRefused("there are frames already in /out", "Choose another folder.")
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.press("Send to peerfarm")
        assert "there are frames already in /out. Choose another folder." in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]


def test_a_submission_that_the_node_forgot_is_given_up(node: FakeNode, tmp_path: Path) -> None:
    node.answers["submit"] = {"submission": "s1"}
    node.answers["submission"] = RequestRefused("this node knows no submission 's1'", "Look at the jobs.")
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        ae.press("Send to peerfarm")
        assert not ae.button("Send to peerfarm")["enabled"]
        ae.tick()
        assert "knows no submission" in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]


@pytest.mark.parametrize(
    ("item", "comp", "frames"),
    [
        ({"start": 0, "duration": 8 / 25}, {"start": -2}, "-50--43"),
        ({"start": 60 * 1001 / 60000, "duration": 120 * 1001 / 60000}, {"frameRate": 60000 / 1001}, "60-179"),
        ({"start": 0, "duration": 1001 / 60000}, {"frameRate": 60000 / 1001, "start": 3600}, "215784"),
    ],
)
def test_frames_below_zero_and_of_broken_rates_are_numbered_as_after_effects_does(
    node: FakeNode, tmp_path: Path, item: dict[str, Any], comp: dict[str, Any], frames: str
) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0] |= item
    project["comps"][0] |= comp
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
    assert submitted(node)["job"]["steps"][0]["frames"] == frames


@pytest.mark.parametrize(
    ("output", "pattern"),
    [
        ("a b 100%_[####].png", "a b 100%_####.png"),
        ("a b#1_[####].png", None),
        ("a b%04d.mov", None),
        ("Größe 日本_[##].exr", "Größe 日本_##.exr"),
        ("[compName]_[#####].png", "Shot 010_#####.png"),
        ("[width]x[height]_[##].png", "640x360_##.png"),
        ("a\\b_[##].png", None),
        ("[projectName]_[##].png", None),
    ],
)
def test_output_names_are_taken_by_their_letters_and_their_words_filled_in(
    node: FakeNode, tmp_path: Path, output: str, pattern: str | None
) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0]["outputs"] = [str(tmp_path / "out" / output)]
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        shown = ae.text()
    if pattern is None:
        assert "submit" not in node.methods()
        assert "The output name" in shown
    else:
        assert submitted(node)["job"]["steps"][0]["output"]["pattern"] == pattern


def test_two_items_that_write_one_file_are_told_before_anything_is_sent(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"].append({**project["queue"][0], "comp": "Plates"})
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Plates and Shot 010 write into the same files, shot_####.png." in ae.text()
    assert "submit" not in node.methods()


@pytest.mark.parametrize("name", ['The "end" / 😀', "x" * 49 + "😀", "constructor", "  "])
def test_odd_names_of_compositions_travel(node: FakeNode, tmp_path: Path, name: str) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["comps"][0]["name"] = project["queue"][0]["comp"] = name
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: " in ae.text()
    (step,) = submitted(node)["job"]["steps"]
    assert step["params"]["comp"] == name
    assert step["name"].encode().startswith(b"1")


def test_a_submission_whose_answer_does_not_come_is_told_to_be_looked_for(tmp_path: Path) -> None:
    results = {"hello": {}, **ANSWERS}

    def mostly(line: bytes) -> bytes:
        request = json.loads(line)
        if request["method"] == "submit":
            return b""
        return json.dumps({"id": request["id"], "result": results[request["method"]]}).encode() + b"\n"

    with (
        answering(tmp_path, mostly),
        AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out"), hasty=20) as ae,
    ):
        ae.press("Send to peerfarm")
        assert "look whether the list shows it before you send it again" in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]


def test_what_is_not_asked_is_told_beside_what_was_sent(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"][0]["outputs"] = [str(tmp_path / "out" / "shot.mov")]
    project["comps"][0]["layers"].insert(0, {"broken": True})
    with AfterEffects(tmp_path, project) as ae:
        ae.press("Send to peerfarm")
        assert "Sent: " in ae.text()
        assert "Shot 010 is a movie: one machine renders it in one piece." in ae.text()
        assert "Layer 1 of Shot 010 could not be read" in ae.text()


def test_an_item_that_cannot_be_read_is_not_left_out_in_silence(node: FakeNode, tmp_path: Path) -> None:
    project = shot(tmp_path, tmp_path / "out")
    project["queue"].append({"broken": True})
    with AfterEffects(tmp_path, project, confirm=False) as ae:
        ae.press("Send to peerfarm")
        assert "Item 2 of the render queue cannot be read and would be left out" in ae.asked[-1]
    assert "submit" not in node.methods()


def test_a_node_that_went_away_while_it_packed_keeps_no_button_from_the_artist(node: FakeNode, tmp_path: Path) -> None:
    node.answers["submit"] = {"submission": "s1"}
    node.answers["submission"] = {"state": "packing", "text": "hashing"}
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out"), hasty=20) as ae:
        ae.press("Send to peerfarm")
        ae.tick()
        assert "hashing" in ae.text()
        node.stop()
        ae.tick()
        assert not ae.button("Send to peerfarm")["enabled"]
        ae.press("Stop sending")
        assert "peerfarm " in ae.text()
        assert ae.button("Send to peerfarm")["enabled"]
