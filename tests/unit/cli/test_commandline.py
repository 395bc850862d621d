"""The command line before any node is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from peerfarm import __version__
from peerfarm.cli.main import COMMANDS, main
from peerfarm.cli.place import absolute, local_file
from peerfarm.config.home import find_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    return tmp_path


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " not in said] == []
    assert [code for code in ("0", "1", "2", "3", "4", "5", "130") if f"{code} " not in said] == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"usage: peerfarm {command}" in said
    assert "--json" in said


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert f"peerfarm {__version__}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["statsu"],
        ["--home", "status"],
        ["job"],
        ["priority", "x", "high"],
        ["submit", "--chunk", "many"],
        ["submit", "a.blend", "--version", "4.2", "--any-version"],
        ["status", "--jso"],
    ],
)
def test_wrong_usage_ends_with_2_and_a_pointer_to_the_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--help" in said.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "COMMAND is missing"),
        (["statsu"], "Did you mean `peerfarm status`?"),
        (["sea.blend"], "`peerfarm submit sea.blend`"),
        (["job"], "JOB is missing"),
        (["log", "sea", "first"], "'first' is no whole number"),
        (["stop", "--timeout", "nan"], "'nan' is no number of seconds"),
        (["submit", "a.blend", "--fram", "1-3"], "Did you mean --frames?"),
        (["submit", "a.blend", "--frames"], "--frames needs a value"),
        (["submit", "my", "scene.blend"], "quotes"),
        (["submit", "a.blend", "--version", "4.2", "--any-version"], "--any-version does not go with --version"),
        (["demo", "--app", "maya"], "'maya' is none of"),
        (["join"], "`peerfarm invite`"),
    ],
)
def test_wrong_usage_says_what_is_meant_and_with_json_as_one_object(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert words in capsys.readouterr().err
    assert main([*argv, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)["error"]
    assert said["kind"] == "WrongUsage"
    assert words in f"{said['message']} {said['hint']}"


@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["nodes"],
        ["jobs", "--all"],
        ["job", "x"],
        ["job", "x", "--watch"],
        ["log", "x", "3", "--follow"],
        ["stop"],
        ["invite"],
        ["remove", "wave"],
        ["apps"],
        ["config"],
        ["priority", "x", "70"],
        ["submit", "a.blend"],
        ["submit", "--app", "ocean", "--frames", "-5--1"],
    ],
)
def test_without_a_node_every_command_says_how_to_start_it(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "peerfarm is not running" in said.err
    assert "peerfarm start" in said.err


def test_with_json_an_error_is_an_object_on_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "status"]) == 3
    said = capsys.readouterr()
    assert '"kind": "NotRunning"' in said.out
    assert "peerfarm is not running" in said.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["submit"], "nothing to submit"),
        (["submit", "scene.max"], "no application is known for 'scene.max', and there is no such file"),
        (["submit", "missing.yaml"], "cannot be read"),
        (["submit", "job.yaml", "--time-limit", "5"], "--time-limit does not go with a job file"),
        (["submit", "a.blend", "--param", "samples"], "not of the form key=value"),
    ],
)
def test_a_submission_that_cannot_be_is_refused_before_the_node_is_asked(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 1
    assert words in capsys.readouterr().err


def test_a_job_file_that_is_no_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_bytes(b"\xff\xfe\x00")
    assert main(["submit", str(tmp_path / "job.yaml")]) == 1
    assert "not text in UTF-8" in capsys.readouterr().err


def test_a_job_file_larger_than_a_request_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_bytes(b"# " + b"x" * 1_000_000)
    assert main(["submit", str(tmp_path / "job.yaml")]) == 1
    assert "larger than" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["job.yaml", "job.json", "sea.blend"])
@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "endless device"])
def test_what_is_no_plain_file_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/null" if kind == "device" else "/dev/zero")
    assert main(["submit", str(path)]) == 1
    said = capsys.readouterr().err
    assert str(path) in said
    assert ("is a directory" if kind == "directory" else "is a pipe, a socket or a device") in said


@pytest.mark.parametrize("name", ["x" * 5000 + ".yaml", "a\0b.yaml", "loop.yaml"])
def test_a_name_that_no_file_can_have_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert main(["submit", str(tmp_path / name)]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_the_local_file_is_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_home(os.environ).local == local_file()
    monkeypatch.delenv("PEERFARM_HOME")
    assert find_home(os.environ).local == local_file()
    monkeypatch.setenv("PEERFARM_HOME", "relative")
    assert find_home(os.environ).local == local_file()


def test_the_home_option_goes_before_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "local.json").write_text("damaged")
    (tmp_path / "other" / "local.json").chmod(0o600)
    for argv in (["--home", str(tmp_path / "other"), "status"], ["status", "--home", str(tmp_path / "other")]):
        assert main(argv) == 1
        assert "is damaged" in capsys.readouterr().err


def test_paths_are_made_absolute_for_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "b") == absolute("a/../b")
    assert str(Path.home() / "x") == absolute("~/x")


def test_a_home_that_is_no_directory_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    for command in ("status", "start"):
        assert main([command, "--home", str(tmp_path / "file")]) == 1
        assert "is no directory" in capsys.readouterr().err


def test_a_local_file_that_is_a_pipe_holds_up_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "local.json", 0o600)
    assert main(["status"]) == 1
    assert "is damaged" in capsys.readouterr().err
