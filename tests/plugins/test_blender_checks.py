"""The Blender add-on without Blender: what is said before a scene is sent, and what to do about it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blender_rig import addon_module
from test_blender_job import PLAIN

checks = addon_module("checks")


def node(version: str = "4.2.1", *tags: str, **fields: Any) -> dict[str, Any]:
    """A live worker with one Blender."""
    apps = [{"app": "blender", "version": version, "tags": list(tags)}] if version else []
    return {"name": "oak", "state": "live", "render": True, "apps": apps, "pools": [], **fields}


def found(settings: Any = PLAIN, nodes: Any = None, missing: Any = ()) -> list[tuple[str, str]]:
    """Severity and sentence of each finding; each says what to do."""
    findings = checks.check(settings, [node()] if nodes is None else nodes, missing)
    assert all(finding.what_to_do for finding in findings)
    return [(finding.severity, finding.sentence) for finding in findings]


def test_a_scene_in_order_is_sent_without_a_word() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scene_file": ""}, "never saved"),
        ({"camera": ""}, "no active camera"),
        ({"cameras": ()}, "No camera is chosen"),
        ({"view_layers": ()}, "No view layer is chosen"),
        ({"layers_in_use": 0}, "No view layer is used"),
        ({"frames": "1-"}, "cannot be read: 1-"),
        ({"frames": ""}, "cannot be read: nothing"),
        ({"output": ""}, "no output folder"),
        ({"output": "sea_"}, "no output folder"),
        ({"has_split_views": True}, "one file for each eye"),
        ({"file_format": "THEORA"}, "format THEORA"),
        ({"cameras": tuple("abcdefghi"), "view_layers": tuple("abcdefgh")}, "72 sets of frames"),
    ],
)
def test_what_no_farm_can_render_is_stopped(change: dict[str, Any], words: str) -> None:
    ((severity, sentence),) = found(replace(PLAIN, **change))
    assert severity == checks.STOP
    assert words in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_format": "FFMPEG"}, "movie"),
        ({"unsaved_images": ("sky",)}, "not saved: sky"),
        ({"pool": "gpu"}, "No machine is in the pool gpu"),
        ({"version": "3.6"}, "No machine has Blender 3.6; they have 4.2.1"),
        ({"uses_denoiser": True}, "denoiser"),
    ],
)
def test_what_the_artist_may_want_all_the_same_is_asked(change: dict[str, Any], words: str) -> None:
    ((severity, sentence),) = found(replace(PLAIN, **change))
    assert severity == checks.ASK
    assert words in sentence


def test_a_camera_is_not_needed_where_the_sequencer_makes_the_picture() -> None:
    assert found(replace(PLAIN, camera="", uses_sequencer=True)) == []


@pytest.mark.parametrize("frames", ["1", "1-60", "1-100x5,200", "-5--1", " 1 - 3 , 7 "])
def test_frames_that_the_node_reads_pass(frames: str) -> None:
    assert found(replace(PLAIN, frames=frames)) == []


def test_frames_for_a_temporary_folder_are_noted() -> None:
    ((severity, _),) = found(replace(PLAIN, output=tempfile.gettempdir() + "/"))
    assert severity == checks.NOTE


def test_a_farm_without_workers_is_told_apart_from_one_without_blender() -> None:
    ((_, nobody),) = found(nodes=[node(state="dead"), node(render=False)])
    ((_, nothing),) = found(nodes=[node("")])
    assert "renders now" in nobody
    assert "has Blender" in nothing


def test_a_worker_of_another_version_does_not_speak_for_the_scenes_denoiser() -> None:
    scene = replace(PLAIN, uses_denoiser=True)
    assert len(found(scene, [node("4.2.1"), node("5.0.1", "denoiser")])) == 1
    assert found(scene, [node("4.2.1"), node("4.2.3", "denoiser")]) == []


def test_missing_files_are_asked_about_by_name_and_a_yes_is_in_the_job() -> None:
    findings = checks.check(PLAIN, [node()], [f"/t/{number}.png" for number in range(5)])
    assert findings[0].sentence == "5 files are missing: /t/0.png, /t/1.png, /t/2.png and 2 more."
    assert checks.allowances(findings) == {"allow_missing"}


def test_only_what_is_not_on_the_disk_is_missing(tmp_path: Path) -> None:
    there = tmp_path / "there.png"
    there.touch()
    assert checks.missing_of([str(there), str(tmp_path / "gone.png")]) == [str(tmp_path / "gone.png")]


@pytest.mark.parametrize(
    ("sentence", "allows"),
    [
        ("frames of that name exist already: /f/sea_0001.png", {"overwrite"}),
        ("the scene needs files that are not there: /t/a.png (image 'a')", {"allow_missing"}),
        ("the disk refuses: full", set()),
    ],
)
def test_a_nodes_refusal_becomes_a_question_where_a_yes_helps(sentence: str, allows: set[str]) -> None:
    finding = checks.refused(sentence, "do something")
    assert finding.severity == (checks.ASK if allows else checks.STOP)
    assert checks.allowances([finding]) == allows


def test_the_gravest_comes_first() -> None:
    scene = replace(PLAIN, camera="", file_format="FFMPEG", file_output_nodes=1)
    assert [severity for severity, _ in found(scene)] == [checks.STOP, checks.ASK, checks.NOTE]
