"""`peerfarm submit`: scenes, job files, and what is neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_rig import (
    ANSWERS,
    JOB_ID,
    Said,
)
from fake_node import FakeNode

from peerfarm.cli.main import main
from peerfarm.errors import RequestRefused


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


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


def test_whoever_submits_is_told_how_much_travels(node: FakeNode, capsys: Said) -> None:
    node.answers["submit"] = {
        "job": JOB_ID,
        "tasks": 12,
        "frames": 60,
        "warnings": [],
        "files": 13,
        "size_bytes": 1.1e6,
    }
    assert main(["submit", "/p/sea.blend", "--output", "/p/frames"]) == 0
    words = "60 frames in 12 tasks; 13 files, 1.1 MB in all, on their way to the workers"
    assert f"submitted {JOB_ID}: {words}\n" == capsys.readouterr().out


@pytest.mark.parametrize("travels", [False, True])
def test_files_outside_shared_storage_are_warned_of_unless_they_travel(
    node: FakeNode, capsys: Said, travels: bool
) -> None:
    inspected = ANSWERS["inspect"]
    node.answers["inspect"] = {**inspected, "warnings": [], "not_shared": [f"/home/ada/{name}" for name in "abcde"]}
    answer = {"job": JOB_ID, "tasks": 12, "frames": 60, "warnings": []}
    node.answers["submit"] = {**answer, "files": 13, "size_bytes": 1.1e6} if travels else answer
    assert main(["submit", "/p/sea.blend", "--output", "/p/frames"]) == 0
    err = capsys.readouterr().err
    words = "the scene needs files in /home/ada/a, /home/ada/b, /home/ada/c and 2 more folders"
    assert (words in err) is not travels
    assert ("--files peers" in err) is not travels


def test_the_node_decides_how_files_travel_unless_the_user_says_it(node: FakeNode) -> None:
    assert main(["submit", "/p/sea.blend", "--output", "/p/frames"]) == 0
    assert "files" not in node.params_of("submit")["job"]
    assert "allow_missing" not in node.params_of("submit")


def test_what_the_user_says_of_files_goes_with_the_submission(node: FakeNode) -> None:
    assert main(["submit", "/p/sea.blend", "--output", "/p/frames", "--files", "shared", "--allow-missing"]) == 0
    assert node.params_of("submit")["job"]["files"] == "shared"
    assert node.params_of("submit")["allow_missing"] is True


def test_a_machine_without_the_application_can_submit_what_others_render(node: FakeNode, capsys: Said) -> None:
    node.answers["inspect"] = RequestRefused("no Blender was found on this machine", "Install it.")
    assert main(["submit", "/p/sea.blend"]) == 1
    assert "submit" not in node.methods()
    assert main(["submit", "/p/sea.blend", "--frames", "1-4", "--output", "/p/frames"]) == 0
    (step,) = node.params_of("submit")["job"]["steps"]
    assert step["output"] == {"dir": "/p/frames", "pattern": "sea_####.png"}
    assert "was not looked into: no Blender was found" in capsys.readouterr().err


def test_negative_frames_need_no_equals_sign(node: FakeNode) -> None:
    assert main(["submit", "--app", "ocean", "--frames", "-5--1", "--output", "/out"]) == 0
    (step,) = node.params_of("submit")["job"]["steps"]
    assert step["frames"] == "-5--1"
    assert "inspect" not in node.methods()


def test_a_job_file_is_sent_as_it_is(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("\ufeffname: é\n", encoding="utf-8")
    assert main(["submit", str(tmp_path / "job.yaml")]) == 0
    assert node.params_of("submit") == {"text": "name: é\n", "source": "job.yaml"}
