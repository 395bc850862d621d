"""What a node tells and sends to peers that want what it holds."""

from __future__ import annotations

from swarm_rig import ADA, BLOCK, BOB, EVE, Film, Rig

from peerfarm.model.blob import BlobId, BlockList
from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t
from peerfarm.swarm import Busy, Gone, ListRead, PeerDown, PeerUp, Read, ReadBlock, ReadList, Wrote


def answer(rig: Rig, films: list[Film]) -> list[ReadBlock]:
    """Carry out every read until there is none; those that were wanted, in order."""
    parts = {(film.id, number): part for film in films for number, part in enumerate(film.parts)}
    done = []
    while reads := [read for effects in rig.all for read in effects.reads]:
        rig.all.clear()
        for read in reads:
            done.append(read)
            rig.swarm.handle(Read(read.id, read.block, parts.get((read.id, read.block)), read.node), rig.now_s)
        rig.settle()
    return done


def pieces(rig: Rig, node: NodeId) -> list[t.Piece]:
    return rig.take(t.Piece, node)


def size_of(sent: list[t.Piece]) -> int:
    return sum(len(row[4]) for piece in sent for row in piece.rows)


def test_a_peer_that_seeks_is_told_what_the_store_holds_whole_in_part_or_not() -> None:
    rig, whole, half, none = Rig(ADA), Film(500), Film(3 * BLOCK, "half"), Film(60, "none")
    looks = rig.hear(ADA, t.Seek((whole.id, half.id, none.id))).looks
    assert looks == [whole.id, half.id, none.id]
    rig.hold(whole)
    rig.hold(half, 0b011)
    rig.tell(Gone(none.id))
    rows = [row for have in rig.take(t.Have, ADA) for row in have.rows]
    assert rows == [(whole.id, t.ALL), (half.id, b"\xc0"), (none.id, t.NOTHING)]


def test_the_store_is_looked_into_once_for_several_who_seek() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    assert rig.hear(ADA, t.Seek((film.id,))).looks == [film.id]
    assert rig.hear(BOB, t.Seek((film.id,))).looks == []
    rig.hold(film)
    assert rig.take(t.Have, ADA) == rig.take(t.Have, BOB) == [t.Have(((film.id, t.ALL),))]


def test_half_a_file_is_told_of_as_it_grows_in_batches_and_served() -> None:
    rig, film = Rig(ADA, BOB), Film(4 * BLOCK)
    rig.want(film)
    rig.hear(BOB, t.Seek((film.id,)))
    assert rig.take(t.Have, BOB) == [t.Have(((film.id, t.NOTHING),))]
    rig.has(ADA, film)
    rig.give(ADA, film, 0)
    rig.take(t.Have, BOB)
    rig.give(ADA, film, 2)
    rig.give(ADA, film, 3)
    assert rig.take(t.Have, BOB) == []
    rig.wait(0.2, step_s=0.1)
    assert rig.take(t.Have, BOB) == [t.Have(((film.id, b"\xb0"),))]
    (read,) = rig.hear(BOB, t.Ask(((film.id, 2),))).reads
    assert read == ReadBlock(film.id, 2, BOB)


def test_a_file_that_is_complete_is_told_to_who_seeks_it_and_left_by_the_others() -> None:
    rig, film = Rig(ADA, BOB, EVE), Film(500)
    rig.want(film)
    rig.hear(BOB, t.Seek((film.id,)))
    rig.has(ADA, film)
    rig.take(t.Have)
    rig.give(ADA, film)
    rig.wait(0.2)
    assert rig.take(t.Have) == [t.Have(((film.id, t.ALL),))]
    assert rig.take(t.Unseek, BOB) == []
    assert rig.take(t.Unseek, ADA) == rig.take(t.Unseek, EVE) == [t.Unseek((film.id,))]


def test_a_file_that_vanishes_right_after_it_is_complete_is_left_nevertheless() -> None:
    rig, film, other = Rig(ADA, BOB), Film(500), Film(600, "other")
    rig.want(film)
    rig.want(other, key="other")
    rig.hear(BOB, t.Seek((film.id,)))
    rig.has(ADA, other, film)
    rig.give(ADA, other)
    rig.give(ADA, film)
    rig.take(t.Have)
    rig.take(t.Unseek)
    rig.tell(Gone(film.id))
    rig.wait(0.2)
    assert rig.take(t.Unseek, BOB) == rig.take(t.Unseek, ADA) == [t.Unseek((film.id,))]
    assert rig.take(t.Have, BOB) == [t.Have(((film.id, t.NOTHING),))]


def test_who_no_longer_seeks_or_has_it_all_is_told_nothing_more() -> None:
    rig, film = Rig(ADA, BOB, EVE), Film(3 * BLOCK)
    rig.want(film)
    for peer in (BOB, EVE):
        rig.hear(peer, t.Seek((film.id,)))
    rig.hear(EVE, t.Unseek((film.id,)))
    rig.has(BOB, film)
    rig.take(t.Have)
    rig.give(BOB, film, 0)
    rig.wait(0.2)
    assert rig.take(t.Have) == []


def test_a_file_that_the_store_takes_in_later_is_told_to_who_sought_it() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.hear(ADA, t.Seek((film.id,)))
    rig.tell(Gone(film.id))
    rig.take(t.Have)
    rig.hold(film)
    rig.wait(0.2)
    assert rig.take(t.Have) == [t.Have(((film.id, t.ALL),))]


def test_an_evicted_file_is_told_to_who_seeks_it() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.hear(ADA, t.Seek((film.id,)))
    rig.hold(film)
    rig.take(t.Have)
    rig.wait(0.2)
    rig.tell(Gone(film.id))
    rig.wait(0.2)
    assert rig.take(t.Have) == [t.Have(((film.id, t.NOTHING),))]


def test_a_block_that_vanished_between_telling_and_asking_is_lacking() -> None:
    rig, film = Rig(ADA), Film(3 * BLOCK)
    rig.hear(ADA, t.Seek((film.id,)))
    rig.hold(film)
    rig.take(t.Have)
    rig.hear(ADA, t.Ask(((film.id, 1),)))
    rig.tell(Read(film.id, 1, None, ADA))
    assert rig.take(t.Lack) == [t.Lack(((film.id, 1),))]
    rig.wait(0.2)
    assert rig.take(t.Have) == [t.Have(((film.id, b"\xa0"),))]


def test_a_long_block_goes_out_in_parts_and_small_ones_share_a_message() -> None:
    rig, large, data = Rig(ADA), BlobId(b"l" * 32), bytes(range(256)) * 2200
    rig.hear(ADA, t.Ask(((large, 0),)))
    rig.tell(Read(large, 0, data, ADA))
    rows = [row for piece in pieces(rig, ADA) for row in piece.rows]
    assert [(row[2], row[3], len(row[4])) for row in rows] == [
        (563_200, 0, 262_144),
        (563_200, 262_144, 262_144),
        (563_200, 524_288, 38_912),
    ]
    assert b"".join(row[4] for row in rows) == data
    rig.all.clear()
    smalls = [Film(1000, str(number)) for number in range(5)]
    rig.hear(ADA, t.Ask(tuple((film.id, 0) for film in smalls)))
    answer(rig, smalls)
    (shared,) = pieces(rig, ADA)
    assert [row[4] for row in shared.rows] == [film.parts[0] for film in smalls]


def test_no_more_is_sent_than_the_limit_allows() -> None:
    rig, film = Rig(ADA), Film(400 * BLOCK)
    rig.limit(1_000_000)
    rig.hear(ADA, t.Ask(tuple((film.id, block) for block in range(400))))
    sent = 0
    for _ in range(100):
        rig.now_s += 0.1
        rig.settle()
        answer(rig, [film])
        sent += size_of(pieces(rig, ADA))
    assert 9_000_000 < sent < 11_000_000


def test_a_limit_that_is_lifted_lets_everything_out() -> None:
    rig, film = Rig(ADA), Film(40 * BLOCK)
    rig.limit(1000)
    rig.hear(ADA, t.Ask(tuple((film.id, block) for block in range(40))))
    answer(rig, [film])
    rig.limit(0)
    answer(rig, [film])
    assert rig.swarm.settle(rig.now_s).reads == []
    assert size_of(pieces(rig, ADA)) == film.size_bytes


def test_two_who_ask_get_equal_shares_whoever_came_first() -> None:
    rig, film, other = Rig(ADA, BOB), Film(400 * BLOCK), Film(400 * BLOCK, "other")
    rig.limit(1_000_000)
    rig.hear(ADA, t.Ask(tuple((film.id, block) for block in range(400))))
    rig.hear(BOB, t.Ask(tuple((other.id, block) for block in range(400))))
    shares = {ADA: 0, BOB: 0}
    for _ in range(100):
        rig.now_s += 0.1
        rig.settle()
        answer(rig, [film, other])
        for peer in shares:
            shares[peer] += size_of(pieces(rig, peer))
    assert abs(shares[ADA] - shares[BOB]) < 600_000
    assert min(shares.values()) > 4_000_000


def test_a_block_that_nobody_got_goes_before_one_that_somebody_got() -> None:
    rig, film = Rig(ADA, BOB), Film(40 * BLOCK)
    rig.limit(2_000_000)
    rig.hear(ADA, t.Ask(((film.id, 0), (film.id, 1))))
    rig.hear(BOB, t.Ask(((film.id, 0), (film.id, 1), (film.id, 2), (film.id, 3))))
    order = []
    for _ in range(10):
        rig.now_s += 0.1
        rig.settle()
        order += [read.block for read in answer(rig, [film])]
    assert sorted(order[:4]) == [0, 1, 2, 3]
    assert sorted(order) == [0, 0, 1, 1, 2, 3]


def test_what_is_called_off_is_not_sent() -> None:
    rig, film = Rig(ADA), Film(40 * BLOCK)
    rig.limit(1_000_000)
    rig.hear(ADA, t.Ask(tuple((film.id, block) for block in range(40))))
    rig.hear(ADA, t.Unask(tuple((film.id, block) for block in range(40))))
    for _ in range(20):
        rig.now_s += 0.5
        rig.settle()
        answer(rig, [film])
    assert size_of(pieces(rig, ADA)) <= BLOCK


def test_a_peer_whose_link_is_full_gets_no_blocks_and_still_gets_news() -> None:
    rig, film, other = Rig(ADA), Film(500), Film(600, "other")
    rig.tell(Busy(ADA, is_busy=True))
    rig.hear(ADA, t.Ask(((film.id, 0),)))
    answer(rig, [film])
    assert pieces(rig, ADA) == []
    rig.hear(ADA, t.Seek((other.id,)))
    rig.hold(other)
    assert rig.take(t.Have)
    rig.tell(Busy(ADA, is_busy=False))
    answer(rig, [film])
    assert size_of(pieces(rig, ADA)) == 500


def test_block_lists_are_told_from_the_want_or_from_the_store_or_as_not_known() -> None:
    rig, wanted, stored, unknown = Rig(ADA), Film(2 * BLOCK), Film(3 * BLOCK, "stored"), BlobId(b"u" * 32)
    rig.want(wanted)
    effects = rig.hear(ADA, t.ListAsk((wanted.id, stored.id, unknown)))
    assert effects.list_reads == [ReadList(stored.id, ADA), ReadList(unknown, ADA)]
    rig.tell(ListRead(stored.id, stored.blocks, ADA))
    rig.tell(ListRead(unknown, None, ADA))
    told = {tell.id: (tell.size_bytes, tell.hashes) for tell in rig.take(t.ListTell)}
    assert told == {
        wanted.id: (wanted.size_bytes, b"".join(wanted.blocks.hashes)),
        stored.id: (stored.size_bytes, b"".join(stored.blocks.hashes)),
        unknown: (0, b""),
    }


def test_a_peer_that_left_is_sent_nothing_when_reads_come_back() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.hear(ADA, t.Ask(((film.id, 0),)))
    rig.tell(PeerDown(ADA))
    rig.sent.clear()
    rig.tell(Read(film.id, 0, film.parts[0], ADA))
    rig.tell(ListRead(film.id, BlockList(500, (film.id,)), ADA))
    rig.tell(PeerUp(ADA))
    assert rig.sent == []


def test_who_queues_far_more_than_anybody_needs_loses_its_link() -> None:
    rig = Rig(ADA)
    rows = tuple((BlobId(number.to_bytes(32, "big")), 0) for number in range(9000))
    assert [node for node, _ in rig.hear(ADA, t.Ask(rows)).drops] == [ADA]


def test_who_seeks_more_than_can_be_watched_loses_its_link() -> None:
    rig = Rig(ADA)
    for group in range(20):
        ids = tuple(BlobId((group * 16_000 + number).to_bytes(32, "big")) for number in range(16_000))
        rig.hear(ADA, t.Seek(ids))
    assert [node for node, _ in rig.of("drops")] == [ADA]
    assert len(rig.of("looks")) <= (1 << 18) + 16_000


def test_a_block_that_is_damaged_here_while_it_is_wanted_is_fetched_again() -> None:
    rig, film, other = Rig(ADA, BOB), Film(500), Film(600, "other")
    rig.want(film, other)
    rig.has(ADA, film)
    rig.give(ADA, film)
    rig.take(t.Seek)
    rig.hear(BOB, t.Ask(((film.id, 0),)))
    rig.tell(Read(film.id, 0, None, BOB))
    assert t.Seek((film.id,)) in rig.take(t.Seek, ADA)
    rig.has(ADA, film)
    rig.piece(ADA, film)
    rig.tell(Wrote(film.id, 0, ok=True))
    rig.has(ADA, other)
    assert rig.give(ADA, other).done == ["scene"]
