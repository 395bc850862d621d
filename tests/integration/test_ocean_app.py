"""The built-in renderer, as a real process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from peerfarm.apps.base import Fatal, FrameAnnounced, Places, Progress
from peerfarm.apps.images import ImageInfo, check_image
from peerfarm.apps.registry import app_named, built_in
from peerfarm.model.ids import JobId
from peerfarm.model.render import RenderTask

SMALL = {"width": 64, "height": 36}


def render(home: Path, frames: tuple[int, ...], into: str = "frames", **params: Any) -> tuple[list[Any], Fatal | None]:
    """Run the renderer in `home` as a runner would; give its events and the verdict."""
    app = app_named("ocean")
    checked = app.check_params({**SMALL, **params})
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, "ocean", checked, frames, "/out", "sea_####.png")
    work = home / "work"
    for place in (work, home / "frames"):
        place.mkdir(parents=True)
    command = app.build(built_in(sys.executable, {})[0], task, Places(str(work), str(home / into), ""))
    for name, text in command.files.items():
        (work / name).write_text(text, "utf-8")
    ended = subprocess.run(command.argv, cwd=work, capture_output=True, text=True, check=False)
    reader = app.reader(task)
    events = [event for line in (ended.stdout + ended.stderr).splitlines() for event in reader.feed(line)]
    return events, reader.judge(ended.returncode)


def test_every_frame_is_a_complete_image_and_is_announced(tmp_path: Path) -> None:
    events, verdict = render(tmp_path, (-1, 7))
    assert verdict is None
    assert [event.frame for event in events if isinstance(event, FrameAnnounced)] == [-1, 7]
    assert [event.fraction for event in events if isinstance(event, Progress)][-1] == 1.0
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["sea_-0001.png", "sea_0007.png"]
    for path in (tmp_path / "frames").iterdir():
        with path.open("rb") as file:
            assert check_image(file, path.stat().st_size, path.name) == ImageInfo("PNG", 64, 36)
        with Image.open(path) as picture:
            picture.load()


def test_the_sea_moves_and_is_the_same_each_time(tmp_path: Path) -> None:
    render(tmp_path / "one", (1, 2))
    render(tmp_path / "two", (2,))
    first, again = (tmp_path / "one" / "frames", tmp_path / "two" / "frames")
    assert (first / "sea_0002.png").read_bytes() == (again / "sea_0002.png").read_bytes()
    assert (first / "sea_0001.png").read_bytes() != (first / "sea_0002.png").read_bytes()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_there_is_a_bright_warm_sky_over_darker_water(tmp_path: Path, seed: int) -> None:
    render(tmp_path, (12,), seed=seed)
    with Image.open(tmp_path / "frames" / "sea_0012.png") as picture:
        sky = ImageStat.Stat(picture.crop((0, 8, 64, 14)))
        sea = ImageStat.Stat(picture.crop((0, 18, 64, 36)))
    assert sum(sky.mean) > sum(sea.mean)
    assert sky.mean[0] > sky.mean[2]
    assert min(sea.stddev) > 5


def test_a_directory_that_is_gone_gets_a_sentence(tmp_path: Path) -> None:
    events, verdict = render(tmp_path, (1,), into="gone")
    assert not any(isinstance(event, FrameAnnounced) for event in events)
    assert verdict is not None
    assert "could not be written" in verdict.message
