"""SQLite and memory behave the same: every test here runs on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from peerfarm.errors import StoreError
from peerfarm.store import MAX_ACTION_BYTES, Doubt, LogStore, MemoryDisk, open_memory_store, open_store

Opened = tuple[LogStore, Doubt]


@pytest.fixture(params=["sqlite", "memory"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Opened]]:
    """Close what is open in good order and open the same disk."""
    disk = MemoryDisk()
    opened: list[LogStore] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def again() -> Opened:
        close()
        found: Opened = open_store(tmp_path / "log.db") if request.param == "sqlite" else open_memory_store(disk)
        opened.append(found[0])
        return found

    yield again
    close()


@pytest.fixture
def log(reopen: Callable[[], Opened]) -> LogStore:
    return reopen()[0]


def test_the_first_opening_is_new_and_one_after_a_good_close_is_in_no_doubt(reopen: Callable[[], Opened]) -> None:
    assert [reopen()[1] for _ in range(3)] == [Doubt.NEW, Doubt.NONE, Doubt.NONE]


def test_everything_kept_is_there_when_the_node_starts_again(reopen: Callable[[], Opened]) -> None:
    log, _ = reopen()
    rows = [("n", "l", seq, b"%d" % seq) for seq in range(1, 6)]
    log.append(rows)
    log.put("peers", b"\0\xff")
    log.save_snapshot([b"a", b"", b"c"], b"meta", {("n", "l"): 2})
    log, _ = reopen()
    assert list(log.rows()) == rows[2:]
    assert log.get("peers") == b"\0\xff"
    found = log.load_snapshot()
    assert found
    assert (found[0], list(found[1])) == (b"meta", [b"a", b"", b"c"])


def test_rows_come_in_order_of_node_log_and_seq_whatever_the_order_of_writing(log: LogStore) -> None:
    rows = [(node, log_id, seq, b"x") for seq in (9, 2, 10) for log_id in ("b", "a") for node in ("z", "m")]
    log.append(rows)
    assert list(log.rows()) == sorted(rows)


def test_a_long_log_is_replayed_whole(log: LogStore) -> None:
    rows = [("n", "l", seq, b"") for seq in range(1, 4002)]
    log.append(rows)
    assert list(log.rows()) == rows


def test_a_row_that_is_kept_already_is_passed_over(log: LogStore) -> None:
    log.append([("n", "l", 1, b"one")])
    log.append([("n", "l", 1, b"one"), ("n", "l", 2, b"two"), ("n", "l", 2, b"two")])
    assert list(log.rows()) == [("n", "l", 1, b"one"), ("n", "l", 2, b"two")]


@pytest.mark.parametrize("other", [("n", "l", 1, b"other"), ("n", "l", 7, b"other")])
def test_the_same_action_with_other_bytes_is_named_and_nothing_of_its_batch_is_kept(
    reopen: Callable[[], Opened], other: tuple[str, str, int, bytes]
) -> None:
    log, _ = reopen()
    log.append([("n", "l", 1, b"one")])
    with pytest.raises(StoreError, match=f"n/l/{other[2]} is kept with other bytes"):
        log.append([("n", "new", 1, b"x"), ("n", "l", 7, b"seven"), other])
    assert list(log.rows()) == [("n", "l", 1, b"one")]
    log.append([("n", "new", 1, b"y")])
    assert log.read("n", "new", 1, 9, 99) == [b"y"]
    log, doubt = reopen()
    assert doubt is Doubt.NONE
    assert list(log.rows()) == [("n", "l", 1, b"one"), ("n", "new", 1, b"y")]


def test_reading_stops_before_the_limit_but_gives_at_least_one_row(log: LogStore) -> None:
    log.append([("n", "l", seq, b"x" * 10) for seq in (1, 2, 3, 5)])
    assert len(log.read("n", "l", 1, 9, 1)) == 1
    assert len(log.read("n", "l", 1, 9, 20)) == 2
    assert len(log.read("n", "l", 1, 9, 29)) == 2
    assert len(log.read("n", "l", 2, 3, 99)) == 2
    assert len(log.read("n", "l", 1, 2**60, 99)) == 4
    assert log.read("n", "l", 4, 4, 99) == []
    assert log.read("n", "l", 3, 2, 99) == []
    assert log.read("n", "unknown", 1, 9, 99) == []


def test_the_largest_action_is_kept_and_a_larger_one_is_the_callers_mistake(log: LogStore) -> None:
    raw = bytes(MAX_ACTION_BYTES)
    log.append([("n", "l", 1, raw)])
    assert log.read("n", "l", 1, 1, 1) == [raw]
    for row in [("n", "l", 2, raw + b"x"), ("n", "l", 0, b""), ("n", "l", 2**53, b"")]:
        with pytest.raises(ValueError, match="out of range"):
            log.append([row])


def test_appending_nothing_is_no_mistake(log: LogStore) -> None:
    log.append([])
    assert list(log.rows()) == []


def test_a_snapshot_deletes_what_it_holds_except_what_must_stay(log: LogStore) -> None:
    log.append([("n", "l", seq, b"known") for seq in (1, 2, 4, 6, 7)])
    log.append([("n", "l", 3, b"unknown"), ("n", "l", 5, b"unknown"), ("n", "l", 8, b"unknown")])
    log.append([("n", "other", 1, b"known"), ("m", "l", 1, b"known")])
    cut = {("n", "l"): 6, ("m", "l"): 1, ("never", "seen"): 9}
    log.save_snapshot([b"state"], b"meta", cut, lambda raw: raw == b"unknown")
    left = [("n", "l", 3), ("n", "l", 5), ("n", "l", 7), ("n", "l", 8), ("n", "other", 1)]
    assert [row[:3] for row in log.rows()] == left


def test_keep_decides_far_into_a_long_log_too(log: LogStore) -> None:
    log.append([("n", "l", seq, b"%d" % (seq % 1500)) for seq in range(1, 5001)])
    log.save_snapshot([], b"", {("n", "l"): 4600}, lambda raw: raw == b"0")
    assert [row[2] for row in log.rows()] == [1500, 3000, 4500, *range(4601, 5001)]


def test_a_later_snapshot_replaces_an_earlier_one(log: LogStore) -> None:
    assert log.load_snapshot() is None
    log.save_snapshot([b"1", b"2", b"3"], b"first", {})
    log.save_snapshot([b"only"], b"second", {})
    found = log.load_snapshot()
    assert found
    assert (found[0], list(found[1])) == (b"second", [b"only"])


def test_a_snapshot_whose_parts_fail_leaves_everything_as_it_was(log: LogStore) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the encoder gave up")

    log.append([("n", "l", 1, b"one")])
    log.save_snapshot([b"old"], b"old", {})
    with pytest.raises(RuntimeError, match="gave up"):
        log.save_snapshot(parts(), b"new", {("n", "l"): 1})
    found = log.load_snapshot()
    assert found
    assert (found[0], list(found[1])) == (b"old", [b"old"])
    assert list(log.rows()) == [("n", "l", 1, b"one")]
    log.append([("n", "l", 2, b"two")])


def test_a_fact_never_put_is_absent_and_the_last_one_put_counts(log: LogStore) -> None:
    assert log.get("own log") is None
    log.put("own log", b"a")
    log.put("own log", b"b")
    log.put("other", b"")
    assert (log.get("own log"), log.get("other")) == (b"b", b"")


def test_appending_during_a_replay_disturbs_neither(log: LogStore) -> None:
    rows = [("n", "l", seq, b"") for seq in range(1, 2501)]
    log.append(rows)
    seen = []
    for row in log.rows():
        if row[2] == 1200:
            log.append([("a", "late", 1, b"x")])
        seen.append(row)
    assert seen == rows


def test_the_store_grows_with_what_is_kept(log: LogStore) -> None:
    before = log.size_bytes()
    for first in range(1, 1000, 100):
        log.append([("n", "l", first + more, bytes(50_000)) for more in range(100)])
    assert log.size_bytes() > before + 40_000_000


def test_tidying_up_loses_nothing(log: LogStore) -> None:
    log.append([("n", "l", 1, b"one")])
    assert log.checkpoint()
    assert log.checkpoint()
    assert list(log.rows()) == [("n", "l", 1, b"one")]


def test_a_closed_log_says_so_and_closing_twice_does_nothing(reopen: Callable[[], Opened]) -> None:
    log, _ = reopen()
    log.append([("n", "l", 1, b"one")])
    log.close()
    log.close()
    for use in (
        lambda: log.append([("n", "l", 2, b"")]),
        lambda: log.read("n", "l", 1, 1, 1),
        lambda: log.get("key"),
        lambda: log.put("key", b""),
        lambda: list(log.rows()),
        log.load_snapshot,
    ):
        with pytest.raises(StoreError, match="closed"):
            use()
    assert reopen()[1] is Doubt.NONE
