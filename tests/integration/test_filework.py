"""What a node keeps because its pins were lost stays as long as any job may need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transfer_rig import until

from peerfarm.config import Settings
from peerfarm.daemon.filework import DOUBT_S, FileWork
from peerfarm.mesh import KeyPair, new_keys
from peerfarm.model.ids import JobId
from peerfarm.store.blobs import DOUBT_PIN, BlobStore

KEYS = new_keys()


@pytest.fixture
def work(tmp_path: Path) -> Iterator[FileWork]:
    """Of a node whose pins were damaged while it was off."""
    store = BlobStore(tmp_path / "blobs", 1_000_000)
    store.put_bytes(b"frames that nobody has fetched", "result/job/attempt")
    store.close()
    (tmp_path / "blobs" / "pins.db").write_bytes(b"no database at all" * 300)
    told: list[Any] = []
    work = FileWork(tmp_path, KeyPair(KEYS.public, KEYS.secret), Settings(), told.append)
    work.open("127.0.0.1", 0)
    yield work
    work.close()
    assert told


def tick(work: FileWork, now_s: float, *jobs: str) -> None:
    """These jobs' files travel at that time."""
    work.tick(now_s, lambda: frozenset(map(JobId, jobs)))


def pins(work: FileWork) -> tuple[str, ...]:
    """What is pinned once all that was ordered is done."""
    probe = "result/job/probe"
    work.files._store.put_bytes(b"probe", probe)
    work._transfers.release([probe])
    until(lambda: probe not in work.pins)
    return work.pins


def test_what_is_kept_in_doubt_is_let_go_when_the_jobs_of_that_time_are_over_for_long(work: FileWork) -> None:
    start_s = 5_000_000.0
    assert work.pins == (DOUBT_PIN,)
    work.tick(start_s, lambda: None)
    work.tick(start_s + DOUBT_S, lambda: None)
    tick(work, start_s + 2 * DOUBT_S, "one")  # for the first time all jobs are known
    tick(work, start_s + 3 * DOUBT_S - 20, "two")  # one that a member told of who was away
    tick(work, start_s + 4 * DOUBT_S, "two", "new")
    tick(work, start_s + 5 * DOUBT_S - 20, "new")
    assert pins(work) == (DOUBT_PIN,)
    tick(work, start_s + 5 * DOUBT_S + 20, "new", "newer")  # in this farm files always travel
    assert pins(work) == ()


def test_what_is_kept_in_doubt_stays_while_a_job_of_that_time_goes_on(work: FileWork) -> None:
    for place in range(10):
        tick(work, 1000.0 + place * DOUBT_S, "long", f"job{place}")
        assert pins(work) == (DOUBT_PIN,)


def test_pins_that_are_let_go_are_the_doubtful_ones_alone(work: FileWork, tmp_path: Path) -> None:
    work.files._store.put_bytes(b"pinned since", "result/job/next")
    tick(work, 1000.0)
    tick(work, 1000.0 + DOUBT_S)
    assert pins(work) == ("result/job/next",)
    assert list(tmp_path.glob("blobs/pins.db.damaged"))
