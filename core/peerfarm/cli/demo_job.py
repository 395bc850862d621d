"""What the demo renders: which app, which scene, and the job as it is submitted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.apps.blender import SAFE_START
from peerfarm.apps.programs import program_path
from peerfarm.cli.demo_nodes import Farm
from peerfarm.errors import AppNotFound, PeerfarmError
from peerfarm.model.frames import parse_frames

PATTERN = "demo_####.png"
SCENE_LIMIT_S = 180.0
OCEAN_SIZE = (320, 180)
OCEAN_FRAME_S = 0.8
"""Long enough to watch and to be interrupted; the wave itself is drawn faster."""
BLENDER_SIZE = "320x180"
BLENDER_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked the demo to render."""

    app: str
    """`blender` or `ocean`; empty for Blender where it is found, else ocean."""
    scene: str
    """Absolute path of the user's own scene; empty for ours."""
    frames: str
    chunk: int
    output: Path


def frame_numbers(wish: Wish) -> list[int]:
    """The frames that the demo must end with, ascending.

    Raises:
        InvalidFrames: The expression cannot be read.
    """
    return sorted({n for first, last, step in parse_frames(wish.frames) for n in range(first, last + 1, step)})


def choose_app(wish: Wish, farm: Farm) -> dict[str, Any]:
    """The application to render with, as the method `apps` tells it.

    Raises:
        AppNotFound: Blender is needed, and no node found one.
    """
    told = [node.call("apps") for node in farm.living]
    found = [app for answer in told for app in answer["apps"]]
    blender: dict[str, Any] | None = next((app for app in found if app["app"] == "blender"), None)
    if wish.app == "ocean" or (blender is None and not wish.app and not wish.scene):
        return next(app for app in found if app["app"] == "ocean")
    if blender is None:
        problems = sorted({problem for answer in told for problem in answer["problems"]})
        raise AppNotFound(
            "no Blender was found on this machine" + (f": {'; '.join(problems)}" if problems else ""),
            "Install it, or set PEERFARM_BLENDER to its executable, or watch the built-in renderer: --app ocean.",
        )
    return blender


def make_scene(blender: str, scene: Path, frames: list[int]) -> None:
    """Let Blender make the demo's own scene.

    Raises:
        PeerfarmError: It does not succeed; the message holds Blender's last words.
    """
    scene.parent.mkdir(parents=True, exist_ok=True)
    program = program_path("make_ocean_scene.py")
    wishes = ("--size", BLENDER_SIZE, "--samples", str(BLENDER_SAMPLES), "--frames", str(max(2, *frames)))
    try:
        done = subprocess.run(  # noqa: S603 - the Blender that a node found here, and words of our own
            [blender, *SAFE_START, "--factory-startup", "-P", program, "--", str(scene), *wishes],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SCENE_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerfarmError(
            f"{blender} did not make the scene within {SCENE_LIMIT_S:g} s", "Give your own with --scene."
        ) from None
    if done.returncode or not scene.is_file():
        said = " | ".join(done.stdout.decode("utf-8", "replace").splitlines()[-5:])
        raise PeerfarmError(f"{blender} could not make the demo's scene: {said}", "Give your own with --scene.")


def build_job(wish: Wish, app: dict[str, Any], scene: Path | None, workers: int) -> dict[str, Any]:
    """The job as a job file would hold it.

    Args:
        scene: None for an app without one.
        workers: How many nodes render at the same time; they share this machine's processors.
    """
    params: dict[str, Any]
    requires: dict[str, Any] = {}
    if app["app"] == "blender":
        threads = max(1, (os.cpu_count() or 1) // workers)
        params = {"scene": str(scene), "threads": threads}
        if wish.scene:
            params["any_version"] = True
        else:
            requires["version"] = ".".join(app["version"].split(".")[:2])
    else:
        width, height = OCEAN_SIZE
        params = {"width": width, "height": height, "seconds_per_frame": OCEAN_FRAME_S}
    step = {
        "name": "render",
        "app": app["app"],
        "params": params,
        "frames": wish.frames,
        "chunk": wish.chunk,
        "output": {"dir": str(wish.output), "pattern": PATTERN},
    }
    if requires:
        step["requires"] = requires
    return {"name": "demo", "files": "shared", "steps": [step]}
