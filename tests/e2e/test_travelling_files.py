"""Nodes without any common folder: scenes travel to the workers, and frames back into the artist's own folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import LIMIT_S, RealFarm, RealNode, names_of, peerfarm

from peerfarm.apps.images import check_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MAKE_SCENE = Path(__file__).with_name("make_travelling_scene.py")


class ApartFarm(RealFarm):
    """Nodes that are allowed no folder at all: what they read and write lies below their own homes."""

    def __init__(self, directory: Path, *, knows_blender: bool = False) -> None:
        super().__init__(directory, knows_blender=knows_blender)
        self.roots = []

    def add(self, name: str, **settings: object) -> RealNode:
        """One more node, without roots."""
        return super().add(name, **{"roots": [], **settings})


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[ApartFarm]:
    farm = ApartFarm(tmp_path)
    yield farm
    farm.close()


def delivered(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> size of every complete image there."""
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            info = check_image(stream, path.stat().st_size, path.name)
        found[path.name] = (info.width, info.height)
    return found


def submit(node: RealNode, *arguments: str) -> str:
    """`peerfarm submit` by the node's user; the job's id."""
    done = peerfarm(node, "submit", *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout.splitlines()[-1])["job"])


OCEAN = ("--app", "ocean", "--param", "width=64", "--param", "height=36")


def test_frames_of_workers_without_a_common_folder_arrive_in_the_submitters_folder(apart: ApartFarm) -> None:
    ada, ben, cleo = apart.add_workers(3)
    apart.start()
    folder = apart.directory / "ada's frames"
    job = submit(ada, *OCEAN, "--frames", "1-12", "--output", str(folder / "f_####.png"))
    apart.wait_published(job, ben)
    assert delivered(folder) == dict.fromkeys(names_of(1, 12), (64, 36))
    assert list(apart.output.iterdir()) == []
    assert apart.duplicate_starts(job) == 0
    assert len(apart.shares(job, cleo)) >= 2
    apart.agreed_hash()


def test_frames_wait_for_a_submitter_who_is_away_and_fetch_brings_them_to_any_node(apart: ApartFarm) -> None:
    ada, ben, cleo = apart.add_workers(3)
    apart.start()
    folder = apart.directory / "home" / "frames"
    params = ("--param", "seconds_per_frame=0.3")
    job = submit(ada, *OCEAN, *params, "--frames", "1-12", "--output", str(folder / "f_####.png"))
    apart.wait_for("a first frame", lambda: apart.job(job, ben)["frames"]["done"] >= 1)
    apart.kill(ada)
    apart.wait_for("the last frame", lambda: apart.job(job, ben)["status"] == "done")
    assert not apart.is_published(job, ben)

    elsewhere = apart.directory / "ben's copy"
    done = peerfarm(ben, "fetch", job, str(elsewhere))
    assert done.returncode == 0, done.stdout + done.stderr
    assert delivered(elsewhere) == dict.fromkeys(names_of(1, 12), (64, 36))

    ada.start()
    ada.await_hello()
    apart.wait_published(job, cleo)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in elsewhere.iterdir()}


def test_frames_that_stand_there_are_never_written_over_unasked(apart: ApartFarm) -> None:
    (ada,) = apart.add_workers(1)
    apart.start()
    folder = apart.directory / "kept"
    folder.mkdir()
    (folder / "f_0002.png").write_bytes(b"painted by hand")
    arguments = (*OCEAN, "--frames", "1-3", "--output", str(folder / "f_####.png"))
    refused = peerfarm(ada, "submit", *arguments)
    assert refused.returncode == 1
    assert "f_0002.png" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert (folder / "f_0002.png").read_bytes() == b"painted by hand"
    job = submit(ada, *arguments, "--overwrite")
    apart.wait_published(job, ada)
    assert delivered(folder) == dict.fromkeys(names_of(1, 3), (64, 36))


@pytest.mark.blender
def test_a_scene_with_all_it_needs_renders_far_from_home_though_its_submitter_dies(tmp_path: Path) -> None:
    blender = shutil.which("blender")
    assert blender, "install Blender, or run pytest with -m 'not blender'"
    show = tmp_path / "laptop" / "show"
    subprocess.run(
        [blender, "-b", "--factory-startup", "-P", str(MAKE_SCENE), "--", str(show), "6"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    farm = ApartFarm(tmp_path, knows_blender=True)
    try:
        ada, ben, cleo = farm.add_workers(3)
        farm.start()
        folder = tmp_path / "laptop" / "frames"
        scene = str(show / "shots" / "scene.blend")
        job = submit(ada, scene, "--frames", "1-6", "--chunk", "1", "--output", str(folder / "f_####.png"))
        starts_elsewhere = {ben.name, cleo.name}
        farm.wait_for(
            "renders away from home", lambda: starts_elsewhere <= {start.node for start in farm.starts(job)}, 120
        )
        farm.kill(ada)
        (tmp_path / "laptop").rename(tmp_path / "laptop that is away")
        farm.wait_for("the last frame", lambda: farm.job(job, ben)["status"] == "done", 150)
        copy = tmp_path / "copy"
        assert peerfarm(ben, "fetch", job, str(copy)).returncode == 0
        (tmp_path / "laptop that is away").rename(tmp_path / "laptop")
        ada.start()
        ada.await_hello()
        farm.wait_published(job, cleo, LIMIT_S)
        assert delivered(folder) == dict.fromkeys(names_of(1, 6), (60, 20))
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == {p.name: p.read_bytes() for p in copy.iterdir()}
        assert farm.duplicate_starts(job) == 0
    finally:
        farm.close()
