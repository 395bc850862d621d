"""A node whose disk will soon be full takes no new work, says so, and goes on when there is room."""

from __future__ import annotations

import pytest
from node_rig import Solo

from peerfarm.node import inputs
from peerfarm.node.owndisk import LEAST_ROOM_BYTES


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def test_no_work_is_taken_while_the_disk_is_nearly_full(solo: Solo) -> None:
    solo.turn(inputs.Load(0, LEAST_ROOM_BYTES - 1))
    job = solo.submit()
    solo.wait(5)
    assert solo.starts == []
    assert "no new work until there is room" in solo.ask("status")["alarms"][0]
    assert solo.ask("job", job=job)["status"] == "ready"  # everything but rendering goes on
    solo.turn(inputs.Load(0, LEAST_ROOM_BYTES + 1))
    assert solo.starts == []  # not at the first file that somebody removes
    solo.turn(inputs.Load(0, 2 * LEAST_ROOM_BYTES))
    assert solo.starts != []
    assert solo.ask("status")["alarms"] == []


def test_a_system_that_tells_nothing_of_its_room_changes_nothing(solo: Solo) -> None:
    solo.turn(inputs.Load(0, None))
    solo.submit()
    assert solo.starts != []
