"""A scene tells the defaults of its submission."""

from __future__ import annotations

from pathlib import Path

import pytest

from peerfarm.apps.blender_scene import inspection, parse_inspection
from peerfarm.errors import AppFailed
from peerfarm.model.render import Capability

RECORDED = Path(__file__).parents[2] / "vectors" / "blender"


def output(log: str) -> str:
    return (RECORDED / f"{log}.txt").read_text("utf-8")


def test_a_scene_says_what_to_render() -> None:
    scene = parse_inspection(output("3.4.1/inspect"))
    assert (scene["frame_start"], scene["frame_end"], scene["frame_step"]) == (1, 250, 1)
    assert (scene["width"], scene["height"], scene["fps"]) == (1920, 1080, 24.0)
    assert (scene["output"], scene["format"], scene["extension"]) == ("/tmp/", "PNG", ".png")
    assert (scene["engine"], scene["camera"], scene["cameras"]) == ("CYCLES", "Camera", ["Camera"])
    assert (scene["blender_version"], scene["file_version"]) == ("3.4.1", "3.4")
    assert scene["missing_files"] == ["/scenes/gone.png"]
    assert not scene["uses_denoiser"]
    assert not scene["is_movie"]


@pytest.mark.parametrize(("log", "version"), [("4.2.0/inspect", "4.2"), ("5.0.1/inspect", "5.0")])
def test_newer_blenders_answer_alike(log: str, version: str) -> None:
    scene = parse_inspection(output(log))
    assert scene["file_version"] == version
    assert scene["view_layers"] == ["ViewLayer", "second"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (output("3.4.1/inspect_not_a_blend"), "no .blend file"),
        (output("3.4.1/inspect_crash"), "could not read the scene"),
        ("", "said nothing"),
        ('PEERFARM {"event": "scene", "frame_start": "1"}', "could not read the scene"),
    ],
)
def test_a_scene_that_cannot_be_read_gets_a_sentence(text: str, words: str) -> None:
    with pytest.raises(AppFailed, match=words):
        parse_inspection(text)


def test_the_scene_is_opened_without_running_its_scripts() -> None:
    argv = inspection(Capability("blender", "3.4.1", "/usr/bin/blender"), "/a.blend").argv
    assert argv.index("-Y") < argv.index("-P")
    assert argv[-2:] == ("--", "/a.blend")
