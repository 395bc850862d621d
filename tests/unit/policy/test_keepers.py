"""Who keeps second copies."""

from __future__ import annotations

from collections import Counter

from peerfarm.model.ids import NodeId
from peerfarm.policy.keepers import keepers_of

NODES = [NodeId(name * 16) for name in "abcde"]


def test_the_submitter_goes_first_and_all_nodes_agree_on_the_order() -> None:
    order = keepers_of("attempt", NODES[3], NODES)
    assert order[0] == NODES[3]
    assert sorted(order) == NODES
    assert order == keepers_of("attempt", NODES[3], NODES[::-1])


def test_without_the_submitter_the_copies_are_spread() -> None:
    firsts = Counter(keepers_of(f"attempt {number}", NodeId("away"), NODES)[0] for number in range(500))
    assert set(firsts) == set(NODES)
    assert min(firsts.values()) > 60
