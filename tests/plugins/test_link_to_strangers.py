"""A plug-in's connection, to what is no node, a broken one, or one of another version; and odd files beside it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from shared_parts import LIMIT_S, FakeNode, client, drain_until, threads, wire

GREETINGS = (
    b'{"jsonrpc": "2.0", "id": "link1", "result": {"protocol": 1}}\n'
    b'{"jsonrpc": "2.0", "id": "link2", "result": {"subscribed": true}}\n'
)


class Stranger:
    """Listens where a node should; says the same bytes to everybody, then waits until they go."""

    def __init__(self, home: Path, says: bytes, *, answers: bytes = b"", slowly: bool = False) -> None:
        self.says = says
        self.answers = answers
        """Said after the first question, the one after the greetings."""
        self.slowly = slowly
        self.server = socket.create_server(("127.0.0.1", 0))
        self.link: socket.socket | None = None
        write_place(home, {"port": self.server.getsockname()[1], "token": "0" * 64})
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in filter(None, (self.server, self.link)):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.server.close()
        assert not self.thread.is_alive()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                self.link, _ = self.server.accept()
                with self.link, suppress(OSError), self.link.makefile("rb") as asked:
                    asked.readline()
                    asked.readline()
                    for piece in [bytes([byte]) for byte in self.says] if self.slowly else [self.says]:
                        self.link.sendall(piece)
                    if asked.readline():
                        self.link.sendall(self.answers)
                    while asked.readline():
                        pass


def write_place(home: Path, place: Any, mode: int = 0o600) -> Path:
    path = home / "local.json"
    path.write_text(place if isinstance(place, str) else json.dumps(place), "utf-8")
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_S", 0.05)
    monkeypatch.setattr(wire, "HELLO_S", 1.0)


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Any]:
    made = client.Link("maya 2024", "0.1.0", str(tmp_path))
    yield made
    made.close()
    assert threads() == []


def open_files() -> int:
    """How many files this process has open; 0 where the system does not tell."""
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0


def refused(link: Any) -> tuple[str, str]:
    """What the artist reads when it does not connect."""
    link.open()
    drain_until(link, lambda: link.state == "refused")
    came: list[Any] = []
    link.call("status", {}, came.append, came.append)
    drain_until(link, lambda: came)
    assert isinstance(came[0], wire.Fault)
    assert link.hint
    assert link.sentence.endswith(".")
    return link.sentence, link.hint


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"{}\n",
        b'{"jsonrpc": "1.0"}\n',
        b"[" * 100_000 + b"\n",
        b"1" * 6000 + b"\n",
        b"x" * (9 << 20),
        GREETINGS + b'{"jsonrpc": "2.0", "id": 1, "result": "' + b"x" * (9 << 20),
    ],
    ids=["http", "bytes", "list", "empty", "version", "deep", "number", "long", "long answer"],
)
def test_what_is_no_node_is_told_in_words(tmp_path: Path, link: Any, says: bytes) -> None:
    with Stranger(tmp_path, says):
        assert refused(link) == ("What answers on peerfarm's port is not peerfarm.", wire.START_HINT)
        assert link.can_start


@pytest.mark.parametrize(
    "says", [b"", b'{"jsonrpc": "2.0", "id"', GREETINGS[:70], b'{"jsonrpc": "2.0", "result": {}}\n']
)
def test_what_accepts_and_does_not_speak_is_given_up(tmp_path: Path, link: Any, says: bytes) -> None:
    with Stranger(tmp_path, says):
        assert refused(link)[0] == "What answers on peerfarm's port does not speak."


def test_half_lines_are_put_together_and_odd_members_change_nothing(tmp_path: Path, link: Any) -> None:
    odd = (
        b'{"jsonrpc": "2.0", "id": [1], "result": {}}\n{"jsonrpc": "2.0", "id": {}, "error": 5}\n'
        b'{"jsonrpc": "2.0", "id": 99, "result": {}}\n{"jsonrpc": "2.0", "id": true, "result": {}}\n'
        b'{"jsonrpc": "2.0", "method": "event", "params": {"type": "submit/progress", "request": []}}\n'
        b'{"jsonrpc": "2.0", "method": "event", "params": {"type": {}}}\n'
        b'{"jsonrpc": "2.0", "method": "event", "params": {"type": "alarm", "text": "last"}}\n'
    )
    heard: list[Any] = []
    link.listen(heard.append)
    with Stranger(tmp_path, GREETINGS + odd, slowly=True):
        link.open()
        drain_until(link, lambda: heard and heard[-1].get("text") == "last")
        assert link.state == "connected"


@pytest.mark.parametrize(
    "answer", [b'"result": 5', b'"result": null', b'"error": {"code": {}, "data": 7}', b'"none": 1']
)
def test_an_odd_answer_becomes_a_fault(tmp_path: Path, link: Any, answer: bytes) -> None:
    came: list[Any] = []
    with Stranger(tmp_path, GREETINGS, answers=b'{"jsonrpc": "2.0", "id": 1, %s}\n' % answer):
        link.open()
        link.call("status", {}, came.append, came.append)
        drain_until(link, lambda: came)
        assert isinstance(came[0], wire.Fault)
        assert link.state == "connected"


def test_a_wrong_token_is_told_in_words_and_mends_itself(tmp_path: Path, link: Any) -> None:
    with FakeNode(tmp_path) as node:
        right = node.local_file.read_text("utf-8")
        write_place(tmp_path, {**json.loads(right), "token": "0" * 64})
        assert refused(link)[0] == "peerfarm did not accept this plug-in."
        assert link.can_start
        write_place(tmp_path, right)
        drain_until(link, lambda: link.state == "connected")


def test_a_node_of_another_version_says_what_to_update(
    tmp_path: Path, link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "PROTOCOL", 2)
    with FakeNode(tmp_path):
        sentence, hint = refused(link)
    assert "different versions" in sentence
    assert "peerfarm plugins install" in hint
    assert not link.can_start


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "5", "[" * 4000, '{"port": 1}', '{"port": "1", "token": "x"}', '{"port": true, "token": "x"}',
     '{"port": 99999, "token": "x"}', '{"port": -1, "token": "x"}', '{"port": 1, "token": 5}', " " * 9000 + "{}"],
)  # fmt: skip
def test_a_damaged_local_file_is_named(tmp_path: Path, link: Any, content: str) -> None:
    path = write_place(tmp_path, content)
    assert refused(link) == (f"{path} is damaged.", wire.START_HINT)
    assert link.can_start


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_local_file_that_others_can_reach_is_not_used(tmp_path: Path, link: Any, mode: int) -> None:
    with FakeNode(tmp_path) as node:
        node.local_file.chmod(mode)
        assert "Other users can read or write" in refused(link)[0]
        assert node.asked == []


def test_a_pipe_or_a_folder_in_the_local_files_place_never_holds_anything_up(tmp_path: Path, link: Any) -> None:
    path = tmp_path / "local.json"
    os.mkfifo(path)
    assert "is no plain file" in refused(link)[0]
    before = open_files()
    path.unlink()
    path.mkdir()
    for _ in range(30):
        with pytest.raises(wire.Fault, match="is no plain file"):
            wire.read_place(str(tmp_path))
    after = open_files()
    assert after <= before + 2


def test_a_question_that_is_never_answered_ends_and_the_connection_goes_on(tmp_path: Path, link: Any) -> None:
    came: list[Any] = []
    with Stranger(tmp_path, GREETINGS):
        link.open()
        drain_until(link, lambda: link.state == "connected")
        link.call("status", {}, came.append, came.append, limit_s=0.05)
        drain_until(link, lambda: came)
        assert (came[0].kind, link.state) == ("late", "connected")


def test_a_panel_that_never_reads_keeps_a_bounded_number_of_events(tmp_path: Path, link: Any) -> None:
    heard: list[Any] = []
    link.listen(heard.append)
    line = b'{"jsonrpc": "2.0", "method": "event", "params": {"type": "alarm", "text": "%d"}}\n'
    with Stranger(tmp_path, GREETINGS + b"".join(line % number for number in range(5000))):
        link.open()
        limit_s = time.monotonic() + LIMIT_S
        while not (link._events and link._events[-1]["text"] == "4999"):
            assert time.monotonic() < limit_s
            link.wait(0.01)
        link.drain(10.0)
    assert len(heard) == client.MAX_EVENTS
