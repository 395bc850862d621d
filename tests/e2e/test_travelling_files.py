"""Nodes without any common folder: scenes travel to the workers, and frames back into the artist's own folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import walls
from apart_rig import ApartFarm, contents, delivered, submit
from farm_rig import LIMIT_S, names_of, peerfarm
from openings import Openings
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MAKE_SCENE = Path(__file__).with_name("make_travelling_scene.py")
OCEAN = ("--app", "ocean", "--param", "width=64", "--param", "height=36")


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[ApartFarm]:
    farm = ApartFarm(tmp_path)
    yield farm
    farm.close()


def test_frames_of_workers_without_a_common_folder_arrive_in_the_submitters_folder(apart: ApartFarm) -> None:
    ada, ben, cleo = apart.add_workers(3)
    apart.start()
    folder = apart.laptop / "ada's frames"
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
    folder = apart.laptop / "frames"
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
    assert contents(folder) == contents(elsewhere)


def test_frames_that_stand_there_are_never_written_over_unasked(apart: ApartFarm) -> None:
    (ada,) = apart.add_workers(1)
    apart.start()
    folder = apart.laptop / "kept"
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


def pixels(folder: Path) -> dict[str, tuple[tuple[int, int], bytes]]:
    """Name -> size and pixels of every picture there; what else their files hold, such as the date, says nothing."""
    found = {}
    for path in folder.iterdir():
        with Image.open(path) as image:
            found[path.name] = (image.size, image.convert("RGBA").tobytes())
    return found


def probes(picture: tuple[tuple[int, int], bytes]) -> list[tuple[int, ...]]:
    """The colors, rounded to full and none, in the middle of the sequence, of each tile and of the library's object."""
    (width, _), raw = picture
    return [tuple(round(raw[4 * (10 * width + x) + at] / 255) for at in range(3)) for x in (20, 50, 70, 100)]


@pytest.mark.blender
def test_a_scene_with_all_it_needs_renders_far_from_home_as_it_does_at_home_though_its_submitter_dies(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    blender = shutil.which("blender")
    assert blender, "install Blender, or run pytest with -m 'not blender'"
    farm = ApartFarm(tmp_path, knows_blender=True)
    show, at_home = farm.laptop / "show", tmp_path / "at home"
    making = [blender, "-b", "--factory-startup", "-P", str(MAKE_SCENE), "--", str(show), "6"]
    subprocess.run(making, stdout=subprocess.DEVNULL, check=True)
    scene = str(show / "shots" / "scene.blend")
    rendering = [blender, "-b", scene, "-o", f"{at_home}/f_####", "-F", "PNG", "-x", "1", "-s", "1", "-e", "6", "-a"]
    subprocess.run(rendering, stdout=subprocess.DEVNULL, check=True)
    assert probes(pixels(at_home)["f_0006.png"]) == [(1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1)]
    record_property("workers_cannot_reach_the_artists_folder", walls.are_possible())
    try:
        ada, ben, cleo = farm.add_workers(3)
        farm.start()
        folder = farm.laptop / "frames"
        job = submit(ada, scene, "--frames", "1-6", "--chunk", "1", "--output", str(folder / "f_####.png"))
        openings = Openings(show, farm.laptop / "studio-fonts")
        starts_elsewhere = {ben.name, cleo.name}
        farm.wait_for(
            "renders away from home", lambda: starts_elsewhere <= {start.node for start in farm.starts(job)}, 120
        )
        farm.kill(ada)
        away = farm.laptop.rename(tmp_path / "laptop that is away")
        farm.wait_for("the end of the job", lambda: farm.job(job, ben)["status"] in {"done", "failed"}, 150)
        assert farm.job(job, ben)["status"] == "done", farm.job(job, ben)["error"]
        copy = tmp_path / "copy"
        assert peerfarm(ben, "fetch", job, str(copy)).returncode == 0
        away.rename(farm.laptop)
        ada.start()
        ada.await_hello()
        farm.wait_published(job, cleo, LIMIT_S)
        assert sorted(contents(folder)) == names_of(1, 6)
        assert contents(folder) == contents(copy)
        assert pixels(folder) == pixels(at_home)  # exactly: with one sample nothing depends on threads
        assert openings.seen() == set(), "the artist's files were read after they had been packed"
        assert farm.duplicate_starts(job) == 0
    finally:
        farm.close()


@pytest.mark.blender
def test_an_artist_whose_own_machine_renders_nothing_sends_her_scene_all_the_same(tmp_path: Path) -> None:
    blender = shutil.which("blender")
    assert blender, "install Blender, or run pytest with -m 'not blender'"
    farm = ApartFarm(tmp_path, knows_blender=True)
    show = farm.laptop / "show"
    making = [blender, "-b", "--factory-startup", "-P", str(MAKE_SCENE), "--", str(show), "2"]
    subprocess.run(making, stdout=subprocess.DEVNULL, check=True)
    try:
        ada, _ben = farm.add("ada", render=False), farm.add("ben")
        farm.start()
        folder = farm.laptop / "frames"
        job = submit(ada, str(show / "shots" / "scene.blend"), "--output", str(folder / "f_####.png"))
        farm.wait_published(job, ada)
        assert sorted(contents(folder)) == names_of(1, 2)
        assert {start.node for start in farm.starts(job)} == {"ben"}
    finally:
        farm.close()


def test_whoever_reads_the_artists_files_would_be_noticed(tmp_path: Path) -> None:
    texture = tmp_path / "show" / "textures" / "wood.png"
    texture.parent.mkdir(parents=True)
    texture.write_bytes(b"wood")
    openings = Openings(tmp_path / "show")
    assert openings.seen() == set()
    read = [sys.executable, "-c", "import sys; print(len(open(sys.argv[1]).read()))", str(texture)]
    assert subprocess.run(read, capture_output=True, check=True).stdout == b"4\n"
    assert openings.seen() == {str(texture)}
    if walls.are_possible():
        ended = subprocess.run([*walls.behind([tmp_path / "show"]), *read], capture_output=True, check=False)
        assert b"FileNotFoundError" in ended.stderr
        assert openings.seen() == set()
    openings.close()
