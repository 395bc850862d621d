"""Positions, gaps and forks of logs."""

from __future__ import annotations

import pytest

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import FarmId, LogId, NodeId
from peerfarm.state.actions import Action, FarmCreated, decode_action, encode_action
from peerfarm.state.logbook import NO_CHAIN, LogBook, LogKey, Position, decode_vector, next_chain

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
    assert book.missing(KEY, 7) == (2, 4)


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
    assert mine.conflicts(KEY, other.vector[KEY])
    assert not mine.conflicts(KEY, book_of(1, 2).vector[KEY])
    assert not mine.conflicts(KEY, book_of(1).vector[KEY])


def test_a_quarantined_log_takes_nothing_and_asks_for_nothing() -> None:
    book = book_of(1)
    book.quarantined.add(KEY)
    assert book.offer(action(2)) == []
    assert book.missing(KEY, 9) is None


def test_equal_vectors_have_equal_digests_however_they_came_about() -> None:
    book = book_of(1)
    book.digest()
    book.offer(action(2))
    jumped = LogBook()
    jumped.jump(KEY, book.vector[KEY])
    assert book.digest() == book_of(2, 1).digest() == jumped.digest() != book_of(1).digest()
    other = book_of(1)
    other.offer(action(2, "other"))
    assert other.digest() != book.digest()
    other.rechain(KEY, book.vector[KEY].chain)
    assert other.digest() == book.digest()


def key(number: int) -> LogKey:
    """One of many logs."""
    return (NodeId("a" * 16), LogId(f"log{number:z>5}".translate(str.maketrans("0189", "wxyv"))))


def test_changes_are_told_in_parts_each_log_once_however_often_it_moved() -> None:
    book = LogBook()
    for seq in range(1, 40):
        for number in range(10):
            book.jump(key(number), Position(seq, b"12345678"))
        book.mark()
    first, until = book.changes(0, 4)
    second, end = book.changes(until, 100)
    assert [*first, *second] == [key(number) for number in range(10)]
    assert end == book.mark()
    assert book.changes(end, 100) == ([], end)
    book.jump(key(3), Position(99, b"12345678"))
    book.touch(key(1))
    assert book.changes(end, 100)[0] == [key(3), key(1)]
    assert book.total == 39 * 9 + 99


def test_the_chain_depends_on_every_byte() -> None:
    assert next_chain(NO_CHAIN, b"a") != next_chain(NO_CHAIN, b"b")


@pytest.mark.parametrize("value", [None, ((1, 2, 3, 4),), (("a" * 16, "loglog22", 0, b"12345678"),), ((),)])
def test_a_malformed_vector_is_the_peers_fault(value: object) -> None:
    with pytest.raises(PeerProtocolError):
        decode_vector(value)
