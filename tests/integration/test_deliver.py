"""Frames arrive in the artist's folder whole or not at all, and nothing of hers is ever lost by it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from transfer_rig import Farm, Place, until

from peerfarm.config import Settings
from peerfarm.model.files import FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult
from peerfarm.runner import naming
from peerfarm.runner.deliver import deliver
from peerfarm.runner.files import ref_of

JOB = JobId("abcdefghijkl")
ATTEMPT = "abcdefghijklmnop-aaaaaaaa-7"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    farm = Farm(tmp_path)
    yield farm
    farm.close()


@pytest.fixture
def place(farm: Farm) -> Place:
    return farm.add(1, patience_s=1.0)[0]


@pytest.fixture
def output(tmp_path: Path, place: Place) -> Path:
    output = tmp_path / "shot" / "out"
    output.mkdir(parents=True)
    place.outputs.name(JOB, [str(output)])
    return output


def order(output: Path, *frames: FrameFile, holders: tuple[NodeId, ...] = ()) -> PublishOrder:
    return PublishOrder(ATTEMPT, JOB, 0, 1, str(output), frames, FilesMode.PEERS, holders=holders, is_overwriting=False)


def carry_out(place: Place, wanted: PublishOrder, is_closing: Callable[[], bool] = lambda: False) -> PublishResult:
    result = deliver(wanted, place.files, is_closing)
    assert (result.attempt, result.job, result.step, result.task) == (ATTEMPT, JOB, 0, 1)
    return result


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_frames_appear_whole_and_nothing_else_does(place: Place, output: Path) -> None:
    large = os.urandom(700_000)
    frames = place.put(b"one", "f_0001.exr"), place.put(large, "f_0002.exr"), place.put(b"", "empty.txt")
    assert carry_out(place, order(output, *frames)).error == ""
    assert names(output) == ["empty.txt", "f_0001.exr", "f_0002.exr"]
    assert (output / "f_0002.exr").read_bytes() == large


def test_a_delivered_frame_belongs_to_the_artist_who_may_retouch_it(place: Place, output: Path) -> None:
    frame = place.put(b"as rendered")
    carry_out(place, order(output, frame))
    with (output / frame.name).open("r+b") as file:
        file.write(b"retouched..")
    assert place.store.read_bytes(ref_of(frame)) == b"as rendered"


def test_a_file_of_the_artists_own_is_never_overwritten_and_the_other_frames_arrive(place: Place, output: Path) -> None:
    frames = place.put(b"one", "f_0001.exr"), place.put(b"two", "f_0002.exr"), place.put(b"six", "f_0006.exr")
    (output / "f_0002.exr").write_bytes(b"painted by hand")
    result = carry_out(place, order(output, *frames))
    assert "f_0002.exr exists already and is not of this job" in result.error
    assert "--overwrite" in result.error
    assert "--overwrite" in result.error
    assert (output / "f_0002.exr").read_bytes() == b"painted by hand"
    assert names(output) == ["f_0001.exr", "f_0002.exr", "f_0006.exr"]


def test_it_is_replaced_when_the_artist_said_so(place: Place, output: Path) -> None:
    frame = place.put(b"new")
    (output / frame.name).write_bytes(b"painted by hand")
    assert carry_out(place, replace(order(output, frame), is_overwriting=True)).error == ""
    assert (output / frame.name).read_bytes() == b"new"


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "this file system has no such thing")


@pytest.fixture(params=["links", "renames that replace nothing", "neither"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system of the output folder can do."""
    if request.param != "links":
        monkeypatch.setattr(os, "link", refuse)
    if request.param == "neither":
        monkeypatch.setattr(naming, "_rename", refuse)
    return str(request.param)


@pytest.mark.usefixtures("disk")
def test_a_file_that_comes_to_be_after_the_frame_was_written_is_not_overwritten(place: Place, output: Path) -> None:
    frames = place.put(os.urandom(300_000)), place.put(b"the next", "f_0002.exr")
    drafts: list[int] = []

    def paint() -> bool:
        for draft in output.glob(".*.0.tmp"):
            drafts.append(draft.stat().st_size)
            (output / frames[0].name).write_bytes(b"painted just now")
        return False

    result = carry_out(place, order(output, *frames), paint)
    assert max(drafts) == 300_000, "the last time it was painted, the frame was ready to get its name"
    assert f"{output / frames[0].name} came to be" in result.error
    assert "--overwrite" in result.error
    assert (output / frames[0].name).read_bytes() == b"painted just now"
    assert (output / frames[1].name).read_bytes() == b"the next"
    assert names(output) == [frame.name for frame in frames]


@pytest.mark.usefixtures("disk")
@pytest.mark.parametrize("is_overwriting", [False, True])
def test_frames_appear_on_any_file_system(place: Place, output: Path, is_overwriting: bool) -> None:
    frame, again = place.put(os.urandom(300_000)), place.put(b"again", "f_0002.exr")
    wanted = replace(order(output, frame, again), is_overwriting=is_overwriting)
    assert carry_out(place, wanted).error == ""
    assert carry_out(place, wanted).error == ""
    assert names(output) == [frame.name, again.name]
    assert (output / again.name).read_bytes() == b"again"


def test_a_former_result_that_is_touched_meanwhile_is_left_alone(place: Place, output: Path) -> None:
    former, frame = place.put(b"older render"), place.put(os.urandom(300_000))
    (output / frame.name).write_bytes(b"older render")
    asked: list[int] = []

    def paint() -> bool:
        asked.append(1)
        if len(asked) == 3:  # the former file has been looked at, the new one is being written
            (output / frame.name).write_bytes(b"painted just now")
        return False

    wanted = replace(order(output, frame), former=(former.sha256,))
    assert "was changed" in carry_out(place, wanted, paint).error
    assert (output / frame.name).read_bytes() == b"painted just now"


def test_older_results_of_the_task_are_replaced_and_equal_ones_left_alone(place: Place, output: Path) -> None:
    former = place.put(b"older render")
    frames = place.put(b"newer render", "f_0001.exr"), place.put(b"the same", "f_0002.exr")
    (output / "f_0001.exr").write_bytes(b"older render")
    (output / "f_0002.exr").write_bytes(b"the same")
    before = (output / "f_0002.exr").stat()
    wanted = replace(order(output, *frames), former=(former.sha256,))
    assert carry_out(place, wanted).error == ""
    assert (output / "f_0001.exr").read_bytes() == b"newer render"
    after = (output / "f_0002.exr").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_half_written_frame_is_never_seen(place: Place, output: Path) -> None:
    frame = place.put(os.urandom(700_000))
    seen: list[list[str]] = []

    def look() -> bool:
        seen.append([name for name in names(output) if not name.startswith(".")])
        return len(seen) == 4

    assert "stopped" in carry_out(place, order(output, frame), look).error
    assert seen == [[], [], [], []]
    assert names(output) == []
    assert carry_out(place, order(output, frame)).error == ""
    assert names(output) == [frame.name]


def test_what_a_node_that_died_left_is_no_hindrance(place: Place, output: Path) -> None:
    frame = place.put(b"whole")
    (output / f".{ATTEMPT}.0.tmp").write_bytes(b"ha")
    assert carry_out(place, order(output, frame)).error == ""
    assert names(output) == [frame.name]


def test_a_folder_that_nobody_here_named_is_not_written_to(place: Place, tmp_path: Path) -> None:
    frame = place.put(b"forged")
    strange = tmp_path / "autostart"
    result = carry_out(place, order(strange, frame))
    assert "nobody named" in result.error
    assert "peerfarm fetch" in result.error
    assert not strange.exists()


def test_a_folder_that_the_user_asks_for_now_is_made(place: Place, tmp_path: Path) -> None:
    frame = place.put(b"asked")
    wanted = replace(order(tmp_path / "new" / "folder", frame), is_asked_here=True)
    assert carry_out(place, wanted).error == ""
    assert (tmp_path / "new" / "folder" / frame.name).read_bytes() == b"asked"


@pytest.mark.parametrize(("below", "words"), [("", "is a file"), ("deeper/folder", "cannot be made: {file} is a file")])
def test_a_folder_that_is_a_file_or_lies_below_one_is_refused_by_its_own_name(
    farm: Farm, tmp_path: Path, below: str, words: str
) -> None:
    holder, asker = farm.add(2, patience_s=1.0)
    frame = holder.put(b"asked")
    file = tmp_path / "notes.txt"
    file.write_bytes(b"mine")
    wanted = replace(order(file / below, frame, holders=(holder.id,)), is_asked_here=True)
    told = carry_out(asker, wanted).error
    assert f"the output folder {file / below} {words.format(file=file)}" in told
    assert "Choose another" in told
    assert file.read_bytes() == b"mine"
    assert not asker.store.has(ref_of(frame).id), "nothing is fetched for it"


@pytest.mark.parametrize("name", ["../f.exr", "/etc/f.exr", ".hidden", "a\\b.exr", "NUL.exr", ""])
def test_a_frame_name_that_leads_elsewhere_is_refused(place: Place, output: Path, name: str) -> None:
    result = carry_out(place, order(output, place.put(b"evil", name)))
    assert "frame name" in result.error
    assert names(output) == []


@pytest.mark.parametrize("is_overwriting", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_what_is_no_plain_file_is_left_alone(
    place: Place, output: Path, tmp_path: Path, kind: str, is_overwriting: bool
) -> None:
    frame = place.put(b"new")
    final, mine = output / frame.name, tmp_path / "mine"
    mine.write_bytes(b"mine")
    if kind == "folder":
        final.mkdir()
    elif kind == "pipe":
        os.mkfifo(final)
    else:
        final.symlink_to(mine if kind == "link" else tmp_path / "nowhere")
    before = final.lstat()
    result = carry_out(place, replace(order(output, frame), is_overwriting=is_overwriting))
    assert result.error.endswith("is no plain file, so the frame cannot be put there. Move it away.")
    assert mine.read_bytes() == b"mine"
    assert final.lstat() == before
    assert names(output) == [frame.name]


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    place: Place, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = place.put(os.urandom(300_000))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = carry_out(place, order(output, frame))
    assert f"the disk of {output} is full: 300 kB more are needed for {frame.name}" in result.error
    assert names(output) == []
    assert carry_out(place, order(output, frame)).error == ""


def test_a_removed_folder_is_made_again_but_not_where_a_disk_is_gone(place: Place, output: Path) -> None:
    frame = place.put(b"late")
    output.rmdir()
    assert carry_out(place, order(output, frame)).error == ""
    assert names(output) == [frame.name]
    (output / frame.name).unlink()
    output.rmdir()
    output.parent.rmdir()
    assert "mounted" in carry_out(place, order(output, frame)).error
    assert not output.parent.exists()


def test_a_folder_of_another_system_is_refused_though_a_user_named_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = replace(order(Path("C:\\frames"), place.put(b"frame")), is_asked_here=True)
    assert "none of this system" in carry_out(place, wanted).error
    assert list(tmp_path.glob("C:*")) == []


def test_what_stands_where_the_output_folder_belongs_is_named(place: Place, output: Path) -> None:
    frame = place.put(b"late")
    output.rmdir()
    output.symlink_to("nowhere")
    assert f"{output} is a link that leads nowhere" in carry_out(place, order(output, frame)).error
    output.unlink()
    output.write_text("mine")
    assert f"{output} is a file" in carry_out(place, order(output, frame)).error
    output.unlink()
    output.parent.rmdir()
    output.parent.write_text("mine")
    assert f"{output.parent} is a file" in carry_out(place, order(output, frame)).error
    output.parent.unlink()
    output.mkdir(parents=True)
    assert carry_out(place, order(output, frame)).error == ""


def test_frames_that_others_hold_are_fetched(farm: Farm, place: Place, output: Path) -> None:
    (worker,) = farm.add(1)
    frames = worker.put(os.urandom(400_000), "f_0001.exr"), worker.put(b"two", "f_0002.exr")
    assert carry_out(place, order(output, *frames, holders=(worker.id,))).error == ""
    assert names(output) == ["f_0001.exr", "f_0002.exr"]


def test_the_fetch_may_run_ahead_of_the_delivery(farm: Farm, place: Place, output: Path) -> None:
    (worker,) = farm.add(1)
    frame = worker.put(os.urandom(400_000))
    wanted = order(output, frame, holders=(worker.id,))
    heard: list[FetchProgressed] = []
    place.files.expect(wanted, heard.append)
    assert carry_out(place, wanted).error == ""
    assert {told.key for told in heard} == {f"result/{JOB}/{ATTEMPT}"}
    assert heard[-1].total_bytes == 400_000
    assert carry_out(place, wanted) == PublishResult(ATTEMPT, JOB, 0, 1)


def test_frames_are_kept_from_eviction_until_they_are_in_their_folder(farm: Farm, output: Path) -> None:
    (worker,) = farm.add(1)
    (small,) = farm.add(1, quota_bytes=1_000_000)
    small.outputs.name(JOB, [str(output)])
    frames = [worker.put(os.urandom(200_000), f"f_000{number}.exr") for number in range(3)]
    fillings: list[int] = []

    def fill() -> bool:
        """Other jobs' files come in all the while, and everything that may go makes room for them."""
        if list(output.iterdir()):
            fillings.append(small.put(os.urandom(340_000)).size_bytes)
        return False

    assert carry_out(small, order(output, *frames, holders=(worker.id,)), fill).error == ""
    assert len(fillings) > 3
    assert names(output) == [frame.name for frame in frames]


def test_a_delivery_that_waits_for_a_fetch_ends_when_it_is_stopped(farm: Farm, place: Place, output: Path) -> None:
    (slow,) = farm.add(1, Settings(upload_mb_s=1.0, upload_busy_mb_s=0.0))
    frame = slow.put(os.urandom(60_000_000))
    wanted = order(output, frame, holders=(slow.id,))
    moves: list[int] = []

    def is_stopped() -> bool:
        moves.append(place.transfers.traffic.bytes_in)
        return moves[-1] > 300_000

    assert carry_out(place, wanted, is_stopped).error == "it was stopped before all frames were in place"
    assert names(output) == []
    until(lambda: not place.transfers._fetches._fetches)


def test_a_fetch_that_ran_ahead_of_a_delivery_which_was_stopped_ends_too(
    farm: Farm, place: Place, output: Path
) -> None:
    (slow,) = farm.add(1, Settings(upload_mb_s=1.0, upload_busy_mb_s=0.0))
    wanted = order(output, slow.put(os.urandom(60_000_000)), holders=(slow.id,))
    place.files.expect(wanted)
    until(lambda: place.transfers.traffic.bytes_in > 300_000)
    place.files.expect_no_more(ATTEMPT)
    until(lambda: not place.transfers._fetches._fetches)
    assert carry_out(place, wanted, lambda: True).error != ""


def test_who_holds_nothing_of_what_is_missing_is_named(farm: Farm, place: Place, output: Path) -> None:
    (worker,) = farm.add(1)
    lost = FrameFile("f_0001.exr", 5000, b"l" * 32)
    result = carry_out(place, order(output, lost, holders=(worker.id,)))
    assert result.lacking == (worker.id,)
    assert result.is_missing
    assert "no machine that can be reached holds" in result.error
    assert names(output) == []


def test_a_node_without_peers_knows_that_nobody_has_what_it_lost(place: Place, output: Path) -> None:
    result = carry_out(place, order(output, FrameFile("f_0001.exr", 5000, b"l" * 32), holders=(place.id,)))
    assert (result.lacking, result.is_missing) == ((), True)


def test_a_frame_that_the_own_disk_spoilt_is_fetched_anew(farm: Farm, place: Place, output: Path) -> None:
    (worker,) = farm.add(1)
    data = os.urandom(400_000)
    frame, own = worker.put(data), place.put(data)
    assert frame == own
    place.spoil(ref_of(frame))
    wanted = order(output, frame, holders=(worker.id,))
    assert "damaged" in carry_out(place, wanted).error
    assert names(output) == []
    assert carry_out(place, wanted).error == ""
    assert (output / frame.name).read_bytes() == data
