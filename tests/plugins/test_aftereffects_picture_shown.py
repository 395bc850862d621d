"""The picture of a job's last finished frame in the After Effects panel."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aftereffects_answers import ANSWERS, row
from aftereffects_rig import AfterEffects
from fake_node import FakeNode

from peerfarm.errors import RequestRefused


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path, ANSWERS) as node:
        yield node


def png(width: int = 128, height: int = 72) -> bytes:
    """A picture with every byte in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(at % 256 for at in range(width)) for _ in range(height))
    text = chunk(b"tEXt", b"all\0" + bytes(range(1, 256)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + text + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


def pictured(content: bytes, **more: Any) -> dict[str, Any]:
    told = {"frame": "shot_0012.png", "width": 128, "height": 72, "path": "/frames/shot_0012.png"}
    return told | {"png": base64.b64encode(content).decode()} | more


def files(ae: AfterEffects) -> list[bytes]:
    return [path.read_bytes() for path in ae.temporary.iterdir()]


def image(ae: AfterEffects) -> str | None:
    return next(one["image"] for one in ae.widgets() if one["type"] == "image")


def test_the_newest_jobs_last_frame_is_shown_and_its_file_goes_with_the_panel(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(1), row(2)], "total": 2}
    node.answers["thumbnail"] = pictured(png())
    with AfterEffects(tmp_path, None) as ae:
        assert node.params_of("thumbnail") == {"job": "job1", "size": 128, "wait": False}
        assert files(ae) == [png()]
        assert image(ae) == str(next(ae.temporary.iterdir()))
        assert "shot 1: shot_0012.png" in ae.text()
        asked = len(node.asked)
        node.answers["jobs"] = {"jobs": [row(1, eta_s=60), row(2)], "total": 2}
        ae.tick()
        assert [call for call in node.methods()[asked:] if call == "thumbnail"] == []  # no new frame, no new picture
        ae.do("close")
        assert files(ae) == []


def test_another_frame_or_job_replaces_the_picture_and_never_more_than_one_file_lies_there(
    node: FakeNode, tmp_path: Path
) -> None:
    node.answers["jobs"] = {"jobs": [row(1), row(2)], "total": 2}
    node.answers["thumbnail"] = pictured(png())
    with AfterEffects(tmp_path, None) as ae:
        node.answers["thumbnail"] = pictured(png(127, 71), frame="shot_0013.png")
        node.answers["jobs"] = {"jobs": [row(1, frames={"total": 8, "done": 3}), row(2)], "total": 2}
        ae.tick()
        assert files(ae) == [png(127, 71)]
        assert "shot 1: shot_0013.png" in ae.text()
        ae.choose(1)
        ae.tick()
        assert node.asked[-1] == ("thumbnail", {"job": "job2", "size": 128, "wait": False})
        assert len(files(ae)) == 1
        node.answers["jobs"] = {"jobs": [], "total": 0}
        ae.tick()
        assert (files(ae), image(ae)) == ([], None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"frame": None, "reason": "EXR frames need peerfarm's extra"}, "No picture: EXR frames need"),
        (pictured(png(), png="AAA"), ""),
        (pictured(png(), png="!" * 400), ""),
        (pictured(png(), png="A" * 300_000), ""),
        (pictured(b"no picture at all"), "cannot be shown"),
        ({"frame": 3}, ""),
        (RequestRefused("there is no job 'job1'"), "there is no job"),
    ],
)
def test_a_picture_that_cannot_be_shown_leaves_words_and_no_file(
    node: FakeNode, tmp_path: Path, answer: Any, words: str
) -> None:
    node.answers["jobs"] = {"jobs": [row(1)], "total": 1}
    node.answers["thumbnail"] = answer
    with AfterEffects(tmp_path, None) as ae:
        assert words in ae.text()
        assert (files(ae), image(ae)) == ([], None)
        assert len(ae.rows()) == 1


def test_a_picture_that_is_taller_than_its_place_is_asked_for_smaller(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(1)], "total": 1}
    node.answers["thumbnail"] = pictured(png(72, 128), width=72, height=128)
    with AfterEffects(tmp_path, None) as ae:
        assert files(ae) == []
        ae.tick()
        assert node.asked[-1] == ("thumbnail", {"job": "job1", "size": 72, "wait": False})
        assert files(ae) == [png(72, 128)]


def test_while_a_picture_is_made_the_former_stays_and_nobody_waits(node: FakeNode, tmp_path: Path) -> None:
    node.answers["jobs"] = {"jobs": [row(1)], "total": 1}
    node.answers["thumbnail"] = pictured(png())
    with AfterEffects(tmp_path, None) as ae:
        node.answers["jobs"] = {"jobs": [row(1, frames={"total": 8, "done": 3})], "total": 1}
        node.answers["thumbnail"] = {"frame": None, "reason": "", "is_coming": True}
        ae.tick()
        assert files(ae) == [png()]
        node.answers["thumbnail"] = pictured(png(127, 71))
        ae.tick()
        assert files(ae) == [png(127, 71)]


def test_pictures_that_a_crash_left_behind_are_removed(node: FakeNode, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    old, new, other = (
        tmp_path / "temporary" / name for name in ("peerfarm-panel-1.png", "peerfarm-panel-2.png", "a.png")
    )
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1e9, 1e9))
    with AfterEffects(tmp_path, None):
        assert not old.exists()
        assert new.exists()
        assert other.exists()
