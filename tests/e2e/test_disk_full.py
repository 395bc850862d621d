"""A node whose disk is full: a limit on the size of its files stands for it, for no test may fill a real one.

The system refuses each byte that the node would write to a file, from one moment to the next and for as long as wanted.
"""

from __future__ import annotations

import resource

import pytest
from farm_rig import SIZE, RealFarm, RealNode, names_of, peerfarm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def set_room(node: RealNode, size_bytes: int) -> None:
    """Let no file of the node grow beyond this."""
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def test_node_with_a_full_disk_takes_no_work_answers_on_and_goes_on_when_there_is_room(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    known = farm.submit(ada, "1-2", 1, frame_s=0.1, workers=["ben"])
    farm.wait_published(known, ben)
    farm.agreed_hash()

    set_room(ben, 0)
    unneeded = farm.submit(ada, "11-12", 1, frame_s=0.1, workers=["ada"])  # what ben hears of, he would write down
    farm.wait_for("ben's disk to be full", lambda: "no new work, the disk refuses: no room on the disk" in ben.alarms())
    job = farm.submit(ada, "21-30", 1, frame_s=0.1)
    farm.wait_published(job, ada)
    assert farm.shares(job, ada) == {"ada": 10}
    assert {start.node for start in farm.starts(job)} == {"ada"}
    assert "until there is room" in ben.alarms()

    told = peerfarm(ben, "job", known)
    assert (told.returncode, f"{known}): done" in told.stdout) == (0, True)
    assert known in peerfarm(ben, "jobs", "--all").stdout
    assert "# worker      ben" in peerfarm(ben, "log", known, "0").stdout
    assert [row["state"] for row in ben.call("nodes")["nodes"]] == ["live", "live"]
    for words in (["submit", "--app", "ocean", "--frames", "1", "--output", str(farm.output)], ["pause", known]):
        refused = peerfarm(ben, *words)
        assert refused.returncode == 1
        assert "the disk refuses: no room on the disk" in refused.stderr
        assert "make room on the disk of this node" in refused.stderr
    assert ben.is_running

    set_room(ben, resource.RLIM_INFINITY)
    farm.wait_for("ben to notice the room", lambda: ben.alarms() == "")
    last = farm.submit(ben, "41-44", 1, frame_s=0.1, workers=["ben"])
    farm.wait_published(last, ada)
    farm.agreed_hash()
    for one in (known, unneeded, job, last):
        assert farm.is_published(one, ben)
        assert farm.duplicate_starts(one) == 0
    frames = [*names_of(1, 2), *names_of(11, 12), *names_of(21, 30), *names_of(41, 44)]
    assert dict.fromkeys(frames, SIZE) == farm.valid_frames()
