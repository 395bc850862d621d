"""Three real nodes and a real Blender: the test that the whole house is built for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from farm_rig import RealFarm, names_of, peerfarm

from peerfarm.apps.programs import program_path
from peerfarm.cli.demo_nodes import FarmNode

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(240)]

SIZE = (64, 64)


@pytest.fixture(scope="module")
def blender() -> str:
    """The Blender on PATH; `bootstrap.py test` leaves these tests out where there is none."""
    found = shutil.which("blender")
    assert found, "install Blender, or run pytest with -m 'not blender'"
    return found


@pytest.fixture(scope="module")
def sea(blender: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's scene, made as small as it goes."""
    scene = tmp_path_factory.mktemp("scene") / "sea.blend"
    program = program_path("make_ocean_scene.py")
    wishes = ("--size", "x".join(map(str, SIZE)), "--samples", "2", "--frames", "60")
    subprocess.run(
        [blender, "-b", "--factory-startup", "-P", program, "--", str(scene), *wishes],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return scene


def test_sixty_frames_arrive_whole_though_the_submitter_is_killed_after_its_first_chunk(
    blender_farm: RealFarm, sea: Path
) -> None:
    farm = blender_farm
    submitter, second, third = farm.add_workers(3)
    farm.start()
    scene = shutil.copy(sea, farm.scenes)
    params = {"scene": str(scene), "threads": 1, "denoise": False}
    job = farm.submit_step(submitter, {"app": "blender", "params": params, "frames": "1-60", "chunk": 5})

    def has_rendered_a_chunk(node: FarmNode) -> bool:
        return farm.shares(job, second).get(node.name, 0) >= 5

    farm.wait_for("the submitter's first chunk", lambda: has_rendered_a_chunk(submitter), 120)
    farm.kill(submitter)
    farm.wait_published(job, second, 150)

    assert dict.fromkeys(names_of(1, 60), SIZE) == farm.valid_frames()
    assert farm.duplicate_starts(job) == 0
    shares = farm.shares(job, third)
    assert sum(shares.values()) == 60
    assert all(shares[node.name] >= 5 for node in (second, third))
    # Blender writes the time of rendering into its images, so no two attempts have the same bytes.
    published = farm.published_attempts(job)
    assert [tuple(names_of(first, first + 4)) for first in range(1, 61, 5)] == published
    farm.agreed_hash()

    submitter.start()
    submitter.await_hello()
    farm.await_sight()
    farm.agreed_hash()  # of all three now
    assert farm.is_published(job, submitter)
    assert farm.shares(job, submitter) == shares
    assert farm.duplicate_starts(job) == 0


def test_scene_of_a_newer_blender_says_in_words_why_nobody_renders_it(
    blender_farm: RealFarm, sea: Path, tmp_path: Path
) -> None:
    farm = blender_farm
    ada = farm.add("ada")
    farm.start()
    (found,) = {app["version"] for app in ada.call("apps")["apps"] if app["app"] == "blender"}
    scene = farm.scenes / "newer.blend"
    content, count = re.subn(rb"\ABLENDER([-_][vV])\d{3}", rb"BLENDER\g<1>909", sea.read_bytes())
    assert count == 1
    scene.write_bytes(content)

    done = peerfarm(ada, "submit", str(scene), "--files", "shared", "--frames", "1", "--output", str(farm.output))
    assert done.returncode == 0, done.stderr
    why = "ada: blender 9.9 was not found on it"
    assert f"warning: no worker that is here now can take step render ({why}" in done.stderr
    waiting = ada.call("jobs")["jobs"][0]["id"]
    assert f"no worker can take it: {why}" in peerfarm(ada, "job", waiting).stdout
    assert farm.starts(waiting) == []

    # Nobody wrote into this job which version it needs: Blender itself, asked to open the scene, refuses.
    job = tmp_path / "job.json"
    step = {"name": "render", "app": "blender", "params": {"scene": str(scene)}, "frames": "1"}
    place = {"dir": str(farm.output), "pattern": "n_####.png"}
    job.write_text(json.dumps({"name": "newer", "files": "shared", "steps": [{**step, "output": place}]}))
    failed = peerfarm(ada, "submit", str(job), "--wait", "--json")
    assert failed.returncode == 4
    here = ".".join(found.split(".")[:2])
    words = f"the scene was saved by Blender 9.9, and this is Blender {here}: install Blender 9.9 on this machine"
    assert words in json.loads(failed.stdout)["error"]
    assert list(farm.output.glob("*.png")) == []

    output = str(farm.output / "any_####.png")
    all_the_same = ("--files", "shared", "--frames", "1", "--output", output, "--any-version", "--wait")
    assert peerfarm(ada, "submit", str(scene), *all_the_same).returncode == 0
    assert list(farm.valid_frames()) == ["any_0001.png"]


def test_demo_picks_blender_where_it_is_found(tmp_path: Path, blender: str) -> None:
    command = [sys.executable, "-m", "peerfarm", "demo", "--nodes", "2", "--frames", "1-4", "--kill", "none", "--json"]
    done = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert (report["app"], report["frames_valid"], report["duplicate_starts"]) == ("blender", 4, 0)
    assert done.returncode == 0, done.stderr
