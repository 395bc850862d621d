"""Whatever greeted members, users, renderers, threads and a disk do to a node, it lives on and does its job.

`HYPOTHESIS_PROFILE=long python -m pytest tests/property/test_node_survives.py --timeout 0` looks for what the suite has
no time to find.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_storm import Storm
from storm_deeds import Deed, lonely_storms, storms, storms_of_one_start
from storm_farm import ASH, OAK
from storm_messages import raw_bytes

from peerfarm.state.entities import state_hash
from peerfarm.state.selectors import live_members

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EXAMPLES = settings().max_examples
CHANCE: dict[str, Any] = {} if EXAMPLES > 100 else {"derandomize": True, "database": None}
"""The suite tries the same storms everywhere: another machine shall not be the first to meet one."""
STORMY = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example], **CHANCE
)
"""A storm is long by nature, and on a loaded machine drawing one takes its time."""
REACHED = {
    *("pack", "stop packing", "fetch scene", "scene/ended", "render with files"),
    *("KeepAsk", "KeepTold", "kept", "not kept", "fetch keep", "task/single-copy"),
    *("deliver", "bring where asked", "fetch/progress", "fetch/ended"),
    *("release scene", "release keep", "release result"),
}
"""What storms must come to where files travel, else they prove nothing of it; see `signs_of`."""


def rage(storm: Storm, turns: list[list[Deed]]) -> None:
    """Let all of it happen; the storm's witness looks at what the node wants done after each turn.

    Never may the store lose frames that were here and that nobody put in place yet.
    """
    for deeds in turns:
        for deed in deeds:
            getattr(storm, deed.name)(*deed.arguments)
        storm.turn()
        assert storm.lost_pins() == []


@settings(STORMY, max_examples=EXAMPLES * 2 // 5)
@given(storms)
def test_after_any_storm_a_node_has_answered_everybody_and_does_a_fresh_job(turns: list[list[Deed]]) -> None:
    storm = Storm()
    storm.found()
    rage(storm, turns)
    storm.calm_down()
    storm.looks_around()
    is_member = OAK in live_members(storm.node.core.farm)
    assert storm.does_a_fresh_job() == is_member
    assert storm.does_a_fresh_job("peers") == is_member
    assert storm.witness.unanswered == []
    assert storm.needless_pins() == []
    assert (storm.node.core.book.vector, state_hash(storm.node.core.farm)) == storm.what_the_disk_tells()


@settings(STORMY, max_examples=EXAMPLES // 4)
@given(lonely_storms)
def test_a_node_without_a_farm_survives_everything_and_founds_one_unless_it_joined_one(
    turns: list[list[Deed]],
) -> None:
    storm = Storm()
    rage(storm, turns)
    storm.calm_down()
    storm.looks_around()
    if storm.node.core.farm_id is None:
        storm.result_of("init", name="studio")
        assert storm.does_a_fresh_job()
    assert storm.witness.unanswered == []


@settings(STORMY, max_examples=EXAMPLES // 5)
@given(storms, storms_of_one_start)
def test_a_node_that_is_asked_to_end_in_a_storm_answers_everybody_and_ends(
    before: list[list[Deed]], after: list[list[Deed]]
) -> None:
    storm = Storm()
    storm.found()
    rage(storm, before)
    storm.stop()
    rage(storm, after)
    storm.calm_down()
    assert storm.witness.unanswered == []
    assert storm.is_over


def test_storms_come_to_scenes_copies_deliveries_and_pins() -> None:
    seen: set[str] = set()

    @settings(STORMY, max_examples=220)
    @given(storms)
    def look(turns: list[list[Deed]]) -> None:
        storm = Storm()
        storm.found()
        rage(storm, turns)
        seen.update(storm.seen)

    look()
    assert REACHED - seen == set()


@settings(STORMY, max_examples=EXAMPLES)
@given(st.lists(raw_bytes, min_size=1, max_size=20))
def test_any_bytes_of_a_member_cost_its_link_at_most(sent: list[bytes]) -> None:
    storm = Storm()
    storm.found()
    for raw in sent:
        storm.sends(ASH, raw)
        storm.turn()
    storm.looks_around()
