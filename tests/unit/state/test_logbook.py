"""Positions, gaps and forks of logs."""

from __future__ import annotations

import pytest

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import FarmId, LogId, NodeId
from peerfarm.state.actions import Action, FarmCreated, decode_action, encode_action
from peerfarm.state.logbook import NO_CHAIN, LogBook, Position, covers, decode_vector, next_chain

KEY = (NodeId("a" * 16), LogId("loglog22"))


def action(seq: int, text: str = "") -> Action:
    """One entry of the log."""
    return decode_action(encode_action(FarmId("f" * 16), (*KEY, seq), seq, 0, FarmCreated(text)))


def book_of(*seqs: int) -> LogBook:
    """A book that was offered these, in this order."""
    book = LogBook()
    for seq in seqs:
        book.offer(action(seq))
    return book


def test_only_the_next_action_is_taken_and_a_gap_is_held_back() -> None:
    book = book_of(1)
    assert book.offer(action(3)) == []
    assert book.gaps() == [(KEY, 2, 2)]
    assert [entry.seq for entry in book.offer(action(2))] == [2, 3]
    assert book.gaps() == []


def test_what_is_held_back_is_not_asked_for_again() -> None:
    book = book_of(1, 5)
    assert book.gaps() == [(KEY, 2, 4)]
    assert book.missing({KEY: Position(7, NO_CHAIN)}) == [(KEY, 2, 4)]


def test_a_snapshot_lets_go_what_was_held_back_behind_it() -> None:
    book, whole = book_of(4, 5, 8), book_of(1, 2, 3, 4, 5)
    ready = book.jump(KEY, book_of(1, 2, 3).vector[KEY])
    assert [entry.seq for entry in ready] == [4, 5]
    assert book.vector == whole.vector
    assert book.gaps() == [(KEY, 6, 7)]


def test_a_snapshot_never_moves_a_position_back() -> None:
    book = book_of(1, 2, 3)
    assert book.jump(KEY, Position(2, b"otherone")) == []
    assert book.seq_of(KEY) == 3


def test_the_same_seq_with_other_content_is_a_fork() -> None:
    mine, other = book_of(1, 2), book_of(1)
    other.offer(action(2, "other"))
    assert mine.forks(other.vector) == [KEY]
    assert mine.forks(book_of(1, 2).vector) == []


def test_a_quarantined_log_takes_nothing_and_asks_for_nothing() -> None:
    book = book_of(1)
    book.quarantined.add(KEY)
    assert book.offer(action(2)) == []
    assert book.missing({KEY: Position(9, NO_CHAIN)}) == []


def test_equal_vectors_have_equal_digests_and_cover_each_other() -> None:
    assert book_of(1, 2, 3).digest() == book_of(3, 2, 1).digest()
    assert covers(book_of(1, 2).vector, book_of(1).vector)
    assert not covers(book_of(1).vector, book_of(1, 2).vector)


def test_the_chain_depends_on_every_byte() -> None:
    assert next_chain(NO_CHAIN, b"a") != next_chain(NO_CHAIN, b"b")


@pytest.mark.parametrize("value", [None, ((1, 2, 3, 4),), (("a" * 16, "loglog22", 0, b"12345678"),), ((),)])
def test_a_malformed_vector_is_the_peers_fault(value: object) -> None:
    with pytest.raises(PeerProtocolError):
        decode_vector(value)
