"""Chains of steps on nodes without a common folder: what one renders is there for the next, on another node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apart_rig import ApartFarm, contents, delivered
from farm_rig import SIZE, names_of
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMPOSE = Path(__file__).with_name("compose.py")
FRAMES = 6


def chain(farm: ApartFarm, logo: Path) -> list[dict[str, Any]]:
    """Render on one worker; composite each frame on another, with a file of the artist's; then a sheet of them all."""

    def step(name: str, app: str, params: dict[str, Any], letter: str, frames: str, **more: Any) -> dict[str, Any]:
        output = {"dir": str(farm.laptop / name), "pattern": f"{letter}_####.png"}
        return {"name": name, "app": app, "params": params, "frames": frames, "chunk": 1, "output": output, **more}

    def composing(mode: str, before: str) -> dict[str, Any]:
        args = [mode, str(logo), f"{{inputs}}/{before}", "{output}", "{frames}"]
        return {"command": "compose", "args": args}

    all_frames = f"1-{FRAMES}"
    ocean = {"width": SIZE[0], "height": SIZE[1]}
    by_frame, whole = [{"step": "render", "frames": 0}], ["comp"]
    return [
        step("render", "ocean", ocean, "f", all_frames, requires={"tags": ["gpu"]}),
        step("comp", "command", composing("comp", "render"), "c", all_frames, depends_on=by_frame),
        step("sheet", "command", composing("sheet", "comp"), "s", "1", depends_on=whole),
    ]


def composed_at_home(farm: ApartFarm, logo: Path) -> dict[str, bytes]:
    """What the same program makes of the frames that arrived, without any farm."""
    place = farm.directory / "at home"
    place.mkdir()
    numbers = ",".join(str(frame) for frame in range(1, FRAMES + 1))
    run = [sys.executable, str(COMPOSE), "comp", str(logo), str(farm.laptop / "render"), str(place), numbers]
    subprocess.run(run, check=True)
    return contents(place)


def test_a_later_step_finds_the_frames_of_an_earlier_one_though_the_node_that_rendered_them_is_gone(
    tmp_path: Path,
) -> None:
    farm = ApartFarm(tmp_path)
    program = tmp_path / "compose"
    program.write_text(f"#!{sys.executable}\n{COMPOSE.read_text('utf-8')}", "utf-8")
    program.chmod(0o755)
    logo = farm.laptop / "logo.png"
    Image.new("RGB", (8, 8), "red").save(logo)
    try:
        ada = farm.add("ada")
        ben = farm.add("ben", tags=["gpu"])
        cleo = farm.add("cleo", command={"allow": {"compose": str(program)}})
        farm.start()
        job = str(ada.call("submit", job={"name": "chain", "files": "peers", "steps": chain(farm, logo)})["job"])

        def are_rendered() -> bool:
            return all(task["status"] == "done" for task in farm.job(job, ada)["steps"][0]["tasks"])

        farm.wait_for("all frames of the first step", are_rendered)
        farm.kill(ben)
        farm.wait_published(job, cleo)
        assert {(start.node, start.task[1]) for start in farm.starts(job)} == {("ben", 0), ("cleo", 1), ("cleo", 2)}
        assert delivered(farm.laptop / "render") == dict.fromkeys(names_of(1, FRAMES), SIZE)
        assert contents(farm.laptop / "comp") == composed_at_home(farm, logo)
        assert delivered(farm.laptop / "sheet") == {"s_0001.png": (SIZE[0] * FRAMES, SIZE[1])}
        assert farm.duplicate_starts(job) == 0
    finally:
        farm.close()
