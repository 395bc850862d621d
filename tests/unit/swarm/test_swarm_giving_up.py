"""When a want is given up, and whom it names."""

from __future__ import annotations

import pytest
from swarm_rig import ADA, BLOCK, BOB, EVE, Film, Rig

from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t


def verdicts(rig: Rig) -> list[tuple[str, tuple[NodeId, ...]]]:
    return [(failed.key, failed.lacking) for failed in rig.of("failed")]


def test_what_every_holder_says_it_lacks_is_lost_within_seconds() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film, holders=[ADA])
    rig.has(BOB, film, bitmap=t.NOTHING)
    rig.has(ADA, film, bitmap=t.NOTHING)
    rig.wait(5.0)
    assert verdicts(rig) == [("scene", (ADA, BOB))]


def test_a_holder_that_is_away_gets_the_whole_patience() -> None:
    rig, film = Rig(BOB), Film(500)
    rig.want(film, holders=[ADA])
    rig.has(BOB, film, bitmap=t.NOTHING)
    rig.wait(25.0)
    assert verdicts(rig) == []
    rig.wait(10.0)
    assert verdicts(rig) == [("scene", (BOB,))]


def test_a_peer_that_did_not_answer_is_not_said_to_lack_anything() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film, holders=[ADA])
    rig.has(BOB, film, bitmap=t.NOTHING)
    rig.wait(40.0)
    assert verdicts(rig) == [("scene", (BOB,))]


def test_a_peer_that_holds_a_part_lacks_the_rest() -> None:
    rig, film = Rig(ADA), Film(2 * BLOCK)
    rig.want(film, holders=[ADA])
    rig.has(ADA, film, bitmap=t.encode_bits(0b01, 2))
    rig.give(ADA, film, 0)
    rig.wait(5.0)
    assert verdicts(rig) == [("scene", (ADA,))]


def test_a_peer_that_lacks_only_what_another_one_gives_is_not_named() -> None:
    rig, film, lost = Rig(ADA, BOB), Film(500), Film(600, "lost")
    rig.want(film, lost, holders=[ADA])
    rig.has(ADA, film)
    rig.has(BOB, film, bitmap=t.NOTHING)
    rig.has(ADA, lost, bitmap=t.NOTHING)
    rig.give(ADA, film)
    rig.wait(40.0)
    assert verdicts(rig) == [("scene", (ADA,))]


def test_what_can_be_had_is_fetched_before_the_want_is_given_up() -> None:
    rig, film, lost = Rig(ADA), Film(40 * BLOCK), Film(600, "lost")
    rig.want(film, lost, holders=[ADA])
    rig.has(ADA, film)
    rig.has(ADA, lost, bitmap=t.NOTHING)
    for block in range(40):
        rig.wait(2.0)
        rig.give(ADA, film, block)
    assert verdicts(rig) == []
    rig.wait(5.0)
    assert verdicts(rig) == [("scene", (ADA,))]


def test_a_holder_that_comes_in_time_saves_the_want() -> None:
    rig, film = Rig(BOB), Film(500)
    rig.want(film, holders=[ADA])
    rig.wait(20.0)
    rig.has(BOB, film)
    rig.wait(14.0)
    assert verdicts(rig) == []
    assert rig.give(BOB, film).done == ["scene"]


def test_holders_that_never_send_anything_stall_the_want() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film, holders=[ADA])
    rig.has(ADA, film)
    rig.wait(118.0)
    assert verdicts(rig) == []
    rig.wait(5.0)
    assert verdicts(rig) == [("scene", ())]


def test_a_given_up_want_leaves_nothing_behind_and_may_be_wanted_again() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film, holders=[ADA])
    rig.has(ADA, film, bitmap=t.NOTHING)
    rig.wait(5.0)
    assert rig.take(t.Unseek) == [t.Unseek((film.id,))]
    rig.want(film, holders=[EVE])
    rig.has(ADA, film)
    assert rig.give(ADA, film).done == ["scene"]


def test_while_a_want_waits_peers_are_asked_anew_what_they_hold() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film, holders=[EVE])
    rig.has(ADA, film, bitmap=t.NOTHING)
    rig.take(t.Seek)
    rig.wait(9.0)
    assert rig.take(t.Seek, ADA) == rig.take(t.Seek, BOB) == [t.Seek((film.id,))]
    rig.wait(9.0)
    assert rig.take(t.Seek, ADA) == [t.Seek((film.id,))]


@pytest.mark.parametrize("patience_s", [1.0, 10.0])
def test_the_patience_is_what_the_shell_chose(patience_s: float) -> None:
    rig, film = Rig(patience_s=patience_s), Film(500)
    rig.want(film)
    rig.wait(patience_s - 0.5)
    assert verdicts(rig) == []
    rig.wait(1.5)
    assert verdicts(rig) == [("scene", ())]
