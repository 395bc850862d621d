"""Peers that send what is wrong: what it costs them, and that the transfer goes on."""

from __future__ import annotations

import pytest
from swarm_rig import ADA, BLOCK, BOB, EVE, Film, Rig

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.protocol import transfer as t
from peerfarm.swarm import Heard, PeerDown, PeerUp, Wrote


def spoil(rig: Rig, film: Film, block: int = 0) -> None:
    """ADA sends a block that the store refuses."""
    rig.piece(ADA, film, block, bytes(len(film.parts[block])))
    rig.tell(Wrote(film.id, block, ok=False))


def test_a_bad_block_is_asked_of_somebody_else_and_the_transfer_goes_on() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    spoil(rig, film)
    rig.has(BOB, film)
    assert rig.asked(BOB) == [(film.id, 0)]
    assert rig.give(BOB, film).done == ["scene"]
    assert rig.of("alarms") == []


def test_after_one_bad_block_a_peer_is_asked_again_if_nobody_else_has_it() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.asked(ADA)
    spoil(rig, film)
    rig.wait(6.0)
    assert rig.asked(ADA) == [(film.id, 0)]


def test_after_a_second_bad_block_nothing_is_asked_of_a_peer_for_ten_minutes_and_an_alarm_names_it() -> None:
    rig, film = Rig(ADA, patience_s=1000.0), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    spoil(rig, film)
    rig.wait(6.0)
    spoil(rig, film)
    assert [alarm.node for alarm in rig.of("alarms")] == [ADA]
    rig.asked(ADA)
    rig.has(ADA, film)
    rig.wait(590.0, step_s=5.0)
    assert rig.asked(ADA) == []
    rig.wait(9.0)
    rig.take(t.Seek)
    rig.wait(6.0)
    assert t.Seek((film.id,)) in rig.take(t.Seek, ADA)
    rig.has(ADA, film)
    assert rig.asked(ADA) == [(film.id, 0)]


def test_a_peer_does_not_get_its_trust_back_by_linking_anew() -> None:
    rig, film = Rig(ADA), Film(2 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    spoil(rig, film, 0)
    spoil(rig, film, 1)
    rig.tell(PeerDown(ADA))
    rig.tell(PeerUp(ADA))
    rig.asked(ADA)
    rig.has(ADA, film)
    rig.wait(20.0)
    assert rig.asked(ADA) == []


def test_two_bad_blocks_long_apart_cost_no_trust() -> None:
    rig, film = Rig(ADA, patience_s=10_000.0), Film(500)
    for _ in range(2):
        rig.want(film)
        rig.has(ADA, film)
        spoil(rig, film)
        rig.swarm.cancel("scene")
        rig.wait(700.0, step_s=5.0)
    assert rig.of("alarms") == []


def test_a_disk_that_is_full_is_not_the_senders_fault() -> None:
    rig, film = Rig(ADA), Film(500)
    for _ in range(3):
        rig.want(film)
        rig.has(ADA, film)
        rig.piece(ADA, film)
        rig.tell(Wrote(film.id, 0, ok=False, error="the disk is full"))
    assert rig.of("alarms") == []


def test_forged_hashes_are_not_believed_and_count_as_a_bad_block() -> None:
    rig, film, other = Rig(ADA, BOB), Film(2 * BLOCK), Film(3 * BLOCK, "other")
    rig.want(film, other, lists=False)
    rig.has(ADA, film, other)
    rig.hear(ADA, t.ListTell(film.id, film.size_bytes, bytes(64)))
    rig.hear(ADA, t.ListTell(other.id, other.size_bytes, bytes(96)))
    assert [alarm.node for alarm in rig.of("alarms")] == [ADA]
    assert rig.asked(ADA) == []
    rig.has(BOB, film)
    rig.hear(BOB, t.ListTell(film.id, film.size_bytes, b"".join(film.blocks.hashes)))
    assert sorted(rig.asked(BOB)) == [(film.id, 0), (film.id, 1)]


def test_a_block_of_another_length_than_the_manifest_says_blames_nobody() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    for data in (b"x" * 499, b"x" * 501):
        assert rig.piece(ADA, film, 0, data).writes == []
    rig.wait(30.0)
    assert (rig.of("alarms"), rig.of("drops")) == ([], [])
    rig.has(BOB, film)
    assert rig.asked(BOB) == [(film.id, 0)]


def test_a_size_that_a_forged_manifest_gives_to_somebodys_file_costs_its_holders_no_trust() -> None:
    rig, film = Rig(ADA, BOB), Film(5 * BLOCK)
    shorter, longer, tiny = (BlobRef(film.id, size_bytes) for size_bytes in (3 * BLOCK, 9 * BLOCK, 500))
    for number, wrong in enumerate((shorter, longer, tiny) * 2):
        rig.swarm.want(f"forged {number}", [wrong], {}, (), rig.now_s)
        rig.settle()
        rig.has(ADA, film)
        rig.has(BOB, film, bitmap=b"\xf8")
        rig.hear(ADA, t.ListTell(film.id, film.size_bytes, b"".join(film.blocks.hashes)))
        rig.wait(5.0)
        rig.swarm.cancel(f"forged {number}")
    assert (rig.of("alarms"), rig.of("drops")) == ([], [])
    rig.take(t.Ask)
    rig.want(film, key="true")
    rig.has(ADA, film)
    assert sorted(rig.asked(ADA)) == [(film.id, block) for block in range(5)]


def test_a_long_block_that_comes_where_a_short_one_was_wanted_is_let_pass() -> None:
    rig, length, part = Rig(ADA), 16 << 20, 256 << 10
    for number in range(4):
        short = Film(500, f"short {number}")
        rig.want(short, key=short.id.hex())
        rig.has(ADA, short)
        for first in range(0, length, part):
            assert rig.hear(ADA, t.Piece(((short.id, 0, length, first, bytes(part)),))).drops == []


def test_a_block_comes_in_parts_and_leftovers_of_an_earlier_try_do_not_mix_in() -> None:
    rig, film = Rig(ADA), Film(500)
    data = film.parts[0]
    rig.want(film)
    rig.has(ADA, film)
    for first, last in ((200, 300), (0, 200), (300, 400), (200, 350), (0, 200), (200, 350), (350, 500)):
        rig.hear(ADA, t.Piece(((film.id, 0, 500, first, data[first:last]),)))
    (order,) = rig.of("writes")
    assert order.data == data


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x93\x08",
        t.encode_transfer(t.Unseek(()))[:-1],
        b"\x92\x01\xc0",
    ],
)
def test_what_is_no_message_costs_a_peer_its_link_and_nothing_else(raw: bytes) -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    effects = rig.tell(Heard(ADA, raw))
    assert [node for node, _ in effects.drops] == [ADA]
    rig.has(BOB, film)
    assert rig.asked(BOB) == [(film.id, 0)]
    assert rig.piece(ADA, film).writes == []


def test_messages_of_a_later_version_and_of_strangers_are_ignored() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    rig.take(t.Seek)
    rig.tell(Heard(ADA, b"\x92\xcc\xc8\x01"))
    rig.tell(Heard(EVE, b"junk"))
    assert (rig.of("drops"), rig.sent) == ([], [])


def test_a_bitmap_of_blocks_that_a_file_has_not_costs_its_sender_the_link() -> None:
    rig, film = Rig(ADA), Film(3 * BLOCK)
    rig.want(film)
    assert [node for node, _ in rig.has(ADA, film, bitmap=b"\xff").drops] == [ADA]


def test_a_flood_of_blocks_that_nobody_asked_for_costs_its_sender_the_link() -> None:
    rig = Rig(ADA)
    for number in range(15):
        row = (BlobId(b"x" * 32), number, 256 << 10, 0, bytes(256 << 10))
        assert rig.hear(ADA, t.Piece((row,))).drops == []
    for number in range(2):
        rig.hear(ADA, t.Piece(((BlobId(b"x" * 32), number, 256 << 10, 0, bytes(256 << 10)),)))
    assert [node for node, _ in rig.of("drops")] == [ADA]


def test_blocks_that_come_after_they_were_called_off_cost_nothing() -> None:
    rig, films = Rig(ADA), [Film(60 * BLOCK, str(number)) for number in range(6)]
    for film in films:
        rig.want(film)
        rig.has(ADA, film)
        asked = rig.asked(ADA)
        rig.swarm.cancel("scene")
        for blob_id, block in asked:
            assert blob_id == film.id
            rig.piece(ADA, film, block)
    assert rig.of("drops") == []


def test_a_peer_that_says_it_holds_everything_and_then_lacks_it_is_asked_ever_less_often() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    asked = 0
    for _ in range(600):
        rig.has(ADA, film)
        for row in rig.asked(ADA):
            asked += 1
            rig.hear(ADA, t.Lack((row,)))
        rig.wait(0.1, step_s=0.1)
    assert asked < 30
