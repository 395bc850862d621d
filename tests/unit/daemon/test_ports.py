"""A node listens where it was, as far as other programs leave it the port."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peerfarm.daemon.ports import listen_where_it_was
from peerfarm.errors import ConfigError
from peerfarm.store.memory import MemoryDisk, MemoryLog

ANY = 40_000


@pytest.fixture
def store() -> MemoryLog:
    return MemoryLog(MemoryDisk())


def machine(*taken: int) -> Callable[[int], int]:
    """One on which other programs have these ports."""

    def listen(port: int) -> int:
        if port in taken:
            raise ConfigError(f"port {port} is in use by another program")
        return port or ANY

    return listen


def test_the_first_start_takes_the_port_that_a_firewall_expects(store: MemoryLog) -> None:
    assert listen_where_it_was(store, "transfer_port", machine(), 0, 7103) == 7103


def test_a_port_that_was_taken_once_is_kept(store: MemoryLog) -> None:
    assert listen_where_it_was(store, "transfer_port", machine(7103), 0, 7103) == ANY
    assert listen_where_it_was(store, "transfer_port", machine(), 0, 7103) == ANY


def test_a_port_that_another_program_has_now_makes_way(store: MemoryLog) -> None:
    listen_where_it_was(store, "transfer_port", machine(7103), 0, 7103)
    assert listen_where_it_was(store, "transfer_port", machine(ANY), 0, 7103) == 7103
    assert listen_where_it_was(store, "transfer_port", machine(7103), 0, 7103) == ANY


def test_the_settings_port_is_taken_or_refused_and_no_other_tried(store: MemoryLog) -> None:
    assert listen_where_it_was(store, "port", machine(), 7101) == 7101
    with pytest.raises(ConfigError, match="port 7101 is in use"):
        listen_where_it_was(store, "port", machine(7101), 7101, 7103)
    assert listen_where_it_was(store, "port", machine(), 0) == ANY  # it was the settings' wish, not the node's


def test_ports_that_cannot_be_are_passed_over(store: MemoryLog) -> None:
    assert listen_where_it_was(store, "transfer_port", machine(), 0, 65_537) == ANY
