"""What the command line says when a farm does odd things: jobs without files, jobs too long to show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_node import FakeNode

from peerfarm.cli.main import main

JOB_ID = "abcdefghijkl"
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "name": "sea",
    "user": "ada",
    "status": "done",
    "priority": 50,
    "pool": "",
    "paused": False,
    "tasks": {"total": 3, "done": 3, "leased": 0, "failed": 0, "cancelled": 0, "ready": 0, "blocked": 0},
    "frames": {"total": 3, "done": 3},
    "published": 3,
    "is_published": True,
    "progress": 1.0,
    "dispatcher": "wave",
    "held_by": None,
    "held_of": None,
    "output": "/projects/frames",
    "submitted_ms": 1_700_000_000_000,
    "eta_s": None,
    "error": "",
    "steps": [],
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path) as fake:
        yield fake


def test_following_a_job_without_files_ends_when_it_is_done(node: FakeNode) -> None:
    node.answers["job"] = {**JOB, "frames": {"total": 0, "done": 0}, "published": 0, "output": ""}
    assert main(["job", JOB_ID, "--watch", "--timeout", "5"]) == 0


def test_following_a_job_goes_on_while_some_of_its_frames_lack_their_final_names(
    node: FakeNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.answers["job"] = {**JOB, "published": 2, "is_published": False}
    assert main(["job", JOB_ID, "--watch", "--timeout", "0"]) == 5
    assert "done" not in capsys.readouterr().out


def test_a_job_with_more_tasks_than_an_answer_shows_says_how_many_are_left_out(
    node: FakeNode, capsys: pytest.CaptureFixture[str]
) -> None:
    task = {"task": 7, "frames": "8", "status": "failed", "worker": "tide", "progress": 0.0, "attempts": []}
    step = {"name": "render", "app": "ocean", "depends_on": [], "task_count": 5000, "tasks": [task]}
    node.answers["job"] = {**JOB, "steps": [step]}
    assert main(["job", JOB_ID]) == 0
    said = capsys.readouterr()
    assert "tide" in said.out
    assert "4999 tasks more" in said.err
