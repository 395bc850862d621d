"""An attempt renders what nodes brought along: files laid out, frames kept in the store, nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runner_rig import JOB, LIMIT_S, WRITE_FRAMES, Rig, png
from transfer_rig import Farm, Place, until

from peerfarm.apps.command import CommandApp
from peerfarm.config import Settings
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.job import FilesMode
from peerfarm.model.pathmap import checkout_map
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStopped,
    FailReason,
    FrameFile,
    PublishOrder,
    PublishResult,
    StepInput,
)
from peerfarm.runner.brought import mapped_params, result_pin
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.files import ref_of
from peerfarm.store.blobs import Packed

ATTEMPT = "abcdefghijklmnop-aaaaaaaa-7"
TELL = """
for place, _, names in sorted(os.walk('files')):
    for name in sorted(names):
        print('laid', os.path.join(place, name), os.path.getsize(os.path.join(place, name)))
print('scene is', os.environ.get('SCENE'))
print('says', open(os.environ['SCENE']).read())
"""
TELL_INPUTS = """
for step in sorted(os.listdir('inputs')):
    for name in sorted(os.listdir(os.path.join('inputs', step))):
        print('sees', step, name, os.path.getsize(os.path.join('inputs', step, name)))
"""


class Studio:
    """A worker with a runner, and the artist's node that packed the scene."""

    def __init__(self, directory: Path) -> None:
        self.farm = Farm(directory / "farm")
        self.artist, self.worker = self.farm.add(2, patience_s=1.0)
        self.base = directory / "show"
        (directory / "unused").mkdir()
        self.rig = Rig(directory / "home", directory / "unused", roots=())
        self.rig.runner._place.files = self.worker.files

    def pack(self) -> Packed:
        """A scene with a texture, in the artist's store alone."""
        return self.artist.pack({"scene.txt": b"a fine scene", "tex/wood.png": b"w" * 300_000}, self.base)

    def brought(self, root: BlobRef | None, **more: Any) -> dict[str, Any]:
        """What makes a task one of a job that brings its files along."""
        scene = str(self.base / "scene.txt")
        params = {"paths": [scene], "environment": {"SCENE": scene}} if root is not None else {}
        return {"files": FilesMode.PEERS, "manifest": root, "output_dir": "", "params": params, **more}

    def leftovers(self) -> list[str]:
        """What lies in the work directories and among the attempts, but for logs and lists."""
        home = self.rig.home
        found = list((home / "work").glob("*/*"))
        return [str(path) for path in (*found, *(home / "attempts").glob("*/frames"))]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.rig.runner.close(LIMIT_S)
    studio.farm.close()


def printed(studio: Studio, attempt: str, word: str) -> list[str]:
    return [line for line in studio.rig.log(attempt).splitlines() if line.startswith(word + " ")]


def test_the_scene_is_fetched_and_laid_out_and_paths_lead_into_it(studio: Studio) -> None:
    root = studio.pack().root
    ending = studio.rig.run(TELL, **studio.brought(root))
    assert isinstance(ending, AttemptRendered), ending
    assert printed(studio, ending.attempt, "laid") == ["laid files/scene.txt 12", "laid files/tex/wood.png 300000"]
    assert printed(studio, ending.attempt, "says") == ["says a fine scene"]
    (scene,) = printed(studio, ending.attempt, "scene")
    assert scene == f"scene is {studio.rig.home / 'work' / 'slot-0' / 'files' / 'scene.txt'}"
    assert studio.leftovers() == []


def test_verified_frames_go_into_the_store_and_are_pinned_there(studio: Studio) -> None:
    ending = studio.rig.run(WRITE_FRAMES, (1, 2), **studio.brought(studio.pack().root))
    assert isinstance(ending, AttemptRendered), ending
    assert [frame.name for frame in ending.frames] == ["f_0001.png", "f_0002.png"]
    assert [studio.worker.content(ref_of(frame)) for frame in ending.frames] == [png(), png()]
    pinned = studio.worker.store.pinned(result_pin(JOB, ending.attempt))
    assert pinned == {frame.sha256 for frame in ending.frames}
    assert studio.leftovers() == []


def test_a_frame_that_is_not_as_it_should_be_never_reaches_the_store(studio: Studio) -> None:
    code = "open(os.path.join(frames, names[0]), 'wb').write(b'no image')"
    ending = studio.rig.run(code, (1,), **studio.brought(None))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.OUTPUT_MISSING
    assert studio.worker.store.usage().blobs == 0
    assert studio.leftovers() == []


def test_what_earlier_steps_rendered_is_fetched_and_appears_under_inputs(studio: Studio) -> None:
    frames = studio.artist.put(os.urandom(200_000), "f_0001.exr"), studio.artist.put(b"two", "f_0002.exr")
    given = StepInput("sim", "", "some-attempt", tuple(f.name for f in frames), frames, (studio.artist.id,))
    ending = studio.rig.run(TELL_INPUTS, **studio.brought(None, inputs=(given,)))
    assert isinstance(ending, AttemptRendered), ending
    assert printed(studio, ending.attempt, "sees") == ["sees sim f_0001.exr 200000", "sees sim f_0002.exr 3"]
    assert studio.leftovers() == []


def test_what_was_laid_out_for_an_attempt_that_cannot_begin_is_removed(studio: Studio) -> None:
    lost = FrameFile("f_0002.exr", 5000, b"l" * 32)
    steps = ("sim", studio.artist.put(b"one", "f_0001.exr")), ("comp", lost)
    given = tuple(
        StepInput(step, "", f"attempt-{step}", (frame.name,), (frame,), (studio.artist.id,)) for step, frame in steps
    )
    ending = studio.rig.run(TELL_INPUTS, **studio.brought(studio.pack().root, inputs=given))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.FILES_MISSING
    assert (ending.lost_inputs, ending.lacking) == (("attempt-comp",), (studio.artist.id,))
    assert studio.leftovers() == []


def test_an_input_that_is_damaged_here_is_fetched_from_another_node_within_the_same_attempt(studio: Studio) -> None:
    content = os.urandom(5000)
    frame = studio.artist.put(content, "f_0001.exr")
    assert studio.worker.put(content, "f_0001.exr") == frame
    (kept,) = [path for path in (studio.worker.home / "blobs").rglob(frame.sha256.hex()) if path.is_file()]
    kept.chmod(0o644)
    kept.write_bytes(b"x" * 5000)
    given = StepInput("sim", "", "some-attempt", (frame.name,), (frame,), (studio.artist.id,))
    ending = studio.rig.run(TELL_INPUTS, **studio.brought(None, inputs=(given,)))
    assert isinstance(ending, AttemptRendered), ending
    assert printed(studio, ending.attempt, "sees") == ["sees sim f_0001.exr 5000"]
    assert studio.leftovers() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ""])
def test_an_input_never_leads_out_of_its_directory(studio: Studio, name: str) -> None:
    given = StepInput("sim", "", "some-attempt", (name,), (studio.artist.put(b"evil", name),), (studio.artist.id,))
    ending = studio.rig.run(TELL_INPUTS, **studio.brought(None, inputs=(given,)))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.NOT_ALLOWED


def test_a_stop_during_the_fetch_is_no_failure_and_the_slot_renders_on(studio: Studio) -> None:
    nowhere = BlobRef(BlobId(b"l" * 32), 5000)
    studio.worker.transfers._swarm._patience_s = LIMIT_S
    attempt = studio.rig.start("pass", **studio.brought(nowhere))
    studio.rig.until(lambda event: isinstance(event, AttemptProgressed) and "fetching" in event.text)
    studio.rig.runner.stop(attempt)
    assert isinstance(studio.rig.ending(attempt), AttemptStopped)
    ending = studio.rig.run(TELL, **studio.brought(studio.pack().root))
    assert isinstance(ending, AttemptRendered), ending


def test_files_that_nobody_holds_are_the_reason_of_the_failure(studio: Studio) -> None:
    packed = studio.pack()
    studio.artist.store.drop(packed.manifest.files[1].blocks.id)
    ending = studio.rig.run(TELL, **studio.brought(packed.root))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.FILES_MISSING
    assert "no machine that can be reached holds 1 of its 2 files" in ending.message
    assert studio.leftovers() == []


def test_a_path_that_was_not_brought_along_is_named(studio: Studio) -> None:
    brought = studio.brought(studio.pack().root)
    brought["params"] = {"paths": ["/elsewhere/scene.txt"]}
    ending = studio.rig.run(TELL, **brought)
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.FILES_USELESS
    assert "/elsewhere/scene.txt" in ending.message
    assert studio.rig.run("pass", **studio.brought(None)).attempt  # the slot goes on
    assert studio.leftovers() == []


def test_what_the_own_disk_spoilt_is_fetched_again_and_rendered(studio: Studio) -> None:
    packed = studio.pack()
    assert isinstance(studio.rig.run(TELL, **studio.brought(packed.root)), AttemptRendered)
    studio.worker.spoil(packed.manifest.files[1].ref)
    ending = studio.rig.run(TELL, **studio.brought(packed.root))
    assert isinstance(ending, AttemptRendered), ending
    assert studio.worker.content(packed.manifest.files[1].ref) == b"w" * 300_000


def test_a_full_store_is_told_as_a_full_disk(studio: Studio, tmp_path: Path) -> None:
    (small,) = studio.farm.add(1, quota_bytes=100_000)
    studio.rig.runner._place.files = small.files
    ending = studio.rig.run(TELL, **studio.brought(studio.pack().root))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.DISK_FULL
    assert "no room" in ending.message


def test_a_store_that_refuses_is_told_as_this_nodes_own_fault(studio: Studio) -> None:
    studio.worker.store.close()  # its pins can be written no more
    ending = studio.rig.run(WRITE_FRAMES, (1,), **studio.brought(None))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.STORE_REFUSED


def test_a_disk_that_is_too_full_for_rendered_frames_is_no_fault_of_the_task(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peerfarm.store.blobs.stock.free_bytes", lambda _directory: 1000)
    ending = studio.rig.run(WRITE_FRAMES, (1,), **studio.brought(None))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.STORE_REFUSED
    assert "no room for" in ending.message
    assert "Make room" in ending.message


def test_frames_are_kept_when_the_scene_has_left_no_room_in_the_store(studio: Studio) -> None:
    quota_bytes = 10 * len(png())
    (small,) = studio.farm.add(1, quota_bytes=quota_bytes)
    studio.rig.runner._place.files = small.files
    scene_bytes = quota_bytes - quota_bytes // 20
    small.store.put_bytes(os.urandom(scene_bytes), "scene/other")
    ending = studio.rig.run(WRITE_FRAMES, (1,), **studio.brought(None))
    assert isinstance(ending, AttemptRendered), ending
    assert small.store.usage().pinned_bytes == scene_bytes + len(png()) > quota_bytes


def test_frames_that_nobody_waits_for_any_more_are_fetched_no_further(studio: Studio, tmp_path: Path) -> None:
    (slow,) = studio.farm.add(1, Settings(upload_mb_s=1.0, upload_busy_mb_s=0.0))
    frame = slow.put(os.urandom(60_000_000))
    runner, place = studio.rig.runner, studio.worker
    wanted = PublishOrder(
        ATTEMPT, JOB, 0, 1, str(tmp_path / "mine"), (frame,), FilesMode.PEERS, (slow.id,), is_asked_here=True
    )
    others = replace(wanted, attempt=ATTEMPT + "0", frames=(place.put(b"another task's", "f_0002.exr"),))
    runner.publish(wanted)
    runner.publish(others)
    until(lambda: place.transfers.traffic.bytes_in > 300_000)
    runner.stop_publish(ATTEMPT)
    result = studio.rig.until(lambda event: isinstance(event, PublishResult))
    assert result == PublishResult(ATTEMPT, JOB, 0, 1, "it was stopped before all frames were in place")
    studio.rig.until(lambda event: event == PublishResult(others.attempt, JOB, 0, 1))
    runner.stop_publish(ATTEMPT)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["f_0002.exr"]


def test_a_node_without_a_store_says_so(studio: Studio) -> None:
    studio.rig.runner._place.files = None
    ending = studio.rig.run("pass", **studio.brought(None))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.INTERNAL


def test_a_root_that_is_no_manifest_fails_the_attempt_with_a_sentence(studio: Studio) -> None:
    forged: Place = studio.artist
    root, _ = forged.store.put_bytes(b"no manifest")
    ending = studio.rig.run(TELL, **studio.brought(root))
    assert isinstance(ending, AttemptFailed)
    assert ending.reason is FailReason.FILES_USELESS
    assert "manifest" in ending.message


def test_arguments_that_hold_a_path_lead_into_the_checkout_too(studio: Studio) -> None:
    brought = studio.brought(studio.pack().root)
    scene = str(studio.base / "scene.txt")
    brought["params"] = {"paths": [scene], "environment": {"SCENE": scene, "OPTION": f"--scene={scene}"}}
    ending = studio.rig.run("print('option', os.environ['OPTION'])", **brought)
    assert isinstance(ending, AttemptRendered), ending
    here = studio.rig.home / "work" / "slot-0" / "files" / "scene.txt"
    assert printed(studio, ending.attempt, "option") == [f"option --scene={here}"]


def test_a_commands_other_arguments_stay_as_they_are_within_the_roots(studio: Studio, tmp_path: Path) -> None:
    packed = studio.pack()
    paths = checkout_map(packed.manifest, str(tmp_path / "checkout"))
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "scene.txt").write_bytes(b"a fine scene")
    scene, out = studio.base / "scene.txt", studio.base / "out.mov"
    params = {"command": "tool", "args": [f"--in={scene}", f"--out={out}", "/usr/bin/env", "/dev/null", "-v"]}
    here = mapped_params(CommandApp(), params, paths, "oak", (str(studio.base),))
    assert here["args"] == [
        *(f"--in={tmp_path / 'checkout' / 'scene.txt'}", f"--out={out}"),
        *("/usr/bin/env", "/dev/null", "-v"),
    ]
    for place in (out, "/etc/passwd"):
        with pytest.raises(AttemptError, match=f"oak may not use {place}") as refused:
            mapped_params(CommandApp(), {"command": "tool", "args": [str(place)]}, paths, "oak", ())
        assert refused.value.reason is FailReason.NOT_ALLOWED


def test_two_slots_lay_the_same_scene_out_side_by_side(studio: Studio) -> None:
    root = studio.pack().root
    attempts = [studio.rig.start(TELL, slot=slot, **studio.brought(root)) for slot in (0, 1)]
    endings = [studio.rig.ending(attempt) for attempt in attempts]
    assert [type(ending) for ending in endings] == [AttemptRendered, AttemptRendered]
    assert replace(endings[0], attempt="", render_s=0.0) == replace(endings[1], attempt="", render_s=0.0)
