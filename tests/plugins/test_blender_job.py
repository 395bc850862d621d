"""The Blender add-on without Blender: from what an artist chose to the job, as the node understands it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from blender_rig import addon_module

from peerfarm.apps.registry import app_named
from peerfarm.model.frames import count_frames
from peerfarm.model.job import JobSpec
from peerfarm.model.jobfile import job_from_mapping

job = addon_module("job")

PLAIN = job.Settings(
    scene_file="/shots/010/sea.blend",
    scene_name="Scene",
    version="4.2",
    needs_copy=False,
    name="sea",
    frames="1-60",
    chunk=5,
    priority=50,
    pool="",
    output="/shots/010/frames/sea_",
    file_format="PNG",
    engine="CYCLES",
    camera="Camera",
)


def taken(settings: Any, **allowed: bool) -> JobSpec:
    """The job as a node takes it, its parameters checked by the app."""
    built = job.build_job(settings, settings.scene_file, **allowed)
    spec = job_from_mapping(built, user="ada", submitted_ms=0)
    for step in spec.steps:
        app_named(step.app).check_params(step.params)
    return spec


def patterns(settings: Any) -> list[str]:
    return [step.output_pattern for step in taken(settings).steps]


def test_a_plain_scene_becomes_one_step_with_the_scenes_own_names() -> None:
    (step,) = taken(PLAIN).steps
    assert (step.output_dir, step.output_pattern) == ("/shots/010/frames", "sea_####.png")
    assert (step.chunk_size, count_frames(step.frames), step.requires.version) == (5, 60, "4.2")
    assert step.params == {"scene": "/shots/010/sea.blend", "scene_name": "Scene"}


@pytest.mark.parametrize(
    ("output", "file_format", "pattern"),
    [
        ("/f/", "PNG", "####.png"),
        ("/f/sea_", "OPEN_EXR_MULTILAYER", "sea_####.exr"),
        ("/f/sea_##_v2.png", "PNG", "sea_##_v2.png"),
        ("/f/sea#_####", "JPEG", "sea__####.jpg"),
        ("/f/sea.PNG", "PNG", "sea####.png"),
        ("/f/sea_", "FFMPEG", "sea_####.png"),
        ("C:\\f\\sea_", "TIFF", "sea_####.tif"),
    ],
)
def test_frames_are_called_what_blender_would_call_them(output: str, file_format: str, pattern: str) -> None:
    assert patterns(replace(PLAIN, output=output, file_format=file_format)) == [pattern]


def test_each_chosen_layer_and_camera_gets_a_step_and_files_of_its_own() -> None:
    chosen = replace(PLAIN, cameras=("Left", "Right"), view_layers=("Beauty", "Shadow/1"))
    steps = taken(chosen).steps
    assert [(step.params["view_layer"], step.params["camera"]) for step in steps] == [
        ("Beauty", "Left"),
        ("Beauty", "Right"),
        ("Shadow/1", "Left"),
        ("Shadow/1", "Right"),
    ]
    assert [step.output_pattern for step in steps] == [
        "sea_Beauty_Left_####.png",
        "sea_Beauty_Right_####.png",
        "sea_Shadow-1_Left_####.png",
        "sea_Shadow-1_Right_####.png",
    ]


def test_names_that_a_disk_could_take_for_one_do_not_overwrite_one_another() -> None:
    found = patterns(replace(PLAIN, cameras=("Cam", "cam", "C/m", "C:m", "   ", "日本", "#", "aux")))
    assert len({pattern.casefold() for pattern in found}) == 8


def test_very_long_names_still_make_a_job() -> None:
    layers = tuple(f"{'long ' * 30}{number}" for number in range(3))
    found = patterns(replace(PLAIN, cameras=("c" * 200,), view_layers=layers))
    assert len(set(found)) == 3


def test_what_the_artist_allowed_is_in_the_job() -> None:
    spec = taken(PLAIN, allow_missing=True, overwrite=True)
    assert spec.overwrite
    assert spec.steps[0].params["allow_missing"] is True


def test_a_scene_that_denoises_asks_for_a_worker_that_can() -> None:
    assert taken(replace(PLAIN, uses_denoiser=True)).steps[0].requires.tags == ("denoiser",)


def test_any_version_asks_for_none() -> None:
    (step,) = taken(replace(PLAIN, wishes_any_version=True)).steps
    assert (step.requires.version, step.params["any_version"]) == ("", True)


def test_priority_and_pool_are_passed_on() -> None:
    spec = taken(replace(PLAIN, priority=80, pool="gpu"))
    assert (spec.priority, spec.pool) == (80, "gpu")


@pytest.mark.parametrize(
    ("first", "last", "step", "frames"),
    [(1, 60, 1, "1-60"), (1, 60, 5, "1-60x5"), (7, 7, 1, "7"), (-5, -1, 1, "-5--1")],
)
def test_the_scenes_range_is_written_as_an_expression(first: int, last: int, step: int, frames: str) -> None:
    assert job.scene_frames(first, last, step) == frames
