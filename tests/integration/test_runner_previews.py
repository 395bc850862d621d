"""Small pictures are made of frames that lie where this machine's owner lets jobs write, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_rig import JOB, LIMIT_S, Rig, png

from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import FrameFile, PublishOrder


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "allowed").mkdir()
    rig = Rig(tmp_path / "home", tmp_path / "allowed")
    yield rig
    rig.runner.close(LIMIT_S)


def result(folder: Path, size_bytes: int = len(png(40, 30)), attempt: str = "aaaa-1-1") -> PublishOrder:
    return PublishOrder(attempt, JOB, 0, 0, str(folder), (FrameFile("f_1.png", size_bytes, b"h" * 32),))


def made(rig: Rig, *results: PublishOrder) -> Previewed:
    request = str(len(rig.seen))
    rig.runner.preview(PreviewOrder(request, results, 20))
    told = rig.until(lambda event: isinstance(event, Previewed) and event.request == request)
    assert isinstance(told, Previewed)
    return told


def test_a_frame_in_the_output_folder_is_shown_with_its_path(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "allowed/f_1.png"
    path.write_bytes(png(40, 30))
    told = made(rig, result(tmp_path / "allowed"))
    assert (told.name, told.path, told.width, told.height, told.reason) == ("f_1.png", str(path), 20, 15, "")


def test_a_frame_outside_the_roots_is_not_opened(rig: Rig, tmp_path: Path) -> None:
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "f_1.png").write_bytes(png(40, 30))
    told = made(rig, result(outside))
    assert told.png == ""
    assert "do not lie on this machine" in told.reason


def test_another_file_under_the_frames_name_is_passed_over_for_the_next_result(rig: Rig, tmp_path: Path) -> None:
    other = tmp_path / "allowed/other"
    other.mkdir()
    (tmp_path / "allowed/f_1.png").write_bytes(b"the artist's own")
    (other / "f_1.png").write_bytes(png(40, 30))
    assert made(rig, result(tmp_path / "allowed"), result(other)).path == str(other / "f_1.png")


def test_a_frame_that_is_not_published_yet_is_shown_from_the_attempts_own_folder(rig: Rig, tmp_path: Path) -> None:
    own = tmp_path / "allowed/.peerfarm" / JOB / "aaaa-1-1"
    own.mkdir(parents=True)
    (own / "f_1.png").write_bytes(png(40, 30))
    told = made(rig, result(tmp_path / "allowed"))
    assert (told.name, told.path, told.reason) == ("f_1.png", "", "")


def test_the_renderers_own_picture_stands_in_for_a_frame_that_cannot_be_read_or_lies_elsewhere(
    rig: Rig, tmp_path: Path
) -> None:
    damaged = tmp_path / "allowed/f_1.png"
    damaged.write_bytes(b"no picture at all")
    attempt = tmp_path / "home/attempts/aaaa-1-1"
    attempt.mkdir(parents=True)
    assert "PNG" in made(rig, result(tmp_path / "allowed", damaged.stat().st_size)).reason
    (attempt / "picture.png").write_bytes(png(40, 30))
    told = made(rig, result(tmp_path / "allowed", damaged.stat().st_size))
    assert (told.name, told.path, told.width, told.reason) == ("f_1.png", str(damaged), 20, "")
    damaged.unlink()
    told = made(rig, result(tmp_path / "allowed"))
    assert (told.name, told.path, told.width, told.reason) == ("f_1.png", "", 20, "")


def test_a_changed_frame_is_made_anew(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "allowed/f_1.png"
    path.write_bytes(png(40, 30, shade=7))
    first = made(rig, result(tmp_path / "allowed"))
    again = png(40, 30, shade=8)
    path.write_bytes(again)
    assert made(rig, result(tmp_path / "allowed", len(again))).png != first.png
