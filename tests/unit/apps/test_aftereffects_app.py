"""After Effects is called as aerender understands it, and its words are read in every language that is known."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.aftereffects import AfterEffectsApp
from peerfarm.apps.base import FrameAnnounced, Places, Progress
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.ids import JobId
from peerfarm.model.render import Capability, FailReason, RenderTask

APP = AfterEffectsApp()
LOGS = Path(__file__).parents[2] / "vectors" / "aftereffects"
PLACES = Places("/w", "/f", "")
FOUND = Capability("aftereffects", "24.1", "/ae/aerender")


def task_of(frames: tuple[int, ...] = (10, 11, 12, 13), pattern: str = "a_####.png", **params: Any) -> RenderTask:
    checked = APP.check_params({"scene": "/p/shot.aep", "item": 2, **params})
    return RenderTask("attempt", JobId("j"), "job", 0, "step", 0, "aftereffects", checked, frames, "/out", pattern)


def options(task: RenderTask, found: Capability = FOUND) -> dict[str, str]:
    argv = APP.build(found, task, PLACES).argv
    return {word: argv[at + 1] for at, word in enumerate(argv[:-1]) if word.startswith("-")}


def judged(lines: list[str], exit_code: int = 0, **params: Any) -> tuple[str, FailReason] | None:
    reader = APP.reader(task_of(**params))
    for line in lines:
        reader.feed(line)
    fatal = reader.judge(exit_code)
    return (fatal.message, fatal.reason) if fatal else None


def test_a_chunk_names_the_queued_item_its_frames_and_where_they_go() -> None:
    given = options(task_of())
    assert given["-project"] == "/p/shot.aep"
    assert given["-rqindex"] == "2"
    assert (given["-s"], given["-e"]) == ("10", "13")
    assert given["-output"] == "/f/a_[####].png"
    assert given["-close"] == "DO_NOT_SAVE_CHANGES"
    assert "-i" not in given
    assert "-mfr" not in given


@pytest.mark.parametrize(
    ("frames", "span"), [((1, 3, 5), ("1", "5", "2")), ((1, 4, 5), ("1", "5", None)), ((7,), ("7", "7", None))]
)
def test_frames_apart_are_covered_by_an_even_spacing(frames: tuple[int, ...], span: tuple[str, str, str]) -> None:
    given = options(task_of(frames))
    assert (given["-s"], given["-e"], given.get("-i")) == span


def test_several_frames_at_once_are_asked_only_of_versions_that_know_it() -> None:
    task = task_of(several_frames_at_once=True, processor_percent=80)
    assert APP.build(FOUND, task, PLACES).argv[-3:] == ("-mfr", "ON", "80")
    assert "-mfr" not in options(task, Capability("aftereffects", "18.4", "/ae/aerender"))


def test_a_movie_is_one_file_of_one_task() -> None:
    task = task_of((1,), "shot.mov", movie=True, first=0, last=99)
    given = options(task)
    assert (given["-s"], given["-e"], given["-output"]) == ("0", "99", "/f/shot.mov")
    (expected,) = APP.expected(task)
    assert (expected.name, expected.is_image) == ("shot.mov", False)
    assert APP.reader(task).feed("PROGRESS:  0:00:00:24 (25): 0 Seconds") == (Progress(0.25, 24, "frame 24"),)


def test_a_movie_in_several_frames_or_backwards_is_refused() -> None:
    with pytest.raises(AppFailed, match="in one piece"):
        APP.build(FOUND, task_of((1, 2), "shot.mov", movie=True, first=0, last=9), PLACES)
    with pytest.raises(InvalidJob, match="comes before"):
        APP.check_params({"scene": "/p/a.aep", "item": 1, "movie": True, "first": 9, "last": 2})


@pytest.mark.parametrize("language", ["english", "german", "dropframe"])
def test_progress_is_read_in_every_language(language: str) -> None:
    reader = APP.reader(task_of())
    events = [
        event for line in (LOGS / f"{language}.txt").read_text("utf-8").splitlines() for event in reader.feed(line)
    ]
    assert [event.frame for event in events if isinstance(event, FrameAnnounced)] == [10, 11, 12, 13]
    assert [event.fraction for event in events if isinstance(event, Progress)] == [0.25, 0.5, 0.75, 1.0]
    assert reader.judge(0) is None


@pytest.mark.parametrize(
    ("line", "words", "reason"),
    [
        ("aerender ERROR: No comp was found with the given name.", "no such item", FailReason.APP_FAILED),
        ("WARNING: 2 fonts are missing: Brandon Grotesque", "font", FailReason.APP_NOT_FOUND),
        ("WARNING:After Effects warning: Project has missing fonts.", "font", FailReason.APP_NOT_FOUND),
        ("ERROR: This project contains missing dependencies", "not installed", FailReason.APP_NOT_FOUND),
        ("After Effects error: Unable to obtain a license.", "licence", FailReason.APP_NOT_FOUND),
        ("After Effects error: this file was created with a newer version", "newer", FailReason.APP_NOT_FOUND),
        ("aerender FEHLER: Keine Komposition gefunden", "no such item", FailReason.APP_FAILED),
        ("ERROR: Unable to Render. Something odd (5027 :: 12)", "could not render", FailReason.APP_FAILED),
    ],
)
def test_an_error_counts_although_the_exit_code_is_zero(line: str, words: str, reason: FailReason) -> None:
    found = judged(["PROGRESS:  0:00:00:10 (1): 0 Seconds", line], 0)
    assert found is not None
    assert words in found[0]
    assert found[1] is reason


def test_missing_footage_fails_unless_it_was_allowed() -> None:
    lines = ["ERROR: Unable to render: footage plate.mov is missing"]
    assert judged(lines) is not None
    assert judged(lines, allow_missing=True) is None
    assert "-continueOnMissingFootage" in APP.build(FOUND, task_of(allow_missing=True), PLACES).argv


def test_an_exit_code_without_a_word_is_told() -> None:
    found = judged([], 1)
    assert found is not None
    assert "exit code 1" in found[0]


@pytest.mark.parametrize("line", ["", "(", "(999999999): ", "0:00:00:99 (0): ", "\x00" * 50, "ERROR" * 900])
def test_no_line_upsets_the_reader(line: str) -> None:
    assert APP.reader(task_of()).feed(line) == ()


@pytest.mark.parametrize(
    ("path", "output", "version"),
    [
        ("/a/aerender", "aerender version 24.1x83\n", "24.1"),
        ("/Applications/Adobe After Effects 2025/aerender", "", "25"),
        (r"C:\Program Files\Adobe\Adobe After Effects 2020\Support Files\aerender.exe", "", "17"),
    ],
)
def test_the_version_is_what_it_prints_else_its_folders_year(path: str, output: str, version: str) -> None:
    found = APP.identify(path, output)
    assert found is not None
    assert found.version == version


def test_a_program_that_is_no_aerender_is_not_taken_for_one() -> None:
    assert APP.identify("/usr/bin/true", "") is None


@pytest.mark.parametrize(
    ("wanted", "here", "suits"), [("24", "24.1", True), ("23.2", "24.1", True), ("25", "24.1", False), ("", "17", True)]
)
def test_a_project_opens_in_the_same_or_a_later_major_version(wanted: str, here: str, suits: bool) -> None:
    assert APP.suits(Capability("aftereffects", here, "/a"), {}, wanted) is suits


@pytest.mark.parametrize(
    ("year", "version"),
    [(2020, "17"), (2021, "18"), (2022, "22"), (2023, "23"), (2024, "24"), (2025, "25"), (2026, "26")],
)
def test_every_years_installation_is_found_where_adobe_puts_it(year: int, version: str) -> None:
    mac = f"/Applications/Adobe After Effects {year}/aerender"
    windows = rf"C:\Program Files\Adobe\Adobe After Effects {year}\Support Files\aerender.exe"
    for system, path in (("Darwin", mac), ("Windows", windows)):
        assert any(fnmatchcase(path, one.path) for one in APP.candidates(system, ()))
        found = APP.identify(path, "")
        assert found is not None
        assert found.version == version
    beta = "/Applications/Adobe After Effects (Beta)/aerender"
    assert any(fnmatchcase(beta, one.path) for one in APP.candidates("Darwin", ()))
    told = APP.identify(beta, "aerender version 26.2x49\n")  # it ends with exit code 15 all the same
    assert told is not None
    assert told.version == "26.2"


@pytest.mark.parametrize(
    "line",
    [
        "PROGRESS:  Start: 0:00:00:00",
        "PROGRESS:  Duration: 0:00:10:00",
        "PROGRESS:  Frame Rate: 25.00 (comp)",
        'PROGRESS:  8/26/2026 1:09:51 AM: Finished composition "Shot (2): x".',
        "PROGRESS:  Output To: /f/shot (3)/a_[####].png",
    ],
)
def test_what_aerender_says_besides_is_taken_for_no_frame(line: str) -> None:
    assert APP.reader(task_of()).feed(line) == ()


def test_linux_has_no_place_for_it_and_the_owners_choice_comes_first() -> None:
    assert APP.candidates("Linux", ()) == ()
    found = APP.candidates("Windows", (r"D:\ae\aerender.exe",))
    assert found[0].path == r"D:\ae\aerender.exe"
    assert "Support Files" in found[1].path
