"""Blender is found, asked and started in the one order of arguments that works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.base import ExpectedFile, Places
from peerfarm.apps.blender import BlenderApp, blend_version
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.ids import JobId
from peerfarm.model.render import Capability, RenderTask

APP = BlenderApp()
FOUND = Capability("blender", "3.4.1", "/usr/bin/blender")
PLACES = Places("/attempt/work", "/attempt/frames", "")


def task_of(pattern: str = "beauty_####.png", frames: tuple[int, ...] = (1, -5), **params: Any) -> RenderTask:
    checked = APP.check_params({"scene": "/jobs/shot.blend", **params})
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "blender", checked, frames, "/out", pattern)


def test_scripts_in_scenes_are_off_before_anything_else_is_read() -> None:
    argv = APP.build(FOUND, task_of(threads=2), PLACES).argv
    assert argv[:7] == ("/usr/bin/blender", "-b", "-Y", "--python-exit-code", "9", "-t", "2")
    assert argv[7] == "-P"
    assert Path(argv[8]).is_file()
    assert argv[9:] == ("--", "/attempt/work/order.json")
    assert "-y" not in argv


def test_no_value_of_a_job_stands_in_the_arguments() -> None:
    argv = APP.build(FOUND, task_of(camera="Hero", scene_name="Shot 1"), PLACES).argv
    assert not any("Hero" in argument or "Shot" in argument or "shot.blend" in argument for argument in argv)


def test_the_order_names_each_frame_with_its_final_name() -> None:
    order = json.loads(APP.build(FOUND, task_of(), PLACES).files["order.json"])
    assert order["frames"] == [[1, "/attempt/frames/beauty_0001.png"], [-5, "/attempt/frames/beauty_-0005.png"]]
    assert order["formats"] == ["PNG"]


def test_frames_go_to_windows_directories_with_their_separator() -> None:
    places = Places(r"C:\farm\work", r"C:\farm\frames", "")
    order = json.loads(APP.build(FOUND, task_of(), places).files["order.json"])
    assert order["frames"][0][1] == r"C:\farm\frames\beauty_0001.png"


def test_the_extension_chooses_the_format_and_leaves_the_scene_its_kind_of_exr() -> None:
    order = json.loads(APP.build(FOUND, task_of("a_####.EXR"), PLACES).files["order.json"])
    assert order["formats"] == ["OPEN_EXR", "OPEN_EXR_MULTILAYER"]
    order = json.loads(
        APP.build(FOUND, task_of("a_####.exr", format="open_exr_multilayer"), PLACES).files["order.json"]
    )
    assert order["formats"] == ["OPEN_EXR_MULTILAYER"]


@pytest.mark.parametrize(
    ("pattern", "format_name", "words"),
    [
        ("a_####.mp4", "", "names a movie"),
        ("a_####.psd", "", "writes no images"),
        ("a_####", "", "writes no images"),
        ("a_####.png", "OPEN_EXR", "does not fit"),
    ],
)
def test_a_file_name_that_blender_cannot_write_is_refused(pattern: str, format_name: str, words: str) -> None:
    with pytest.raises(AppFailed, match=words) as caught:
        APP.build(FOUND, task_of(pattern, format=format_name), PLACES)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "needs params.scene"),
        ({"scene": "shot.blend"}, "no absolute path"),
        ({"scene": "-y"}, "starts with '-'"),
        ({"scene": "/a.blend", "camera": "--python-expr"}, "starts with '-'"),
        ({"scene": "/a.blend", "camera": "a\nb"}, "control character"),
        ({"scene": "/a.blend\0"}, "control character"),
        ({"scene": "/" + "a" * 5000}, "longer than"),
        ({"scene": "/a.blend", "samples": True}, "must be a whole number from 0"),
        ({"scene": "/a.blend", "samples": -1}, "must be a whole number from 0"),
        ({"scene": "/a.blend", "width": 1e3}, "must be a whole number"),
        ({"scene": "/a.blend", "denoise": "no"}, "must be true or false"),
        ({"scene": "/a.blend", "camera": 3}, "must be text"),
        ({"scene": "/a.blend", "sample": 3}, "no parameter 'sample'"),
        ({"scene": "/a.blend", 7: 3}, "no parameter '7'"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        APP.check_params(params)


def test_an_unknown_parameter_brings_the_nearest_name() -> None:
    with pytest.raises(InvalidJob) as caught:
        APP.check_params({"scene": "/a.blend", "sample": 3})
    assert "'samples'" in caught.value.hint


def test_checked_parameters_are_complete_and_pass_a_second_check() -> None:
    checked = APP.check_params({"scene": r"C:\jobs\a.blend", "denoise": False})
    assert APP.check_params(checked) == checked
    assert checked["denoise"] is False
    assert APP.paths(checked) == (r"C:\jobs\a.blend",)


def test_the_settings_blender_is_tried_before_the_ones_found() -> None:
    for system in ("Linux", "Darwin", "Windows", "Haiku"):
        candidates = APP.candidates(system, ("/my/blender",))
        assert candidates[0].path == "/my/blender"
        assert len(candidates) > 1
        assert candidates[0].version_argv[:4] == ("-b", "-Y", "--python-exit-code", "9")


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("Blender 3.4.1\n", Capability("blender", "3.4.1", "/b")),
        ("Blender 4.2.3 LTS (hash a built 2024)\n", Capability("blender", "4.2.3", "/b")),
        (
            'Blender 4.2.3 LTS\n\nPEERFARM {"event": "blender", "version": "4.2.3", "tags": ["denoiser", "gpu", "x"]}',
            Capability("blender", "4.2.3", "/b", ("denoiser", "gpu")),
        ),
        ('PEERFARM {"event": "blender", "version": "?", "tags": 3}\n', None),
        ("GNU bash, version 5.2\n", None),
        ("", None),
    ],
)
def test_what_an_executable_prints_says_whether_it_is_blender(output: str, found: Capability | None) -> None:
    assert APP.identify("/b", output) == found


def test_a_job_gets_the_blender_of_its_version_unless_it_takes_any() -> None:
    params = APP.check_params({"scene": "/a.blend"})
    assert APP.suits(FOUND, params, "3.4")
    assert APP.suits(FOUND, params, "")
    assert not APP.suits(FOUND, params, "3.3")
    assert not APP.suits(Capability("blender", "3.40.0", "/b"), params, "3.4")
    assert APP.suits(FOUND, APP.check_params({"scene": "/a.blend", "any_version": True}), "4.2")


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (b"BLENDER-v304RENDH", "3.4"),
        (b"BLENDER_v293RENDH", "2.93"),
        (b"BLENDER-V279RENDH", "2.79"),
        (b"BLENDER17-01v0500", "5.0"),
        (b"BLENDER17-01v0512", "5.12"),
        (b"\x28\xb5\x2f\xfd\x60\x19", None),
        (b"\x1f\x8b\x08", None),
        (b"BLEND", None),
        (b"", None),
    ],
)
def test_the_header_of_a_scene_says_which_blender_saved_it(header: bytes, version: str | None) -> None:
    assert blend_version(header) == version


def test_every_frame_is_expected_under_its_name() -> None:
    assert APP.expected(task_of("a_##.hdr", (7,))) == (ExpectedFile("a_07.hdr", 7, is_image=False),)
    assert APP.expected(task_of("a_##.exr", (7,))) == (ExpectedFile("a_07.exr", 7),)
