"""The built-in renderer is started in isolation and read without trust."""

from __future__ import annotations

import json
from typing import Any

import pytest

from peerfarm.apps.base import ExpectedFile, FrameAnnounced, Places, Progress
from peerfarm.apps.ocean import OceanApp
from peerfarm.apps.registry import APPS, app_named, built_in
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.ids import JobId
from peerfarm.model.render import FailReason, RenderTask

APP = OceanApp()
FOUND = built_in("/usr/bin/python3", {})[0]


def task_of(pattern: str = "sea_####.png", **params: Any) -> RenderTask:
    checked = APP.check_params(params)
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "ocean", checked, (1, 2), "/out", pattern)


def test_the_running_python_renders_isolated_from_its_surroundings() -> None:
    command = APP.build(FOUND, task_of(width=64, height=48), Places("/w", "/f", ""))
    assert command.argv[:3] == ("/usr/bin/python3", "-I", "-S")
    order = json.loads(command.files[command.argv[-1]])
    assert order["frames"] == [[1, "sea_0001.png"], [2, "sea_0002.png"]]
    assert (order["width"], order["height"], order["directory"]) == (64, 48, "/f")


def test_the_size_of_the_frames_is_known_beforehand() -> None:
    task = task_of(width=64, height=48)
    assert APP.expected(task)[0] == ExpectedFile("sea_0001.png", 1, 64, 48)
    assert APP.reader(task).dimensions == (64, 48)


def test_other_formats_than_png_are_refused() -> None:
    with pytest.raises(AppFailed, match="writes PNG"):
        APP.build(FOUND, task_of("sea_####.exr"), Places("/w", "/f", ""))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"width": 8}, "from 16 to 4096"),
        ({"seconds_per_frame": "5"}, "must be a number"),
        ({"seconds_per_frame": float("nan")}, "must be a number"),
        ({"sed": 1}, "no parameter 'sed'"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        APP.check_params(params)


def test_a_run_is_followed_to_its_end() -> None:
    reader = APP.reader(task_of())
    assert reader.feed('PEERFARM {"event": "rows", "frame": 1, "done": 30, "of": 60}') == (
        Progress(0.25, 1, "frame 1"),
    )
    announced = reader.feed('PEERFARM {"event": "written", "frame": 1, "path": "/f/sea_0001.png"}')
    assert announced == (FrameAnnounced(1, "/f/sea_0001.png"), Progress(0.5, 1, "frame 1"))
    verdict = reader.judge(0)
    assert verdict is not None
    assert verdict.reason is FailReason.OUTPUT_MISSING
    reader.feed('PEERFARM {"event": "written", "frame": 2, "path": "/f/sea_0002.png"}')
    assert reader.judge(0) is None


def test_an_error_of_the_renderer_is_passed_on() -> None:
    reader = APP.reader(task_of())
    reader.feed('PEERFARM {"event": "error", "message": "a frame could not be written: disk"}')
    verdict = reader.judge(1)
    assert verdict is not None
    assert "could not be written: disk" in verdict.message


def test_every_app_is_known_by_its_name() -> None:
    assert set(APPS) == {"blender", "maya", "aftereffects", "ocean", "command"}
    assert all(app.name == name and app_named(name) is app for name, app in APPS.items())


def test_an_unknown_app_brings_the_nearest_name_and_the_list() -> None:
    with pytest.raises(InvalidJob, match="no app 'blendr'") as caught:
        app_named("blendr")
    assert "'blender'" in caught.value.hint
    assert "ocean" in caught.value.hint
