"""Keeping logs equal with members that hold much, tell odd things, or send nothing of what they claim."""

from __future__ import annotations

import pytest
from node_rig import Solo
from peer_rig import FARM, NOTHING, Played, farm_of, live, log_id, talk

from peerfarm.model.ids import BootId, LogId, NodeId, node_id_of
from peerfarm.node import inputs, snapshots
from peerfarm.node.comparing import COMPARE_S, SERVE_S, TELL_S
from peerfarm.protocol.messages import (
    MAX_ROWS,
    Beat,
    Held,
    Pull,
    SnapshotGot,
    SnapshotPart,
    VectorAsk,
    VectorTell,
    encode_message,
)
from peerfarm.state.actions import MemberRemoved, encode_action
from peerfarm.state.entities import state_hash
from peerfarm.state.logbook import Position, decode_vector
from peerfarm.state.snapshot import encode_snapshot

LOG = LogId("elmlog22")
MANY = MAX_ROWS + 5
STRANGER = node_id_of("q" * 40)
FALSE = b"falsefal"


def grown(count: int) -> tuple[Solo, list[Played]]:
    """A node that holds so many logs of elm, one action each."""
    solo, played = farm_of("elm")
    (elm,) = played
    elm.greet()
    for number in range(count):
        elm.write(log_id(number))
    raws = [row for rows in elm.rows.values() for row in rows]
    for first in range(0, count, 2000):
        elm.push(raws[first : first + 2000])
    talk(played)
    solo.wait(1)
    return solo, played


# Vectors in parts


def test_more_logs_than_one_message_has_room_for_are_told_in_parts() -> None:
    solo, (elm,) = grown(2 * MAX_ROWS + 5)
    told: dict[object, object] = {}
    since, is_last = 0, False
    while not is_last:
        solo.effects.clear()
        solo.hear(elm.id, VectorAsk(7, "bootboot", since))
        (part,) = solo.said(elm.id, VectorTell)
        assert len(part.vector) <= MAX_ROWS
        told |= decode_vector(part.vector)
        since, is_last = part.until, part.is_last
    assert told == solo.node.core.book.vector
    assert len(told) == 2 * MAX_ROWS + 6


def test_who_asks_again_is_told_only_what_moved_and_after_a_restart_everything() -> None:
    solo, (elm,) = grown(5)
    solo.hear(elm.id, VectorAsk(7, "bootboot", 0))
    mark = solo.said(elm.id, VectorTell)[-1].until
    elm.push(elm.write(log_id(3), 1)[-1:])
    solo.hear(elm.id, VectorAsk(8, "bootboot", mark))
    assert [(row[1], row[2]) for row in solo.said(elm.id, VectorTell)[-1].vector] == [(log_id(3), 2)]
    solo.hear(elm.id, VectorAsk(9, "otherbot", mark))
    assert len(solo.said(elm.id, VectorTell)[-1].vector) == 6


def test_grants_begin_when_the_last_part_is_told_and_all_of_it_was_sent() -> None:
    solo, (elm,) = farm_of("elm")
    elm.greet()
    for number in range(MANY):
        elm.write(log_id(number))
    solo.submit()
    for _ in range(2):
        assert solo.starts == []
        for ask in [message for message in elm.said() if isinstance(message, VectorAsk)]:
            elm.tell(ask)
    assert solo.starts == []
    live(solo, [elm], 5)
    assert len([key for key in solo.node.core.book.vector if key[0] == elm.id]) == MANY
    assert len(solo.starts) == 1
    assert solo.node.replication.link(elm.id).claims == {}


def test_a_part_that_nobody_asked_for_counts_for_nothing() -> None:
    solo, (elm,) = farm_of("elm")
    elm.greet()
    (ask,) = [message for message in elm.said() if isinstance(message, VectorAsk)]
    solo.submit()
    rows = tuple((*key, *position) for key, position in elm.vector().items())
    for token in (ask.token - 1, ask.token + 1):
        solo.hear(elm.id, VectorTell(token, rows))
    solo.hear(elm.id, VectorTell(ask.token, rows, 5, 6))
    solo.wait(0.5)
    assert solo.starts == []
    solo.hear(elm.id, VectorTell(ask.token, rows))
    solo.wait(0.5)
    assert len(solo.starts) == 1


def test_what_a_full_disk_could_not_tell_is_told_when_there_is_room() -> None:
    solo, (elm,) = grown(1)
    own = (solo.id, LogId("loglog22"))
    seq = solo.node.core.book.seq_of(own)
    solo.turn(inputs.DiskRefused("full", {own: seq}))
    solo.hear(elm.id, VectorAsk(7, "bootboot", 0))
    part = solo.said(elm.id, VectorTell)[-1]
    assert [row[2] for row in part.vector if row[1] == own[1]] == [seq - 1]
    solo.turn(inputs.DiskRecovered())
    solo.hear(elm.id, VectorAsk(8, "bootboot", part.until))
    assert [row[2] for row in solo.said(elm.id, VectorTell)[-1].vector] == [seq]


def test_a_snapshot_of_very_many_logs_travels_in_parts() -> None:
    solo, (elm,) = grown(MANY)
    solo.node.replication.cut = {(elm.id, log_id(0)): 1}
    other, (same_elm, fir) = farm_of("elm", "fir")
    fir.greet()
    fir.lies[elm.id, log_id(0)] = Position(1, b"12345678")
    fir.answer()
    assert other.said(fir.id, Pull)
    solo.hear(elm.id, Pull(((elm.id, log_id(0), 1, 1),)))
    is_last = False
    while not is_last:
        part = solo.said(elm.id, SnapshotPart)[-1]
        encode_message(part)
        other.hear(fir.id, part)
        is_last = part.is_last
        solo.hear(elm.id, SnapshotGot(part.number))
    assert solo.node.core.book.vector.items() <= other.node.core.book.vector.items() | {
        ((solo.id, LogId("loglog22")), solo.node.core.book.vector[solo.id, LogId("loglog22")])
    }
    assert same_elm.id == elm.id


# Snapshots that nobody wants


def parts_of(farm: str, body: bytes, *rows: tuple[object, ...]) -> list[SnapshotPart]:
    return [SnapshotPart(farm, 0, False, body, ()), SnapshotPart(farm, 1, True, b"", rows)]


def test_a_snapshot_that_was_not_asked_for_changes_nothing() -> None:
    solo, (elm, fir) = farm_of("elm", "fir")
    elm.greet()
    fir.greet()
    talk([elm, fir])
    fir.lies[elm.id, LOG] = Position(3, b"12345678")
    solo.wait(2)
    solo.hear(fir.id, Beat(fir.boot, b"d" * 16, "", 1, 0, ()))
    talk([elm, fir])
    assert solo.said(fir.id, Pull)
    before = state_hash(solo.node.core.farm), solo.node.core.book.digest()
    foreign, _ = farm_of("ash", "yew")
    (body,) = encode_snapshot(foreign.node.core.farm)
    rows = ((elm.id, LOG, 50, b"12345678"),)
    for member, farm in ((elm, FARM), (fir, "otherotherfarmff")):
        for part in parts_of(farm, body, *rows):
            solo.hear(member.id, part)
    assert (state_hash(solo.node.core.farm), solo.node.core.book.digest()) == before
    for part in parts_of(FARM, body, *rows):
        solo.hear(fir.id, part)
    assert solo.node.core.book.seq_of((elm.id, LOG)) == 50


def test_a_snapshot_of_another_farm_costs_the_link() -> None:
    solo, (elm,) = farm_of("elm")
    elm.greet()
    elm.lies[elm.id, LOG] = Position(3, b"12345678")
    talk([elm])
    before = state_hash(solo.node.core.farm)
    (body,) = encode_snapshot(solo.node.core.farm)
    strange = body.replace(FARM.encode(), b"otherotherfarmff")
    assert strange != body
    first, last = parts_of(FARM, strange)
    solo.hear(elm.id, first)
    assert elm.id in solo.hear(elm.id, last).hang_ups
    assert state_hash(solo.node.core.farm) == before


def wanting(*names: str) -> tuple[Solo, list[Played]]:
    """A node that waits for a log which these members say they hold."""
    solo, played = farm_of(*names)
    for member in played:
        member.lies[STRANGER, LOG] = Position(3, b"12345678")
        member.greet()
    talk(played)
    live(solo, played, 2 * len(played))
    return solo, played


def test_a_slow_snapshot_is_waited_for_and_nobody_else_is_asked_meanwhile() -> None:
    solo, (elm, fir) = wanting("elm", "fir")
    solo.submit()
    parts = list(encode_snapshot(solo.node.core.farm)) * 5
    for number, part in enumerate(parts):
        asked = len(solo.said(fir.id, Pull))
        solo.hear(elm.id, SnapshotPart(FARM, number, False, part, ()))
        live(solo, [elm, fir], 0.5)
        assert len(solo.said(fir.id, Pull)) == asked
        live(solo, [elm, fir], SERVE_S - 3)
        assert not begun(solo)
    assert not [text for text in solo.node.core.alarms if "elm does not send" in text]
    solo.hear(elm.id, SnapshotPart(FARM, len(parts), True, b"", ((STRANGER, LOG, 3, b"12345678"),)))
    solo.wait(1)
    assert begun(solo)


def test_snapshots_under_way_take_bounded_room_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOT_BYTES", 100_000)
    solo, (elm, fir) = wanting("elm", "fir")
    for member in (elm, fir):
        solo.hear(member.id, SnapshotPart(FARM, 0, False, bytes(60_000), ()))
        solo.wait(0.25)
    solo.hear(elm.id, SnapshotPart(FARM, 1, False, b"more", ()))
    assert solo.said(elm.id, SnapshotGot) == [SnapshotGot(0)]
    assert fir.id in solo.hear(fir.id, SnapshotPart(FARM, 1, False, bytes(60_000), ())).hang_ups


def test_a_part_without_content_costs_the_link() -> None:
    solo, (elm,) = wanting("elm")
    assert elm.id in solo.hear(elm.id, SnapshotPart(FARM, 0, False, b"", ())).hang_ups


def test_logs_are_cut_once_every_live_member_was_equal_after_they_had_grown() -> None:
    solo, (elm, fir) = farm_of("elm", "fir")
    solo.node.snapshots.threshold = 3
    core = solo.node.core
    for member in (elm, fir):
        member.greet()
        solo.hear(member.id, Beat(member.boot, core.book.digest(), core.hash.of(core.farm), 1, 0, ()))
    solo.wait(0.5)
    elm.push(elm.write(LOG, 5))
    key = (elm.id, LOG)
    for member in (elm, fir):
        solo.wait(0.5)
        assert key not in solo.node.replication.cut
        solo.hear(member.id, Beat(member.boot, core.book.digest(), core.hash.of(core.farm), 1, 0, ()))
    fir.push(fir.write(LogId("firlog22")))
    solo.wait(0.5)
    assert solo.node.replication.cut[key] == 5
    assert (fir.id, LogId("firlog22")) not in solo.node.replication.cut


# Claims that nobody can serve


def test_what_was_told_before_a_takeover_does_not_count_for_it() -> None:
    solo, (elm, fir) = farm_of("elm", "fir")
    rows = list(elm.write(LOG, 2))
    elm.rows.clear()
    elm.lies[elm.id, LOG] = Position(2, b"12345678")
    for member in (elm, fir):
        member.greet()
    talk([elm, fir])
    elm.is_silent = True
    solo.turn(inputs.LinkDown(fir.id))
    live(solo, [elm], 5)
    elm.push(rows)
    assert solo.node.replication.not_compared() == [elm.id]
    elm.is_silent = False
    elm.lies.clear()
    elm.rows[elm.id, LOG] = rows
    elm.heard = 0
    live(solo, [elm], 2)
    assert solo.node.replication.not_compared() == []


def test_a_log_that_a_peer_says_has_grown_is_pulled_to_its_new_end() -> None:
    solo, (elm,) = farm_of("elm")
    rows = list(elm.write(LOG, 6))
    elm.rows.clear()
    elm.lies[elm.id, LOG] = Position(2, b"12345678")
    elm.greet()
    talk([elm])
    elm.lies[elm.id, LOG] = Position(6, b"12345678")
    hears_vectors(solo, elm)
    elm.rows[elm.id, LOG] = rows
    elm.push(rows[:1])
    solo.wait(2)
    talk([elm])
    assert contents(solo, elm.id, LOG) == 6


def begun(solo: Solo) -> bool:
    return bool(solo.starts)


def test_a_claim_that_cannot_be_served_holds_grants_up_for_a_bounded_time_and_names_the_peer() -> None:
    solo, played = farm_of("elm", "fir")
    elm, fir = played
    elm.lies[STRANGER, LOG] = Position(77, b"12345678")
    elm.greet()
    fir.greet()
    solo.submit()
    live(solo, played, SERVE_S - 2)
    assert not begun(solo)
    live(solo, played, 4)
    assert begun(solo)
    assert [text for text in solo.node.core.alarms if text.startswith("elm does not send what it says it holds")]
    assert not [text for text in solo.node.core.alarms if text.startswith("fir")]


def test_ever_new_claims_hold_grants_up_ever_more_briefly() -> None:
    solo, played = farm_of("elm")
    (elm,) = played
    held_up_s = 0.0
    for number in range(60):
        elm.lies[STRANGER, log_id(number)] = Position(77, b"12345678")
        if number % 6 == 0:
            elm.greet()
        for _ in range(20):
            live(solo, played, 0.5)
            held_up_s += 0.5 if solo.node.replication.not_compared() else 0.0
    assert held_up_s < 2.5 * SERVE_S + 10


def test_a_log_that_goes_on_arriving_is_waited_for() -> None:
    solo, played = farm_of("elm")
    (elm,) = played
    rows = list(elm.write(LOG, 8))
    elm.greet()
    solo.submit()
    elm.rows.clear()
    elm.lies[elm.id, LOG] = Position(8, b"12345678")
    for raw in rows:
        live(solo, played, SERVE_S - 5)
        assert not begun(solo)
        elm.push([raw])
    live(solo, played, 1)
    assert begun(solo)


def test_a_member_that_answers_no_question_does_not_stop_grants_for_ever() -> None:
    solo, played = farm_of("elm")
    (elm,) = played
    elm.is_silent = True
    elm.greet()
    solo.submit()
    live(solo, played, TELL_S - 3)
    assert not begun(solo)
    live(solo, played, 6)
    assert begun(solo)
    assert any("elm does not tell what it holds" in text for text in solo.node.core.alarms)


def test_a_member_whose_vector_never_ends_does_not_stop_grants_for_ever() -> None:
    solo, (elm,) = farm_of("elm")
    elm.greet()
    solo.submit()
    end_s, number = solo.now_s + COMPARE_S + 5, 0
    while solo.now_s < end_s:
        solo.wait(0.5)
        for ask in [message for message in elm.said() if isinstance(message, VectorAsk)]:
            number += 1
            row = (elm.id, log_id(number), 1, b"12345678")
            solo.hear(elm.id, VectorTell(ask.token, (row,), ask.since, ask.since + 1, is_last=False))
            elm.push([encode_action(FARM, (elm.id, log_id(number), 1), 9, 0, NOTHING)])
        solo.hear(elm.id, Beat(elm.boot, b"", "", 1, 0, ()))
        assert not begun(solo) or solo.now_s > end_s - 10
    assert begun(solo)


# Logs with two contents


def contents(solo: Solo, node: NodeId, log: LogId) -> int:
    return solo.node.core.book.seq_of((node, log))


@pytest.fixture
def three() -> tuple[Solo, Played, Played]:
    """A node and two members; elm wrote two actions, which all hold."""
    solo, (elm, fir) = farm_of("elm", "fir")
    elm.greet()
    fir.greet()
    elm.push(elm.write(LOG, 2))
    talk([elm, fir])
    return solo, elm, fir


def hears_vectors(solo: Solo, *played: Played) -> None:
    """The members are asked what they hold, and tell."""
    for member in played:
        solo.wait(2)
        solo.hear(member.id, Beat(member.boot, b"d" * 16, "", 1, 0, ()))
        talk([member])


def test_a_false_word_about_anothers_log_costs_the_teller_alone(three: tuple[Solo, Played, Played]) -> None:
    solo, elm, fir = three
    fir.lies[elm.id, LOG] = Position(2, FALSE)
    hears_vectors(solo, fir)
    elm.push(elm.write(LOG)[-1:])
    assert contents(solo, elm.id, LOG) == 3
    assert [text for text in solo.node.core.alarms if "another content on fir" in text]
    fir.lies[elm.id, LOG] = Position(3, FALSE)
    hears_vectors(solo, fir)
    assert solo.node.core.counters.forks == 1
    fir.push([encode_action(FARM, (elm.id, LOG, 4), 99, 0, NOTHING)])
    assert contents(solo, elm.id, LOG) == 3
    elm.push(elm.write(LOG)[-1:])
    assert contents(solo, elm.id, LOG) == 4
    assert solo.node.core.book.quarantined == set()


def test_the_authors_own_word_quarantines_its_log(three: tuple[Solo, Played, Played]) -> None:
    solo, elm, fir = three
    elm.lies[elm.id, LOG] = Position(2, FALSE)
    hears_vectors(solo, elm)
    elm.push(elm.write(LOG)[-1:])
    assert contents(solo, elm.id, LOG) == 2
    assert [text for text in solo.node.core.alarms if "quarantined" in text]
    fir.push(fir.write(LogId("firlog22")))
    assert contents(solo, fir.id, LogId("firlog22")) == 1


def test_a_false_word_about_the_own_log_does_not_stop_the_node(three: tuple[Solo, Played, Played]) -> None:
    solo, elm, fir = three
    own = LogId("loglog22")
    for member in (elm, fir):
        member.lies[solo.id, own] = Position(contents(solo, solo.id, own), FALSE)
        hears_vectors(solo, member)
    before = contents(solo, solo.id, own)
    solo.submit()
    assert contents(solo, solo.id, own) > before


def test_a_former_own_log_with_another_content_elsewhere_is_not_gone_on_with() -> None:
    solo, (elm,) = farm_of("elm")
    rows = [row[3] for effects in solo.effects for row in effects.rows]
    again = Solo(log=rows)
    own = (again.id, LogId("loglog22"))
    again.node.core.identity = inputs.Identity(
        again.id, again.key, "oak", BootId("bootbot2"), LogId("loglog33"), 1_000_000
    )
    again.node.replication.own_log_before = own[1]
    member = Played(again, "elm")
    member.lies[own] = Position(len(rows), FALSE)
    member.greet()
    talk([member])
    again.submit()
    assert again.node.core.own_log == LogId("loglog33")
    assert elm.id == member.id


def test_a_wrong_digest_out_of_a_snapshot_is_put_right_by_the_author(three: tuple[Solo, Played, Played]) -> None:
    solo, elm, fir = three
    elm.write(LOG, 3)
    fir.lies[elm.id, LOG] = Position(5, FALSE)
    hears_vectors(solo, fir)
    (body,) = encode_snapshot(solo.node.core.farm)
    for part in parts_of(FARM, body, (elm.id, LOG, 5, FALSE)):
        solo.hear(fir.id, part)
    assert solo.node.core.book.vector[elm.id, LOG] == Position(5, FALSE)
    hears_vectors(solo, elm)
    assert solo.node.core.book.vector[elm.id, LOG] == elm.vector()[elm.id, LOG] != Position(5, FALSE)
    assert solo.effects[-1].snapshot is not None or any(effects.snapshot for effects in solo.effects[-9:])
    assert [text for text in solo.node.core.alarms if "another content on fir" in text]
    elm.push(elm.write(LOG)[-1:])
    assert contents(solo, elm.id, LOG) == 6


def test_two_others_that_agree_put_a_wrong_digest_right_when_the_author_is_gone() -> None:
    solo, (fir, yew, ash) = farm_of("fir", "yew", "ash")
    for member in (fir, yew, ash):
        member.greet()
    talk([fir, yew, ash])
    fir.lies[STRANGER, LOG] = Position(5, FALSE)
    hears_vectors(solo, fir)
    (body,) = encode_snapshot(solo.node.core.farm)
    for part in parts_of(FARM, body, (STRANGER, LOG, 5, FALSE)):
        solo.hear(fir.id, part)
    for member in (yew, ash):
        assert solo.node.core.book.vector[STRANGER, LOG].chain == FALSE
        member.lies[STRANGER, LOG] = Position(5, b"truetrue")
        hears_vectors(solo, member)
    assert solo.node.core.book.vector[STRANGER, LOG].chain == b"truetrue"
    assert solo.node.core.book.quarantined == set()


# What is kept, and what it costs


def test_only_logs_that_moved_are_acknowledged() -> None:
    solo, (elm,) = grown(300)
    assert len(solo.said(elm.id, Held)) == 300
    solo.effects.clear()
    solo.wait(3)
    assert solo.said(elm.id, Held) == []
    elm.push(elm.write(log_id(7))[-1:])
    solo.wait(1)
    assert solo.said(elm.id, Held) == [Held(log_id(7), 2)]


def test_nothing_is_kept_of_a_removed_member() -> None:
    solo, (elm, fir) = farm_of("elm", "fir")
    elm.lies[STRANGER, LOG] = Position(3, b"12345678")
    elm.greet()
    fir.greet()
    talk([elm, fir])
    solo.node.core.record(MemberRemoved(elm.id))
    solo.turn()
    solo.wait(1)
    assert set(solo.node.replication.links) == {fir.id}


def test_what_is_held_here_too_takes_no_room_in_a_link() -> None:
    solo, (elm,) = grown(500)
    link = solo.node.replication.link(elm.id)
    assert (len(link.known), len(link.claims), len(link.asked)) == (0, 0, 0)
    elm.lies[STRANGER, LOG] = Position(3, b"12345678")
    elm.greet()
    talk([elm])
    assert len(solo.node.replication.pulling._pulled_s) == 1
    solo.turn(inputs.LinkDown(elm.id))
    solo.wait(60)
    assert solo.node.replication.pulling._pulled_s == {}
    assert solo.node.replication.link(elm.id).claims == {}
