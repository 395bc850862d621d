"""The `peerfarm` command against a node that answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_rig import ANSWERS, ATTEMPT, JOB, SUMMARY, Said
from fake_node import NODE_ID, FakeNode

from peerfarm.cli.main import main
from peerfarm.errors import NotInFarm, UnknownJob


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
        "listens at ports 7101 (peers) and 7103 (files)",
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


@pytest.mark.parametrize(
    ("farm", "members", "words"),
    [
        ("f" * 16, ["oak", "elm\x1b"], "is joining the farm of oak, elm?: it waits until one of them answers\n"),
        ("f" * 16, list("abcdefg"), "the farm of a, b, c, d, e and 2 more: "),
        ("", [], "is asking a farm to let it in\n"),
    ],
)
def test_status_while_joining_says_whom_and_does_not_suggest_another_farm(
    node: FakeNode, capsys: Said, farm: str, members: list[str], words: str
) -> None:
    node.answers["status"] = {**ANSWERS["status"], "farm": None, "joining": {"farm": farm, "members": members}}
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert words in said
    assert "init" not in said


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


def test_an_archived_job_of_few_words_is_listed(node: FakeNode, capsys: Said) -> None:
    node.answers["jobs"] = {"jobs": [SUMMARY, {"id": "x" * 12, "name": "old", "submitted_ms": 0}]}
    assert main(["jobs", "--all"]) == 0
    assert "old" in capsys.readouterr().out.splitlines()[2]


def test_settings_are_shown_with_where_they_come_from(node: FakeNode, capsys: Said) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out == 'name: ""\nslots: 2  # PEERFARM_SLOTS\nroots: [/projects]  # file\n'


def test_attempts_that_ended_in_the_same_way_are_told_once(node: FakeNode, capsys: Said) -> None:
    step = JOB["steps"][0]
    attempts = [{**ATTEMPT, "number": number} for number in (1, 2, 3)]
    node.answers["job"] = {**JOB, "steps": [{**step, "tasks": [{**step["tasks"][0], "attempts": attempts}]}]}
    assert main(["job", "sea"]) == 0
    assert "1 to 3 failed on tide: Blender ended with exit code 11\n" in capsys.readouterr().out


def test_nobody_removes_the_own_machine_by_mistake(node: FakeNode, capsys: Said) -> None:
    for name in ("wave", NODE_ID):
        assert main(["remove", name]) == 1
        assert "--this-machine" in capsys.readouterr().err
    assert "remove" not in node.methods()
    assert main(["remove", "wave", "--this-machine"]) == 0
    assert node.params_of("remove") == {"node": "wave"}


def test_a_node_that_has_found_no_application_yet_says_that_it_may_be_looking(node: FakeNode, capsys: Said) -> None:
    node.answers["apps"] = {"apps": [], "problems": []}
    assert main(["apps"]) == 0
    assert "ask again" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["init", "Studio"], ["join", "peerfarm-join:1:abc"]])
def test_a_machine_without_roots_hears_that_it_renders_nothing_yet(
    node: FakeNode, capsys: Said, argv: list[str]
) -> None:
    assert main(argv) == 0
    assert "`roots`" not in capsys.readouterr().err
    node.answers["config"] = {"settings": {"roots": {"value": [], "source": "default"}}}
    assert main(argv) == 0
    assert "`roots` in peerfarm.yaml" in capsys.readouterr().err
