"""What panels ask for: the newest jobs of their user, and the end of the log that tells most."""

from __future__ import annotations

import pytest
from node_rig import CLIENT, Solo

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import FarmId, JobId
from peerfarm.model.render import AttemptFailed, FailReason
from peerfarm.node import inputs


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def test_the_newest_jobs_come_first_with_how_many_there_are(solo: Solo) -> None:
    jobs = []
    for _ in range(5):
        solo.wait(1)
        jobs.append(solo.submit())
    told = solo.ask("jobs", limit=2)
    assert [row["id"] for row in told["jobs"]] == jobs[:-3:-1]
    assert told["total"] == 5


def test_only_the_own_users_jobs_are_told_when_asked(solo: Solo) -> None:
    mine = solo.submit()
    other = {"name": "x", "app": "ocean", "frames": "1", "output": "/o/x_#.png", "files": "shared"}
    solo.ask("submit", job=other, user="somebody")
    told = solo.ask("jobs", mine=True)
    assert [row["id"] for row in told["jobs"]] == [mine]
    assert told["total"] == 1
    assert solo.ask("jobs", limit=10)["total"] == 2


def test_the_count_of_jobs_by_status_follows_what_happens_to_them(solo: Solo) -> None:
    first, second, third = solo.submit(), solo.submit(), solo.submit()
    assert sum(solo.ask("status")["jobs"].values()) == 3
    solo.ask("pause", job=second)
    solo.ask("cancel", job=third)
    assert solo.ask("status")["jobs"] == {"active": 1, "paused": 1, "cancelled": 1}
    solo.ask("delete", job=third)
    assert solo.ask("status")["jobs"] == {"active": 1, "paused": 1}
    solo.ask("resume", job=second)
    solo.ask("cancel", job=first)
    solo.wait(1)
    told = solo.ask("jobs", limit=10)
    assert {row["id"] for row in told["jobs"]} == {first, second}
    counts: dict[str, int] = {}
    for row in told["jobs"]:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    assert solo.ask("status")["jobs"] == counts


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_an_odd_number_of_jobs_is_refused(solo: Solo, limit: int) -> None:
    with pytest.raises(RequestRefused, match="limit must be"):
        solo.ask("jobs", limit=limit)


def test_the_end_of_a_failed_tasks_log_comes_before_others(solo: Solo) -> None:
    job = solo.submit(frames="1-4")
    first = solo.starts[0]
    solo.turn(inputs.RunnerSaid(AttemptFailed(first.attempt, FailReason.APP_FAILED, "no camera", 1, (), 1.0)))
    minted = inputs.Minted(JobId("jobaaaaaaaaa"), FarmId("farmfarmfarmfarm"), "t" * 32)
    effects = solo.turn(inputs.LocalRequest(CLIENT, "tail", "log", {"job": job, "tail": 500}, minted))
    (read,) = effects.log_reads
    assert (read.attempt, read.offset) == (first.attempt, -500)
    assert solo.starts[-1].task != first.task  # another one runs by now
    with pytest.raises(RequestRefused, match="tail must be"):
        solo.ask("log", job=job, tail=-3)
