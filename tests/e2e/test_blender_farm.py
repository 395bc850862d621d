"""Three real nodes and a real Blender: the test that the whole house is built for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from farm_rig import RealFarm, names_of

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


def test_demo_picks_blender_where_it_is_found(tmp_path: Path, blender: str) -> None:
    command = [sys.executable, "-m", "peerfarm", "demo", "--nodes", "2", "--frames", "1-4", "--kill", "none", "--json"]
    done = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert (report["app"], report["frames_valid"], report["duplicate_starts"]) == ("blender", 4, 0)
    assert done.returncode == 0, done.stderr
