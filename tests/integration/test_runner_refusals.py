"""Attempts that must not succeed: frames that are not as they should be, paths outside the roots, bad programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, PYTHON, WRITE_FRAMES, Rig, png

from peerfarm.model.render import (
    AttemptFailed,
    AttemptRendered,
    Capability,
    FailReason,
)

FOREVER = "while True: time.sleep(1)\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    output = tmp_path / "output"
    output.mkdir()
    rig = Rig(tmp_path / "home", output)
    yield rig
    rig.runner.close(LIMIT_S)


def test_success_without_frames_names_the_missing_one(rig: Rig) -> None:
    ending = rig.run("print('all fine')", (1, 2))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.OUTPUT_MISSING
    assert "f_0001.png is missing" in ending.message


def test_a_frame_of_another_format_is_named(rig: Rig) -> None:
    ending = rig.run("open(frames + '/f_0001.exr', 'wb').write(b'x')", (1,))

    assert isinstance(ending, AttemptFailed)
    assert "f_0001.exr instead" in ending.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"open(frames + '/f_0001.png', 'wb').write({png()[:-20]!r})", "f_0001.png"),
        ("open(frames + '/f_0001.png', 'wb')", "is empty"),
        (f"open(frames + '/f_0001.png', 'wb').write({png(8, 3)!r})", "is 8x3, and 4x3 was asked for"),
        ("os.symlink('/etc/hostname', frames + '/f_0001.png')", "cannot be read"),
        ("os.mkfifo(frames + '/f_0001.png')", "not a plain file"),
        ("os.mkdir(frames + '/f_0001.png')", "cannot be read: it is not a plain file"),
        (
            f"p = frames + '/f_0001.png'; open(p, 'wb').write({png()!r}); os.utime(p, (1e9, 1e9))",
            "older than the render",
        ),
    ],
    ids=["truncated", "empty", "wrong size", "link", "pipe", "directory", "old"],
)
def test_a_frame_that_is_not_as_it_should_be_fails_the_attempt(rig: Rig, code: str, words: str) -> None:
    ending = rig.run(code, (1,))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.OUTPUT_MISSING
    assert words in ending.message
    assert not rig.own(ending.attempt).exists()


def test_a_full_disk_is_told_as_such(rig: Rig) -> None:
    ending = rig.run("open('/dev/full', 'wb', buffering=0).write(b'frame')", (1,))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.DISK_FULL
    assert str(rig.output) in ending.message


@pytest.mark.parametrize("make", ["outside", "link"])
def test_an_output_outside_the_roots_is_refused_with_the_settings_name(rig: Rig, tmp_path: Path, make: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside
    if make == "link":
        target = rig.output / "inside"
        target.symlink_to(outside)
    ending = rig.run(WRITE_FRAMES, (1,), output_dir=str(target))

    assert isinstance(ending, AttemptFailed)
    assert ending.reason == FailReason.NOT_ALLOWED
    for words in ("`roots`", "oak", str(target)):
        assert words in ending.message
    assert list(outside.iterdir()) == []
    assert rig.counted("start") == []


def test_a_hidden_directory_that_leads_elsewhere_is_refused(rig: Rig, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (rig.output / ".peerfarm").symlink_to(outside)

    assert rig.run(WRITE_FRAMES, (1,)).reason == FailReason.NOT_ALLOWED


def test_a_path_among_the_parameters_must_lie_below_a_root_until_it_is_allowed(rig: Rig, tmp_path: Path) -> None:
    params = {"paths": [str(tmp_path / "textures")]}

    assert rig.run("", params=params).reason == FailReason.NOT_ALLOWED
    rig.runner.allow_root(str(tmp_path))
    assert isinstance(rig.run("", params=params), AttemptRendered)


def test_a_missing_scene_is_named_before_anything_starts(rig: Rig) -> None:
    scene = str(rig.output / "gone.blend")
    ending = rig.run("", params={"scene": scene, "paths": [scene]})

    assert isinstance(ending, AttemptFailed)
    assert scene in ending.message
    assert rig.counted("start") == []


def test_an_output_that_is_a_file_is_refused_in_words(rig: Rig) -> None:
    (rig.output / "taken").write_text("x")
    ending = rig.run(WRITE_FRAMES, (1,), output_dir=str(rig.output / "taken"))

    assert ending.reason == FailReason.NOT_ALLOWED
    assert "is a file" in ending.message


def test_a_root_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "home", tmp_path / "share")
    try:
        ending = rig.run(WRITE_FRAMES, (1,))
        assert ending.reason == FailReason.NOT_ALLOWED
        assert "mounted" in ending.message
    finally:
        rig.runner.close(LIMIT_S)


def test_a_program_that_is_gone_is_app_not_found(rig: Rig) -> None:
    task = rig.task("")
    rig.runner.start(0, task, Capability("script", "", "/nowhere/renderer"))

    ending = rig.ending(task.attempt)
    assert ending.reason == FailReason.APP_NOT_FOUND
    assert "/nowhere/renderer" in ending.message


def test_a_bug_in_an_apps_reader_fails_its_attempt_and_leaves_the_slot_working(rig: Rig) -> None:
    ending = rig.run("print('raise a bug'); print('pid', os.getpid())\n" + FOREVER)

    assert ending.reason == FailReason.INTERNAL
    assert "a bug" in ending.message
    assert isinstance(rig.run("print('next')"), AttemptRendered)


def test_a_nul_in_the_command_line_is_told(rig: Rig) -> None:
    ending = rig.run("print('a\0b')")

    assert ending.reason == FailReason.APP_FAILED
    assert "command line" in ending.message


@pytest.mark.parametrize("label", ["../../etc", "a/b", "", ".", "x\0"])
def test_a_name_that_leads_elsewhere_is_no_attempt(rig: Rig, label: str) -> None:
    assert rig.runner.read_log(label, 0, 100) is None
    task = rig.task("", attempt=label)
    rig.runner.start(0, task, PYTHON)
    assert rig.ending(label).reason == FailReason.INTERNAL
