"""What a node that wants blobs asks for, of whom, and when it is done."""

from __future__ import annotations

import pytest
from swarm_rig import ADA, BLOCK, BOB, EVE, Film, Rig

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.protocol import transfer as t
from peerfarm.swarm import Failed, Gone, Heard, PeerDown, PeerUp, Present, Wrote, chapters, wants


def test_a_wanted_file_is_sought_asked_for_written_and_done() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    assert rig.take(t.Seek, ADA) == [t.Seek((film.id,))]
    rig.has(ADA, film)
    assert rig.asked(ADA) == [(film.id, 0)]
    (order,) = rig.piece(ADA, film).writes
    assert (order.ref, order.blocks, order.block, order.data) == (film.ref, film.blocks, 0, film.parts[0])
    assert rig.tell(Wrote(film.id, 0, ok=True)).done == ["scene"]
    assert rig.swarm.outstanding_bytes == 0


def test_a_want_is_not_done_before_the_store_has_kept_the_last_block() -> None:
    rig, film = Rig(ADA), Film(2 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    rig.piece(ADA, film, 0)
    rig.piece(ADA, film, 1)
    rig.tell(Wrote(film.id, 1, ok=True))
    assert rig.of("done") == []
    rig.tell(Wrote(film.id, 0, ok=True))
    assert rig.of("done") == ["scene"]


def test_what_the_store_holds_already_is_not_asked_for() -> None:
    rig, film, other = Rig(ADA), Film(3 * BLOCK), Film(70, "other")
    rig.swarm.want("scene", [film.ref, other.ref], {film.id: film.blocks}, (), rig.now_s)
    rig.swarm.handle(Present(film.id, 0b101, film.size_bytes), rig.now_s)
    rig.hold(other)
    assert rig.take(t.Seek) == [t.Seek((film.id,))]
    rig.has(ADA, film)
    assert rig.asked(ADA) == [(film.id, 1)]


def test_a_want_of_which_everything_is_here_is_done_without_a_peer() -> None:
    rig, film = Rig(), Film(10)
    rig.swarm.want("scene", [film.ref], {}, (), rig.now_s)
    assert rig.hold(film).done == ["scene"]


def test_a_want_of_nothing_is_done() -> None:
    rig = Rig()
    rig.want()
    assert rig.of("done") == ["scene"]


def test_wanting_the_same_again_changes_nothing_and_other_files_begin_anew() -> None:
    rig, film, other = Rig(ADA), Film(500), Film(600, "other")
    rig.want(film)
    rig.want(film)
    assert len(rig.take(t.Seek)) == 1
    rig.want(other)
    assert rig.take(t.Unseek) == [t.Unseek((film.id,))]
    assert rig.take(t.Seek) == [t.Seek((other.id,))]


def test_a_peer_that_comes_later_is_told_what_is_still_wanted() -> None:
    rig, film, other = Rig(), Film(500), Film(600, "other")
    rig.want(film, other)
    rig.hold(other)
    rig.tell(PeerUp(ADA))
    assert rig.take(t.Seek, ADA) == [t.Seek((film.id,))]


def test_the_block_that_fewest_hold_is_asked_for_first() -> None:
    rig, film = Rig(ADA, BOB, EVE), Film(40 * BLOCK)
    rig.want(film)
    common = t.encode_bits((1 << 39) - 1, 40)
    for peer, bitmap in ((BOB, common), (EVE, common), (ADA, t.ALL)):
        rig.swarm.handle(Heard(peer, t.encode_transfer(t.Have(((film.id, bitmap),)))), rig.now_s)
    rig.settle()
    assert rig.asked(ADA)[0] == (film.id, 39)


def test_different_blocks_are_asked_of_different_peers() -> None:
    rig, film = Rig(ADA, BOB), Film(20 * BLOCK)
    rig.want(film)
    for peer in (ADA, BOB):
        rig.has(peer, film)
    asked = rig.asked(ADA) + rig.asked(BOB)
    assert len(asked) == len(set(asked)) == 16


def test_no_more_is_asked_of_a_peer_than_its_window_and_more_when_it_delivers() -> None:
    rig, film = Rig(ADA), Film(100 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    asked = rig.asked(ADA)
    assert len(asked) == 8
    rig.give(ADA, film, asked[0][1])
    assert len(rig.asked(ADA)) == 1


def test_a_fast_peer_gets_a_larger_window() -> None:
    rig, film = Rig(ADA), Film(400 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    waiting = rig.asked(ADA)
    for _ in range(100):
        rig.now_s += 0.01
        rig.give(ADA, film, waiting.pop(0)[1])
        waiting += rig.asked(ADA)
    assert len(waiting) > 16


def test_a_lacking_block_is_asked_of_somebody_else() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    assert rig.asked(ADA) == [(film.id, 0)]
    rig.has(BOB, film)
    rig.hear(ADA, t.Lack(((film.id, 0),)))
    assert rig.asked(BOB) == [(film.id, 0)]


def test_what_a_peer_owed_is_asked_of_others_when_its_link_closes() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.has(BOB, film)
    rig.tell(PeerDown(ADA))
    assert rig.asked(BOB) == [(film.id, 0)]


def test_a_peer_that_keeps_silent_is_left_for_another() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.wait(16.0)
    assert rig.take(t.Unask, ADA) == [t.Unask(((film.id, 0),))]
    rig.has(BOB, film)
    assert rig.asked(BOB) == [(film.id, 0)]


def test_a_peer_that_was_silent_is_asked_again_when_nobody_else_has_it() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.asked(ADA)
    rig.wait(20.0)
    assert rig.asked(ADA) == [(film.id, 0)]


def test_at_the_end_a_second_peer_is_asked_and_the_later_copy_is_called_off() -> None:
    rig, film = Rig(ADA, BOB), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.has(BOB, film)
    assert rig.asked(BOB) == []
    rig.wait(2.0)
    assert rig.asked(BOB) == [(film.id, 0)]
    rig.piece(BOB, film)
    assert rig.take(t.Unask, ADA) == [t.Unask(((film.id, 0),))]
    rig.piece(ADA, film)
    assert len(rig.of("writes")) == 1


def test_a_block_that_others_hold_by_now_gives_way_to_one_that_this_peer_alone_holds() -> None:
    rig, film = Rig(ADA, BOB), Film(20 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    first = [block for _, block in rig.asked(ADA)]
    rig.has(BOB, film, bitmap=t.encode_bits(sum(1 << block for block in first), 20))
    rig.wait(0.3)
    withdrawn = {row for unask in rig.take(t.Unask, ADA) for row in unask.rows}
    assert withdrawn == {(film.id, block) for block in first}
    assert not {block for _, block in rig.asked(ADA)} & set(first)


def test_a_small_want_does_not_wait_for_a_large_one() -> None:
    rig, film, frame = Rig(ADA), Film(500 * BLOCK), Film(900, "frame")
    rig.want(film)
    rig.has(ADA, film)
    owed = rig.asked(ADA)
    rig.want(frame, key="frame")
    rig.has(ADA, frame)
    rig.give(ADA, film, owed[0][1])
    rig.give(ADA, film, owed[1][1])
    assert (frame.id, 0) in rig.asked(ADA)


def test_a_file_of_two_wants_is_fetched_once_and_both_are_done() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film, key="one")
    rig.want(film, key="two")
    rig.has(ADA, film)
    assert rig.asked(ADA) == [(film.id, 0)]
    assert sorted(rig.give(ADA, film).done) == ["one", "two"]


def test_a_cancelled_want_is_neither_sought_nor_asked_for_any_longer() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.swarm.cancel("scene")
    rig.settle()
    assert rig.take(t.Unseek) == [t.Unseek((film.id,))]
    assert rig.take(t.Unask) == [t.Unask(((film.id, 0),))]
    assert rig.piece(ADA, film).writes == []
    assert rig.swarm.outstanding_bytes == 0


def test_a_file_of_two_wants_is_still_fetched_when_one_is_cancelled() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film, key="one")
    rig.want(film, key="two")
    rig.swarm.cancel("one")
    rig.has(ADA, film)
    assert rig.give(ADA, film).done == ["two"]


def test_cancelling_what_nobody_wants_changes_nothing() -> None:
    rig = Rig(ADA)
    rig.swarm.cancel("never")
    assert rig.settle().sends == []


def test_an_empty_file_is_written_without_a_peer() -> None:
    rig, empty = Rig(), Film(0)
    rig.want(empty)
    (order,) = rig.of("writes")
    assert (order.ref, order.block, order.data) == (empty.ref, 0, b"")
    assert rig.tell(Wrote(empty.id, 0, ok=True)).done == ["scene"]


def test_files_that_cannot_be_fail_their_want_at_once() -> None:
    for refs in (
        [BlobRef(Film(5).id, 1 << 60)],
        [BlobRef(Film(5).id, -1)],
        [BlobRef(Film(5).id, 5), BlobRef(Film(5).id, 6)],
        [BlobRef(Film(5).id, 0)],
    ):
        rig = Rig(ADA)
        rig.swarm.want("scene", refs, {}, (), rig.now_s)
        (failed,) = rig.settle().failed
        assert (failed.key, failed.lacking) == ("scene", ())
        assert failed.reason


def test_what_vanishes_from_the_store_while_it_is_wanted_is_fetched_again() -> None:
    rig, film, other = Rig(ADA), Film(500), Film(600, "other")
    rig.want(film, other)
    rig.has(ADA, film)
    rig.give(ADA, film)
    rig.take(t.Seek)
    rig.tell(Gone(film.id))
    assert rig.take(t.Seek) == [t.Seek((film.id,))]
    rig.has(ADA, film, other)
    rig.give(ADA, film)
    assert rig.give(ADA, other).done == ["scene"]


def test_a_full_disk_fails_the_want_and_says_why() -> None:
    rig, film = Rig(ADA), Film(500)
    rig.want(film)
    rig.has(ADA, film)
    rig.piece(ADA, film)
    effects = rig.tell(Wrote(film.id, 0, ok=False, error="the disk is full"))
    assert effects.failed == [Failed("scene", "the disk is full", (), is_disk_error=True)]
    assert rig.swarm.outstanding_bytes == 0


def test_progress_tells_bytes_and_rate_and_comes_to_the_end() -> None:
    rig, film = Rig(ADA), Film(10 * BLOCK)
    rig.want(film)
    rig.has(ADA, film)
    for block in range(10):
        rig.now_s += 1.0
        rig.give(ADA, film, block)
    told = rig.of("progress")
    done = [one.done_bytes for one in told]
    assert done == sorted(done)
    assert done[-1] == told[-1].total_bytes == film.size_bytes
    assert 0.5 * BLOCK < told[-1].rate_bytes_s < 2 * BLOCK


def test_many_files_are_sought_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chapters, "CHAPTER_BLOCKS", 100)
    monkeypatch.setattr(wants, "MAX_OPEN_BLOBS", 200)
    monkeypatch.setattr(wants, "SMALL_BLOBS", 10)
    rig = Rig(ADA)
    refs = [BlobRef(BlobId(number.to_bytes(32, "big")), 100) for number in range(250)]
    rig.swarm.want("scene", refs, {}, (), rig.now_s)
    rig.settle()
    assert [each for seek in rig.take(t.Seek) for each in seek.ids] == [ref.id for ref in refs[:200]]
    for ref in refs[:100]:
        rig.swarm.handle(Present(ref.id, 1, 100), rig.now_s)
    rig.settle()
    assert [each for seek in rig.take(t.Seek) for each in seek.ids] == [ref.id for ref in refs[200:]]


def test_a_small_want_is_sought_although_a_large_one_fills_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wants, "MAX_OPEN_BLOBS", 20)
    rig, frame = Rig(ADA), Film(900, "frame")
    refs = [BlobRef(BlobId(number.to_bytes(32, "big")), 100) for number in range(5000)]
    rig.swarm.want("scene", refs, {}, (), rig.now_s)
    rig.want(frame, key="frame")
    assert rig.take(t.Seek)[-1].ids[-1] == frame.id


def test_a_file_whose_hashes_are_not_known_is_asked_for_when_a_peer_has_told_them() -> None:
    rig, film = Rig(ADA), Film(3 * BLOCK)
    rig.want(film, lists=False)
    rig.has(ADA, film)
    assert rig.take(t.ListAsk) == [t.ListAsk((film.id,))]
    assert rig.asked(ADA) == []
    rig.hear(ADA, t.ListTell(film.id, film.size_bytes, b"".join(film.blocks.hashes)))
    assert sorted(rig.asked(ADA)) == [(film.id, 0), (film.id, 1), (film.id, 2)]


def test_hashes_that_a_peer_does_not_know_or_never_tells_are_asked_of_another() -> None:
    rig, film = Rig(ADA, BOB, EVE), Film(3 * BLOCK)
    rig.want(film, lists=False)
    rig.has(ADA, film)
    rig.hear(ADA, t.ListTell(film.id, 0, b""))
    rig.has(BOB, film)
    assert rig.take(t.ListAsk, BOB)
    rig.has(EVE, film)
    rig.wait(9.0)
    assert rig.take(t.ListAsk, EVE)


def test_hashes_that_come_with_the_same_want_again_spare_the_question() -> None:
    rig, film = Rig(ADA), Film(3 * BLOCK)
    rig.want(film, lists=False)
    rig.want(film)
    rig.has(ADA, film)
    assert rig.take(t.ListAsk) == []
    assert len(rig.asked(ADA)) == 3
