"""Disks without room for files that travel: it is told, others go on, and nothing is lost when there is room again.

As in `test_disk_full.py` a limit on the size of a node's files stands for the disk; here small files still fit.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from apart_rig import ApartFarm, contents, printed_sums, sums_job, sums_of
from farm_rig import RealNode, peerfarm

from peerfarm.errors import PeerfarmError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SMALL_BYTES, CACHE_BYTES = 2 << 20, 8 << 20


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ApartFarm]:
    made = ApartFarm(tmp_path)
    try:
        yield made
    finally:
        made.close()


def leave_room(node: RealNode, size_bytes: int) -> None:
    """Let no file of the node grow beyond this."""
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def begun(node: RealNode) -> list[str]:
    """The files that the node's store has begun and not finished."""
    store = node.home.data / "blobs"
    return [path.name for folder in ("drafts", "partial") for path in (store / folder).iterdir()]


def folder_of(farm: ApartFarm, name: str) -> Path:
    """A folder of the artist's with two large files."""
    folder = farm.laptop / name
    folder.mkdir()
    for frame in (1, 2):
        (folder / f"smoke_{frame}.vdb").write_bytes(os.urandom(CACHE_BYTES))
    return folder


def test_a_worker_without_room_for_a_scene_says_so_others_render_it_and_it_takes_part_when_there_is_room(
    farm: ApartFarm,
) -> None:
    ada = farm.add("ada")
    ben, cleo = (farm.add(name, command=farm.sums_allowed()) for name in ("ben", "cleo"))
    farm.start()
    cache = folder_of(farm, "cache")
    leave_room(ben, SMALL_BYTES)
    his = str(ada.call("submit", job=sums_job(cache, workers=["ben"]))["job"])

    farm.wait_for(
        "word of the missing room on the artist's node",
        lambda: "ben: no room on the disk" in peerfarm(ada, "job", his).stdout,
    )
    assert "Make room" in farm.job(his, ada)["error"]
    anybodys = str(ada.call("submit", job=sums_job(cache))["job"])
    assert printed_sums(farm, ada, anybodys) == sums_of(cache)
    assert farm.shares(anybodys, ada).keys() <= {"cleo"}
    assert {start.node for start in farm.starts(anybodys)} == {"cleo"}
    assert farm.starts(his) == []

    leave_room(ben, resource.RLIM_INFINITY)
    assert printed_sums(farm, cleo, his) == sums_of(cache)
    assert {start.node for start in farm.starts(his)} == {"ben"}
    assert begun(ben) == []


def test_an_artist_without_room_is_refused_and_her_frames_wait_elsewhere_until_she_has_room(farm: ApartFarm) -> None:
    ada = farm.add("ada")
    ben, cleo = (farm.add(name, command=farm.sums_allowed()) for name in ("ben", "cleo"))
    farm.start()
    cache, frames = folder_of(farm, "cache"), farm.laptop / "frames"
    leave_room(ada, SMALL_BYTES)
    with pytest.raises(PeerfarmError, match="no room") as refused:
        ada.call("submit", job=sums_job(cache, output=frames))
    assert refused.value.hint
    assert ada.call("jobs", all=True)["jobs"] == []
    assert begun(ada) == []
    assert not frames.exists()

    leave_room(ada, resource.RLIM_INFINITY)
    job = str(ada.call("submit", job=sums_job(cache, output=frames))["job"])
    leave_room(ada, SMALL_BYTES)
    farm.wait_for("the end of the job", lambda: farm.job(job, ada)["status"] == "done")
    farm.wait_for("word of the missing room", lambda: "no room on the disk" in peerfarm(ada, "job", job).stdout)
    (start,) = farm.starts(job)
    left = cleo if start.node == "ben" else ben
    farm.kill(ben if left is cleo else cleo)
    assert contents(frames) == {}
    missing = farm.job(job, ada)["steps"][0]["missing"]
    assert (missing["count"], missing["names"]) == (1, ["f_0001.bin"])

    leave_room(ada, resource.RLIM_INFINITY)
    farm.wait_published(job, left)
    assert contents(frames) == {"f_0001.bin": b"".join(path.read_bytes() for path in sorted(cache.iterdir()))}
    assert begun(ada) == []
