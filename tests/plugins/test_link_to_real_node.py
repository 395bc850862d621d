"""A plug-in's connection and its panel, to a real node that is killed and started again by the panel's button."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from shared_parts import LIMIT_S, RealFarm, RealNode, board, client, tick_until, wire

import peerfarm


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealNode]:
    """One node that renders nothing, with a farm of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(peerfarm.__file__).parents[1]))
    made = RealFarm(tmp_path)
    one = made.add("oak", render=False)
    try:
        one.start()
        one.await_hello()
        one.call("init", name="demo")
        yield one
    finally:
        made.close()


@pytest.mark.parametrize(
    ("name", "fields"), [("local.json", {"port", "token"}), ("launch.json", {"argv", "environment"})]
)
def test_the_files_that_tell_where_the_node_is_are_for_its_user_alone(
    node: RealNode, name: str, fields: set[str]
) -> None:
    path = node.home.local.with_name(name)
    assert fields <= json.loads(path.read_text("utf-8")).keys()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_panel_follows_a_real_node_through_a_restart(node: RealNode, tmp_path: Path) -> None:
    link = client.Link("maya 2024", "0.1.0", str(node.directory))
    shown = board.Board(link)
    link.open()
    try:
        tick_until(shown, lambda: shown.view.farm == "demo" and shown.view.nodes)
        step = {"name": "render", "app": "ocean", "frames": "1-4", "params": {"width": 64, "height": 36}}
        step |= {"output": {"dir": str(tmp_path / "frames"), "pattern": "f_####.png"}}
        done: list[Any] = []
        shown.send({"name": "waves", "steps": [step]}, on_done=done.append, on_fault=done.append)
        tick_until(shown, lambda: done)
        assert not isinstance(done[0], wire.Fault), done[0]
        tick_until(shown, lambda: shown.view.jobs)
        assert (shown.view.jobs[0].name, shown.view.jobs[0].can_pause) == ("waves", True)
        shown.pause(done[0]["job"])
        tick_until(shown, lambda: shown.view.jobs[0].status == "paused")
        node.kill()
        tick_until(shown, lambda: shown.view.can_start)
        assert "is starting" in shown.link.start_node()
        tick_until(shown, lambda: shown.view.jobs, 30.0)
        assert shown.view.jobs[0].status == "paused"
    finally:
        link.close()
        shown.close()
        with suppress(wire.Fault):  # the one that the button started
            client.call_once("maya 2024", "0.1.0", "stop", home=str(node.directory))
    deadline_s = time.monotonic() + LIMIT_S
    while node.home.local.exists():
        assert time.monotonic() < deadline_s


@pytest.fixture
def shown(node: RealNode) -> Iterator[Any]:
    """A panel whose node was killed; one that its button starts is stopped at the end."""
    node.kill()
    link = client.Link("maya 2024", "0.1.0", str(node.directory))
    shown = board.Board(link)
    link.open()
    try:
        yield shown
    finally:
        link.close()
        shown.close()
        with suppress(wire.Fault):
            client.call_once("maya 2024", "0.1.0", "stop", home=str(node.directory))


def test_a_stranger_on_the_killed_nodes_port_does_not_keep_the_button_from_starting_it(
    node: RealNode, shown: Any
) -> None:
    port = json.loads(node.home.local.read_text("utf-8"))["port"]
    with socket.create_server(("127.0.0.1", port)) as stranger:
        says = threading.Thread(target=greet, args=(stranger,), daemon=True)
        says.start()
        tick_until(shown, lambda: "is not peerfarm" in shown.view.sentence)
        assert shown.view.can_start
        shown.start_node()
        tick_until(shown, lambda: shown.view.farm == "demo", 30.0)
        stranger.shutdown(socket.SHUT_RDWR)
        says.join(LIMIT_S)


def greet(stranger: socket.socket) -> None:
    """Speak as a web server does, to everybody."""
    with suppress(OSError):
        while True:
            link, _ = stranger.accept()
            with link, suppress(OSError):
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                link.recv(4096)


def test_a_node_that_cannot_write_its_home_says_so_in_the_panel(node: RealNode, shown: Any) -> None:
    logs = node.directory / "logs"
    shutil.rmtree(logs)
    logs.write_text("a file where a folder belongs", "utf-8")
    tick_until(shown, lambda: shown.view.can_start)
    shown.start_node()
    tick_until(shown, lambda: "could not be started" in shown.view.sentence)
    assert str(logs) in shown.view.sentence
    assert "Make it writable" in shown.view.hint


def test_a_question_without_a_window_is_answered_by_a_real_node(node: RealNode) -> None:
    answer = client.call_once("blender 4.2.0", "0.1.0", "nodes", home=str(node.directory))
    assert [row["name"] for row in answer["nodes"]] == ["oak"]
    with pytest.raises(wire.Fault) as raised:
        client.call_once("blender 4.2.0", "0.1.0", "job", {"job": "none"}, home=str(node.directory))
    assert raised.value.kind == "UnknownJob"
