"""Whatever folders and numbers Maya's images have, each ends under its frame's name; the program runs Render itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from peerfarm.apps.programs import program_path


def rendered(
    work: Path, names: list[str], frames: list[int], prefix: str = "shot", code: int = 0
) -> tuple[int, list[str]]:
    """Run the program around a Render that writes these files; its exit code and what lies in the folder after it."""
    folder = work / "frames"
    folder.mkdir()
    render = work / "render.py"
    lines = ["import pathlib, sys"]
    for name in names:
        lines.append(f"p = pathlib.Path({str(folder / name)!r}); p.parent.mkdir(parents=True, exist_ok=True)")
        lines.append(f"p.write_text({name!r})")
    lines.append("print(' '.join(sys.argv[1:]))")
    render.write_text("\n".join([*lines, f"sys.exit({code})"]), "utf-8")
    order = {
        "argv": [sys.executable, str(render), str(work / "scene.ma")],
        "has_project": False,
        "directory": str(folder),
        "prefix": prefix,
        "frames": [(frame, f"shot_{frame:04d}.png") for frame in frames],
    }
    (work / "order.json").write_text(json.dumps(order), "utf-8")
    argv = [sys.executable, "-I", "-S", program_path("maya_render.py"), str(work / "order.json")]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"-proj {work}" in ended.stdout
    return ended.returncode, [f"{path.name}={path.read_text()}" for path in sorted(folder.glob("*.png"))]


@pytest.mark.parametrize(
    "name",
    [
        "shot.0001.png",
        "beauty/shot.0001.png",
        "beauty/cam/shot_0001.png",
        "shot.png.0001",
        "shot0001.png",
        "x/other-1.png",
    ],
)
def test_an_image_gets_its_frames_name_from_wherever_maya_put_it(tmp_path: Path, name: str) -> None:
    assert rendered(tmp_path, [name], [1]) == (0, ["shot_0001.png=" + name])


def test_the_image_goes_before_passes_and_what_was_not_asked_for(tmp_path: Path) -> None:
    names = ["Z/shot_Z.0002.png", "beauty/shot.0002.png", "beauty/shot.0003.png", "beauty/shot.0002.exr"]
    assert rendered(tmp_path, names, [2]) == (0, ["shot_0002.png=beauty/shot.0002.png"])


def test_negative_frames_and_exit_codes_are_kept(tmp_path: Path) -> None:
    assert rendered(tmp_path, ["shot.-0005.png"], [-5], code=211) == (211, ["shot_-005.png=shot.-0005.png"])


def test_a_missing_image_is_left_missing(tmp_path: Path) -> None:
    assert rendered(tmp_path, ["shot.0001.png"], [1, 2], code=210) == (210, ["shot_0001.png=shot.0001.png"])


def test_a_scene_of_one_frame_may_write_it_without_a_number(tmp_path: Path) -> None:
    assert rendered(tmp_path, ["beauty/shot.png", "Z/shot_Z.png"], [7]) == (0, ["shot_0007.png=beauty/shot.png"])


def test_an_image_without_a_number_is_no_frame_of_several(tmp_path: Path) -> None:
    assert rendered(tmp_path, ["shot.png"], [7, 8]) == (0, ["shot.png=shot.png"])
