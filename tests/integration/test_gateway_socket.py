"""The local socket against programs that speak badly, slowly, or too much."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from fake_node import FakeNode

from peerfarm.errors import ConfigError, UnknownJob
from peerfarm.gateway.connection import Connection
from peerfarm.gateway.localfile import read_local_file
from peerfarm.gateway.server import (
    CLIENT_LIMIT,
    EVENT_BACKLOG,
    HELLO_LIMIT_S,
    LINGER_S,
    OUTPUT_BACKLOG,
    ClientGone,
    Gateway,
    LocalRequest,
)
from peerfarm.protocol.jsonrpc import ANSWER_LIMIT


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(
        tmp_path, {"status": {"fine": True}, "job": UnknownJob("there is no job 'x'", "See `jobs`.")}
    ) as fake:
        yield fake


class Speaker:
    """A plug-in that sends exactly the bytes it is told to."""

    def __init__(self, port: int) -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.link.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.link.close()

    def send(self, message: dict[str, Any] | bytes) -> None:
        self.link.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def read(self) -> dict[str, Any] | None:
        """The next line; None at the end of the stream."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def greet(self, local_file: Path) -> None:
        self.send(hello(read_local_file(local_file).token))
        answer = self.read()
        assert answer is not None
        assert "result" in answer


def hello(token: str, protocol: int = 1) -> dict[str, Any]:
    params = {"token": token, "client": "test", "version": "0", "protocol": protocol}
    return {"jsonrpc": "2.0", "id": 1, "method": "hello", "params": params}


def ask(method: str, request_id: int = 2, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def test_a_greeted_program_gets_its_answers(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
        speaker.send(ask("status"))
        assert speaker.read() == {"jsonrpc": "2.0", "id": 2, "result": {"fine": True}}
        speaker.send(ask("job", 3, job="x"))
        answer = speaker.read()
    expected = {"code": 1, "message": "there is no job 'x'", "data": {"kind": "UnknownJob", "hint": "See `jobs`."}}
    assert answer == {"jsonrpc": "2.0", "id": 3, "error": expected}


def test_the_token_is_not_passed_on_to_the_node(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
    assert node.params_of("hello") == {"client": "test", "version": "0", "protocol": 1}


def test_requests_that_arrive_byte_by_byte_are_understood(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        token = read_local_file(node.local_file).token
        for byte in json.dumps(hello(token)).encode() + b"\n" + json.dumps(ask("status")).encode() + b"\n":
            speaker.link.send(bytes([byte]))
        answers = [speaker.read(), speaker.read()]
    assert [answer["id"] for answer in answers if answer] == [1, 2]


def test_requests_that_arrive_in_one_piece_are_answered_in_order(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
        speaker.send(b"".join(json.dumps(ask("status", number)).encode() + b"\n" for number in range(10, 60)))
        answers = [speaker.read() for _ in range(50)]
    assert list(range(10, 60)) == [answer["id"] for answer in answers if answer]


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (hello("0" * 64), 3),
        (hello(""), 3),
        ({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {"token": 5}}, 3),
        (ask("status"), 3),
        (b"GET / HTTP/1.1\r\n", 3),
        (b"\xff\xfe\n", 3),
        (b"{" * 3000 + b"\n", 3),
        (b"x" * 5000, 3),
        (b"\n", 3),
    ],
)
def test_a_first_line_that_is_no_good_hello_gets_one_error_and_the_end(
    node: FakeNode, first: dict[str, Any] | bytes, code: int
) -> None:
    with Speaker(node.port) as speaker:
        speaker.send(first)
        answer = speaker.read()
        assert answer is not None
        assert code == answer["error"]["code"]
        assert speaker.read() is None
    assert node.asked == []


def test_a_web_page_cannot_smuggle_a_request_in_a_body(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        token = read_local_file(node.local_file).token
        body = json.dumps(hello(token)) + "\n" + json.dumps(ask("stop")) + "\n"
        speaker.send(f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        assert speaker.read() is not None
        assert speaker.read() is None
    assert node.asked == []


def test_another_protocol_version_is_told_from_a_wrong_token(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.send(hello(read_local_file(node.local_file).token, protocol=2))
        answer = speaker.read()
        assert answer is not None
        assert answer["error"]["code"] == 4
        assert "same version" in answer["error"]["data"]["hint"]
        assert speaker.read() is None


def test_a_malformed_line_after_hello_ends_the_connection_with_a_reason(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
        speaker.send(b"{nonsense}\n" + json.dumps(ask("status")).encode() + b"\n")
        answer = speaker.read()
        assert answer is not None
        assert answer["error"]["code"] == -32700
        assert speaker.read() is None
    assert "status" not in node.methods()


def test_an_endless_line_ends_the_connection_with_a_reason(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
        speaker.send(b'"' + b"a" * ((1 << 20) + 100))
        answer = speaker.read()
        assert answer is not None
        assert "longer than" in answer["error"]["message"]
        assert speaker.read() is None


def test_wrong_parameters_are_answered_and_the_connection_goes_on(node: FakeNode) -> None:
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
        speaker.send(ask("statsu", 2))
        speaker.send(ask("job", 3, job=7))
        speaker.send(ask("hello", 4, token="", client="", version="", protocol=1))
        speaker.send(ask("status", 5))
        answers = [speaker.read() for _ in range(4)]
    assert [answer.get("error", {}).get("code") for answer in answers if answer] == [-32601, -32602, -32600, None]


def test_whoever_connects_after_the_limit_takes_the_place_of_a_silent_one(node: FakeNode) -> None:
    silent = [Speaker(node.port) for _ in range(CLIENT_LIMIT + 5)]
    with Speaker(node.port) as speaker:
        speaker.greet(node.local_file)
    first = silent[0].read()
    for each in silent:
        each.__exit__()
    assert first is not None
    assert "connected already" in first["error"]["message"]


def test_what_a_dropped_program_still_sends_is_thrown_away() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    connection = Connection(ours, 1)
    with theirs:
        theirs.sendall(b"kept\n")
        connection.read()
        connection.dropped_s = 1.0
        theirs.sendall(b"lost\n")
        connection.read()
        assert connection.take_line(100) == b"kept"
        assert connection.take_line(100) is None
    connection.read()
    assert connection.is_ended
    connection.close()


# The rest drives a Gateway by hand, so that time and reading are under control.


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    opened = Gateway(tmp_path / "local.json", version="0.1.0")
    opened.open()
    yield opened
    opened.close()


def port_of(tmp_path: Path) -> int:
    return read_local_file(tmp_path / "local.json").port


def receive_until(gateway: Gateway, kind: type) -> Any:
    """Turn the loop until something of that kind comes; the test's time limit ends a wait in vain."""
    while True:
        for received in gateway.receive():
            if isinstance(received, kind):
                return received


def greeted(gateway: Gateway, tmp_path: Path) -> tuple[Speaker, int]:
    speaker = Speaker(port_of(tmp_path))
    speaker.send(hello(read_local_file(tmp_path / "local.json").token))
    request = receive_until(gateway, LocalRequest)
    gateway.answer(request.client, request.id, {})
    gateway.flush()
    assert speaker.read() is not None
    return speaker, request.client


def test_a_connection_that_never_says_hello_is_dropped(gateway: Gateway, tmp_path: Path) -> None:
    with Speaker(port_of(tmp_path)) as speaker:
        while len(gateway.pollables()) < 2:
            gateway.receive()
        gateway.tick(100.0)
        gateway.tick(100.0 + HELLO_LIMIT_S)
        gateway.receive()
        assert len(gateway.pollables()) == 2
        gateway.tick(100.1 + HELLO_LIMIT_S)
        answer = speaker.read()
        assert answer is not None
        assert answer["error"]["code"] == 3
        assert speaker.read() is None
        gateway.tick(100.2 + HELLO_LIMIT_S + LINGER_S)
        assert len(gateway.pollables()) == 1


def test_a_slow_reader_loses_events_and_is_told_how_many(gateway: Gateway, tmp_path: Path) -> None:
    speaker, client = greeted(gateway, tmp_path)
    with speaker:
        sent = 0
        while True:
            gateway.push(client, {"type": "alarm", "text": "x" * 10_000})
            sent += 1
            gateway.flush()
            if sent * 10_000 > 20 * EVENT_BACKLOG and sent % 100 == 0:
                break
        events = []
        speaker.link.settimeout(0.2)
        while not events or events[-1].get("text") != "last":
            gateway.flush()
            try:
                event = speaker.read()
            except TimeoutError:
                break
            assert event is not None
            events.append(event["params"])
            if len(gateway.pollables()) == 2 and not gateway.pollables()[1][1] & 2 and sent:
                gateway.push(client, {"type": "alarm", "text": "last"})
                gateway.flush()
                sent = 0
    assert events[-1]["text"] == "last"
    lost = events[-1]["dropped"]
    assert lost > 0
    assert len(events) == events[-1]["seq"] - lost
    assert [event["seq"] for event in events[:-1]] == list(range(1, len(events)))


def test_a_reader_that_lets_answers_pile_up_is_dropped(gateway: Gateway, tmp_path: Path) -> None:
    speaker, client = greeted(gateway, tmp_path)
    with speaker:
        answered = 0
        while len(gateway.pollables()) == 2:
            gateway.answer(client, 1, {"text": "x" * 1_000_000})
            gateway.flush()
            answered += 1
            assert answered < 100
        assert answered * 1_000_000 > OUTPUT_BACKLOG
    assert ClientGone(client) == receive_until(gateway, ClientGone)


def test_an_answer_too_long_to_send_becomes_an_error(gateway: Gateway, tmp_path: Path) -> None:
    speaker, client = greeted(gateway, tmp_path)
    with speaker:
        gateway.answer(client, 9, {"text": "x" * ANSWER_LIMIT})
        gateway.flush()
        answer = speaker.read()
    assert answer is not None
    assert (answer["id"], answer["error"]["code"]) == (9, -32603)


def test_answers_to_a_program_that_left_do_no_harm(gateway: Gateway, tmp_path: Path) -> None:
    speaker, client = greeted(gateway, tmp_path)
    speaker.__exit__()
    assert ClientGone(client) == receive_until(gateway, ClientGone)
    gateway.answer(client, 1, {})
    gateway.push(client, {"type": "alarm"})
    gateway.flush()
    assert len(gateway.pollables()) == 1


def test_the_local_file_is_private_and_goes_with_the_node(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "local.json"
    gateway = Gateway(path, version="0.1.0")
    port = gateway.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {"port", "token", "pid", "protocol", "version"}
    assert (port, os.getpid()) == (read_local_file(path).port, read_local_file(path).pid)
    assert list(path.parent.iterdir()) == [path]
    gateway.close()
    assert not path.exists()


def test_a_node_leaves_the_local_file_of_its_successor_alone(tmp_path: Path) -> None:
    first, second = (Gateway(tmp_path / "local.json", version="0.1.0") for _ in range(2))
    first.open()
    second.open()
    first.close()
    assert (tmp_path / "local.json").exists()
    second.close()


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    first, second = (Gateway(tmp_path / name / "local.json", version="0.1.0") for name in ("a", "b"))
    port = first.open()
    with pytest.raises(ConfigError, match=f"port {port} .* in use") as caught:
        second.open(port)
    assert "local_port" in caught.value.hint
    assert not (tmp_path / "b" / "local.json").exists()
    first.close()


def test_a_home_that_cannot_hold_the_local_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    gateway = Gateway(tmp_path / "file" / "local.json", version="0.1.0")
    with pytest.raises(ConfigError, match="cannot be written"):
        gateway.open()
    assert gateway.pollables() == []


def test_the_local_socket_listens_on_loopback_alone(tmp_path: Path, gateway: Gateway) -> None:
    fd = gateway.pollables()[0][0]
    with socket.socket(fileno=os.dup(fd)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
