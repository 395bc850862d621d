"""What Blender printed, recorded from three versions, is read as progress, frames and sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.base import Fatal, FrameAnnounced, LineEvent, Progress
from peerfarm.apps.blender import BlenderApp
from peerfarm.apps.blender_log import BlenderReader
from peerfarm.model.ids import JobId
from peerfarm.model.render import FailReason, RenderTask

RECORDED = Path(__file__).parents[2] / "vectors" / "blender"


def task_of(frames: tuple[int, ...] = (1, 3), **params: Any) -> RenderTask:
    checked = BlenderApp().check_params({"scene": "/scenes/s.blend", **params})
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "blender", checked, frames, "/out", "a_####.png")


def read(log: str, **params: Any) -> tuple[list[LineEvent], Fatal | None, BlenderReader]:
    """The events of a recorded run, and what was made of its exit code."""
    first, *lines = (RECORDED / f"{log}.txt").read_text("utf-8").split("\n")
    reader = BlenderApp().reader(task_of(**params))
    events = [event for line in lines for event in reader.feed(line)]
    return events, reader.judge(int(first.removeprefix("exit code "))), reader


@pytest.mark.parametrize("version", ["3.4.1", "4.2.0", "5.0.1"])
def test_a_good_run_announces_each_frame_once_and_succeeds(version: str) -> None:
    events, verdict, reader = read(f"{version}/two_frames")
    assert verdict is None
    announced = [event for event in events if isinstance(event, FrameAnnounced)]
    assert announced == [
        FrameAnnounced(1, "/attempt/frames/a_0001.png"),
        FrameAnnounced(3, "/attempt/frames/a_0003.png"),
    ]
    assert reader.dimensions == (64, 48)


@pytest.mark.parametrize("version", ["3.4.1", "4.2.0", "5.0.1"])
def test_progress_only_grows_and_ends_at_one(version: str) -> None:
    events, _, _ = read(f"{version}/two_frames")
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert 0.5 in fractions


def test_samples_move_the_progress_within_a_frame() -> None:
    events, _, _ = read("3.4.1/two_frames")
    assert any(isinstance(event, Progress) and event.fraction == 1 / 16 and event.frame == 1 for event in events)


def test_a_second_view_layer_does_not_set_the_progress_back() -> None:
    reader = BlenderApp().reader(task_of())
    reader.feed('PEERFARM {"event": "frame", "frame": 1}')
    assert reader.feed("Fra:1 Mem:1M | Scene, First | Sample 8/8")[0] == Progress(0.5, 1, "frame 1, sample 8/8")
    assert reader.feed("Fra:1 Mem:1M | Scene, Second | Sample 0/8")[0] == Progress(0.5, 1, "frame 1, sample 0/8")


@pytest.mark.parametrize(
    ("log", "reason", "words"),
    [
        ("3.4.1/no_such_scene_file", FailReason.APP_FAILED, "sees no scene file /scenes/none.blend"),
        ("3.4.1/not_a_blend_file", FailReason.APP_FAILED, "no .blend file"),
        ("3.4.1/saved_by_4.2", FailReason.APP_NOT_FOUND, "saved by Blender 4.2, and this is Blender 3.4"),
        ("4.2.0/saved_by_3.4", FailReason.APP_NOT_FOUND, "install Blender 3.4"),
        ("5.0.1/saved_by_3.4", FailReason.APP_NOT_FOUND, "install Blender 3.4"),
        ("3.4.1/saved_by_4.2_forced", FailReason.APP_FAILED, "Blender crashed"),
        ("3.4.1/saved_by_5.0_compressed", FailReason.APP_FAILED, "saved by a newer Blender"),
        ("3.4.1/denoiser_missing", FailReason.APP_NOT_FOUND, "set denoise to false"),
        ("3.4.1/driver_not_run", FailReason.APP_FAILED, "__import__('os').getpid()"),
        ("3.4.1/no_camera", FailReason.APP_FAILED, "has no camera"),
        ("3.4.1/texture_missing", FailReason.APP_FAILED, "/scenes/gone.png"),
        ("3.4.1/library_missing", FailReason.APP_FAILED, "/scenes/lib.blend"),
        ("3.4.1/unknown_engine", FailReason.APP_FAILED, "no render engine 'LUXCORE'"),
        ("3.4.1/unknown_scene", FailReason.APP_FAILED, "no scene named 'Shot'; it has: Scene"),
        ("3.4.1/unknown_camera", FailReason.APP_FAILED, "no camera named 'Closeup'; it has: Camera"),
        ("3.4.1/unwritable_frame", FailReason.APP_FAILED, "could not write a frame"),
        ("4.2.0/no_such_scene_file", FailReason.APP_FAILED, "sees no scene file"),
        ("5.0.1/no_such_scene_file", FailReason.APP_FAILED, "sees no scene file"),
    ],
)
def test_each_recorded_failure_gets_a_sentence_for_the_artist(log: str, reason: FailReason, words: str) -> None:
    _, verdict, _ = read(log)
    assert verdict is not None
    assert words in verdict.message
    assert verdict.reason is reason


def test_a_driver_that_was_not_run_stops_the_render_at_once() -> None:
    events, _, _ = read("3.4.1/driver_not_run")
    assert any(isinstance(event, Fatal) and event.stop for event in events)


def test_an_artist_who_knows_about_the_drivers_gets_the_frame() -> None:
    _, verdict, _ = read("3.4.1/driver_not_run", allow_driver_errors=True, frames=(1, 3))
    assert verdict is None


def test_blender_that_exits_well_without_a_frame_has_failed() -> None:
    reader = BlenderApp().reader(task_of())
    reader.feed('PEERFARM {"event": "written", "frame": 1, "path": "/x"}')
    verdict = reader.judge(0)
    assert verdict is not None
    assert verdict.reason is FailReason.OUTPUT_MISSING
    assert "without frame 3" in verdict.message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Error: System is out of GPU memory", "more memory"),
        ("CUDA error: Out of memory in cuMemAlloc(&device_pointer, size)", "more memory"),
        ("OptiX error OPTIX_ERROR_INTERNAL_ERROR in optixLaunch", "graphics card failed"),
        ("Error: Could not write: No space left on device", "disk is full"),
        ("Error: something nobody has seen before", "something nobody has seen before"),
    ],
)
def test_an_error_in_the_log_is_told_when_the_exit_code_is_bad(line: str, words: str) -> None:
    reader = BlenderApp().reader(task_of())
    reader.feed(line)
    verdict = reader.judge(1)
    assert verdict is not None
    assert words in verdict.message


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "killed"), (137, "killed"), (-11, "crashed"), (3221225477, "crashed")]
)
def test_a_blender_that_broke_down_is_told_from_one_that_gave_up(code: int, words: str) -> None:
    verdict = BlenderApp().reader(task_of()).judge(code)
    assert verdict is not None
    assert words in verdict.message


@pytest.mark.parametrize(
    "line",
    [
        'PEERFARM {"event": "written", "frame": "3"}',
        'PEERFARM {"event": "written", "frame": 4, "path": "/other"}',
        'PEERFARM {"event": "start", "width": -4, "height": null}',
        'PEERFARM {"event": ["start"]}',
        "PEERFARM " + "[" * 50_000,
        'PEERFARM {"event": "stats", "text": "Sample 3/0"}',
        "Fra:99999999999999999999 Sample 1/2",
        "",
        "\x00\ud800",
    ],
)
def test_a_lying_line_announces_nothing_and_breaks_nothing(line: str) -> None:
    reader = BlenderApp().reader(task_of())
    assert not any(isinstance(event, FrameAnnounced | Fatal) for event in reader.feed(line))
    assert reader.dimensions == (0, 0)
