"""A node that dies without a word: what it left running, and what it knows when it comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farm_rig import SIZE, RealFarm, names_of, peerfarm

from peerfarm.cli.demo_nodes import FarmNode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def renderers_of(node: FarmNode) -> list[int]:
    """Pids of living processes that carry the mark of one of the node's attempts."""
    text = (node.home.data / "attempts" / "starts.jsonl").read_text()
    marks = {f"PEERFARM_ATTEMPT={json.loads(line)['attempt']}".encode() for line in text.splitlines()}
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marks & set((entry / "environ").read_bytes().split(b"\0")):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended while we looked
    return found


def test_renderers_of_a_killed_node_do_not_survive_its_next_start(farm: RealFarm) -> None:
    ada = farm.add("ada", command=farm.paint_allowed())
    farm.start()
    # It says nothing while it waits, so no broken pipe ends it: only the node's next start can.
    job = farm.submit_painting(ada, "1", 1, frame_s=600)
    farm.wait_for("a renderer", lambda: bool(renderers_of(ada)))
    farm.wait_for("its mark on the disk", lambda: '"alive"' in (ada.home.data / "attempts/starts.jsonl").read_text())
    (before,) = renderers_of(ada)
    farm.kill(ada)
    assert [before] == renderers_of(ada)

    ada.start()
    ada.await_hello()
    assert before not in renderers_of(ada)
    farm.wait_for("the next attempt", lambda: len(farm.starts(job)) == 2)
    assert farm.duplicate_starts(job) == 0
    ada.call("cancel", job=job)
    farm.wait_for("the end of the cancelled render", lambda: not renderers_of(ada))


def test_job_submitted_to_a_lonely_node_outlives_a_power_cut(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    job = farm.submit(ada, "1-10", 1, frame_s=0.3)
    farm.wait_frames(job, ada, 2)
    farm.kill(ada)
    ada.start()
    ada.await_hello()
    farm.wait_published(job, ada)
    assert dict.fromkeys(names_of(1, 10), SIZE) == farm.valid_frames()
    assert farm.duplicate_starts(job) == 0


def test_whole_farm_that_loses_power_goes_on_where_it_was(farm: RealFarm) -> None:
    ada, ben, cleo = farm.add_workers(3)
    farm.start()
    job = farm.submit(ada, "1-30", 2, frame_s=0.2)
    farm.wait_frames(job, ben, 6)
    for node in (ada, ben, cleo):
        farm.kill(node)
    for node in (cleo, ben, ada):
        node.start()
    for node in (ada, ben, cleo):
        node.await_hello()
    farm.await_sight()
    farm.wait_published(job, cleo)
    assert dict.fromkeys(names_of(1, 30), SIZE) == farm.valid_frames()
    assert farm.duplicate_starts(job) == 0
    farm.agreed_hash()


def test_stopped_node_gives_its_task_back_at_once(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-2", 1, frame_s=600)
    farm.wait_starts(job, {"ada", "ben"})
    (task,) = farm.tasks_of(ben, job, ada)
    (own,) = farm.tasks_of(ada, job, ada)
    assert ben.stop() == 0
    # Ben's own word alone brings these two about; had he only fallen silent, he would be dead and the task requeued.
    farm.wait_for("ben's goodbye", lambda: farm.state_of(ben, ada) == "left")
    farm.wait_for("the return", lambda: farm.ends_of(job, task, ada) == [("ben", "returned", "node-stopped")])
    assert peerfarm(ada, "cancel", job, "--tasks", str(own)).returncode == 0
    farm.wait_for("ada to take it", lambda: farm.tasks_of(ada, job, ada) == [task])
    assert farm.duplicate_starts(job) == 0
