"""The memory disk's faults, which the simulation relies on."""

from __future__ import annotations

import pytest

from peerfarm.errors import DiskFull, StoreError
from peerfarm.store import Doubt, MemoryDisk, MemoryLog, Row, open_memory_store

ROW: Row = ("n", "l", 1, b"one")
NEXT: Row = ("n", "l", 2, b"two")


def test_what_append_returned_for_is_there_after_a_crash() -> None:
    disk = MemoryDisk()
    MemoryLog(disk).append([ROW])
    disk.crash()
    log, doubt = open_memory_store(disk)
    assert (list(log.rows()), doubt) == ([ROW], Doubt.UNCLEAN)


def test_a_disk_that_ignores_sync_loses_what_was_not_settled_when_it_crashes() -> None:
    disk = MemoryDisk()
    log = MemoryLog(disk)
    disk.ignores_sync = True
    log.append([ROW])
    log.put("settled", b"yes")
    disk.settle()
    log.append([NEXT])
    log.put("settled", b"no")
    assert list(log.rows()) == [ROW, NEXT]
    disk.crash()
    after = MemoryLog(disk)
    assert (list(after.rows()), after.get("settled")) == ([ROW], b"yes")


def test_a_full_disk_refuses_writes_keeps_reads_and_takes_the_write_again_later() -> None:
    disk = MemoryDisk()
    log = MemoryLog(disk)
    log.append([ROW])
    disk.full = True
    with pytest.raises(DiskFull):
        log.append([NEXT])
    with pytest.raises(DiskFull):
        log.put("key", b"value")
    with pytest.raises(DiskFull):
        log.save_snapshot([b"part"], b"meta", {("n", "l"): 1})
    assert (list(log.rows()), log.get("key"), log.load_snapshot()) == ([ROW], None, None)
    disk.full = False
    log.append([NEXT])
    assert list(log.rows()) == [ROW, NEXT]


def test_an_old_image_put_back_knows_nothing_of_what_came_later() -> None:
    disk = MemoryDisk()
    log = MemoryLog(disk)
    log.append([ROW])
    image = disk.image()
    log.append([NEXT])
    disk.restore(image)
    log, doubt = open_memory_store(disk)
    assert (list(log.rows()), doubt) == ([ROW], Doubt.UNCLEAN)
    log.append([("n", "l", 2, b"other")])
    disk.restore(image)
    assert list(MemoryLog(disk).rows()) == [ROW]


def test_an_image_of_a_disk_that_ignores_sync_holds_only_what_is_durable() -> None:
    disk = MemoryDisk()
    log = MemoryLog(disk)
    disk.ignores_sync = True
    log.append([ROW])
    disk.restore(disk.image())
    assert list(MemoryLog(disk).rows()) == []


def test_the_log_of_a_crashed_process_cannot_write_into_the_next_ones_life() -> None:
    disk = MemoryDisk()
    log = MemoryLog(disk)
    disk.crash()
    with pytest.raises(StoreError, match="crashed"):
        log.append([ROW])
    after = MemoryLog(disk)
    log.close()
    after.append([ROW])
    assert list(after.rows()) == [ROW]
