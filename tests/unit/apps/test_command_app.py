"""Listed programs run with their arguments as given, and with nothing slipped in."""

from __future__ import annotations

from typing import Any

import pytest

from peerfarm.apps.base import ExpectedFile, Fatal, Places, Progress
from peerfarm.apps.command import CommandApp, CommandReader, not_listed
from peerfarm.apps.registry import built_in
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.ids import JobId
from peerfarm.model.render import Capability, RenderTask

APP = CommandApp()
FOUND = Capability("command", "", "/usr/bin/tool", ("tool",))
PLACES = Places("/a/work", "/a/frames", "/a/inputs")


def task_of(args: list[str], frames: tuple[int, ...] = (5, 6, 9), pattern: str = "", **params: Any) -> RenderTask:
    checked = APP.check_params({"command": "tool", "args": args, **params})
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "command", checked, frames, "", pattern)


def argv(args: list[str], **more: Any) -> tuple[str, ...]:
    return APP.build(FOUND, task_of(args, **more), PLACES).argv


def test_arguments_reach_the_program_one_by_one_and_unread() -> None:
    given = ["-x", "a b; rm -rf $HOME", "`id`", "", "ä"]
    assert argv(given) == ("/usr/bin/tool", *given)


@pytest.mark.parametrize(
    ("path", "may_be_brought", "is_everywhere"),
    [
        ("/home/mia/lut.cube", True, False),
        ("/usrlocal/lut.cube", True, False),
        ("D:\\show\\lut.cube", True, False),
        ("/usr/share/lut.cube", False, True),
        ("/bin/sh", False, True),
        ("c:\\windows\\fonts\\arial.ttf", False, True),
        ("/dev/null", False, True),
        ("/dev/sda", False, False),
        ("/etc/passwd", False, False),
        ("/usr/../etc/passwd", False, False),
        ("/proc/self/environ", False, False),
    ],
)
def test_what_each_machine_has_of_its_own_belongs_to_no_job(
    path: str, may_be_brought: bool, is_everywhere: bool
) -> None:
    assert (APP.may_bring(path), APP.is_everywhere(path)) == (may_be_brought, is_everywhere)


def test_placeholders_are_filled_inside_their_argument() -> None:
    args = ["--frame={frame}", "{frames}", "{first}-{last}", "{output}/x", "{work}{inputs}", "{{frame}}"]
    filled = ("--frame=5", "5,6,9", "5-9", "/a/frames/x", "/a/work/a/inputs", "{frame}")
    assert argv(args) == ("/usr/bin/tool", *filled)


def test_a_negative_frame_cannot_become_an_option() -> None:
    with pytest.raises(AppFailed, match="read as an option"):
        argv(["{frame}"], frames=(-5,))
    assert argv(["--frame={frame}"], frames=(-5,))[1] == "--frame=-5"


def test_a_step_without_frames_fills_nothing_in() -> None:
    assert argv(["[{frame}]"], frames=()) == ("/usr/bin/tool", "[]")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "needs params.command"),
        ({"command": "/bin/sh"}, "must be the name of an entry"),
        ({"command": "..\\x"}, "must be the name of an entry"),
        ({"command": "tool", "args": "ls"}, "must be a list"),
        ({"command": "tool", "args": ["a"] * 257}, "must be a list"),
        ({"command": "tool", "args": [1]}, r"params\.args\[0\]"),
        ({"command": "tool", "args": ["a", "b\0"]}, r"params\.args\[1\]"),
        ({"command": "tool", "args": ["{frame_}"]}, "unknown placeholder"),
        ({"command": "tool", "args": ["{"]}, "unknown placeholder"),
        ({"command": "tool", "argv": []}, "no parameter 'argv'"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        APP.check_params(params)


def test_checked_parameters_pass_a_second_check() -> None:
    checked = APP.check_params({"command": "tool"})
    assert checked == {"command": "tool", "outputs": True, "args": []}
    assert APP.check_params(checked) == checked


def test_absolute_paths_in_arguments_must_lie_under_the_roots() -> None:
    params = APP.check_params({"command": "tool", "args": ["/a/b", "--in=/c", "-o=C:\\d", "e/f", "{output}/g", "-v"]})
    assert APP.paths(params) == ("/a/b", "/c", "C:\\d")


def test_a_batch_file_is_never_started() -> None:
    with pytest.raises(AppFailed, match="batch file"):
        APP.build(Capability("command", "", r"C:\x\RUN.BAT", ("tool",)), task_of([]), PLACES)


def test_only_what_the_owner_listed_can_run() -> None:
    found = built_in("/usr/bin/python3", {"tool": "/usr/bin/tool", "true": "/bin/true"})
    params = APP.check_params({"command": "tool"})
    assert [here.executable for here in found if here.app == "command" and APP.suits(here, params, "")] == [
        "/usr/bin/tool"
    ]
    assert APP.candidates("Linux", ("/bin/sh",)) == ()


def test_outputs_are_expected_where_the_step_names_them() -> None:
    assert APP.expected(task_of([])) == ()
    assert APP.expected(task_of([], (5,), "a_##.png")) == (ExpectedFile("a_05.png", 5),)
    assert APP.expected(task_of([], (5,), "a_##.png", outputs=False)) == ()


def test_progress_and_status_are_read_and_only_grow() -> None:
    reader = CommandReader()
    assert reader.feed("openjd_progress: 40") == (Progress(0.4),)
    assert reader.feed("openjd_status: half way ") == (Progress(0.4, None, "half way"),)
    assert reader.feed("openjd_progress: 10.5") == (Progress(0.4, None, "half way"),)
    for line in ("openjd_progress: nan", "openjd_progress: 1e9", "openjd_progress:", "openjd_x: 1", "progress: 3", ""):
        assert reader.feed(line) == ()
    assert reader.judge(0) is None


def test_a_reported_failure_counts_whatever_the_exit_code() -> None:
    reader = CommandReader()
    assert isinstance(reader.feed("openjd_fail: no licence")[0], Fatal)
    verdict = reader.judge(0)
    assert verdict is not None
    assert "no licence" in verdict.message


@pytest.mark.parametrize(("code", "words"), [(3, "exit code 3"), (-9, "signal 9")])
def test_a_bad_exit_code_is_a_failure(code: int, words: str) -> None:
    verdict = CommandReader().judge(code)
    assert verdict is not None
    assert words in verdict.message


@pytest.mark.parametrize(
    ("written", "entry"),
    [
        ("/usr/bin/oiiotool", "oiiotool"),
        ("oiiotool --help", "oiiotool"),
        ("C:\\oiio\\tool.exe", "tool.exe"),
        ("/", "NAME"),
    ],
)
def test_who_writes_a_path_hears_which_entry_and_setting_are_meant(written: str, entry: str) -> None:
    with pytest.raises(InvalidJob, match=r"command\.allow") as refused:
        APP.check_params({"command": written})
    assert f"`command: {entry}`" in refused.value.hint
    assert f"`command: {{allow: {{{entry}: /PATH/TO/PROGRAM}}}}`" in refused.value.hint
    assert "peerfarm.yaml" in refused.value.hint


def test_an_unlisted_command_is_told_with_the_setting_and_the_line_that_lists_it() -> None:
    told = not_listed("oiiotool")
    for words in ("'oiiotool'", "`command.allow`", "`command: {allow: {oiiotool: /PATH/TO/PROGRAM}}`", "peerfarm apps"):
        assert words in told
