"""Frames are written only where somebody on this machine wanted them, also after a crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from peerfarm.daemon.outputs import Outputs
from peerfarm.errors import DiskFull, StoreError
from peerfarm.model.ids import JobId

ONE, TWO = JobId("aaaaaaaaaaaa"), JobId("bbbbbbbbbbbb")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outputs.jsonl"


def test_a_folder_is_named_for_its_job_alone(path: Path) -> None:
    outputs = Outputs(path)
    outputs.name(ONE, ["/shots/a", "/shots/b"])
    assert outputs.is_named(ONE, "/shots/a")
    assert outputs.is_named(ONE, "/shots/b")
    assert not outputs.is_named(ONE, "/shots")
    assert not outputs.is_named(ONE, "/shots/a/b")
    assert not outputs.is_named(TWO, "/shots/a")


def test_it_is_known_after_a_restart(path: Path) -> None:
    Outputs(path).name(ONE, ["/shots/é\u2028 und mehr"])
    Outputs(path).name(TWO, [])
    again = Outputs(path)
    assert again.is_named(ONE, "/shots/é\u2028 und mehr")
    assert not again.is_named(TWO, "/shots/a")


def test_forgotten_jobs_are_forgotten_for_good_and_others_stay(path: Path) -> None:
    outputs = Outputs(path)
    outputs.name(ONE, ["/shots/a"])
    outputs.name(TWO, ["/shots/b"])
    outputs.forget([ONE, JobId("cccccccccccc")])
    assert not outputs.is_named(ONE, "/shots/a")
    again = Outputs(path)
    assert not again.is_named(ONE, "/shots/a")
    assert again.is_named(TWO, "/shots/b")


@pytest.mark.parametrize(
    "damage", [b'["aaaaaaaaaaaa", ["/sho', b"\xff\xfe\0\0", b"5\n", b'["x"]\n', b'["x", 5]\n', b"\n\n"]
)
def test_a_line_that_a_crash_spoilt_costs_no_other(path: Path, damage: bytes) -> None:
    Outputs(path).name(ONE, ["/shots/a"])
    path.write_bytes(path.read_bytes() + damage)
    outputs = Outputs(path)
    outputs.name(TWO, ["/shots/b"])
    again = Outputs(path)
    assert again.is_named(ONE, "/shots/a")
    assert again.is_named(TWO, "/shots/b")


def test_a_disk_that_refuses_is_told_and_nothing_counts_as_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = Outputs(path)

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="cannot be written"):
        outputs.name(ONE, ["/shots/a"])
    assert not outputs.is_named(ONE, "/shots/a")


def test_what_cannot_be_read_at_all_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        Outputs(path)
