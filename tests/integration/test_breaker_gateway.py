"""Programs on the node's own machine that send far more than they should: the node keeps its turns short."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerfarm.gateway.localfile import read_local_file
from peerfarm.gateway.server import POLLOUT, REQUESTS_A_TURN, Gateway, LocalRequest

LIMIT_S = 10.0


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path / "local.json", version="0.1.0")
    made.open()
    yield made
    made.close()


def line(number: int, method: str = "jobs", **params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def greeted(gateway: Gateway, home: Path) -> socket.socket:
    """A program that has said hello."""
    local = read_local_file(home / "local.json")
    link = socket.create_connection(("127.0.0.1", local.port), timeout=LIMIT_S)
    link.sendall(line(1, "hello", token=local.token, client="test", version="1", protocol=1))
    assert [request.method for request in turn_until(gateway, 1)] == ["hello"]
    return link


def turn_until(gateway: Gateway, count: int) -> list[LocalRequest]:
    """Take requests until so many have come."""
    taken: list[LocalRequest] = []
    end_s = time.monotonic() + LIMIT_S
    while len(taken) < count and time.monotonic() < end_s:
        taken += [request for request in gateway.receive() if isinstance(request, LocalRequest)]
    return taken


def test_a_flood_of_requests_is_taken_a_few_at_a_time_and_none_is_lost(gateway: Gateway, tmp_path: Path) -> None:
    with greeted(gateway, tmp_path) as link:
        link.sendall(b"".join(line(number) for number in range(1000)))
        first = turn_until(gateway, 1)
        assert len(first) == REQUESTS_A_TURN
        assert any(events & POLLOUT for _, events in gateway.pollables()), "the daemon must turn again at once"
        rest = turn_until(gateway, 1000 - len(first))
    assert [request.id for request in first + rest] == list(range(1000))


def test_what_was_sent_before_the_end_of_a_connection_is_carried_out(gateway: Gateway, tmp_path: Path) -> None:
    with greeted(gateway, tmp_path) as link:
        link.sendall(b"".join(line(number) for number in range(50)))
    assert [request.id for request in turn_until(gateway, 50)] == list(range(50))


def test_refused_requests_count_too(gateway: Gateway, tmp_path: Path) -> None:
    with greeted(gateway, tmp_path) as link:
        link.sendall(b"".join(line(number, "nonsense") for number in range(1000)))
        assert turn_until_refused(gateway, link) == REQUESTS_A_TURN


def turn_until_refused(gateway: Gateway, link: socket.socket) -> int:
    """Turn until the first refusals arrive; how many came at once."""
    link.setblocking(False)
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        assert gateway.receive() == []
        gateway.flush()
        try:
            return link.recv(1 << 20).count(b"\n")
        except BlockingIOError:
            continue
    return 0
