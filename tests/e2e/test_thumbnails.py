"""Panels show the last finished frame of a job: a small PNG from a real node, and a reason where there is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from apart_rig import ApartFarm, submit
from farm_rig import SIZE, RealFarm
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def picture(told: dict[str, Any]) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(told["png"])))
    image.load()
    assert image.format == "PNG"
    assert image.size == (told["width"], told["height"])
    return image


def test_the_last_frame_is_shown_small_and_a_damaged_one_gives_a_reason(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    job = farm.submit(ada, "1-3", 1, frame_s=0.1)
    farm.wait_published(job, ada)
    told = ada.call("thumbnail", job=job, size=32)
    assert told["frame"] == Path(told["path"]).name == "f_0003.png"
    assert max(picture(told).size) == min(32, max(SIZE))
    assert told == ada.call("thumbnail", job=job, size=32)

    frame = Path(told["path"])
    frame.write_bytes(bytes(frame.stat().st_size))
    told = ada.call("thumbnail", job=job, size=32)
    assert told["frame"] is None
    assert "PNG" in told["reason"]


def test_a_job_without_a_finished_frame_says_so(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    job = farm.submit(ada, "1", 1, frame_s=600)
    assert ada.call("thumbnail", job=job) == {"frame": None, "reason": "no frame of this job is done yet"}


def test_frames_that_travelled_are_shown_on_every_node_though_no_other_may_read_the_artists_folder(
    tmp_path: Path,
) -> None:
    farm = ApartFarm(tmp_path)
    try:
        ada, ben, cleo = farm.add_workers(3)
        farm.start()
        folder = farm.laptop / "frames"
        words = ("--app", "ocean", "--param", "width=64", "--param", "height=36", "--frames", "1-3")
        job = submit(ada, *words, "--output", str(folder / "f_####.png"))
        farm.wait_published(job, ada)
        told = ada.call("thumbnail", job=job, size=32)
        assert Path(told["path"]).parent == folder
        assert picture(told).size == (32, 18)
        farm.wait_published(job, ben)
        farm.wait_published(job, cleo)
        answers = [node.call("thumbnail", job=job, size=32) for node in (ben, cleo)]
        for answer in answers:  # from its own store or the worker's: the artist's folder is not theirs to read
            assert answer["frame"].startswith("f_")
            assert answer["path"] == ""
            assert picture(answer).size == (32, 18)
    finally:
        farm.close()
