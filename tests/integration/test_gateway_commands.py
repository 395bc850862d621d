"""The `peerfarm` command against a node that answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_node import NODE_ID, FakeNode

from peerfarm.cli.lifecycle import await_hello
from peerfarm.cli.main import main
from peerfarm.errors import NotInFarm, PeerfarmError, RequestRefused, UnknownJob

JOB_ID = "q2w3e4r5t6y7"

TASKS = {"total": 12, "done": 3, "leased": 2, "failed": 1, "cancelled": 0, "ready": 6, "blocked": 0}

SUMMARY: dict[str, Any] = {
    "id": JOB_ID,
    "name": "sea \x1b[31m波",
    "user": "ada",
    "status": "active",
    "priority": 50,
    "pool": "gpu",
    "paused": False,
    "tasks": TASKS,
    "frames": {"total": 60, "done": 15},
    "published": False,
    "progress": 0.25,
    "dispatcher": "wave",
    "held_by": 1,
    "held_of": 2,
    "output": "/projects/frames",
    "submitted_ms": 1_700_000_000_000,
    "eta_s": 125.0,
    "error": "",
}

ATTEMPT: dict[str, Any] = {
    "attempt": f"{NODE_ID}-abcdefgh-4",
    "number": 1,
    "worker": "tide",
    "outcome": "failed",
    "reason": "app-failed",
    "message": "Blender ended with exit code 11",
    "render_s": 4.0,
}

JOB: dict[str, Any] = {
    **SUMMARY,
    "steps": [
        {
            "name": "render",
            "app": "blender",
            "depends_on": ["setup"],
            "tasks": [
                {
                    "task": 0,
                    "frames": "1-5",
                    "status": "leased",
                    "worker": "wave",
                    "progress": 0.4,
                    "attempts": [ATTEMPT, {**ATTEMPT, "number": 2, "outcome": "running", "message": "", "reason": ""}],
                }
            ],
        }
    ],
}

DONE: dict[str, Any] = {
    **JOB,
    "status": "done",
    "published": True,
    "progress": 1.0,
    "frames": {"total": 60, "done": 60},
    "tasks": {**TASKS, "done": 12, "leased": 0, "failed": 0, "ready": 0},
    "eta_s": None,
}

NODE: dict[str, Any] = {
    "id": NODE_ID,
    "name": "wave",
    "state": "live",
    "is_self": True,
    "render": True,
    "slots": 2,
    "busy": 1,
    "apps": [{"app": "blender", "version": "3.4.1", "tags": []}, {"app": "ocean", "version": "", "tags": []}],
    "pools": ["gpu"],
    "tags": [],
    "load": 0.5,
    "address": "127.0.0.1:4000",
    "version": "0.1.0",
    "state_hash": "aa",
    "vector_hash": "bb",
    "tasks": [{"job": JOB_ID, "step": "render", "task": 0, "frames": "1-5", "progress": 0.4}],
}

SLOT: dict[str, Any] = {
    "slot": 0,
    "job": JOB_ID,
    "job_name": "sea",
    "step": "render",
    "task": 0,
    "frames": "1-5",
    "progress": 0.4,
    "attempt": ATTEMPT["attempt"],
    "app": "blender",
    "text": "frame 2",
}

ANSWERS: dict[str, Any] = {
    "status": {
        "node": NODE,
        "farm": {"id": "f" * 16, "name": "Studio"},
        "jobs": {"active": 2, "done": 5, "failed": 0},
        "slots": [SLOT, {**SLOT, "slot": 1, "job": None}],
        "alarms": ["the state of tide differs"],
        "disk": "full",
        "members": 3,
        "live": 2,
    },
    "nodes": {"nodes": [NODE, {**NODE, "name": "server", "is_self": False, "render": False, "tasks": [], "apps": []}]},
    "jobs": {"jobs": [SUMMARY]},
    "job": JOB,
    "apps": {
        "apps": [{"app": "blender", "version": "3.4.1", "executable": "/usr/bin/blender", "tags": ["denoiser"]}],
        "problems": ["/opt/blender does not start"],
    },
    "config": {
        "settings": {
            "name": {"value": "", "source": "default"},
            "slots": {"value": 2, "source": "PEERFARM_SLOTS"},
            "roots": {"value": ["/projects"], "source": "file"},
        }
    },
    "init": {"farm": {"id": "f" * 16, "name": "Studio"}},
    "invite": {"join": "peerfarm-join:1:abc", "expires_s": 600},
    "join": {"farm": {"id": "f" * 16, "name": "Studio"}, "members": 3},
    "remove": {"node": "tide"},
    "pause": {"job": {**SUMMARY, "paused": True, "status": "paused"}},
    "resume": {"job": SUMMARY},
    "cancel": {"job": {**SUMMARY, "status": "cancelled"}},
    "retry": {"job": SUMMARY},
    "priority": {"job": {**SUMMARY, "priority": 70}},
    "archive": {"job": JOB_ID},
    "delete": {"job": JOB_ID},
    "submit": {"job": JOB_ID, "tasks": 12, "frames": 60, "warnings": ["the scene was saved by another version"]},
    "inspect": {
        "frame_start": 1,
        "frame_end": 60,
        "frame_step": 1,
        "output_dir": "/projects/frames",
        "output_pattern": "sea_####.png",
        "format": "PNG",
        "width": 320,
        "height": 180,
        "engine": "CYCLES",
        "version": "3.4",
        "camera": "Camera",
        "warnings": ["a texture is missing"],
    },
    "log": {
        "attempt": ATTEMPT["attempt"],
        "worker": "tide",
        "text": "Fra:1\x1b[2J\n",
        "offset": 0,
        "next_offset": 10,
        "is_complete": True,
    },
}

Said = pytest.CaptureFixture[str]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


COMMANDS: list[tuple[list[str], str, dict[str, Any]]] = [
    (["status"], "status", {}),
    (["nodes"], "nodes", {}),
    (["jobs"], "jobs", {"all": False}),
    (["jobs", "--all"], "jobs", {"all": True}),
    (["job", "sea"], "job", {"job": "sea"}),
    (["apps"], "apps", {}),
    (["config"], "config", {}),
    (["init", "Studio"], "init", {"name": "Studio"}),
    (["init", "Studio", "--root", "/projects/../p"], "init", {"name": "Studio", "root": "/p"}),
    (["invite"], "invite", {}),
    (["join", "peerfarm-join:1:abc", "--root", "/p"], "join", {"join": "peerfarm-join:1:abc", "root": "/p"}),
    (["remove", "tide"], "remove", {"node": "tide"}),
    (["pause", "sea"], "pause", {"job": "sea"}),
    (["resume", "sea"], "resume", {"job": "sea"}),
    (["cancel", "sea", "--tasks", "3-5", "--step", "1"], "cancel", {"job": "sea", "tasks": "3-5", "step": 1}),
    (["retry", "sea", "--step", "render"], "retry", {"job": "sea", "step": "render"}),
    (["priority", "sea", "70"], "priority", {"job": "sea", "priority": 70}),
    (["archive", "sea"], "archive", {"job": "sea"}),
    (["delete", "sea"], "delete", {"job": "sea"}),
    (["log", "sea", "3", "--attempt", "2"], "log", {"job": "sea", "task": 3, "attempt": 2, "offset": 0}),
]


@pytest.mark.parametrize(("argv", "method", "params"), COMMANDS)
def test_a_command_asks_for_what_it_was_told_and_prints_the_answer_as_json(
    node: FakeNode, capsys: Said, argv: list[str], method: str, params: dict[str, Any]
) -> None:
    assert main([*argv, "--json"]) == 0
    assert params == node.params_of(method)
    said = capsys.readouterr()
    assert ANSWERS[method] == json.loads(said.out)


@pytest.mark.parametrize(("argv", "method", "params"), COMMANDS)
def test_a_command_for_people_prints_no_colours_and_no_control_characters_without_a_terminal(
    node: FakeNode, capsys: Said, argv: list[str], method: str, params: dict[str, Any]
) -> None:
    assert main(argv) == 0
    said = capsys.readouterr()
    assert said.out
    assert [letter for letter in said.out + said.err if ord(letter) < 32 and letter != "\n"] == []


def test_status_shows_what_needs_attention(node: FakeNode, capsys: Said) -> None:
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    expected = [
        "in farm Studio: 2 of 3 members live",
        "jobs: 2 active, 5 done",
        "slots: 1 of 2 busy",
        "0: sea render task 0 frames 1-5 (blender) 40 % frame 2",
        "1: idle",
        "the disk refuses",
        "alarm: the state of tide differs",
    ]
    assert [words for words in expected if words not in said] == []


def test_status_without_a_farm_says_how_to_get_one(node: FakeNode, capsys: Said) -> None:
    node.answers["status"] = {**ANSWERS["status"], "farm": None}
    assert main(["status"]) == 0
    assert "peerfarm init" in capsys.readouterr().out


def test_a_job_shows_why_an_attempt_failed(node: FakeNode, capsys: Said) -> None:
    assert main(["job", "sea"]) == 0
    said = capsys.readouterr().out
    assert "1 failed on tide: Blender ended with exit code 11; 2 running on tide" in said
    assert "held by 1 of 2 others" in said
    assert "/projects/frames (not all published yet)" in said


def test_the_join_string_stands_alone_on_stdout(node: FakeNode, capsys: Said) -> None:
    assert main(["invite"]) == 0
    said = capsys.readouterr()
    assert said.out == "peerfarm-join:1:abc\n"
    assert "10 min" in said.err


def test_a_refusal_says_what_to_do_and_ends_with_1(node: FakeNode, capsys: Said) -> None:
    for error in (
        UnknownJob("there is no job 'sea'", "`peerfarm jobs` lists them."),
        NotInFarm("no farm", "Join one."),
    ):
        node.answers["job"] = error
        assert main(["job", "sea"]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert f"peerfarm: {error}\n  {error.hint}\n" == said.err
        assert main(["job", "sea", "--json"]) == 1
        expected = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
        assert {"error": expected} == json.loads(capsys.readouterr().out)


def test_a_scene_is_submitted_with_its_own_defaults(
    node: FakeNode, capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["submit", "sea.blend", "--chunk", "5", "--output", "frames"]) == 0
    assert {"app": "blender", "path": str(tmp_path / "sea.blend")} == node.params_of("inspect")
    (step,) = node.params_of("submit")["job"]["steps"]
    assert (step["frames"], step["chunk"]) == ("1-60", 5)
    assert step["output"] == {"dir": str(tmp_path / "frames"), "pattern": "sea_####.png"}
    said = capsys.readouterr()
    assert f"submitted {JOB_ID}: 60 frames in 12 tasks\n" == said.out
    assert said.err == "warning: a texture is missing\nwarning: the scene was saved by another version\n"


def test_a_machine_without_the_application_can_submit_what_others_render(node: FakeNode, capsys: Said) -> None:
    node.answers["inspect"] = RequestRefused("no Blender was found on this machine", "Install it.")
    assert main(["submit", "/p/sea.blend"]) == 1
    assert "submit" not in node.methods()
    assert main(["submit", "/p/sea.blend", "--frames", "1-4", "--output", "/p/frames"]) == 0
    (step,) = node.params_of("submit")["job"]["steps"]
    assert step["output"] == {"dir": "/p/frames", "pattern": "sea_####.png"}
    assert "was not looked into: no Blender was found" in capsys.readouterr().err


def test_an_archived_job_of_few_words_is_listed(node: FakeNode, capsys: Said) -> None:
    node.answers["jobs"] = {"jobs": [SUMMARY, {"id": "x" * 12, "name": "old", "submitted_ms": 0}]}
    assert main(["jobs", "--all"]) == 0
    assert "old" in capsys.readouterr().out.splitlines()[2]


def test_negative_frames_need_no_equals_sign(node: FakeNode) -> None:
    assert main(["submit", "--app", "ocean", "--frames", "-5--1", "--output", "/out"]) == 0
    (step,) = node.params_of("submit")["job"]["steps"]
    assert step["frames"] == "-5--1"
    assert "inspect" not in node.methods()


def test_a_job_file_is_sent_as_it_is(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("\ufeffname: é\n", encoding="utf-8")
    assert main(["submit", str(tmp_path / "job.yaml")]) == 0
    assert node.params_of("submit") == {"text": "name: é\n", "source": "job.yaml"}


class Renders:
    """A job that moves on one step with each look at it."""

    def __init__(self, *views: dict[str, Any]) -> None:
        self.views = list(views)
        self.looked = threading.Event()

    def __call__(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self.looked.set()
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]


def in_background(argv: list[str]) -> Callable[[], int]:
    """Run a command on a thread; the answer waits for it and gives its exit code."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(argv)))
    thread.start()

    def ended() -> int:
        thread.join(25)
        return codes[0]

    return ended


SUBMIT = ["submit", "sea.blend", "--wait"]


@pytest.fixture
def only_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but events tells a command that follows a job."""
    monkeypatch.setattr("peerfarm.cli.watch.ASK_EVERY_S", 1000.0)


@pytest.mark.usefixtures("only_events")
def test_waiting_ends_when_the_frames_are_published(node: FakeNode, capsys: Said) -> None:
    views = Renders(JOB, {**DONE, "published": False}, DONE)
    node.answers["job"] = views
    ended = in_background(SUBMIT)
    assert views.looked.wait(10)
    node.push({"type": "job/done", "job": JOB_ID, "published": False})
    node.push({"type": "job/done", "job": JOB_ID, "published": True})
    assert ended() == 0
    said = capsys.readouterr()
    assert "done: 60 frames in /projects/frames" in said.out
    assert "100 %  sea" in said.err
    assert node.methods().count("job") == 3


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_waiting_for_a_job_that_does_not_succeed_ends_with_4(node: FakeNode, capsys: Said, status: str) -> None:
    node.answers["job"] = {**JOB, "status": status, "error": "task 3 failed three times"}
    assert main(SUBMIT) == 4
    assert f"{status}: task 3 failed three times" in capsys.readouterr().err


def test_waiting_notices_an_end_that_no_event_told(node: FakeNode) -> None:
    node.answers["job"] = Renders(JOB, DONE)
    assert main(SUBMIT) == 0


def test_waiting_with_json_prints_one_object_with_the_outcome(node: FakeNode, capsys: Said) -> None:
    node.answers["job"] = DONE
    assert main([*SUBMIT, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert tuple(outcome[name] for name in ("job", "status", "published", "output")) == (
        JOB_ID,
        "done",
        True,
        "/projects/frames",
    )


def test_waiting_no_longer_than_told_ends_with_5_and_the_job_goes_on(node: FakeNode, capsys: Said) -> None:
    assert main([*SUBMIT, "--timeout", "0.05"]) == 5
    assert f"peerfarm job {JOB_ID} --watch" in capsys.readouterr().err


def test_waiting_on_a_node_that_stops_ends_with_3_and_the_job_goes_on(node: FakeNode, capsys: Said) -> None:
    views = Renders(JOB)
    node.answers["job"] = views
    ended = in_background(SUBMIT)
    assert views.looked.wait(10)
    node.stop()
    assert ended() == 3
    assert "goes on where other nodes have it" in capsys.readouterr().err


@pytest.mark.usefixtures("only_events")
def test_watching_tells_of_a_failed_task_at_once(node: FakeNode, capsys: Said) -> None:
    views = Renders(JOB, DONE)
    node.answers["job"] = views
    ended = in_background(["job", "sea", "--watch"])
    assert views.looked.wait(10)
    failed = {"type": "task/failed", "job": JOB_ID, "step": "render", "task": 3, "worker": "tide", "reason": "stalled"}
    node.push({**failed, "message": "no progress for 600 s"})
    node.push({**failed, "job": "other", "message": "not ours"})
    progress = {"tasks": {**TASKS, "done": 6}, "frames": {"total": 60, "done": 30}, "progress": 0.5}
    node.push({"type": "job/progress", "job": JOB_ID, **progress})
    node.push({"type": "job/done", "job": JOB_ID, "published": True})
    assert ended() == 0
    said = capsys.readouterr().err
    assert "task 3 failed on tide: no progress for 600 s" in said
    assert "50 %  sea ?[31m波 30/60 frames" in said
    assert "not ours" not in said


def test_a_long_log_is_printed_whole(node: FakeNode, capsys: Said) -> None:
    def log(params: Mapping[str, Any]) -> Mapping[str, Any]:
        offset = params["offset"]
        piece = {"offset": offset, "next_offset": min(offset + 10, 25), "text": "0123456789\n"[: 26 - offset]}
        return {**ANSWERS["log"], **piece, "is_complete": offset >= 20}

    node.answers["log"] = log
    assert main(["log", "sea", "0"]) == 0
    said = capsys.readouterr()
    assert said.out == "0123456789\n0123456789\n012345"
    assert f"attempt {ATTEMPT['attempt']} on tide\n" == said.err


def test_following_a_log_goes_on_with_the_next_attempt(node: FakeNode, capsys: Said) -> None:
    first, second = f"{NODE_ID}-abcdefgh-4", f"{NODE_ID}-abcdefgh-9"
    pieces = [
        {"attempt": first, "text": "one\n", "offset": 0, "next_offset": 4, "is_complete": False},
        {"attempt": second, "text": "garbled", "offset": 4, "next_offset": 11, "is_complete": False},
        {"attempt": second, "text": "two\n", "offset": 0, "next_offset": 4, "is_complete": True},
    ]
    node.answers["log"] = lambda _: {**pieces.pop(0), "worker": "tide"}
    assert main(["log", "sea", "0", "--follow"]) == 0
    said = capsys.readouterr()
    assert said.out == "one\ntwo\n"
    assert [params["offset"] for method, params in node.asked if method == "log"] == [0, 4, 0]
    assert f"attempt {first} on tide\nattempt {second} on tide\n" == said.err


def test_stop_returns_once_the_node_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path) as node:
        content = json.loads(node.local_file.read_text())
        node.local_file.write_text(json.dumps({**content, "pid": gone_pid()}))
        assert main(["stop"]) == 0
        assert capsys.readouterr().out == "peerfarm stopped\n"


def gone_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_settings_are_shown_with_where_they_come_from(node: FakeNode, capsys: Said) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out == 'name: ""\nslots: 2  # PEERFARM_SLOTS\nroots: [/projects]  # file\n'


def test_a_node_that_ends_while_starting_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    output = tmp_path / "start.log"
    with output.open("wb") as file:
        child = subprocess.Popen([sys.executable, "-c", "print('the disk is damaged'); exit(7)"], stdout=file)
    with pytest.raises(PeerfarmError, match="exit code 7: the disk is damaged") as caught:
        await_hello(child, output)
    assert str(output) in caught.value.hint


def test_a_node_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(PeerfarmError, match=r"did not answer within 0\.1 s"):
            await_hello(child, tmp_path / "start.log", 0.1)
        child.communicate(b"\n")


def test_a_node_that_answers_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    (tmp_path / "local.json").write_text("half")
    (tmp_path / "local.json").chmod(0o600)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        hellos: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: hellos.append(await_hello(child, tmp_path / "start.log")))
        thread.start()
        with FakeNode(tmp_path):
            thread.join(20)
        child.communicate(b"\n")
    assert hellos[0]["name"] == "wave"


def test_a_mistake_in_the_settings_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "peerfarm.yaml").write_text("slosts: 2\n")
    for argv in (["start"], ["start", "--foreground"], ["init", "Studio"]):
        assert main(argv) == 1
        assert "slosts" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_starting_a_node_that_runs_says_so(node: FakeNode, capsys: Said) -> None:
    assert main(["start"]) == 0
    assert "wave is running already" in capsys.readouterr().out
    assert main(["start", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["started"] is False


def run_peerfarm(home: Path, *argv: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "peerfarm"]
    environ = dict(os.environ) | {
        "PEERFARM_HOME": str(home),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "core"),
        "PYTHONIOENCODING": "ascii",
    }
    return subprocess.run(
        [sys.executable, *command, *argv], env=environ, capture_output=True, text=True, check=False, timeout=25
    )


def test_quick_commands_import_nothing_heavy(node: FakeNode, tmp_path: Path) -> None:
    code = (
        "import sys; from peerfarm.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'zmq', 'msgpack', 'yaml', 'sqlite3', 'platformdirs', 'asyncio', 'subprocess', 'hypothesis'};"
        "print('HEAVY', sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    for argv in (["status"], ["nodes"], ["jobs"], ["job", "sea"], ["cancel", "sea"], ["log", "sea"]):
        ended = run_peerfarm(tmp_path, *argv, code=code)
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "HEAVY []"), ended.stderr


def test_a_name_that_the_terminal_cannot_show_stops_no_command(node: FakeNode, tmp_path: Path) -> None:
    ended = run_peerfarm(tmp_path, "jobs")
    assert ended.returncode == 0, ended.stderr
    assert "sea" in ended.stdout


def test_output_that_nobody_reads_is_no_traceback(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [SUMMARY] * 5000}
    code = (
        "import os, sys; from peerfarm.cli.main import main;"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1); sys.exit(main(['jobs']))"
    )
    ended = run_peerfarm(tmp_path, code=code)
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 1


def run_on_terminal(home: Path, *argv: str, **environ: str) -> str:
    """Everything that a command prints when both its streams are a terminal of 100 columns."""
    main_end, command_end = os.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")} | {
        "PEERFARM_HOME": str(home),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "core"),
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "100",
        "TERM": "xterm",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "peerfarm", *argv],
        env=variables | environ,
        stdin=subprocess.DEVNULL,
        stdout=command_end,
        stderr=command_end,
    ):
        os.close(command_end)
        said = b""
        while True:
            try:
                piece = os.read(main_end, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(main_end)
    return said.decode()


def test_a_terminal_gets_a_progress_bar_that_is_gone_at_the_end(node: FakeNode, tmp_path: Path) -> None:
    node.answers["job"] = Renders(JOB, DONE)
    said = run_on_terminal(tmp_path, "job", "sea", "--watch", NO_COLOR="1")
    assert "\r██████░░░░░░░░░░░░░░░░░░  25 %  sea ?[31m波 15/60 frames, 2 rendering, 1 failed" in said
    assert said.endswith(" \rsea ?[31m波 done: 60 frames in /projects/frames\r\n")


def test_colours_are_for_terminals_whose_user_wants_them(node: FakeNode, tmp_path: Path) -> None:
    assert "\x1b[32mlive\x1b[0m" in run_on_terminal(tmp_path, "nodes")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", NO_COLOR="1")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", TERM="dumb")
    assert "\x1b" not in run_on_terminal(tmp_path, "nodes", "--json")


def test_ctrl_c_ends_a_wait_with_130_and_the_job_goes_on(node: FakeNode, tmp_path: Path) -> None:
    views = Renders(JOB)
    node.answers["job"] = views
    environ = dict(os.environ) | {
        "PEERFARM_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "core"),
    }
    argv = [sys.executable, "-m", "peerfarm", "job", "sea", "--watch"]
    with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as command:
        assert views.looked.wait(20)
        assert command.stderr is not None
        assert "25 %" in command.stderr.readline()
        command.send_signal(signal.SIGINT)
        said = command.stderr.read()
    assert command.returncode == 130
    assert "the job goes on" in said
    assert "Traceback" not in said
