"""Real farms whose workers have an `aerender` that behaves like Adobe's."""

from __future__ import annotations

import sys
from pathlib import Path

from aftereffects_rig import AERENDER
from farm_rig import RealFarm, RealNode

from peerfarm.apps.images import check_image


def worker(farm: RealFarm, name: str, habit: str = "") -> RealNode:
    """A node whose machine has an aerender, of these habits."""
    program = farm.scenes / f"{name}-aerender"
    program.write_text(
        f"#!{sys.executable}\nimport os, runpy\nos.environ['FAKE_AERENDER'] = {habit!r}\n"
        f"runpy.run_path({str(AERENDER)!r}, run_name='__main__')\n",
        "utf-8",
    )
    program.chmod(0o755)
    return farm.add(name, aftereffects=[str(program)])


def started(farm: RealFarm, *habits: str) -> RealNode:
    """The artist's node, which renders nothing; beside it one worker for each habit."""
    artist = farm.add("ada", render=False)
    for name, habit in zip(("oak", "elm"), habits or ("", "german"), strict=False):
        worker(farm, name, habit)
    farm.start()
    return artist


def images(folder: Path) -> list[str]:
    """The names of the complete images in it; an incomplete one raises."""
    for path in folder.glob("*.png"):
        with path.open("rb") as stream:
            check_image(stream, path.stat().st_size, path.name)
    return sorted(path.name for path in folder.glob("*.png"))
