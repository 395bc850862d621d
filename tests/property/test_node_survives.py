"""Whatever greeted members, users, renderers, threads and a disk do to a node, it lives on and does its job."""

from __future__ import annotations

from hypothesis import given, settings
from node_storm import OAK, Storm
from storm_deeds import CHAIN, SEA, Deed, storms

from peerfarm.state.entities import state_hash
from peerfarm.state.selectors import live_members

EXAMPLES = settings().max_examples


@settings(max_examples=EXAMPLES)
@given(storms)
def test_after_any_storm_a_node_has_answered_everybody_and_does_a_fresh_job(
    turns: list[list[Deed]],
) -> None:
    storm = Storm((SEA, CHAIN))
    for deeds in turns:
        for deed in deeds:
            getattr(storm, deed.name)(*deed.arguments)
        storm.turn()
    storm.calm_down()
    assert storm.witness.unanswered == []
    assert storm.does_a_fresh_job() == (OAK in live_members(storm.node.core.farm))
    farm = storm.node.core.farm
    assert (storm.node.core.book.vector, state_hash(farm)) == storm.what_the_disk_tells()
