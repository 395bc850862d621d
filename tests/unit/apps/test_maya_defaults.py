"""A Maya scene's text tells its submission: frames, cameras, layers, and where Maya would put the images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.maya_binary import binary_year
from peerfarm.errors import AppFailed
from peerfarm.runner.mayascene import inspect_maya

SHOT = Path(__file__).parents[2] / "vectors" / "maya" / "shot.ma"
HEAD = '//Maya ASCII 2024 scene\n//Codeset: UTF-8\nrequires maya "2024";\ncurrentUnit -l centimeter -a degree -t %s;\n'
CAMERA = 'createNode camera -n "camShape" -p "cam";\n'
GLOBALS = 'select -ne :defaultRenderGlobals;\n\tsetAttr ".ren" -type "string" "arnold";\n'


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A project's folder for scenes."""
    (tmp_path / "show" / "scenes").mkdir(parents=True)
    (tmp_path / "show" / "workspace.mel").write_text('workspace -fr "images" "renders";\n', "utf-8")
    return tmp_path / "show" / "scenes"


def told(scene: Path) -> dict[str, Any]:
    return inspect_maya(str(scene), lambda: False)


def scene_of(show: Path, *parts: str, unit: str = "film", name: str = "shot.ma") -> Path:
    (show / name).write_text(HEAD % unit + "".join(parts), "utf-8")
    return show / name


def places(said: dict[str, Any], show: Path) -> list[str]:
    return [
        f"{Path(one['output_dir']).relative_to(show.parent).as_posix()}/{one['output_pattern']}"
        for one in said["passes"]
    ]


def test_every_layer_and_camera_of_the_show_is_a_pass_with_its_own_images(show: Path) -> None:
    scene = show / "shot.ma"
    scene.write_text(SHOT.read_text("utf-8"), "utf-8")
    said = told(scene)
    assert (said["frame_start"], said["frame_end"], said["frame_step"]) == (1, 4, 1)
    assert (said["version"], said["engine"], said["format"]) == ("2025", "arnold", "png")
    assert (said["width"], said["height"], said["cameras"]) == (64, 36, ["shotCam", "closeCam"])
    assert places(said, show) == [
        f"renders/{layer}/{camera}/shot.####.png"
        for layer in ("beauty", "shadow")
        for camera in ("shotCam", "closeCam")
    ]
    assert [one["params"]["layer"] for one in said["passes"]] == ["rs_beauty", "rs_beauty", "rs_shadow", "rs_shadow"]


def test_without_tokens_passes_get_folders_of_their_own_as_in_maya(show: Path) -> None:
    text = re.sub(r"<RenderLayer>/<Camera>/<Scene>", "take_1", SHOT.read_text("utf-8"))
    (show / "shot.ma").write_text(text, "utf-8")
    assert places(told(show / "shot.ma"), show)[-1] == "renders/shadow/closeCam/take_1.####.png"


def test_a_scene_that_is_not_animated_renders_its_current_frame_and_says_so(show: Path) -> None:
    said = told(scene_of(show, CAMERA, 'select -ne :time1;\n\tsetAttr ".o" 17;\n', GLOBALS))
    assert (said["frame_start"], said["frame_end"]) == (17, 17)
    assert "one frame, 17" in " ".join(said["warnings"])
    assert places(said, show) == ["renders/shot.####.exr"]


@pytest.mark.parametrize(("unit", "last"), [("film", 10), ("ntsc", 12), ("60fps", 25), ("29.97fps", 12)])
def test_frames_that_nobody_set_are_mayas_defaults_in_the_scenes_time(show: Path, unit: str, last: int) -> None:
    said = told(scene_of(show, CAMERA, GLOBALS, '\tsetAttr ".an" yes;\n', unit=unit))
    assert said["frame_end"] == last


def test_a_step_and_a_camera_below_a_group_are_taken_as_they_are(show: Path) -> None:
    camera = 'createNode camera -n "leftShape"\n\t\t-p "|rig|left cam";\n'
    said = told(scene_of(show, camera, GLOBALS, '\tsetAttr ".an" yes;\n\tsetAttr ".ef" 20;\n\tsetAttr ".bfs" 5;\n'))
    assert (said["frame_end"], said["frame_step"], said["cameras"]) == (20, 5, ["|rig|left cam"])


def test_cameras_of_references_have_their_namespaces_and_the_scenes_changes(show: Path) -> None:
    scene_of(show, CAMERA, CAMERA.replace("cam", "spare"), name="cams.ma")
    scene_of(show, 'file -r -ns "in" -rfn "inRN" "cams.ma";\n', name="set.ma")
    reference = 'file -rdi 1 -ns "set" -rfn "setRN" "set.ma";\nfile -r -ns "set" -dr 1 -rfn "setRN" "set.ma{2}";\n'
    edits = (
        'createNode reference -n "setRN";\n\tsetAttr ".ed" -type "dataReferenceEdits" \n\t\t"setRN"\n\t\t"setRN" 1\n'
        '\t\t2 "|set:in:spare|set:in:spareShape" "renderable" " 0";\n'
    )
    said = told(scene_of(show, reference, edits, GLOBALS))
    assert said["cameras"] == ["set:in:cam"]
    assert said["warnings"] == ["the scene is set to render one frame, 1: say --frames for more"]


def test_references_that_cannot_be_read_are_named_for_they_may_hold_the_camera(show: Path) -> None:
    (show / "cams.mb").write_bytes(b"FOR8")
    said = told(scene_of(show, 'file -r -ns "c" -rfn "cRN" "cams.mb";\nfile -r -ns "d" "gone.ma";\n', GLOBALS))
    assert "cams.mb, gone.ma" in said["warnings"][0]


def test_references_in_a_ring_come_to_an_end(show: Path) -> None:
    scene_of(show, 'file -r -ns "a" -rfn "aRN" "shot.ma";\n', CAMERA, name="b.ma")
    said = told(scene_of(show, 'file -r -ns "b" -rfn "bRN" "b.ma";\n', CAMERA, GLOBALS))
    assert said["cameras"][:2] == ["cam", "b:cam"]


@pytest.mark.parametrize(
    ("settings", "extension"),
    [
        ('\tsetAttr ".ren" -type "string" "mayaSoftware";\n', "iff"),
        ('\tsetAttr ".ren" -type "string" "mayaSoftware";\n\tsetAttr ".outf" 32;\n', "png"),
        ('\tsetAttr ".outf" 51;\n\tsetAttr ".imfkey" -type "string" "jpeg";\n', "jpg"),
        ('\tsetAttr ".ren" -type "string" "vray";\n', ""),
    ],
)
def test_the_image_format_is_the_renderers(show: Path, settings: str, extension: str) -> None:
    assert told(scene_of(show, CAMERA, GLOBALS, settings))["format"] == extension


def test_no_camera_no_layer_and_layers_with_their_own_values_are_warned_of(show: Path) -> None:
    layers = "".join(f'createNode renderLayer -n "{name}";\n\tsetAttr ".rndr" no;\n' for name in ("a", "rs_b"))
    override = 'createNode absUniqueOverride -n "o";\n\tsetAttr ".atr" -type "string" "%s";\n'
    target = '\tsetAttr ".tgName" -type "string" "%s";\n\tsetAttr ".atv" 4;\n'
    said = told(scene_of(show, layers, override % "endFrame", target % "defaultRenderGlobals", GLOBALS))
    words = " ".join(said["warnings"])
    assert "no renderable camera" in words
    assert "no render layer" in words
    assert "render settings of their own" in words
    harmless = told(scene_of(show, layers, override % "ignoreTextures", target % "defaultArnoldRenderOptions", GLOBALS))
    assert "render settings of their own" not in " ".join(harmless["warnings"])


def test_a_part_of_a_scene_and_a_binary_one_say_what_to_give(show: Path) -> None:
    part = told(scene_of(show, CAMERA))
    assert "says nothing about rendering" in part["unsaid"]
    assert "frame_start" not in part
    binary = show / "shot.mb"
    binary.write_bytes(b"FOR8\0\0\0\0\0\0\1\0MayaHEAD\0\0\0\0\0\0\0\x10VERS\0\0\0\0\0\0\0\x052025\0")
    said = told(binary)
    assert said["version"] == "2025"
    assert "shot.mb is a binary scene" in said["unsaid"]
    assert "--frames" in said["hint"]
    assert binary_year(b"FOR4") == ""


def test_other_files_are_no_scenes_and_missing_ones_are_missing(show: Path) -> None:
    (show / "a.ma").write_bytes(b"\0\1")
    with pytest.raises(AppFailed, match="no Maya ASCII"):
        told(show / "a.ma")
    with pytest.raises(FileNotFoundError):
        told(show / "gone.ma")
