"""What a machine has, what a submission names, and how other systems than Linux wait for a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import LIMIT_S, Rig, is_alive

from peerfarm.apps.registry import APPS
from peerfarm.config import CommandApp, Settings
from peerfarm.model.render import Discovered, Inspected
from peerfarm.node.inputs import PathsChecked
from peerfarm.runner import discovery
from peerfarm.runner.process import ask_program
from peerfarm.runner.streams import PollStream, QueueStream, Stream


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "home", tmp_path)
    yield rig
    rig.runner.close(LIMIT_S)


def test_applications_are_found_by_asking_them(rig: Rig) -> None:
    rig.runner.discover()
    found = rig.until(lambda event: isinstance(event, Discovered))

    assert [(c.app, c.version, c.executable) for c in found.capabilities] == [("script", "1.2", sys.executable)]


def test_the_newest_of_several_versions_comes_first(tmp_path: Path) -> None:
    for version in ("4.9", "4.10", "3.6"):
        program = tmp_path / f"app-{version}" / "app"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    found = discovery.expand(f"{tmp_path}/app-*/app")
    assert [Path(path).parent.name for path in found] == ["app-4.10", "app-4.9", "app-3.6"]


def test_a_listed_command_that_is_not_there_is_a_problem_in_words(rig: Rig) -> None:
    place = rig.runner._place
    place.settings = Settings(command=CommandApp({"good": "/bin/true", "bad": "/nowhere/tool"}))
    found = discovery.discover({name: APPS[name] for name in ("command", "ocean")}, place)

    assert [(c.app, c.tags) for c in found.capabilities] == [("ocean", ()), ("command", ("good",))]
    assert len(found.problems) == 1
    assert "command.allow.bad" in found.problems[0]


def test_mayas_of_several_years_are_found_also_one_that_does_not_tell_its_renderers(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"maya2024": "echo ' arnold - Arnold'; echo ' sw - Maya software'", "maya2025": "exec sleep 600"}
    for name, script in answers.items():
        program = tmp_path / name / "bin" / "Render"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(0o755)
    monkeypatch.setattr(discovery, "_ASK_S", 2.0)
    monkeypatch.setenv("MAYA_LOCATION", str(tmp_path / "maya2025"))
    place = rig.runner._place
    place.settings = Settings(maya=(str(tmp_path / "maya2024" / "bin" / "Render"),))
    found = discovery.discover({"maya": APPS["maya"]}, place)

    assert [(c.version, c.tags) for c in found.capabilities] == [("2024", ("arnold", "sw")), ("2025", ())]
    assert found.problems == ()


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_program_that_does_not_answer_is_ended_with_its_children(tmp_path: Path, is_cancelled: bool) -> None:
    note = tmp_path / "pid"
    code = """
import subprocess, sys, time
child = subprocess.Popen(['sleep', '600'])
open(sys.argv[1], 'w').write(str(child.pid))
time.sleep(600)
"""
    exit_code, _ = ask_program(
        (sys.executable, "-c", code, str(note)),
        str(tmp_path),
        dict(os.environ),
        f"ask-{tmp_path.name}",
        limit_s=LIMIT_S if is_cancelled else 1.0,
        limit_bytes=100,
        is_cancelled=lambda: is_cancelled and note.exists() and note.read_text() != "",
    )

    assert exit_code is None
    assert not is_alive(int(note.read_text()))


def test_an_answer_is_cut_at_its_limit(tmp_path: Path) -> None:
    code, answer = ask_program(
        (sys.executable, "-c", "print('x' * 1_000_000)"),
        str(tmp_path),
        {},
        "ask-cut",
        limit_s=LIMIT_S,
        limit_bytes=1000,
        is_cancelled=lambda: False,
    )
    assert (code, len(answer)) == (0, 1000)


@pytest.mark.parametrize(
    ("app", "path", "words"),
    [("ocean", "/x.blend", "no scenes"), ("blender", "x.blend", "not absolute"), ("blender", "/x.blend", "no file")],
)
def test_a_scene_that_cannot_be_looked_into_is_told(rig: Rig, app: str, path: str, words: str) -> None:
    rig.runner.inspect("7", app, path)
    answer = rig.until(lambda event: isinstance(event, Inspected))

    assert (answer.request, answer.facts) == ("7", None)
    assert words in answer.error
    assert answer.hint


@pytest.mark.parametrize("kind", ["pipe", "directory"])
def test_a_scene_that_is_no_plain_file_is_refused_and_never_waited_for(rig: Rig, tmp_path: Path, kind: str) -> None:
    scene = tmp_path / "sea.blend"
    if kind == "pipe":
        os.mkfifo(scene)
    else:
        scene.mkdir()
    rig.runner.inspect("7", "blender", str(scene))
    answer = rig.until(lambda event: isinstance(event, Inspected))

    assert (answer.request, answer.facts) == ("7", None)
    assert "is no plain file" in answer.error


def check(rig: Rig, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> PathsChecked:
    rig.runner.check_paths("9", inputs, outputs)
    answer = rig.until(lambda event: isinstance(event, PathsChecked))
    assert isinstance(answer, PathsChecked)
    rig.seen.remove(answer)
    return answer


def test_a_submission_hears_at_once_what_is_wrong_with_its_paths(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "scene.blend").write_text("x")

    assert check(rig, (str(tmp_path / "scene.blend"), "/any/%04d.png"), (str(tmp_path / "new" / "er"),)).problem == ""
    assert "no scene file" in check(rig, (str(tmp_path / "gone.blend"),), ()).problem
    assert "is a file" in check(rig, (), (str(tmp_path / "file"),)).problem
    refused = check(rig, (), ("/elsewhere",))
    assert "`roots`" in refused.problem
    assert "peerfarm.yaml" in refused.hint


@pytest.mark.parametrize("kind", [PollStream, QueueStream])
def test_a_stream_gives_output_end_and_wake(kind: type[PollStream | QueueStream]) -> None:
    output, inlet = os.pipe()
    code = "import sys; print('one', flush=True); sys.stdin.readline(); print('two')"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=inlet, start_new_session=True
    ) as process:
        os.close(inlet)
        stream: Stream = kind(process, output)
        first = b""
        while first != b"one\n":
            assert not stream.is_silent
            first += stream.wait(LIMIT_S)
        assert not stream.has_ended
        stream.wake()
        assert stream.wait(LIMIT_S) == b""
        process.communicate(b"\n")
        rest = b""
        while not (stream.is_silent and stream.has_ended):
            rest += stream.wait(LIMIT_S)
        assert rest == b"two\n"
        assert stream.has_ended
        stream.close()
        stream.wake()
