"""The Blender app with the Blender of this machine, as real processes."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from peerfarm.apps.base import PICTURE, Command, Fatal, FrameAnnounced, LineEvent, Places, Progress
from peerfarm.apps.blender import SAFE_START, BlenderApp, blend_version
from peerfarm.apps.blender_scene import inspection, parse_inspection
from peerfarm.apps.images import check_image
from peerfarm.apps.programs import program_path
from peerfarm.model.ids import JobId
from peerfarm.model.render import Capability, FailReason, RenderTask

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(180)]

APP = BlenderApp()


@dataclass
class Run:
    """How one real run ended."""

    events: list[LineEvent]
    verdict: Fatal | None
    dimensions: tuple[int, int]
    frames: Path


def start(command: Command, work: Path) -> subprocess.CompletedProcess[str]:
    for name, text in command.files.items():
        (work / name).write_text(text, "utf-8")
    return subprocess.run(
        command.argv, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


@pytest.fixture(scope="module")
def found() -> Capability:
    """This machine's Blender, found as a node finds it."""
    path = shutil.which("blender")
    assert path, "these tests need a Blender on PATH"
    candidate = next(one for one in APP.candidates("Linux", ()) if one.path == "blender")
    asked = subprocess.run((path, *candidate.version_argv), capture_output=True, text=True, check=True)
    capability = APP.identify(path, asked.stdout)
    assert capability is not None
    return capability


@pytest.fixture(scope="module")
def scene(found: Capability, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's sea, very small."""
    path = tmp_path_factory.mktemp("scene") / "ocean.blend"
    maker = program_path("make_ocean_scene.py")
    wishes = ("--size", "48x32", "--samples", "1", "--frames", "5")
    argv = (found.executable, "-b", "--factory-startup", "--python-exit-code", "9", "-P", maker, "--", str(path))
    subprocess.run((*argv, *wishes), check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def scripted(found: Capability, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene that leaves a mark beside itself when its script is run, and wants the denoiser."""
    path = tmp_path_factory.mktemp("scripted") / "scripted.blend"
    script = f"""
import bpy
text = bpy.data.texts.new("start.py")
text.write("open({str(path) + ".ran"!r}, 'w').close()")
text.use_module = True
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, True
scene.render.resolution_x, scene.render.resolution_y = 32, 32
bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})
"""
    argv = (found.executable, "-b", "--factory-startup", "--python-exit-code", "9", "--python-expr", script)
    subprocess.run(argv, check=True, capture_output=True)
    return path


def render(found: Capability, home: Path, scene: Path, frames: tuple[int, ...], pattern: str, **params: Any) -> Run:
    checked = APP.check_params({"scene": str(scene), "threads": 1, **params})
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, "blender", checked, frames, "/out", pattern)
    places = Places(str(home / "work"), str(home / "frames"), "")
    for place in (places.work, places.frames):
        Path(place).mkdir(exist_ok=True)
    ended = start(APP.build(found, task, places), home / "work")
    reader = APP.reader(task)
    events = [event for line in ended.stdout.splitlines() for event in reader.feed(line)]
    return Run(events, reader.judge(ended.returncode), reader.dimensions, home / "frames")


def test_a_chunk_with_gaps_is_rendered_announced_and_complete(found: Capability, scene: Path, tmp_path: Path) -> None:
    run = render(found, tmp_path, scene, (5, 2), "sea_{a}_###.png", width=64, samples=2)
    assert run.verdict is None
    assert [event.frame for event in run.events if isinstance(event, FrameAnnounced)] == [5, 2]
    assert [event.fraction for event in run.events if isinstance(event, Progress)][-1] == 1.0
    assert run.dimensions == (64, 32)
    assert sorted(path.name for path in run.frames.iterdir()) == ["sea_{a}_002.png", "sea_{a}_005.png"]
    images = [path.read_bytes() for path in run.frames.iterdir()]
    assert images[0] != images[1]
    for path in run.frames.iterdir():
        with path.open("rb") as file:
            info = check_image(file, path.stat().st_size, path.name)
        assert (info.format, info.width, info.height) == ("PNG", *run.dimensions)


@pytest.mark.parametrize("extension", ["exr", "tif", "jpg"])
def test_other_formats_are_written_complete_with_a_small_picture(
    found: Capability, scene: Path, tmp_path: Path, extension: str
) -> None:
    run = render(found, tmp_path, scene, (1,), f"sea_####.{extension}", percent=50)
    assert run.verdict is None
    path = run.frames / f"sea_0001.{extension}"
    with path.open("rb") as file:
        info = check_image(file, path.stat().st_size, path.name)
    assert (info.width, info.height) == (24, 16) == run.dimensions
    picture = tmp_path / "work" / PICTURE
    with picture.open("rb") as file:
        small = check_image(file, picture.stat().st_size, picture.name)
    assert (small.format, small.width, small.height) == ("PNG", 24, 16)
    assert not list((tmp_path / "work").glob("*.jpg"))


def test_frames_count_though_their_small_picture_cannot_be_written(
    found: Capability, scene: Path, tmp_path: Path
) -> None:
    (tmp_path / "work" / PICTURE).mkdir(parents=True)
    run = render(found, tmp_path, scene, (1,), "sea_####.exr", percent=50)
    assert run.verdict is None
    assert [path.name for path in run.frames.iterdir()] == ["sea_0001.exr"]


def test_a_scene_cannot_run_its_scripts(found: Capability, scripted: Path, tmp_path: Path) -> None:
    run = render(found, tmp_path, scripted, (1,), "a_####.png", denoise=False)
    assert run.verdict is None
    assert not Path(f"{scripted}.ran").exists()


def test_the_denoiser_works_or_is_named_as_missing(found: Capability, scripted: Path, tmp_path: Path) -> None:
    run = render(found, tmp_path, scripted, (1,), "a_####.png")
    if "denoiser" in found.tags:
        assert run.verdict is None
    else:
        assert run.verdict is not None
        assert "denoiser" in run.verdict.message


def test_a_scene_of_another_version_is_refused_before_it_is_loaded(
    found: Capability, scene: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.blend"
    data = scene.read_bytes()
    assert blend_version(data[:17]) == ".".join(found.version.split(".")[:2])
    other.write_bytes(b"BLENDER-v299" + data[12:])
    run = render(found, tmp_path, other, (1,), "a_####.png")
    assert run.verdict is not None
    assert run.verdict.reason is FailReason.APP_NOT_FOUND
    assert "saved by Blender 2.99" in run.verdict.message


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"scene_name": "Nowhere"}, "no scene named 'Nowhere'"),
        ({"view_layer": "Nothing"}, "no view layer named 'Nothing'"),
        ({"camera": "Nobody"}, "no camera named 'Nobody'"),
        ({"engine": "LUXCORE"}, "no render engine 'LUXCORE'"),
    ],
)
def test_a_name_that_the_scene_lacks_is_an_error_and_not_a_guess(
    found: Capability, scene: Path, tmp_path: Path, params: dict[str, Any], words: str
) -> None:
    run = render(found, tmp_path, scene, (1,), "a_####.png", **params)
    assert run.verdict is not None
    assert words in run.verdict.message
    assert not list(run.frames.iterdir())


def test_a_scene_tells_its_defaults(found: Capability, scene: Path, tmp_path: Path) -> None:
    defaults = parse_inspection(start(inspection(found, str(scene)), tmp_path).stdout)
    assert (defaults["frame_start"], defaults["frame_end"], defaults["frame_step"]) == (1, 5, 1)
    assert (defaults["width"], defaults["height"], defaults["camera"]) == (48, 32, "Camera")
    assert defaults["output"] == str(scene.with_name("ocean_####"))
    assert defaults["extension"] == ".png"
    assert not defaults["uses_denoiser"]


def test_the_order_is_all_that_the_program_in_blender_needs(found: Capability, scene: Path, tmp_path: Path) -> None:
    """An order with nothing to render loads the scene, says its size, and ends well."""
    checked = APP.check_params({"scene": str(scene)})
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, "blender", checked, (), "/out", "a_####.png")
    command = APP.build(found, task, Places(str(tmp_path), str(tmp_path), ""))
    assert command.argv[1:5] == SAFE_START
    ended = start(command, tmp_path)
    told = [json.loads(line[9:])["event"] for line in ended.stdout.splitlines() if line.startswith("PEERFARM ")]
    assert (told, ended.returncode) == (["start", "end"], 0)
