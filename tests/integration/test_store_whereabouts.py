"""A database that is deleted, replaced or shut away under a running node: noticed, mended, never lost in silence."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from peerfarm.errors import StoreError
from peerfarm.store import Doubt, Row, SqliteLog, open_store

BEFORE: list[Row] = [("n", "l", seq, b"before %d" % seq) for seq in range(1, 400)]
AFTER: Row = ("n", "l", 400, b"after")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log, _ = open_store(path)
    log.append(BEFORE)
    log.put("own_log", b"l")
    log.save_snapshot([b"part"], b"meta", {})
    yield log
    log.close()


def wal(path: Path) -> Path:
    return path.with_name("log.db-wal")


def kept(path: Path) -> tuple[Doubt, list[Row]]:
    log, doubt = open_store(path)
    with closing(log):
        assert log.get("own_log") == b"l"
        found = log.load_snapshot()
        assert found is not None
        assert (found[0], list(found[1])) == (b"meta", [b"part"])
        return doubt, list(log.rows())


def test_files_in_their_places_are_nothing_to_tell(log: SqliteLog) -> None:
    assert log.look_after() == ""
    log.checkpoint()
    log.append([AFTER])
    assert log.look_after() == ""


@pytest.mark.parametrize("endings", [("",), ("-wal",), ("", "-wal")], ids=["database", "wal", "both"])
def test_a_deleted_database_is_told_and_written_again_whole(
    log: SqliteLog, path: Path, endings: tuple[str, ...]
) -> None:
    for ending in endings:
        path.with_name(path.name + ending).unlink()
    log.append([AFTER])

    told = log.look_after()
    assert "deleted or moved away while this node ran" in told
    assert "Nothing was lost" in told
    assert "Stop the node" in told
    assert log.look_after() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log.close()
    assert kept(path) == (Doubt.NONE, [*BEFORE, AFTER])


def test_what_is_written_after_a_mend_survives_the_nodes_sudden_death(
    log: SqliteLog, path: Path, tmp_path: Path
) -> None:
    path.unlink()
    log.look_after()
    log.append([AFTER])

    copy = tmp_path / "copy" / "log.db"
    copy.parent.mkdir()
    for name in (path, wal(path)):
        shutil.copyfile(name, copy.parent / name.name)
    assert kept(copy) == (Doubt.UNCLEAN, [*BEFORE, AFTER])


def test_a_replaced_database_is_kept_aside_and_does_not_win(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with closing(open_store(old)[0]) as other:
        other.append([("n", "other", 1, b"x")])
    shutil.copyfile(old, tmp_path / "put back")
    (tmp_path / "put back").replace(path)

    told = log.look_after()
    assert "was replaced by another file" in told
    aside = path.with_name("log.db.put-aside-1")
    assert str(aside) in told
    assert aside.read_bytes() == old.read_bytes()
    log.close()
    assert kept(path) == (Doubt.NONE, BEFORE)


def test_a_deleted_database_is_written_again_at_the_stop_too(log: SqliteLog, path: Path) -> None:
    path.unlink()
    log.close()
    assert kept(path) == (Doubt.NONE, BEFORE)


def test_while_nothing_can_be_written_again_writes_are_refused_and_reads_go_on(log: SqliteLog, path: Path) -> None:
    away = path.parent.with_name("away")
    path.parent.rename(away)

    for _ in range(2):
        with pytest.raises(StoreError, match="could not be written again") as refused:
            log.look_after()
        assert "Do not stop this node" in refused.value.hint
    with pytest.raises(StoreError, match="could not be written again"):
        log.append([AFTER])
    assert list(log.rows()) == BEFORE

    away.rename(path.parent)
    assert log.look_after() == ""
    log.append([AFTER])
    log.close()
    assert kept(path) == (Doubt.NONE, [*BEFORE, AFTER])


def test_a_stop_that_loses_the_database_is_no_quiet_one(path: Path) -> None:
    log, _ = open_store(path)
    log.append(BEFORE)
    shutil.rmtree(path.parent)
    with pytest.raises(StoreError, match="could not be written again"):
        log.close()
    log.close()


def test_a_database_that_nobody_may_read_gets_its_rights_back(log: SqliteLog, path: Path) -> None:
    path.chmod(0)
    told = log.look_after()
    assert "rights" in told
    assert "0600" in told
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert log.look_after() == ""
