"""What our program inside Blender lists, read again; and the command that starts it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from peerfarm.apps.base import CollectingApp, Places
from peerfarm.apps.blender import SAFE_START, BlenderApp
from peerfarm.errors import AppFailed
from peerfarm.model.ids import JobId
from peerfarm.model.pathmap import PathMap, PathRule
from peerfarm.model.render import Capability, RenderTask

APP: CollectingApp = BlenderApp()
FOUND = Capability("blender", "4.2.0", "/opt/blender")
DONE = 'PEERFARM {"event": "collected", "files": 2, "missing": 1}\n'
LIST: dict[str, Any] = {
    "scene": "/sea/a.blend",
    "system": "linux",
    "files": [["/sea/wood.png", "image 'Wood'", "/sea/a.blend", ""]],
    "missing": [["/sea/gone.png", "image 'Gone'"]],
    "warnings": ["not baked", "not baked"],
}


def test_the_list_gives_files_missing_ones_and_warnings() -> None:
    found = APP.collected(DONE, json.dumps(LIST))
    assert [(file.path, file.why) for file in found.files][1:] == [("/sea/wood.png", "image 'Wood'")]
    assert [(file.path, file.why) for file in found.missing] == [("/sea/gone.png", "image 'Gone'")]
    assert (found.base, found.system, found.warnings) == ("/sea", "linux", ("not baked",))


def test_the_command_runs_no_scripts_of_the_scene_and_writes_into_its_own_directory() -> None:
    command = APP.collect(FOUND, {"scene": "/sea/a.blend"}, "/work")
    assert command.argv[:5] == ("/opt/blender", *SAFE_START)
    assert command.argv[-3:] == ("--", "/sea/a.blend", "/work/collected.json")


def test_who_may_miss_files_gets_what_an_older_blender_sees_of_a_scene() -> None:
    command = APP.collect(FOUND, {"scene": "/sea/a.blend", "allow_missing": True}, "/work")
    assert command.argv[-3:] == ("/sea/a.blend", "/work/collected.json", "newer-too")


def test_a_scene_of_a_newer_blender_is_refused_with_the_version_to_look_for() -> None:
    with pytest.raises(AppFailed) as refused:
        APP.collected('PEERFARM {"event": "error", "message": "saved by Blender 5.1", "saved_by": "5.1"}', "")
    assert str(refused.value) == "saved by Blender 5.1"
    assert refused.value.hint.startswith("Submit on a machine with Blender 5.1, or put the scene on shared storage")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ('PEERFARM {"event": "error", "message": "there is no scene file /x"}', "there is no scene file /x"),
        ('PEERFARM {"event": "error", "message": "/x is not a blend file"}', "is no .blend file"),
        ("Segmentation fault", "Segmentation fault"),
        ("", "it said nothing"),
    ],
)
def test_blender_that_gave_no_list_is_told_in_words(output: str, says: str) -> None:
    with pytest.raises(AppFailed, match=r"Blender|scene") as caught:
        APP.collected(output, "")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "listed",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps(LIST)[:-9],
        *(
            json.dumps({**LIST, **change})
            for change in (
                {"scene": "a.blend"},
                {"system": "amiga"},
                {"files": [["wood.png", "image", "", ""]]},
                {"files": [["/wood.png", "image"]]},
                {"files": 7},
                {"missing": [[1]]},
            )
        ),
    ],
)
def test_a_damaged_list_is_an_error_and_never_a_crash(listed: str) -> None:
    with pytest.raises(AppFailed, match="cannot be read"):
        APP.collected(DONE, listed)


def test_a_render_is_told_where_the_scene_and_its_files_lie_here() -> None:
    app = BlenderApp()
    params = app.check_params({"scene": "C:\\Sea\\a.blend"})
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, "blender", params, (1,), "/out", "f_####.png")
    paths = PathMap((PathRule("C:\\Sea", "/farm/7/scene"),), is_composed=True)
    order = json.loads(app.build(FOUND, task, Places("/work", "/frames", "", paths)).files["order.json"])
    assert order["scene"] == "/farm/7/scene/a.blend"
    assert order["paths"] == paths.as_json()
    plain = json.loads(app.build(FOUND, task, Places("/work", "/frames", "")).files["order.json"])
    assert (plain["scene"], plain["paths"]["rules"]) == ("C:\\Sea\\a.blend", [])
