"""What programs on this machine see of a node that runs, misbehaves, or is not there."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake_node import NODE_ID, FakeNode

from peerfarm.errors import (
    DiskFull,
    InvalidFrames,
    NoAnswer,
    NotInFarm,
    NotRunning,
    PeerfarmError,
    RequestRefused,
    UnknownJob,
)
from peerfarm.gateway.client import LocalClient
from peerfarm.gateway.server import CLIENT_LIMIT


def test_a_refusal_arrives_as_the_error_that_it_was(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node, LocalClient(node.local_file) as client:
        assert client.hello["node"] == NODE_ID
        for error in (
            UnknownJob("no job", "List them."),
            InvalidFrames("bad frames"),
            DiskFull("disk full", "Free."),
        ):
            node.answers["status"] = error
            with pytest.raises(type(error)) as caught:
                client.call("status")
            assert (str(error), error.hint) == (str(caught.value), caught.value.hint)
        node.answers["invite"] = NotInFarm("no farm yet", "Run init.")
        with pytest.raises(NotInFarm, match="no farm yet"):
            client.call("invite")


def test_a_wrong_parameter_is_refused_with_its_name(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node, LocalClient(node.local_file) as client:
        with pytest.raises(RequestRefused, match="'priority'"):
            client.call("priority", job="x", priority="high")
        with pytest.raises(RequestRefused, match="too long"):
            client.call("submit", text="x" * (1 << 20))


def test_events_that_arrive_before_an_answer_are_kept(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node, LocalClient(node.local_file) as client:
        client.call("subscribe")

        def push_first(_: object) -> dict[str, bool]:
            node.gateway.push(1, {"type": "alarm", "text": "first"})
            return {"fine": True}

        node.answers["status"] = push_first
        assert client.call("status") == {"fine": True}
        node.push({"type": "alarm", "text": "second"})
        texts = []
        for event in client.events(10):
            texts.append((event["seq"], event["text"]))
            if len(texts) == 2:
                break
        assert texts == [(1, "first"), (2, "second")]
        assert client.next_event(0.0) is None


def test_no_local_file_means_not_running(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="peerfarm is not running") as caught:
        LocalClient(tmp_path / "local.json")
    assert "peerfarm start" in caught.value.hint


def write(path: Path, **changes: object) -> Path:
    content = {"port": 1, "token": "t", "pid": 1, "protocol": 1, "version": "0", **changes}
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def test_a_file_left_by_a_killed_node_means_not_running(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotRunning, match="peerfarm is not running"):
        LocalClient(write(tmp_path / "local.json", port=port))


def test_a_local_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node:
        node.local_file.chmod(0o644)
        with pytest.raises(PeerfarmError, match="read or written by other users") as caught:
            LocalClient(node.local_file)
        assert "chmod 600" in caught.value.hint
        node.local_file.chmod(0o600)
        assert node.asked == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"port": "7"}', "[" * 4000, "\x00"])
def test_a_damaged_local_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "local.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(PeerfarmError, match="is damaged"):
        LocalClient(path)


@pytest.mark.parametrize("changes", [{"port": 0}, {"port": 70000}, {"token": 5}, {"pid": True}])
def test_a_local_file_with_impossible_values_is_damaged(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(PeerfarmError, match="is damaged"):
        LocalClient(write(tmp_path / "local.json", **changes))


def test_a_token_of_an_earlier_start_is_refused_with_a_reason(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node:
        other = tmp_path / "other.json"
        with pytest.raises(PeerfarmError, match="the token is wrong"):
            LocalClient(write(other, port=node.port))


def test_a_node_that_stops_ends_a_wait_at_once(tmp_path: Path) -> None:
    with FakeNode(tmp_path) as node, LocalClient(node.local_file) as client:
        client.call("stop")
        with pytest.raises(NotRunning, match="closed the connection"):
            client.next_event(25)
        with pytest.raises(NotRunning, match="closed the connection"):
            client.call("status")


def test_one_program_too_many_is_told_so_and_the_others_go_on(tmp_path: Path) -> None:
    with FakeNode(tmp_path, {"status": {"fine": True}}) as node, ExitStack() as stack:
        clients = [stack.enter_context(LocalClient(node.local_file)) for _ in range(CLIENT_LIMIT)]
        with pytest.raises(PeerfarmError, match="connected already"):
            LocalClient(node.local_file)
        assert [client.call("status") for client in clients] == [{"fine": True}] * CLIENT_LIMIT


def test_a_silent_node_ends_in_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = write(tmp_path / "local.json", port=listener.getsockname()[1])
        with pytest.raises(NoAnswer, match=r"'hello' within 0\.1 s"):
            LocalClient(path, timeout_s=0.1)


def test_another_program_on_the_port_is_not_believed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(4096)
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                link.recv(4096)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PeerfarmError, match="does not speak as peerfarm does"):
            LocalClient(write(tmp_path / "local.json", port=listener.getsockname()[1]))
        thread.join(10)
