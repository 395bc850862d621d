"""Render is called as it understands it, and what it says and how it ends are told in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.base import FrameAnnounced, Places, Progress
from peerfarm.apps.maya import MayaApp
from peerfarm.errors import InvalidJob
from peerfarm.model.ids import JobId
from peerfarm.model.pathmap import PathMap, PathRule
from peerfarm.model.render import Capability, FailReason, RenderTask

APP = MayaApp()
LOGS = Path(__file__).parents[2] / "vectors" / "maya"
FOUND = Capability("maya", "2025", "/usr/autodesk/maya2025/bin/Render")


def task_of(frames: tuple[int, ...] = (1, 2, 3, 4), pattern: str = "beauty_####.exr", **params: Any) -> RenderTask:
    checked = APP.check_params({"scene": "/p/scenes/shot.ma", **params})
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "maya", checked, frames, "/out", pattern)


def order_of(task: RenderTask, paths: PathMap | None = None) -> list[str]:
    places = Places("/w", "/f", "", paths or PathMap())
    argv: list[str] = json.loads(APP.build(FOUND, task, places).files["order.json"])["argv"]
    return argv


def options(argv: list[str]) -> dict[str, str]:
    return {word: argv[at + 1] for at, word in enumerate(argv[:-1]) if word.startswith("-")}


def judged(lines: list[str], exit_code: int, written: tuple[int, ...] = ()) -> tuple[str, FailReason] | None:
    reader = APP.reader(task_of())
    for line in lines:
        reader.feed(line)
    for frame in written:
        reader.feed("PEERFARM " + json.dumps({"event": "written", "frame": frame, "path": f"/f/{frame}"}))
    fatal = reader.judge(exit_code)
    return (fatal.message, fatal.reason) if fatal else None


def test_a_chunk_says_frames_layer_camera_size_and_where_the_images_go() -> None:
    argv = order_of(task_of(layer="beauty", camera="shotCam", width=320, height=180, project="/p"))
    given = options(argv)
    assert argv[0] == FOUND.executable
    assert argv[-1] == "/p/scenes/shot.ma"
    assert (given["-r"], given["-proj"]) == ("file", "/p")
    assert (given["-s"], given["-e"], given["-b"], given["-pad"]) == ("1", "4", "1", "4")
    assert (given["-rd"], given["-im"]) == ("/f", "beauty")
    assert (given["-rl"], given["-cam"], given["-x"], given["-y"]) == ("beauty", "shotCam", "320", "180")


def test_what_the_scene_is_to_decide_is_not_said() -> None:
    assert options(order_of(task_of())).keys() & {"-cam", "-rl", "-x", "-y", "-of", "-proj", "-ai:alf"} == set()


def test_arnold_stops_rather_than_watermark_frames_tells_its_progress_and_numbers_them() -> None:
    given = options(order_of(task_of(renderer="arnold", format="jpg")))
    assert (given["-ai:alf"], given["-ai:lve"], given["-ai:ltc"]) == ("true", "2", "true")
    assert (given["-fnc"], given["-of"]) == ("name.#.ext", "jpeg")
    assert options(order_of(task_of(renderer="sw", format="jpg")))["-of"] == "jpg"


@pytest.mark.parametrize(
    ("system", "usual"),
    [
        ("Linux", "/usr/autodesk/maya20*/bin/Render"),
        ("Darwin", "/Applications/Autodesk/maya20*/Maya.app/Contents/bin/Render"),
        ("Windows", r"C:\Program Files\Autodesk\Maya20*\bin\Render.exe"),
    ],
)
def test_render_is_looked_for_where_its_owner_says_first_and_then_where_it_is_installed(
    system: str, usual: str
) -> None:
    paths = [candidate.path for candidate in APP.candidates(system, ("/studio/Render",))]
    assert paths[0] == "/studio/Render"
    assert paths[1].startswith("$MAYA_LOCATION")
    assert usual in paths[2:]


def test_a_renderer_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidJob, match="renderer"):
        APP.check_params({"scene": "/p/a.ma", "renderer": "blender"})


@pytest.mark.parametrize(
    ("path", "year"),
    [
        ("/usr/autodesk/maya2022/bin/Render", "2022"),
        (r"C:\Program Files\Autodesk\Maya2026\bin\Render.exe", "2026"),
        ("/Applications/Autodesk/maya2024/Maya.app/Contents/bin/Render", "2024"),
        ("/studio/maya/bin/Render", ""),
    ],
)
def test_the_year_is_read_from_where_maya_lies(path: str, year: str) -> None:
    found = APP.identify(path, "")
    assert found is not None
    assert found.version == year


def test_what_render_lists_is_known_of_it_and_what_it_says_otherwise_is_not() -> None:
    listed = "Available renderers:\n  arnold  - Arnold renderer\n  file  - Use the file's\n  sw  - Maya software\n"
    assert APP.identify("/usr/autodesk/maya2025/bin/Render", listed) == Capability(
        "maya", "2025", "/usr/autodesk/maya2025/bin/Render", ("arnold", "sw")
    )
    for said in ("", "Usage: Render [options] filename", "cannot find a license for arnold"):
        found = APP.identify("/usr/autodesk/maya2025/bin/Render", said)
        assert found is not None
        assert found.tags == ()


def test_only_the_wanted_year_renders_unless_any_may() -> None:
    params = task_of().params
    assert APP.suits(FOUND, params, "2025")
    assert not APP.suits(FOUND, params, "2024")
    assert APP.suits(FOUND, task_of(any_version=True).params, "2024")
    assert APP.suits(FOUND, params, "")


def test_paths_of_other_machines_are_mapped_before_the_scene_opens() -> None:
    paths = PathMap((PathRule("Z:\\show", "/w/files", folds_case=True),))
    task = task_of(scene="Z:\\show\\scenes\\shot.mb", project="Z:\\show")
    command = APP.build(FOUND, task, Places("/w", "/f", "", paths))
    assert json.loads(command.files["paths.json"]) == [["Z:/show/", "/w/files/"], ["z:/show/", "/w/files/"]]
    assert "dirmap" in command.files["userSetup.py"]
    assert command.environment["PYTHONPATH"] == "/w"
    argv = json.loads(command.files["order.json"])["argv"]
    assert argv[-1] == "/w/files/scenes/shot.mb"
    assert options(argv)["-proj"] == "/w/files"
    compile(command.files["userSetup.py"], "userSetup.py", "exec")


def test_a_project_that_did_not_come_along_is_looked_for_above_the_scene() -> None:
    paths = PathMap((PathRule("/p/scenes", "/w/files"),))
    assert "-proj" not in options(order_of(task_of(project="/elsewhere"), paths))
    assert options(order_of(task_of(project="/p/scenes/sub"), paths))["-proj"] == "/w/files/sub"


@pytest.mark.parametrize("name", ["arnold", "vray", "renderman", "generic"])
def test_every_renderers_progress_grows_to_the_end(name: str) -> None:
    reader = APP.reader(task_of())
    fractions = [
        event.fraction
        for line in (LOGS / f"{name}.txt").read_text("utf-8").splitlines()
        for event in reader.feed(line)
        if isinstance(event, Progress)
    ]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 4
    assert fractions[-1] >= 0.95
    assert reader.judge(0) is None


def test_frames_are_announced_when_they_have_their_names() -> None:
    reader = APP.reader(task_of())
    (told, progress) = reader.feed('PEERFARM {"event": "written", "frame": 2, "path": "/f/beauty_0002.exr"}')
    assert told == FrameAnnounced(2, "/f/beauty_0002.exr")
    assert isinstance(progress, Progress)


@pytest.mark.parametrize(
    ("line", "words", "reason"),
    [
        (
            "[mtoa] aborting render because the abort_on_license_fail option was enabled",
            "licence",
            FailReason.APP_NOT_FOUND,
        ),
        ("FLEXlm error: -5,357", "licence", FailReason.APP_NOT_FOUND),
        ("Error: V-Ray : could not get a license", "licence", FailReason.APP_NOT_FOUND),
        ("Error: License was not obtained", "licence", FailReason.APP_NOT_FOUND),
        ('Warning: Plug-in, "mtoa", was not found on MAYA_PLUG_IN_PATH.', "lacks a plug-in", FailReason.APP_NOT_FOUND),
        ("Error encountered when initializing Maya", "could not start", FailReason.APP_NOT_FOUND),
        ("Error: Cannot load scene /p/shot.ma", "could not open the scene", FailReason.APP_FAILED),
        ("Error: This scene does not have any renderable cameras.", "no renderable camera", FailReason.APP_FAILED),
        ("Error: Camera 'shotCam' does not exist.", "not in the scene", FailReason.APP_FAILED),
        ("Error: Cannot open project /p", "project", FailReason.APP_FAILED),
        ("Frame rendering aborted.", "gave up", FailReason.APP_FAILED),
        ("V-Ray error: no geometry", "V-Ray could not render", FailReason.APP_FAILED),
        ("RuntimeError: (kFailure): Unexpected Internal Failure", "could not render", FailReason.APP_FAILED),
        ("[mtoa] Failed batch render", "Arnold could not render", FailReason.APP_FAILED),
    ],
)
def test_a_fatal_line_counts_whatever_the_exit_code(line: str, words: str, reason: FailReason) -> None:
    found = judged([line], 0, (1, 2, 3, 4))
    assert found is not None
    assert words in found[0]
    assert found[1] is reason


def test_exit_206_means_another_worker_and_names_the_renderer() -> None:
    found = judged(["Error: unknown renderer: arnold"], 206)
    assert found is not None
    assert found[1] is FailReason.APP_NOT_FOUND
    assert "command line" in found[0]


def test_exit_210_tells_mayas_last_error() -> None:
    found = judged(["Error: Cannot allocate the depth buffer"], 210)
    assert found is not None
    assert "depth buffer" in found[0]


def test_exit_211_passes_with_every_frame_and_fails_without_one() -> None:
    lines = ["Error: file: /p/shot.ma line 12: The attribute 'x' was locked"]
    assert judged(lines, 211, (1, 2, 3, 4)) is None
    found = judged(lines, 211, (1, 2, 4))
    assert found is not None
    assert "frame 3" in found[0]
    assert "was locked" in found[0]
