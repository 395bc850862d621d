"""What people do with a running farm: read logs, pause, cancel, add and remove nodes, chain steps."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from farm_rig import SIZE, RealFarm, names_of, peerfarm

from peerfarm.cli.demo_nodes import SERVER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def test_log_of_a_task_is_read_through_any_node(farm: RealFarm) -> None:
    ada, _ = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-2", 1, frame_s=0.1, workers=["ben"])
    farm.wait_published(job, ada)
    far = farm.attempts(job, ada)[1]
    done = peerfarm(ada, "log", job, "1")
    assert done.returncode == 0
    assert "# worker      ben" in done.stdout
    assert f"PROCESS START {far['attempt']}" in done.stdout
    assert "outcome     rendered" in done.stdout


def test_paused_job_gives_out_nothing_until_it_is_resumed(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-200", 1, frame_s=0.2)
    farm.wait_frames(job, ben, 2)
    assert peerfarm(ben, "pause", job).returncode == 0
    # Ada gives out the job's tasks: what she knows to run once she has heard of the pause is all that ever will.
    farm.wait_for("ada to hear of it", lambda: farm.job(job, ada)["paused"])
    farm.wait_for("the end of what ran", lambda: not farm.workers_of(job, ada))
    done = farm.job(job, ada)["frames"]["done"]
    other = farm.submit(ben, "201-204", 1, frame_s=0.1)
    farm.wait_published(other, ada)  # both workers were idle meanwhile, and took none of the paused job
    assert done == farm.job(job, ada)["frames"]["done"] < 200
    assert peerfarm(ada, "resume", job).returncode == 0
    farm.wait_frames(job, ben, done + 3)
    assert farm.duplicate_starts(job) == 0


def test_cancelled_job_stops_its_running_renders_on_every_node(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-20", 1, frame_s=600)
    farm.wait_starts(job, {"ada", "ben"})
    assert peerfarm(ben, "cancel", job).returncode == 0
    farm.wait_for("the stop", lambda: [start.outcome for start in farm.starts(job)] == ["stopped", "stopped"])
    assert farm.job(job, ada)["status"] == "cancelled"
    assert list(farm.output.glob("f_*")) == []
    assert peerfarm(ada, "retry", job, "--tasks", "3").returncode == 0
    farm.wait_for("one task to run again", lambda: [start.task[2] for start in farm.starts(job)][2:] == [3])


def test_job_of_higher_priority_goes_first_from_the_next_task_on(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    low = farm.submit(ada, "1-12", 1, frame_s=0.2)
    high = farm.submit(ada, "101-105", 1, frame_s=0.2, priority=80)
    farm.wait_published(high, ada)
    farm.wait_published(low, ada)
    first, *_, last = farm.starts(high)
    between = [start for start in farm.starts(low) if first.started_ns < start.started_ns < last.started_ns]
    later = [start for start in farm.starts(low) if start.started_ns > last.started_ns]
    assert len(between) <= 1
    assert later


def test_node_that_joins_while_a_job_runs_takes_its_share(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    late = farm.add("ben")
    late.start()
    late.await_hello()
    invitation = peerfarm(ada, "invite").stdout.split()
    job = farm.submit(ada, "1-100", 1, frame_s=0.3)
    farm.wait_frames(job, ada, 1)
    joined = peerfarm(late, "join", next(word for word in invitation if len(word) > 60))
    assert joined.returncode == 0, joined.stderr
    farm.wait_for("frames of the newcomer's", lambda: farm.shares(job, late).get("ben", 0) >= 2)
    assert peerfarm(late, "cancel", job).returncode == 0
    farm.wait_for("the end", lambda: not farm.workers_of(job, ada) and not farm.workers_of(job, late))
    farm.agreed_hash()
    assert farm.shares(job, ada) == farm.shares(job, late)
    assert farm.duplicate_starts(job) == 0


def test_node_that_can_only_dial_out_renders_along(farm: RealFarm) -> None:
    ada, _ = farm.add("ada"), farm.add("ben", listen="")
    farm.start()
    job = farm.submit(ada, "1-3", 1, frame_s=0.1, workers=["ben"])
    farm.wait_published(job, ada)
    assert farm.shares(job, ada) == {"ben": 3}
    farm.agreed_hash()


def test_removed_node_gets_no_more_work_and_its_task_goes_to_others(farm: RealFarm) -> None:
    ada, ben = farm.add("ada"), farm.add("ben")
    farm.start()
    job = farm.submit(ada, "1-2", 1, frame_s=600)
    farm.wait_starts(job, {"ada", "ben"})
    (task,) = farm.tasks_of(ben, job, ada)
    (own,) = farm.tasks_of(ada, job, ada)
    assert peerfarm(ada, "remove", "ben").returncode == 0
    farm.wait_for("the requeue", lambda: farm.ends_of(job, task, ada) == [("ben", "requeued", "removed")])
    assert peerfarm(ada, "cancel", job, "--tasks", str(own)).returncode == 0
    farm.wait_for("ada to take it", lambda: farm.tasks_of(ada, job, ada) == [task])
    farm.wait_for(
        "ben to stop rendering", lambda: [s.outcome for s in farm.starts(job) if s.node == "ben"] == ["stopped"]
    )
    assert peerfarm(ada, "cancel", job).returncode == 0

    second = farm.submit(ada, "11-14", 1, frame_s=0.1)
    farm.wait_published(second, ada)
    assert dict.fromkeys(names_of(11, 14), SIZE) == farm.valid_frames()
    assert farm.shares(second, ada) == {"ada": 4}
    assert [row["name"] for row in ada.call("nodes")["nodes"]] == ["ada"]
    assert ben.is_running


def test_step_waits_frame_by_frame_for_the_step_before_and_reads_its_frames(farm: RealFarm) -> None:
    copy = shutil.which("cp")
    assert copy
    ada, _ = (farm.add(name, command={"allow": {"copy": copy}}) for name in ("ada", "ben"))
    farm.start()
    final = farm.output / "final"
    render: dict[str, Any] = {
        "name": "render",
        "app": "ocean",
        "params": {"width": 64, "height": 36, "seconds_per_frame": 0.1},
        "frames": "1-8",
        "chunk": 2,
        "output": {"dir": str(farm.scenes), "pattern": "r_####.png"},
    }
    comp = {
        "name": "comp",
        "app": "command",
        "params": {"command": "copy", "args": ["-rL", "{inputs}/render/.", "{output}"]},
        "frames": "1-8",
        "chunk": 2,
        "depends_on": [{"step": "render", "frames": 0}],
        "output": {"dir": str(final), "pattern": "r_####.png"},
    }
    answer = ada.call("submit", job={"name": "chain", "files": "shared", "steps": [render, comp]})
    farm.wait_published(answer["job"], ada)
    rendered = {path.name: path.read_bytes() for path in farm.scenes.glob("r_*.png")}
    assert len(rendered) == 8
    assert rendered == {path.name: path.read_bytes() for path in final.glob("*.png")}
    ends = {start.task[1:]: start.ended_ns for start in farm.starts(answer["job"])}
    begins = {start.task[1:]: start.started_ns for start in farm.starts(answer["job"])}
    assert all(begins[1, task] > (ends[0, task] or 0) for task in range(4))


def test_program_that_no_owner_listed_is_run_nowhere(farm: RealFarm) -> None:
    ada = farm.add("ada")
    farm.start()
    step = {"name": "x", "app": "command", "params": {"command": "copy", "args": []}}
    answer = ada.call("submit", job={"name": "sly", "steps": [step]})
    assert "no worker that is here now can take step x" in answer["warnings"][0]
    assert farm.starts(answer["job"]) == []


def test_farm_works_without_its_server_and_finds_it_again(farm: RealFarm) -> None:
    server, ada, ben = farm.add(SERVER, render=False), farm.add("ada"), farm.add("ben")
    farm.start()
    farm.kill(server)
    job = farm.submit(ada, "1-6", 1, frame_s=0.1)
    farm.wait_published(job, ben)
    server.start()
    server.await_hello()
    farm.await_sight()
    farm.agreed_hash()
    assert farm.is_published(job, server)
