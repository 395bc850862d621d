"""Small pictures are made of frames that lie where this machine's owner lets jobs write, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from runner_rig import JOB, LIMIT_S, Rig, png

from peerfarm.errors import StoreError
from peerfarm.model.job import FilesMode
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import FrameFile, PublishOrder
from peerfarm.runner import previews


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


def test_a_jpeg_is_shown_by_the_extra_in_a_process_of_its_own(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "allowed/f_1.jpg"
    Image.new("RGB", (40, 30), (200, 10, 30)).save(path)
    frame = FrameFile("f_1.jpg", path.stat().st_size, b"j" * 32)
    told = made(rig, replace(result(tmp_path / "allowed"), frames=(frame,)))
    assert (told.name, told.width, told.height, told.reason) == ("f_1.jpg", 20, 15, "")


def test_a_frame_that_takes_too_long_is_given_up_and_the_next_is_shown(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "allowed/f_1.png").write_bytes(png(40, 30))
    hang = tmp_path / "hang.py"
    hang.write_text("import time\nwhile True:\n    time.sleep(1)\n")
    with monkeypatch.context() as slow:
        slow.setattr(previews, "_PROGRAM", str(hang))
        slow.setattr(previews, "LIMIT_S", 0.5)
        assert made(rig, result(tmp_path / "allowed")).reason == "making a picture of f_1.png took too long"
    assert made(rig, result(tmp_path / "allowed")).width == 20  # what failed by bad luck is not remembered


def test_more_panels_than_may_wait_get_an_answer_each(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "allowed/f_1.png"
    path.write_bytes(png(40, 30))
    for number in range(1000):
        rig.runner.preview(PreviewOrder(f"many{number}", (result(tmp_path / "allowed"),), 20))
    rig.until(lambda _: sum(isinstance(event, Previewed) for event in rig.seen) >= 1000)
    told = [event for event in rig.seen if isinstance(event, Previewed)]
    assert {one.request for one in told} == {f"many{number}" for number in range(1000)}
    assert any(one.png for one in told)
    assert all(one.png or one.reason for one in told)


def test_a_name_that_leads_out_of_the_output_folder_is_not_opened(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "f_1.png").write_bytes(png(40, 30))
    (tmp_path / "allowed/f_2.png").symlink_to(tmp_path / "f_1.png")
    size = len(png(40, 30))
    for name in ("../f_1.png", str(tmp_path / "f_1.png"), "f_2.png"):
        order = PublishOrder("aaaa-1-1", JOB, 0, 0, str(tmp_path / "allowed"), (FrameFile(name, size, b"h" * 32),))
        told = made(rig, order)
        assert (told.png, "do not lie on this machine" in told.reason) == ("", True)


def test_only_the_last_few_pictures_are_remembered(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "_REMEMBERED", 3)
    (tmp_path / "allowed/f_1.png").write_bytes(png(40, 30))
    for size in range(16, 22):
        order = PreviewOrder(str(size), (result(tmp_path / "allowed"),), size)
        assert rig.runner._previews.make(order).reason == ""
    assert [size for _, _, size in rig.runner._previews._made] == [19, 20, 21]


class Delivered:
    """A node's files, of which one job may come home to one folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def may_deliver(self, job: str, directory: str) -> bool:
        return (job, directory) == (JOB, str(self.folder))

    def place(self, *_: object) -> None:
        raise StoreError("it is not in the store")


def test_of_a_job_that_travels_only_the_folder_that_this_user_chose_is_read(rig: Rig, tmp_path: Path) -> None:
    """A job's output folder is what another user wrote: it may name any folder of this machine."""
    home, private = tmp_path / "home-coming", tmp_path / "private"
    for folder in (home, private):
        folder.mkdir()
        (folder / "f_1.png").write_bytes(png(40, 30))
    rig.runner._place.files = Delivered(home)  # type: ignore[assignment]
    own = replace(result(home), files=FilesMode.PEERS)
    assert made(rig, own).path == str(home / "f_1.png")
    told = made(rig, replace(own, output_dir=str(private)))
    assert (told.png, "do not lie on this machine" in told.reason) == ("", True)
    assert made(rig, replace(own, job="jobofothers2")).png == ""
