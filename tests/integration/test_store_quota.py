"""A store that has become larger than its quota gives the room back, though nothing new comes in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transfer_rig import until

from peerfarm.config import Settings
from peerfarm.daemon.filework import TOLD_EVERY_S, FileWork
from peerfarm.mesh import KeyPair, new_keys
from peerfarm.model.blob import BlobRef, BlockList, block_count
from peerfarm.model.files import StoreTold
from peerfarm.store.blobs import BlobStore

PART = 300_000_000
"""The quota is a gigabyte at least; what is begun counts with its whole size, so that nobody has to write so much."""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], tuple[FileWork, list[Any]]]]:
    """Start the files' part of a node with `store_gb: 1`."""
    works: list[FileWork] = []

    def start() -> tuple[FileWork, list[Any]]:
        keys, told = new_keys(), list[Any]()
        work = FileWork(tmp_path, KeyPair(keys.public, keys.secret), Settings(store_gb=1), told.append)
        work.open("127.0.0.1", 0)
        works.append(work)
        return work, told

    yield start
    for work in works:
        work.close()


def hold(store: BlobStore, count: int, pins: dict[int, str]) -> list[BlobRef]:
    """Begin to fetch so many large files, some of them pinned."""
    refs = []
    for number in range(count):
        blocks = _blocks(number)
        if number in pins:
            store.pin(pins[number], [blocks.id])
        store.begin(blocks.ref, blocks)
        refs.append(blocks.ref)
    return refs


def _blocks(number: int) -> BlockList:
    return BlockList(PART, (bytes([number + 1]) * 32,) * block_count(PART))


def ticking(work: FileWork) -> Callable[[], None]:
    seconds = itertools.count(0.0, TOLD_EVERY_S + 1)
    return lambda: work.tick(next(seconds), lambda: None)


def test_a_quota_that_was_lowered_while_the_node_was_off_is_kept_after_its_start(
    tmp_path: Path, begin: Callable[[], tuple[FileWork, list[Any]]]
) -> None:
    store = BlobStore(tmp_path / "blobs", 10 * PART)
    refs = hold(store, 5, {0: "result/job/attempt"})
    store.close()
    work, told = begin()
    tick = ticking(work)
    tick()
    until(lambda: work.files._store.usage().bytes == 3 * PART)
    assert work.files._store.ref_of(refs[0].id) is not None
    tick()
    assert told[-1] == StoreTold(3 * PART, PART, 1_000_000_000)


def test_what_pins_kept_above_the_quota_goes_when_they_are_let_go(
    tmp_path: Path, begin: Callable[[], tuple[FileWork, list[Any]]]
) -> None:
    store = BlobStore(tmp_path / "blobs", 10 * PART)
    hold(store, 4, {number: f"scene/job{number}" for number in range(4)})
    store.close()
    work, told = begin()
    tick = ticking(work)
    tick()
    assert told[-1] == StoreTold(4 * PART, 4 * PART, 1_000_000_000)
    work._transfers.release(["scene/job0", "scene/job1"])
    until(lambda: work.pins == ("scene/job2", "scene/job3"))
    tick()
    until(lambda: work.files._store.usage().bytes == 3 * PART)
