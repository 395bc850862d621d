"""Frames under their final names: whole or not at all, again and again, and never what was damaged."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_rig import JOB, LIMIT_S, WRITE_FRAMES, Rig, png

from peerfarm.model.render import AttemptRendered, PublishOrder, PublishResult
from peerfarm.runner import publish as publishing


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    output = tmp_path / "output"
    output.mkdir()
    rig = Rig(tmp_path / "home", output)
    yield rig
    rig.runner.close(LIMIT_S)


@pytest.fixture
def order(rig: Rig) -> PublishOrder:
    rendered = rig.run(WRITE_FRAMES, (1, 2))
    assert isinstance(rendered, AttemptRendered)
    return PublishOrder(rendered.attempt, JOB, 0, 1, str(rig.output), rendered.frames)


def publish(rig: Rig, order: PublishOrder) -> PublishResult:
    rig.runner.publish(order)
    result = rig.until(lambda event: isinstance(event, PublishResult))
    rig.seen.remove(result)
    assert isinstance(result, PublishResult)
    assert (result.attempt, result.job, result.step, result.task) == (order.attempt, order.job, order.step, order.task)
    return result


def visible(rig: Rig) -> list[str]:
    return sorted(path.name for path in rig.output.iterdir() if path.name != ".peerfarm")


def test_published_frames_are_copies_that_an_artist_may_edit(rig: Rig, order: PublishOrder) -> None:
    assert publish(rig, order).error == ""
    assert visible(rig) == ["f_0001.png", "f_0002.png"]

    with (rig.output / "f_0001.png").open("r+b") as edited:
        edited.write(b"retouched")
    assert (rig.own(order.attempt) / "f_0001.png").read_bytes() == png()


def test_publishing_again_changes_nothing(rig: Rig, order: PublishOrder) -> None:
    publish(rig, order)
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(rig.output.glob("*.png"))]

    assert publish(rig, order).error == ""
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(rig.output.glob("*.png"))] == before


def test_another_file_in_a_frames_place_is_replaced(rig: Rig, order: PublishOrder, tmp_path: Path) -> None:
    (rig.output / "f_0001.png").write_bytes(b"an older render")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (rig.output / "f_0002.png").symlink_to(elsewhere)

    assert publish(rig, order).error == ""
    assert [(rig.output / name).read_bytes() for name in ("f_0001.png", "f_0002.png")] == [png(), png()]
    assert elsewhere.read_bytes() == b"mine"


def test_what_a_publisher_that_died_left_is_no_hindrance(rig: Rig, order: PublishOrder) -> None:
    (rig.output / f".f_0001.png.{order.attempt}.tmp").write_bytes(b"half")

    assert publish(rig, order).error == ""
    assert visible(rig) == ["f_0001.png", "f_0002.png"]


@pytest.mark.parametrize("harm", ["bytes", "size", "gone", "link"])
def test_a_damaged_attempt_is_lost_and_never_published(rig: Rig, order: PublishOrder, harm: str) -> None:
    own = rig.own(order.attempt) / "f_0001.png"
    if harm == "bytes":
        own.write_bytes(png(shade=8))
    elif harm == "size":
        own.write_bytes(png()[:-1])
    else:
        own.unlink()
        if harm == "link":
            own.symlink_to(rig.own(order.attempt) / "f_0002.png")

    result = publish(rig, order)
    assert result.is_lost
    assert "f_0001.png" in result.error
    assert visible(rig) == []


def test_a_frame_that_is_in_place_already_needs_no_own_copy(rig: Rig, order: PublishOrder) -> None:
    publish(rig, order)
    (rig.own(order.attempt) / "f_0001.png").unlink()

    assert publish(rig, order) == PublishResult(order.attempt, order.job, order.step, order.task)


@pytest.mark.parametrize("name", ["../f.png", "/etc/f.png", ".hidden", "a\\b.png", "NUL.png", ""])
def test_a_frame_name_that_leads_elsewhere_is_refused(rig: Rig, order: PublishOrder, name: str) -> None:
    evil = replace(order, frames=(replace(order.frames[0], name=name),))

    result = publish(rig, evil)
    assert result.error
    assert not result.is_lost
    assert visible(rig) == []


@pytest.mark.parametrize("field", ["job", "attempt"])
def test_ids_that_lead_elsewhere_are_refused(rig: Rig, order: PublishOrder, field: str) -> None:
    assert "no names of a job" in publish(rig, replace(order, **{field: "../.."})).error


def test_an_output_outside_the_roots_is_refused(rig: Rig, order: PublishOrder, tmp_path: Path) -> None:
    result = publish(rig, replace(order, output_dir=str(tmp_path)))

    assert "`roots`" in result.error
    assert not result.is_lost


def test_a_disk_that_fills_up_leaves_no_half_frame(
    rig: Rig, order: PublishOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pour_half(original: object, copy: object) -> None:
        copy.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publishing, "_pour", pour_half)
    result = publish(rig, order)

    assert "is full: " in result.error
    assert " more are needed for " in result.error
    assert "f_0001.png" in result.error
    assert not result.is_lost
    assert visible(rig) == []
    monkeypatch.undo()
    assert publish(rig, order).error == ""


def test_a_write_that_the_system_cuts_short_leaves_no_half_frame(rig: Rig, order: PublishOrder) -> None:
    code = """
import pickle, resource, signal, sys
from peerfarm.runner.publish import publish
order = pickle.load(sys.stdin.buffer)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
sys.stdout.write(publish(order, (order.output_dir,), 'oak').error)
"""
    core = str(Path(publishing.__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(order),
        capture_output=True,
        check=True,
        env={"PYTHONPATH": core},
    ).stdout.decode()

    assert "f_0001.png" in told
    assert visible(rig) == []
