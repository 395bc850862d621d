"""What `peerfarm submit` makes of options and of what a scene says."""

from __future__ import annotations

from typing import Any

import pytest

from peerfarm.cli.jobspec import Wish, app_of_scene, build_job, is_job_file, parse_params, split_output
from peerfarm.errors import RequestRefused
from peerfarm.model.jobfile import job_from_mapping

SCENE: dict[str, Any] = {
    "frame_start": 1,
    "frame_end": 60,
    "frame_step": 1,
    "output_dir": "/projects/frames",
    "output_pattern": "sea_####.exr",
    "format": "OPEN_EXR",
    "version": "3.4.1",
    "warnings": [],
}


def test_a_scene_alone_gives_a_whole_job() -> None:
    job = build_job(Wish("blender", "/projects/sea.blend"), SCENE)
    assert job["name"] == "sea"
    (step,) = job["steps"]
    assert step["params"] == {"scene": "/projects/sea.blend"}
    assert step["frames"] == "1-60"
    assert step["output"] == {"dir": "/projects/frames", "pattern": "sea_####.exr"}
    assert step["requires"] == {"version": "3.4"}


def test_what_the_user_wrote_goes_before_what_the_scene_says() -> None:
    wish = Wish(
        "blender",
        "/projects/sea.blend",
        output="/out/wave_###.png",
        frames="5,7",
        chunk=2,
        name="wave",
        priority=0,
        pool="gpu",
        workers=("a", "b"),
        tries=1,
        time_limit=60.0,
        stall_limit="5m",
        version="4.2",
        params={"samples": 8},
        is_paused=True,
    )
    assert build_job(wish, SCENE) == {
        "name": "wave",
        "priority": 0,
        "pool": "gpu",
        "workers": ["a", "b"],
        "paused": True,
        "steps": [
            {
                "name": "render",
                "app": "blender",
                "params": {"samples": 8, "scene": "/projects/sea.blend"},
                "frames": "5,7",
                "chunk": 2,
                "output": {"dir": "/out", "pattern": "wave_###.png"},
                "tries": 1,
                "time_limit": 60.0,
                "stall_limit": "5m",
                "requires": {"version": "4.2"},
            }
        ],
    }


def test_a_scene_that_renders_every_third_frame_keeps_its_step() -> None:
    (step,) = build_job(Wish("blender", "/s.blend"), {**SCENE, "frame_step": 3})["steps"]
    assert step["frames"] == "1-60x3"


def test_any_version_asks_for_none() -> None:
    (step,) = build_job(Wish("blender", "/s.blend", is_any_version=True), SCENE)["steps"]
    assert "requires" not in step
    assert step["params"]["any_version"] is True


def test_a_directory_alone_keeps_the_scenes_file_names() -> None:
    (step,) = build_job(Wish("blender", "/s.blend", output="/out"), SCENE)["steps"]
    assert step["output"] == {"dir": "/out", "pattern": "sea_####.exr"}


def test_an_app_without_a_scene_needs_no_inspection() -> None:
    job = build_job(Wish("ocean", output="/out", frames="1-24"), None)
    assert job == {
        "name": "ocean",
        "steps": [
            {
                "name": "render",
                "app": "ocean",
                "frames": "1-24",
                "output": {"dir": "/out", "pattern": "ocean_####.png"},
            }
        ],
    }


def test_a_scene_without_an_output_asks_for_one() -> None:
    with pytest.raises(RequestRefused, match="no output directory") as caught:
        build_job(Wish("blender", "/s.blend"), {**SCENE, "output_dir": ""})
    assert "--output" in caught.value.hint


@pytest.mark.parametrize(
    "wish",
    [
        Wish("ocean", output="/out", frames="-5--1", name="sea", workers=("a",), pool="p", priority=3, is_paused=True),
        Wish("blender", "/s.blend", chunk=5, tries=2, time_limit="5m", stall_limit=9.0, params={"samples": 4}),
    ],
)
def test_the_job_is_one_that_a_node_understands(wish: Wish) -> None:
    spec = job_from_mapping(build_job(wish, SCENE if wish.scene else None), user="ada", submitted_ms=0)
    (step,) = spec.steps
    assert wish.app == step.app
    assert step.output_dir.startswith("/")
    assert wish.tries in (None, step.tries)
    assert step.time_limit_s == (300 if wish.time_limit else 0)


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ("/out/shot_####.png", ("/out", "shot_####.png")),
        ("/out/shot.%04d.exr", ("/out", "shot.%04d.exr")),
        ("/out/shot.$F4.exr", ("/out", "shot.$F4.exr")),
        ("/####.png", ("/", "####.png")),
        ("C:\\out\\####.png", ("C:\\out", "####.png")),
        ("C:\\####.png", ("C:\\", "####.png")),
        ("/out/v1.2", ("/out/v1.2", "")),
        ("/out#2/frames", ("/out#2/frames", "")),
    ],
)
def test_an_output_is_a_directory_and_perhaps_a_pattern(output: str, parts: tuple[str, str]) -> None:
    assert parts == split_output(output)


def test_one_file_name_for_all_frames_is_refused_with_a_better_one() -> None:
    with pytest.raises(RequestRefused) as caught:
        split_output("/out/beauty.png")
    assert "beauty_####.png" in caught.value.hint


def test_parameters_are_numbers_and_flags_where_they_look_like_it() -> None:
    pairs = ["samples=64", "denoise=true", "seconds=0.5", "camera=Cam 1", "note=NaN", "equation=a=b", "empty="]
    assert parse_params(pairs) == {
        "samples": 64,
        "denoise": True,
        "seconds": 0.5,
        "camera": "Cam 1",
        "note": "NaN",
        "equation": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("pairs", [["samples"], ["=3"], ["a=1", "a=2"]])
def test_parameters_that_cannot_be_read_are_refused(pairs: list[str]) -> None:
    with pytest.raises(RequestRefused, match="parameter"):
        parse_params(pairs)


def test_files_are_known_by_their_extension() -> None:
    assert [app_of_scene(name) for name in ("a.blend", "A.BLEND", "a.ma", "a.MB", "a.max")] == [
        *("blender", "blender", "maya", "maya", "")
    ]
    assert [is_job_file(name) for name in ("j.yaml", "j.YML", "j.json", "j.blend")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("ocean"), "no frames"),
        (Wish("ocean", output="/out"), "no frames"),
        (Wish("ocean", frames="1-3"), "no directory for its frames"),
        (Wish("blender", "/p/sea.blend", output="/out"), "no frames"),
    ],
)
def test_an_app_that_writes_frames_needs_to_know_which_and_where(wish: Wish, words: str) -> None:
    with pytest.raises(RequestRefused, match=words) as refused:
        build_job(wish, None)
    assert "--frames 1-24 --output" in refused.value.hint


def test_a_command_needs_neither_frames_nor_an_output() -> None:
    (step,) = build_job(Wish("command", params={"command": "mkdir"}), None)["steps"]
    assert step == {"name": "render", "app": "command", "params": {"command": "mkdir"}}


def _pass(layer: str, camera: str) -> dict[str, Any]:
    params = {"renderer": "arnold", "layer": f"rs_{layer}", "camera": camera, "width": None, "height": None}
    place = f"{layer}/{camera}"
    name = f"{layer}-{camera}"
    output = {"output_dir": f"/p/images/{place}", "output_pattern": "s.####.exr"}
    return {"name": name, "place": place, "params": params, **output}


MAYA = {
    "version": "2025", "format": "exr", "frame_start": 1, "frame_end": 9, "frame_step": 2, "output_dir": "/p/images",
    "passes": [_pass(layer, camera) for layer in ("beauty", "shadow") for camera in ("left", "right")],
}  # fmt: skip


def test_a_maya_scene_has_a_step_for_each_layer_and_camera_with_its_own_folder() -> None:
    steps = build_job(Wish(app="maya", scene="/p/s.ma", chunk=3), MAYA)["steps"]
    assert [step["name"] for step in steps] == ["beauty-left", "beauty-right", "shadow-left", "shadow-right"]
    assert steps[1] == {
        "name": "beauty-right",
        "app": "maya",
        "params": {"scene": "/p/s.ma", "renderer": "arnold", "layer": "rs_beauty", "camera": "right"},
        "frames": "1-9x2",
        "chunk": 3,
        "output": {"dir": "/p/images/beauty/right", "pattern": "s.####.exr"},
        "requires": {"version": "2025"},
    }
    moved = build_job(Wish(app="maya", scene="/p/s.ma", output="/out/x_####.png"), MAYA)["steps"]
    assert [step["output"]["dir"] for step in moved] == [f"/out/{one['place']}" for one in MAYA["passes"]]
    assert {step["params"]["format"] for step in moved} == {"png"}


def test_a_named_layer_or_camera_is_rendered_alone_also_under_the_name_in_mayas_window() -> None:
    (step,) = build_job(
        Wish(app="maya", scene="/p/s.ma", output="/out", params={"layer": "shadow", "camera": "left"}), MAYA
    )["steps"]
    assert (step["params"]["layer"], step["params"]["camera"]) == ("rs_shadow", "left")
    assert step["output"] == {"dir": "/out", "pattern": "s.####.exr"}
    other = build_job(Wish(app="maya", scene="/p/s.ma", params={"camera": "cams:top"}), MAYA)["steps"]
    assert [step["params"]["camera"] for step in other] == ["cams:top"]


def test_what_a_scene_cannot_tell_has_to_be_given() -> None:
    said = {"version": "2025", "unsaid": "s.mb is binary", "hint": "Give --frames and --output.", "passes": []}
    for wish in (
        Wish(app="maya", scene="/p/s.mb"),
        Wish(app="maya", scene="/p/s.mb", frames="1-4"),
        Wish(app="maya", scene="/p/s.mb", frames="1-4", output="/out"),
    ):
        with pytest.raises(RequestRefused, match="binary") as refused:
            build_job(wish, said)
        assert "--frames" in refused.value.hint
    (step,) = build_job(Wish(app="maya", scene="/p/s.mb", frames="1-4", output="/out/s_##.exr"), said)["steps"]
    assert step["params"] == {"scene": "/p/s.mb"}
    assert step["requires"] == {"version": "2025"}
