"""The experiments of section 6 of the paper that peerfarm follows, with real node processes.

Makespans are recorded as properties of the test (`--junit-xml` shows them), never asserted: this machine may be busy.
6C's half of the farm that is cut off has a file of its own, `test_paper_partition.py`.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import exporting_node
import pytest
from farm_rig import SIZE, RealFarm, names_of

from peerfarm.cli.demo_nodes import SERVER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FRAME_S = 0.2


def test_6a_six_nodes_export_the_same_state_wherever_they_hold_the_same_actions(
    farm: RealFarm, record_property: pytest.RecordProperty
) -> None:
    workers = farm.add_workers(6)
    for node in workers:
        node.program = Path(exporting_node.__file__)
    farm.start()
    job = farm.submit(workers[0], "1-60", 5, FRAME_S)
    farm.wait_published(job, workers[5])
    assert dict.fromkeys(names_of(1, 60), SIZE) == farm.valid_frames()
    assert farm.duplicate_starts(job) == 0
    farm.agreed_hash()

    exports = [exporting_node.read_exports(node.directory) for node in workers]
    compared = {vector for one, other in itertools.combinations(exports, 2) for vector in one.keys() & other.keys()}
    for vector in compared:
        assert len({states[vector] for states in exports if vector in states}) == 1
    ends = [list(states)[-1] for states in exports]
    assert len(set(ends)) == 1
    # Twelve tasks are leased, rendered and published: nobody exported, and nothing was compared, at the end alone.
    assert min(map(len, exports)) > 6
    assert len(compared) > 6
    record_property("states_exported", sum(len(states) for states in exports))
    record_property("vectors_compared", len(compared))


def makespan_s(directory: Path, workers: int, frames: int, *, is_central: bool) -> float:
    """Render the frames on a farm of its own, in chunks of five.

    The farm is the same both times, so many workers and one server that renders nothing, as in the paper.

    Args:
        is_central: Submit to the server, which so gives out every task; else to a worker.
    """
    directory.mkdir()
    farm = RealFarm(directory)
    try:
        server = farm.add(SERVER, render=False)
        submitter = [server, *farm.add_workers(workers)][0 if is_central else 1]
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
    submitter, witness, *others = workers
    farm.start()
    job = farm.submit(submitter, "1-60", 5, FRAME_S)
    farm.wait_frames(job, witness, 5)
    rendering = farm.workers_of(job, witness)
    worker = next((node for node in others if node.name in rendering), others[0])
    farm.kill({"server": server, "worker": worker, "submitter": submitter}[victim_role])
    (killed_ns,) = farm.killed_ns.values()
    farm.wait_published(job, witness)
    assert dict.fromkeys(names_of(1, 60), SIZE) == farm.valid_frames()
    starts = farm.starts(job)
    assert any(start.ended_ns is None or start.ended_ns > killed_ns for start in starts), "it was over by then"
    assert farm.duplicate_starts(job) == 0
    assert sum(farm.shares(job, witness).values()) == 60
    farm.agreed_hash()
