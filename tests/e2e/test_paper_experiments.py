"""The experiments of section 6 of the paper that peerfarm follows, with real node processes and the ocean renderer.

Makespans are recorded as properties of the test (`--junit-xml` shows them), never asserted: this machine may be busy.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from farm_rig import SIZE, RealFarm, names_of

from peerfarm.cli.demo_nodes import SERVER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FRAME_S = 0.2


def makespan_s(directory: Path, workers: int, frames: int, *, is_central: bool) -> float:
    """Render the frames on a farm of its own, in chunks of five.

    Args:
        is_central: Submit to a server that renders nothing and so gives out every task of every job.
    """
    directory.mkdir()
    farm = RealFarm(directory)
    try:
        servers = [farm.add(SERVER, render=False)] if is_central else []
        submitter = [*servers, *farm.add_workers(workers)][0]
        farm.start()
        started_s = time.monotonic()
        job = farm.submit(submitter, f"1-{frames}", 5, FRAME_S)
        farm.wait_published(job, submitter)
        spent_s = time.monotonic() - started_s
        assert dict.fromkeys(names_of(1, frames), SIZE) == farm.valid_frames()
        assert farm.duplicate_starts(job) == 0
        assert len(farm.starts(job)) == frames // 5
        assert farm.job(job, submitter)["dispatcher"] == submitter.name
        farm.agreed_hash()
    finally:
        farm.close()
    return spent_s


@pytest.mark.parametrize(("workers", "frames"), [(3, 15), (6, 30)])
def test_6b_peers_render_what_the_same_farm_with_one_fixed_dispatcher_renders(
    tmp_path: Path, workers: int, frames: int, record_property: pytest.RecordProperty
) -> None:
    peers_s = makespan_s(tmp_path / "peers", workers, frames, is_central=False)
    central_s = makespan_s(tmp_path / "central", workers, frames, is_central=True)
    for name, value in (("peers_s", peers_s), ("central_s", central_s), ("ratio", peers_s / central_s)):
        record_property(name, round(value, 3))


@pytest.mark.parametrize("victim_role", ["server", "worker", "submitter"])
def test_6c_sixty_frames_on_six_workers_arrive_though_a_node_is_killed(farm: RealFarm, victim_role: str) -> None:
    server = farm.add(SERVER, render=False)
    workers = farm.add_workers(6)
    submitter, witness = workers[0], workers[1]
    farm.start()
    job = farm.submit(submitter, "1-60", 5, FRAME_S)
    farm.wait_frames(job, witness, 5)
    rendering = farm.workers_of(job, witness)
    others = [node for node in workers[2:] if node.name in rendering]
    victim = {"server": server, "worker": others[0], "submitter": submitter}[victim_role]
    farm.kill(victim)
    done_before = farm.job(job, witness)["frames"]["done"]
    farm.wait_published(job, witness)
    assert done_before < 60
    assert dict.fromkeys(names_of(1, 60), SIZE) == farm.valid_frames()
    assert farm.duplicate_starts(job) == 0
    assert sum(farm.shares(job, witness).values()) == 60
    farm.agreed_hash()
