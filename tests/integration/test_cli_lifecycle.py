"""`peerfarm start`, `stop` and `join`: the node as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_rig import (
    ANSWERS,
    Said,
    gone_pid,
)
from fake_node import NODE_ID, FakeNode

from peerfarm.cli.main import main
from peerfarm.cli.starting import await_hello
from peerfarm.errors import PeerfarmError, RequestRefused


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, ANSWERS) as fake:
        yield fake


def test_stop_returns_once_the_node_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path) as node:
        content = json.loads(node.local_file.read_text())
        node.local_file.write_text(json.dumps({**content, "pid": gone_pid()}))
        assert main(["stop"]) == 0
        assert capsys.readouterr().out == "peerfarm stopped\n"


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


@pytest.mark.parametrize(
    ("joining", "words"),
    [
        (None, "It belongs to no farm yet: `peerfarm init NAME` creates one"),
        ({"farm": "f" * 16, "members": ["oak"]}, "It is joining the farm of oak: it waits until one of them answers."),
    ],
)
def test_a_start_without_a_farm_says_what_to_do_unless_one_is_being_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, joining: Any, words: str
) -> None:
    monkeypatch.setenv("PEERFARM_HOME", str(tmp_path))
    with FakeNode(tmp_path, {"status": {**ANSWERS["status"], "farm": None, "joining": joining}}):
        assert main(["start"]) == 0
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


JOIN = "peerfarm-join:1:secret"


@pytest.mark.parametrize("argv", [["start"], ["join"]])
def test_the_join_string_may_stand_in_the_environment(
    node: FakeNode, capsys: Said, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.setenv("PEERFARM_JOIN", JOIN)
    assert main(argv) == 0
    assert node.params_of("join") == {"join": JOIN}
    assert "joined the farm Studio; it has 3 members" in capsys.readouterr().out
    assert "PEERFARM_JOIN" not in os.environ  # what is started from here does not inherit a secret


def test_a_string_on_the_command_line_goes_before_the_environment(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEERFARM_JOIN", "another")
    assert main(["join", JOIN]) == 0
    assert node.params_of("join") == {"join": JOIN}


def test_a_node_that_has_a_farm_starts_without_joining_again(
    node: FakeNode, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello = {"protocol": 1, "version": "0.1.0", "node": NODE_ID, "name": "wave", "farm": {"id": "f", "name": "Studio"}}
    node.answers["hello"] = hello
    monkeypatch.setenv("PEERFARM_JOIN", JOIN)
    assert main(["start", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["farm"] == {"id": "f", "name": "Studio"}
    assert "join" not in node.methods()


def test_a_start_that_cannot_join_says_why(node: FakeNode, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    node.answers["join"] = RequestRefused("the invitation is spent", "Ask for another.")
    monkeypatch.setenv("PEERFARM_JOIN", JOIN)
    assert main(["start"]) == 1
    said = capsys.readouterr()
    assert "wave is running already" in said.out
    assert "the invitation is spent" in said.err
    assert JOIN not in said.out + said.err
