"""Damaged, foreign and newer databases: found at the start, moved aside as they are, what is whole saved."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from peerfarm.errors import StoreDamaged, StoreError
from peerfarm.store import Doubt, Row, SqliteLog, open_store

PAGE = 4096
LOGS = [("n1", "a"), ("n1", "b"), ("n2", "a")]
META, PARTS = b"meta", [b"part" * 600, b"x", b"y" * 9000]
FACTS = {f"fact {number}": b"%d" % number * 50 for number in range(5)}


def all_rows() -> list[Row]:
    """Rows on several pages, some too large for one."""
    return [
        (node, log_id, seq, f"{node}{log_id}{seq} ".encode() * (600 if seq == 30 else 20))
        for node, log_id in LOGS
        for seq in range(1, 61)
    ]


def fill(log: SqliteLog) -> None:
    log.append(all_rows())
    for key, value in FACTS.items():
        log.put(key, value)
    log.save_snapshot(PARTS, META, {})


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a database that was closed in good order."""
    path = tmp_path_factory.mktemp("good") / "log.db"
    log, _ = open_store(path)
    fill(log)
    log.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def found_in(path: Path) -> tuple[Doubt, list[Row], dict[str, bytes | None], tuple[bytes, list[bytes]] | None]:
    """Open, read everything, close."""
    log, doubt = open_store(path)
    with closing(log):
        snapshot = log.load_snapshot()
        return (
            doubt,
            list(log.rows()),
            {key: log.get(key) for key in FACTS},
            snapshot and (snapshot[0], list(snapshot[1])),
        )


def open_damaged(path: Path, content: bytes) -> tuple[list[Row], bool]:
    """Open a damaged file; check that nothing was made up or lost, that it is mended; give what was saved."""
    path.write_bytes(content)
    doubt, rows, facts, snapshot = found_in(path)
    assert doubt is Doubt.DAMAGED
    assert set(rows) <= set(all_rows())
    assert rows == sorted(rows)
    assert all(value in (None, FACTS[key]) for key, value in facts.items())
    assert snapshot in (None, (META, PARTS))
    assert path.with_name("log.db.damaged-1").read_bytes() == content
    assert found_in(path) == (Doubt.NONE, rows, facts, snapshot)
    return rows, snapshot is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"garbage" * 5000, bytes(3 * PAGE), b"SQLite format 3\0", b"SQLite format 3\0" + b"\xff" * 9000],
)
def test_a_file_that_is_no_database_is_moved_aside_and_a_new_one_made(path: Path, content: bytes) -> None:
    assert open_damaged(path, content) == ([], False)


def test_a_truncated_database_gives_back_the_rows_before_the_cut(path: Path, good: bytes) -> None:
    rows, _ = open_damaged(path, good[: len(good) // 2])
    assert len(rows) > 20


def test_a_database_cut_within_a_page_gives_back_nearly_everything(path: Path, good: bytes) -> None:
    rows, _ = open_damaged(path, good[:-1000])
    assert len(rows) > 120


def test_whatever_page_is_lost_the_rows_on_the_others_are_saved(path: Path, good: bytes) -> None:
    saved = []
    for page in range(1, len(good) // PAGE):
        content = good[: page * PAGE] + b"\xa5" * PAGE + good[(page + 1) * PAGE :]
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        path.write_bytes(content)
        doubt, rows, _, _ = found_in(path)
        # A page may be of no use at the moment; then nothing is missing.
        assert doubt is Doubt.DAMAGED or len(rows) == len(all_rows())
        assert set(rows) <= set(all_rows())
        saved.append(len(rows))
    # Every row hangs on the root page of the actions, and on nothing else as a whole.
    worst, second, *_ = sorted(saved)
    assert worst == 0
    assert second > len(all_rows()) * 0.8


def test_a_flipped_byte_anywhere_is_found_or_changes_nothing(path: Path, good: bytes) -> None:
    random = Random(7)
    doubts = []
    for _ in range(60):
        content = bytearray(good)
        content[random.randrange(100, len(good))] ^= 1 << random.randrange(8)
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        path.write_bytes(content)
        doubt, rows, facts, snapshot = found_in(path)
        doubts.append(doubt)
        assert set(rows) <= set(all_rows())
        if doubt is not Doubt.DAMAGED:
            assert (rows, facts, snapshot) == (all_rows(), FACTS, (META, PARTS))
    assert Doubt.NONE not in doubts
    assert doubts.count(Doubt.DAMAGED) > 20


@pytest.mark.parametrize("place", [0, 16, 18, 19, 68])
def test_a_flipped_byte_in_the_header_costs_no_row(path: Path, good: bytes, place: int) -> None:
    content = bytearray(good)
    content[place] ^= 4
    rows, _ = open_damaged(path, bytes(content))
    assert place < 68 or len(rows) == len(all_rows())


def test_a_row_whose_bytes_changed_is_left_out_and_all_others_are_saved(path: Path, good: bytes) -> None:
    assert good.count(b"n1b17 ") == 20
    rows, has_snapshot = open_damaged(path, good.replace(b"n1b17 ", b"n1b77 ", 1))
    assert set(all_rows()) - set(rows) == {("n1", "b", 17, b"n1b17 " * 20)}
    assert has_snapshot


def test_a_snapshot_that_is_not_whole_is_left_out_and_said_to_be(path: Path, good: bytes) -> None:
    rows, has_snapshot = open_damaged(path, good.replace(b"y" * 3000, b"y" * 2999 + b"z", 1))
    assert (len(rows), has_snapshot) == (len(all_rows()), False)


def test_a_lost_part_of_a_snapshot_is_noticed(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM snapshot WHERE part = 3")
    doubt, rows, _, snapshot = found_in(path)
    assert (doubt, len(rows), snapshot) == (Doubt.DAMAGED, len(all_rows()), None)


def test_a_log_whose_name_was_lost_is_noticed(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM logs WHERE log = 'b'")
    doubt, rows, _, _ = found_in(path)
    assert doubt is Doubt.DAMAGED
    assert rows == [row for row in all_rows() if row[1] == "a"]


def test_the_salvage_says_what_was_wrong_where_the_file_is_and_what_was_saved(path: Path, good: bytes) -> None:
    path.write_bytes(good.replace(b"n1b17 ", b"n1b77 ", 1))
    log, _ = open_store(path)
    with closing(log):
        assert log.salvage
        assert log.salvage.moved_to == str(path) + ".damaged-1"
        assert "n1/b/17" in log.salvage.reason
        assert (log.salvage.rows, log.salvage.has_snapshot) == (len(all_rows()) - 1, True)


def test_a_second_damage_does_not_overwrite_what_was_moved_aside_before(path: Path) -> None:
    for content in (b"first", b"second", b"third"):
        path.write_bytes(content)
        found_in(path)
    copies = [path.with_name(f"log.db.damaged-{number}").read_bytes() for number in (1, 2, 3)]
    assert copies == [b"first", b"second", b"third"]


@pytest.mark.parametrize("wal_too", [False, True])
def test_a_crash_between_moving_aside_and_saving_loses_nothing(path: Path, good: bytes, wal_too: bool) -> None:
    log, _ = open_store(path)
    fill(log)
    log.checkpoint()
    log.append([("n3", "late", 1, b"only in the WAL")])
    moved = path.with_name("log.db.damaged-4")
    shutil.copyfile(path, moved)
    wal = path.with_name("log.db-wal").read_bytes()
    log.close()
    path.unlink()
    (moved if wal_too else path).with_name((moved if wal_too else path).name + "-wal").write_bytes(wal)
    path.with_name("log.db.new").write_bytes(b"half a draft")
    doubt, rows, facts, snapshot = found_in(path)
    assert (doubt, facts, snapshot) == (Doubt.DAMAGED, FACTS, (META, PARTS))
    assert rows == [*all_rows(), ("n3", "late", 1, b"only in the WAL")]


@pytest.mark.parametrize(
    "damage",
    [lambda wal: wal[: len(wal) // 2], lambda wal: wal[:40_000] + b"!" * 20_000 + wal[60_000:], lambda wal: b""],
    ids=["truncated", "overwritten", "lost"],
)
def test_a_damaged_wal_costs_only_the_end_and_is_doubted(path: Path, damage: Callable[[bytes], bytes]) -> None:
    live = path.with_name("live.db")
    log, _ = open_store(live)
    for row in all_rows():
        log.append([row])
    shutil.copyfile(live, path)
    path.with_name("log.db-wal").write_bytes(damage(live.with_name("live.db-wal").read_bytes()[:600_000]))
    log.close()
    doubt, rows, _, _ = found_in(path)
    assert doubt in (Doubt.UNCLEAN, Doubt.DAMAGED)
    assert rows == all_rows()[: len(rows)]


def test_damage_that_comes_to_light_in_a_read_is_mended_by_opening_again(path: Path) -> None:
    log, _ = open_store(path)
    fill(log)
    for seq in range(1, 200):
        log.append([("n9", "big", seq, bytes(60_000))])
    log.close()
    content = path.read_bytes()
    place = content.index(b"n1b17 ")
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"N")
    # As a disk does that loses bytes by itself: the file's times stay as they were.
    clean = path.with_name("log.db.clean")
    seen = path.stat()
    clean.write_text(f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ino}\n")
    log, doubt = open_store(path)
    assert doubt is Doubt.NONE, "a large file is not looked through after a good close"
    with pytest.raises(StoreDamaged, match="n1/b/17"):
        list(log.rows())
    assert len(log.read("n1", "b", 18, 60, 1 << 30)) == 43
    with pytest.raises(StoreDamaged, match="n1/b/17"):
        log.read("n1", "b", 1, 60, 1 << 30)
    log.close()
    doubt, rows, _, snapshot = found_in(path)
    assert doubt is Doubt.DAMAGED
    assert len(rows) == len(all_rows()) + 199 - 1
    assert snapshot == (META, PARTS)


def test_a_database_put_back_from_a_backup_is_doubted(path: Path) -> None:
    log, _ = open_store(path)
    fill(log)
    log.close()
    backup = path.with_name("backup")
    shutil.copy2(path, backup)
    log, doubt = open_store(path)
    assert doubt is Doubt.NONE
    log.append([("n1", "a", 61, b"later")])
    log.close()
    shutil.copy2(backup, path)
    assert found_in(path)[0] is Doubt.UNCLEAN


def test_a_newer_database_is_refused_and_left_alone(path: Path, good: bytes) -> None:
    content = good[:60] + (2).to_bytes(4, "big") + good[64:]
    path.write_bytes(content)
    with pytest.raises(StoreError, match="has format 2, and this peerfarm knows formats up to 1") as caught:
        open_store(path)
    assert "newer peerfarm" in caught.value.hint
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["log.db"]


def test_a_database_that_another_program_has_open_is_not_taken_for_damaged(path: Path) -> None:
    log, _ = open_store(path)
    with closing(log):
        log.append([("n", "l", 1, b"one")])
        with pytest.raises(StoreError, match="another program uses the database"):
            open_store(path)
        assert list(log.rows()) == [("n", "l", 1, b"one")]


def test_a_wal_without_its_database_does_not_leak_into_a_new_one(path: Path) -> None:
    log, _ = open_store(path)
    fill(log)
    wal = path.with_name("log.db-wal").read_bytes()
    log.close()
    path.unlink()
    path.with_name("log.db-wal").write_bytes(wal)
    assert found_in(path)[:2] == (Doubt.NEW, [])


def test_the_database_is_private_to_its_owner(path: Path) -> None:
    log, _ = open_store(path)
    fill(log)
    modes = {file.name: file.stat().st_mode & 0o077 for file in path.parent.iterdir()}
    assert modes == {"log.db": 0, "log.db-wal": 0}
    log.close()


def test_a_place_where_no_database_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="refused while opening"):
        open_store(tmp_path / "file" / "log.db")
