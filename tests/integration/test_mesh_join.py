from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
from mesh_driver import Driver

from peerfarm.errors import ConfigError
from peerfarm.mesh import JoinAnswered, JoinAsked, JoinFailed, LinkUp, Refused, format_join, new_keys, parse_join

TOKEN = "abcdefgh" * 4


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.stop_all()


def test_who_holds_the_join_string_can_ask_and_is_answered(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    told = parse_join(format_join([f"127.0.0.1:{port}"], keys.public, TOKEN))
    joiner.mesh.ask_join(told.addresses[0], told.server_key, b"let me in", 10.0)
    driver.until(lambda: farm.all_of(JoinAsked))
    asked = farm.all_of(JoinAsked)[0]
    assert (asked.data, asked.public_key) == (b"let me in", joiner.keys.public)
    farm.mesh.answer_join(asked.ticket, b"x" * 1_000_000)
    farm.mesh.close_join()
    driver.until(lambda: joiner.all_of(JoinAnswered))
    assert joiner.all_of(JoinAnswered) == [JoinAnswered(b"x" * 1_000_000)]
    assert joiner.all_of(JoinFailed) == []


def test_an_answer_that_comes_between_the_look_for_it_and_the_farewell_is_not_missed(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    joiner.mesh.ask_join(f"127.0.0.1:{port}", keys.public, b"let me in", 10.0)
    call = joiner.mesh._join_call
    asking, events = call._socket, call._events
    assert asking is not None
    assert events is not None
    driver.until(lambda: farm.all_of(JoinAsked))
    farm.mesh.answer_join(farm.all_of(JoinAsked)[0].ticket, b"welcome")
    farm.mesh.close_join()
    assert asking.poll(10_000)  # the joiner has not looked yet
    receive, looks = zmq.Socket.recv, []

    def late(self: Any, *arguments: Any, **named: Any) -> Any:
        if self is asking:
            looks.append(1)
            if len(looks) == 1:
                events.poll(1_000)
                raise zmq.Again
        return receive(self, *arguments, **named)

    monkeypatch.setattr(zmq.Socket, "recv", late)
    driver.until(lambda: joiner.all_of(JoinAnswered) or joiner.all_of(JoinFailed))
    assert joiner.all_of(JoinAnswered) == [JoinAnswered(b"welcome")]
    assert len(looks) > 1


def test_one_wrong_letter_in_the_join_sockets_key_is_refused(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    wrong = ("1" if keys.public[0] == "0" else "0") + keys.public[1:]
    joiner.mesh.ask_join(f"127.0.0.1:{port}", wrong, b"let me in", 10.0)
    driver.until(lambda: joiner.all_of(JoinFailed))
    assert "key" in joiner.all_of(JoinFailed)[0].reason
    assert farm.all_of(JoinAsked) == []


def test_the_join_sockets_key_opens_nothing_but_the_join_socket(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    farm.mesh.open_join("127.0.0.1", 0, new_keys())
    joiner.mesh.allow({farm.node: farm.keys.public})
    joiner.mesh.dial(farm.node, farm.address)
    driver.until(lambda: joiner.all_of(Refused))
    assert farm.all_of(LinkUp) == []


def test_a_join_socket_that_is_closed_or_never_was_fails_with_its_address(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    farm.mesh.close_join()
    driver.until(lambda: not port_is_taken(port))
    joiner.mesh.ask_join(f"127.0.0.1:{port}", keys.public, b"anyone?", 10.0)
    driver.until(lambda: joiner.all_of(JoinFailed))
    assert joiner.all_of(JoinFailed)[0].reason.startswith(f"127.0.0.1:{port}: Nothing listens")


def port_is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_farm_that_never_answers_ends_in_a_failure_after_the_time_given(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    joiner.mesh.ask_join(f"127.0.0.1:{port}", keys.public, b"hello?", 0.5)
    driver.until(lambda: joiner.all_of(JoinFailed))
    assert "did not answer within 0.5 seconds" in joiner.all_of(JoinFailed)[0].reason
    assert len(farm.all_of(JoinAsked)) == 1


def test_an_answer_to_an_unknown_or_spent_ticket_is_ignored(driver: Driver) -> None:
    farm, joiner = driver.start(), driver.start(port=None)
    keys = new_keys()
    farm.mesh.answer_join(1, b"nobody asked")
    port = farm.mesh.open_join("127.0.0.1", 0, keys)
    joiner.mesh.ask_join(f"127.0.0.1:{port}", keys.public, b"let me in", 10.0)
    driver.until(lambda: farm.all_of(JoinAsked))
    ticket = farm.all_of(JoinAsked)[0].ticket
    farm.mesh.answer_join(ticket, b"once")
    farm.mesh.answer_join(ticket, b"twice")
    driver.until(lambda: joiner.all_of(JoinAnswered))
    assert joiner.all_of(JoinAnswered) == [JoinAnswered(b"once")]


def test_a_key_or_address_of_the_wrong_form_fails_instead_of_raising(driver: Driver) -> None:
    joiner = driver.start(port=None)
    joiner.mesh.ask_join("nowhere", new_keys().public, b"?", 1.0)
    joiner.mesh.ask_join("127.0.0.1:1", "short", b"?", 1.0)
    driver.until(lambda: len(joiner.all_of(JoinFailed)) == 2)


def test_a_join_port_in_use_is_told(driver: Driver) -> None:
    farm = driver.start()
    with pytest.raises(ConfigError, match="in use"):
        farm.mesh.open_join("127.0.0.1", farm.port, new_keys())
