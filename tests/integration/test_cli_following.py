"""Commands that wait: a job followed to its end, a log as it grows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_rig import (
    ANSWERS,
    ATTEMPT,
    DONE,
    JOB,
    JOB_ID,
    TASKS,
    Renders,
    Said,
    in_background,
)
from fake_node import NODE_ID, FakeNode

from peerfarm.cli.main import main


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


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
