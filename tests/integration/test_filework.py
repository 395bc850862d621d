"""What a node keeps because its pins were lost stays as long as any job may need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transfer_rig import until

from peerfarm.config import Settings
from peerfarm.daemon.filework import QUIET_S, FileWork
from peerfarm.mesh import KeyPair, new_keys
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


def test_what_is_kept_in_doubt_is_let_go_when_no_job_has_needed_files_for_long(work: FileWork) -> None:
    assert work.pins == (DOUBT_PIN,)
    start_s = 5_000_000.0
    work.tick(start_s, is_quiet=True)
    work.tick(start_s + QUIET_S - 1, is_quiet=True)
    work.tick(start_s + QUIET_S + 11, is_quiet=False)
    work.tick(start_s + 2 * QUIET_S, is_quiet=True)
    work.tick(start_s + 2 * QUIET_S + 12, is_quiet=False)
    assert work.pins == (DOUBT_PIN,)
    work.tick(start_s + 3 * QUIET_S + 13, is_quiet=True)
    until(lambda: work.pins == ())


def test_pins_that_are_let_go_are_the_doubtful_ones_alone(work: FileWork, tmp_path: Path) -> None:
    work.files._store.put_bytes(b"pinned since", "result/job/next")
    work.tick(1000.0, is_quiet=True)
    work.tick(1000.0 + QUIET_S, is_quiet=True)
    until(lambda: work.pins == ("result/job/next",))
    assert list(tmp_path.glob("blobs/pins.db.damaged"))
