"""How the After Effects panel bears a node that is gone, slow, strange or another one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aftereffects_answers import ANSWERS, answering
from aftereffects_project import shot
from aftereffects_rig import AfterEffects
from fake_node import FakeNode


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, ANSWERS) as node:
        yield node


def test_a_node_that_is_not_there_is_a_sentence_and_a_button(tmp_path: Path) -> None:
    with AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out")) as ae:
        assert "peerfarm is not running. Press Start peerfarm." in ae.text()
        assert ae.button("Start peerfarm")["visible"]
        ae.press("Start peerfarm")
        assert "never started on this machine" in ae.text()
        ae.press("Send to peerfarm")
        assert "peerfarm is not running" in ae.text()


def test_a_node_that_comes_back_on_another_port_is_found(tmp_path: Path) -> None:
    with AfterEffects(tmp_path, None, hasty=20) as ae:
        for _ in range(2):
            with FakeNode(tmp_path, ANSWERS):
                ae.press("Refresh")
                ae.until("the farm", lambda: "studio: 2 nodes" in ae.text())
            ae.press("Refresh")
            assert "peerfarm " in ae.text()
            assert "studio" not in ae.text()


def test_a_wrong_token_is_told(node: FakeNode, tmp_path: Path) -> None:
    told = json.loads((tmp_path / "local.json").read_text("utf-8"))
    (tmp_path / "local.json").write_text(json.dumps(told | {"token": "x" * 43}), "utf-8")
    with AfterEffects(tmp_path, None) as ae:
        assert "peerfarm did not accept this panel. Restart peerfarm" in ae.text()


def error(code: int, message: str) -> Callable[[bytes], bytes]:
    """A node that refuses everything."""
    return lambda line: (
        json.dumps(
            {"jsonrpc": "2.0", "id": json.loads(line)["id"], "error": {"code": code, "message": message}}
        ).encode()
        + b"\n"
    )


BAD: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "another version": (error(4, "protocol 9"), "of different versions. Run `peerfarm plugins install aftereffects`"),
    "an older node": (error(-32601, "unknown method"), "This peerfarm is older than the panel. Update peerfarm."),
    "a web server": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not peerfarm"),
    "half a line": (lambda _: b'{"jsonrpc": "2.0", "id": 1, "resu\n', "is not peerfarm"),
    "deep nesting": (lambda _: b"[" * 5000 + b"\n", "is not peerfarm"),
    "other ids": (lambda _: b'{"jsonrpc": "2.0", "id": 999, "result": {}}\n', "did not answer in time"),
    "silence": (lambda _: b"", "did not answer in time"),
    "an empty result": (lambda line: b'{"id": %d, "result": null}\n' % json.loads(line)["id"], "This did not work"),
    "results of the wrong kind": (
        lambda line: b'{"id": %d, "result": {"farm": 3, "nodes": [null], "jobs": "x"}}\n' % json.loads(line)["id"],
        "says nothing to this panel. Run `peerfarm plugins install aftereffects`",
    ),
    "a line that never ends": (lambda _: b'{"id": 1, "result": "' + b"x" * 5000, "did not answer in time"),
    "the end": (lambda _: None, "peerfarm "),
}


@pytest.mark.parametrize("kind", BAD)
def test_whatever_answers_the_panel_says_a_sentence_and_after_effects_goes_on(tmp_path: Path, kind: str) -> None:
    answer, words = BAD[kind]
    with (
        answering(tmp_path, answer),
        AfterEffects(tmp_path, shot(tmp_path, tmp_path / "out"), hasty=20) as ae,
    ):
        assert words in ae.text()
        assert all(len(line) < 200 for line in ae.text().splitlines())  # what its place holds
        ae.tick()
        ae.press("Send to peerfarm")
        assert ae.button("Send to peerfarm")["enabled"]


@pytest.mark.parametrize(("length", "words"), [(2**21, "is not peerfarm"), (2**24, "peerfarm")])
def test_a_line_without_measure_is_thrown_away_unread(tmp_path: Path, length: int, words: str) -> None:
    def answer(line: bytes) -> bytes:
        told = b'{"id": %d, "result": {"farm": {"name": "' % json.loads(line)["id"]
        return told + b"x" * length + b'"}}}\n'

    with answering(tmp_path, answer), AfterEffects(tmp_path, None) as ae:
        assert words in ae.text()
        assert len(ae.text()) < 500
        ae.tick()
        assert ae.cost.opened == 0


def test_a_silent_node_holds_after_effects_up_once_and_is_then_left_alone(tmp_path: Path) -> None:
    with answering(tmp_path, lambda _: b""), AfterEffects(tmp_path, None) as ae:
        assert ae.cost.requests == 1
        ae.tick()
        assert (ae.cost.requests, ae.cost.opened) == (0, 0)
        assert ae.due == [3000]


def test_a_port_where_nobody_listens_is_left_alone_until_the_node_was_started_anew(tmp_path: Path) -> None:
    (tmp_path / "local.json").write_text(json.dumps({"port": free_port(), "token": "t"}), "utf-8")
    with AfterEffects(tmp_path, None) as ae:
        assert "peerfarm is not running" in ae.text()
        ae.tick()
        assert ae.cost.opened == 0  # on Windows each try takes two seconds
        ae.press("Refresh")
        assert ae.cost.opened == 1
        with FakeNode(tmp_path, ANSWERS):
            ae.tick()
            assert "studio: 2 nodes" in ae.text()


def free_port() -> int:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_slow_node_is_asked_for_one_thing_in_a_turn(tmp_path: Path) -> None:
    results = {"hello": {}, **ANSWERS}
    gate = threading.Event()

    def slowly(line: bytes) -> bytes:
        request = json.loads(line)
        gate.wait(0.6)  # never set: longer than a turn asks on
        return json.dumps({"id": request["id"], "result": results[request["method"]]}).encode() + b"\n"

    with answering(tmp_path, slowly), AfterEffects(tmp_path, None) as ae:
        assert ae.cost.requests == 2  # hello, and one
        ae.tick()
        assert ae.cost.requests == 1
        ae.tick()
        assert ae.cost.requests == 1
        assert "studio: 2 nodes" in ae.text()
