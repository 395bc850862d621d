"""Disks that are really full: a node's home, or an artist's output folder, lies on a small file system of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import smalldisk
from apart_rig import ApartFarm, sums_job
from farm_rig import RealNode, peerfarm

from peerfarm.errors import PeerfarmError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MEBI = 1 << 20
SPARE_BYTES = 256 * MEBI
"""What a node's store leaves free on its disk."""


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[ApartFarm]:
    made = ApartFarm(tmp_path)
    try:
        yield made
    finally:
        made.close()


def put_on_disk(node: RealNode, folder: Path, size_bytes: int) -> None:
    """Let the node find a small disk at that folder when it starts."""
    folder.mkdir(parents=True, exist_ok=True)
    node.prefix = smalldisk.on(folder, size_bytes)


def begun(node: RealNode) -> list[str]:
    """The files that the node's store has begun and not finished."""
    store = smalldisk.seen_by(node.pid, node.home.data / "blobs")
    return [path.name for folder in ("drafts", "partial") for path in (store / folder).iterdir()]


def folder_of(farm: ApartFarm, size_bytes: int, files: int = 1) -> Path:
    """A folder of the artist's."""
    folder = farm.laptop / "cache"
    folder.mkdir()
    for number in range(files):
        (folder / f"smoke_{number}.vdb").write_bytes(os.urandom(size_bytes))
    return folder


PAINT = """#!{python}
import pathlib, sys
folder, output, frames = sys.argv[1:4]
data = next(pathlib.Path(folder).iterdir()).read_bytes()
for frame in frames.split(","):
    pathlib.Path(output, f"f_{{int(frame):04d}}.bin").write_bytes(data + frame.encode())
"""


def painting(farm: ApartFarm, folder: Path, output: Path, frames: str) -> dict[str, object]:
    """A job whose frames are as large as the folder's one file, and one more byte."""
    params = {"command": "paint", "args": [str(folder), "{output}", "{frames}"], "brings": [str(folder)]}
    place = {"dir": str(output), "pattern": "f_####.bin"}
    step = {"name": "paint", "app": "command", "params": params, "frames": frames, "chunk": 1, "output": place}
    return {"name": "paint", "files": "peers", "steps": [step]}


def paint_allowed(farm: ApartFarm) -> dict[str, dict[str, str]]:
    program = farm.directory / "paint"
    program.write_text(PAINT.format(python=sys.executable), "utf-8")
    program.chmod(0o755)
    return {"allow": {"paint": str(program)}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_frames_wait_for_room_in_the_output_folder_and_none_is_half_written(farm: ApartFarm) -> None:
    ada = farm.add("ada")
    ben = farm.add("ben", command=paint_allowed(farm))
    frames = farm.laptop / "frames"
    put_on_disk(ada, frames, MEBI * 5 // 2)
    super(ApartFarm, farm).start()
    cache = folder_of(farm, MEBI)
    job = str(ada.call("submit", job=painting(farm, cache, frames, "1-4"))["job"])
    farm.wait_for("the end of the job", lambda: farm.job(job, ben)["status"] == "done")
    farm.wait_for("word of the full disk", lambda: f"the disk of {frames} is full" in peerfarm(ada, "job", job).stdout)
    assert "1.0 MB more are needed" in peerfarm(ada, "job", job).stdout
    seen = smalldisk.seen_by(ada.pid, frames)
    farm.wait_for("two frames", lambda: names(seen) == ["f_0001.bin", "f_0002.bin"])
    view = farm.job(job, ada)
    assert (view["is_published"], view["steps"][0]["missing"]["names"]) == (False, ["f_0003.bin", "f_0004.bin"])

    smalldisk.resize(ada.pid, frames, 8 * MEBI)
    farm.wait_published(job, ada)
    (content,) = [path.read_bytes() for path in cache.iterdir()]
    found = {path.name: path.read_bytes() for path in seen.iterdir()}
    assert found == {f"f_{frame:04d}.bin": content + str(frame).encode() for frame in range(1, 5)}


def test_fetch_into_a_full_folder_says_what_is_needed_and_goes_on_from_there(farm: ApartFarm) -> None:
    ada = farm.add("ada", command=paint_allowed(farm))
    ben = farm.add("ben")
    small = farm.directory / "stick"
    put_on_disk(ben, small, MEBI * 3 // 2)
    super(ApartFarm, farm).start()
    cache = folder_of(farm, MEBI)
    job = str(ada.call("submit", job=painting(farm, cache, farm.laptop / "frames", "1-3"))["job"])
    farm.wait_published(job, ada)
    done = peerfarm(ben, "fetch", job, str(small))
    assert done.returncode != 0
    assert "fetched 1 of 3 tasks" in done.stdout
    assert done.stderr.count(f"the disk of {small} is full: 1.0 MB more are needed") == 2
    assert "Make room" in done.stderr
    assert len(names(smalldisk.seen_by(ben.pid, small))) == 1

    smalldisk.resize(ben.pid, small, 8 * MEBI)
    done = peerfarm(ben, "fetch", job, str(small))
    assert done.returncode == 0
    assert names(smalldisk.seen_by(ben.pid, small)) == [f"f_{frame:04d}.bin" for frame in (1, 2, 3)]


def test_a_scene_for_which_the_home_has_no_room_is_refused_with_how_much_is_needed(farm: ApartFarm) -> None:
    ada = farm.add("ada")
    ben = farm.add("ben", command=farm.sums_allowed())
    put_on_disk(ada, ada.home.data, SPARE_BYTES + 8 * MEBI)
    super(ApartFarm, farm).start()
    cache = folder_of(farm, 10 * MEBI, 2)
    with pytest.raises(PeerfarmError) as refused:
        ada.call("submit", job=sums_job(cache))
    assert "no room for" in str(refused.value)
    assert f"on the disk of {ada.home.data}" in str(refused.value)
    assert "Make room on it" in refused.value.hint
    assert (ada.call("jobs", all=True)["jobs"], begun(ada)) == ([], [])

    smalldisk.resize(ada.pid, ada.home.data, SPARE_BYTES + 64 * MEBI)
    job = str(ada.call("submit", job=sums_job(cache))["job"])
    farm.wait_for("the end of the job", lambda: farm.job(job, ben)["status"] == "done")


def test_a_disk_that_fills_up_while_a_scene_is_packed_loses_nothing_and_takes_it_later(farm: ApartFarm) -> None:
    ada = farm.add("ada")
    ben = farm.add("ben", command=farm.sums_allowed())
    put_on_disk(ada, ada.home.data, 4 * SPARE_BYTES)
    super(ApartFarm, farm).start()
    known = str(ada.call("submit", job=sums_job(folder_of(farm, 1000)))["job"])
    farm.wait_for("the end of the first job", lambda: farm.job(known, ben)["status"] == "done")
    big = farm.laptop / "big"
    big.mkdir()
    with (big / "sim.abc").open("xb") as file:
        file.truncate(400 * MEBI)
    args = ["submit", "--json", str(farm.directory / "job.json")]
    (farm.directory / "job.json").write_text(json.dumps(sums_job(big)), "utf-8")
    told: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: told.append(peerfarm(ada, *args)))
    thread.start()
    while not begun(ada) and thread.is_alive():  # the sooner the better: it does not take long
        pass
    os.kill(ada.pid, signal.SIGSTOP)
    smalldisk.fill(ada.pid, ada.home.data, 64 << 10)
    os.kill(ada.pid, signal.SIGCONT)
    thread.join()
    (done,) = told
    assert done.returncode == 1
    assert "no room on the disk" in done.stderr + done.stdout
    assert begun(ada) == []
    assert [row["id"] for row in ada.call("jobs", all=True)["jobs"]] == [known]
    assert ada.is_running

    smalldisk.resize(ada.pid, ada.home.data, 4 * SPARE_BYTES)
    farm.wait_for("the alarm to end", lambda: ada.alarms() == "")
    job = str(ada.call("submit", job=sums_job(big))["job"])
    assert farm.job(job, ada)["file_transfer"]["size_bytes"] == 400 * MEBI
    ada.call("cancel", job=job)  # so much need not travel for a test


def test_a_home_that_is_full_to_the_last_byte_stops_nothing_but_this_nodes_own_work(farm: ApartFarm) -> None:
    ada = farm.add("ada", command=farm.sums_allowed())
    ben = farm.add("ben", command=farm.sums_allowed())
    put_on_disk(ben, ben.home.data, 2 * SPARE_BYTES)
    super(ApartFarm, farm).start()
    cache = folder_of(farm, 1000)
    first = str(ben.call("submit", job=sums_job(cache, workers=["ben"]))["job"])
    farm.wait_for("the end of the first job", lambda: farm.job(first, ada)["status"] == "done")
    smalldisk.fill(ben.pid, ben.home.data, 0)
    second = str(ada.call("submit", job=sums_job(cache, workers=["ada"]))["job"])
    farm.wait_for("the end of the second job", lambda: farm.job(second, ada)["status"] == "done")
    farm.wait_for("the alarm", lambda: "no new work" in ben.alarms())
    with pytest.raises(PeerfarmError) as refused:
        ben.call("submit", job=sums_job(cache))
    assert "no room" in str(refused.value)
    assert farm.job(first, ben)["status"] == "done"

    smalldisk.resize(ben.pid, ben.home.data, 2 * SPARE_BYTES)
    farm.wait_for("the alarms to end", lambda: ben.alarms() == "")
    third = str(ben.call("submit", job=sums_job(cache, workers=["ben"]))["job"])
    farm.wait_for("the end of the third job", lambda: farm.job(third, ada)["status"] == "done")
    farm.agreed_hash()
