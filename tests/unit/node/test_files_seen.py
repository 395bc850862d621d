"""What users see of files that travel: how far they are, why a job waits, what is missing, and where it is."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import MINTED, ROOT, Elm, FileSolo

from peerfarm.model.files import FetchEnded, FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.render import FailReason
from peerfarm.node.pace import Pace, left_s
from peerfarm.protocol.messages import Beat, KeepAsk, KeepTold
from peerfarm.state.actions import MemberRemoved, TaskLeased, TaskRendered, TasksCancelled

JOB = JobId("jobone222222")
NOBODY = "no machine that can be reached holds 1 of its 5 files"


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def told(solo: FileSolo, kind: str) -> list[dict[str, Any]]:
    return [event for effects in solo.effects for event in effects.events if event["type"] == kind]


def moved(solo: FileSolo, done_bytes: int, job: JobId = JOB) -> None:
    solo.turn(FetchProgressed(f"scene/{job}", done_bytes, 1000, 50.0))


def lacks(solo: FileSolo, *lacking: NodeId) -> None:
    solo.turn(FetchEnded(f"scene/{JOB}", NOBODY, lacking, is_missing=True))


def rendered_elsewhere(solo: FileSolo, elm: Elm, task: int, job: JobId = MINTED) -> None:
    lease = elm.say(TaskLeased(job, 0, task, 0, 1, elm.id, elm.boot, 1))[0]
    elm.say(TaskRendered(job, 0, task, lease, ((f"sea_{task + 1:04}.png", 10, b"f" * 32),), 10))


# How far


def test_subscribers_hear_of_this_nodes_fetch_twice_a_second_at_most(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    for done in range(100, 600, 100):
        moved(solo, done)
    solo.now_s += 0.5
    moved(solo, 600)
    assert [event["done_bytes"] for event in told(solo, "scene/progress")] == [100, 600]
    assert told(solo, "scene/progress")[-1] == {
        "type": "scene/progress",
        "job": JOB,
        "node": solo.id,
        "name": "oak",
        "done_bytes": 600,
        "total_bytes": 1000,
        "rate_bytes_s": 50,
        "left_s": 8,
    }
    solo.fetched(f"scene/{JOB}")
    assert [(event["job"], event["error"]) for event in told(solo, "scene/ended")] == [(JOB, "")]


def test_subscribers_hear_of_a_fetch_that_is_given_up(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    elm.say(TasksCancelled(JOB, 0, ((0, 3),), 0))
    assert [event["error"] for event in told(solo, "scene/ended")] == ["its files are needed here no more"]


def test_this_nodes_fetch_is_shown_in_bytes_with_rate_and_time_left(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    moved(solo, 250)
    how_far = {"progress": 0.25, "done_bytes": 250, "total_bytes": 1000, "rate_bytes_s": 50, "left_s": 15}
    (row,) = solo.ask("nodes")["nodes"][0]["fetching"]
    assert row == {"job": JOB, "job_name": "sea", **how_far}
    (row,) = solo.ask("job", job=JOB)["file_transfer"]["fetching"]
    assert row == {"node": solo.id, "name": "oak", **how_far}


def test_a_peers_fetch_is_timed_by_its_heartbeats_and_told_in_bytes_where_the_size_is_known(solo: FileSolo) -> None:
    elm = Elm(solo)
    job = solo.submit_files(root=ROOT, size_bytes=2_000_000)
    for thousandths in (0, 100, 200):
        solo.now_s += 1.0
        solo.hear(elm.id, Beat(elm.boot, b"", "", 1, 0, (), ((job, thousandths), (JOB, thousandths))))
    mine, other = next(row for row in solo.ask("nodes")["nodes"] if row["name"] == "elm")["fetching"]
    assert (mine["done_bytes"], mine["total_bytes"], mine["rate_bytes_s"], mine["left_s"]) == (
        400_000,
        2_000_000,
        200_000,
        8,
    )
    assert (other["done_bytes"], other["rate_bytes_s"], other["left_s"]) == (None, None, 8)


def test_a_pace_is_that_of_the_last_seconds_and_begins_anew_with_the_work() -> None:
    pace = Pace()
    assert left_s(5, pace.rate) is None
    for second in range(31):
        pace.note(float(second), 100.0 * min(second, 10))
    assert pace.rate == 0
    pace.note(31.0, 0.0)
    pace.note(33.0, 10.0)
    assert pace.rate == 5
    assert left_s(12, pace.rate) == 3


# Why a job waits


def test_a_job_waits_in_words_for_the_node_that_has_its_files(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)
    assert solo.ask("job", job=JOB)["waits"] == ""
    elm.leave()
    lacks(solo)
    solo.wait(120)
    view = solo.ask("job", job=JOB)
    assert view["error"] == view["waits"] == f"waits for files of sea: {NOBODY}; elm (off for 2 min) does"
    assert view["eta_s"] is None
    elm.come("newboot2")
    moved(solo, 10)
    assert solo.ask("job", job=JOB)["error"] == ""


def test_nobody_says_when_a_job_will_be_done_while_its_files_are_on_their_way(solo: FileSolo) -> None:
    job = solo.submit_files(root=ROOT, frames="1-3")
    solo.fetched(f"scene/{job}")
    solo.rendered(solo.starts[0])
    assert solo.ask("job", job=job)["eta_s"] == 4.0
    solo.fail(solo.starts[1], FailReason.FILES_MISSING, "wood.png is damaged")
    solo.wait(21)
    assert [order.key for order in solo.fetches()][-1] == f"scene/{job}"
    assert solo.ask("job", job=job)["eta_s"] is None


def test_a_node_that_renders_nothing_knows_too_that_the_submitter_must_be_back() -> None:
    solo = FileSolo(is_rendering=False)
    solo.found()
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.hear(ash.id, ash.about(apps=(("ocean", "", ()),)))
    elm.submit(JOB)
    elm.leave()
    solo.beats(ash, 10)
    assert solo.ask("job", job=JOB)["waits"] == "waits for files of sea: elm (off for 14 s) has them"
    solo.hear(ash.id, Beat(ash.boot, b"", "", 1, 0, (), ((JOB, 300),)))
    assert solo.ask("job", job=JOB)["waits"] == ""


def test_files_that_no_member_has_any_more_are_not_waited_for_in_silence(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    elm.submit(JOB)
    lacks(solo, elm.id)
    assert solo.ask("job", job=JOB)["waits"] == f"waits for files of sea: {NOBODY}"
    ash.leave()
    assert "; perhaps ash (off for 4 s) does" in solo.ask("job", job=JOB)["waits"]
    elm.say(MemberRemoved(NodeId(ash.id)))
    assert solo.ask("job", job=JOB)["waits"].endswith("and no other member does: submit the job again")


def test_a_disk_that_keeps_refusing_what_is_fetched_is_an_alarm_until_it_takes_something(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB)

    def refused() -> None:
        solo.turn(FetchEnded(f"scene/{JOB}", "the disk of the store is broken", is_disk_error=True))
        solo.beats(elm, 61)

    refused()
    refused()
    lacks(solo)
    solo.beats(elm, 61)
    assert solo.ask("status")["alarms"] == []
    refused()
    alarm = "files that others send cannot be kept on this node's disk: the disk of the store is broken"
    assert solo.ask("status")["alarms"] == [alarm]
    solo.fetched(f"scene/{JOB}")
    assert solo.ask("status")["alarms"] == []


# What is missing


def test_frames_that_could_not_be_fetched_name_whoever_holds_them(solo: FileSolo) -> None:
    elm = Elm(solo)
    job = solo.submit_files(frames="1-3")
    rendered_elsewhere(solo, elm, 1)
    missing = solo.ask("job", job=job)["steps"][0]["missing"]
    assert missing["rendered"] == {"count": 1, "names": ["sea_0002.png"], "waits_for": []}
    elm.leave()
    solo.placed(solo.publishes()[-1], NOBODY)
    missing = solo.ask("job", job=job)["steps"][0]["missing"]
    assert missing["rendered"]["waits_for"] == ["elm"]
    assert missing["count"] == 3


def test_frames_of_which_this_node_has_the_only_copy_are_counted(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    elm.leave()
    solo.wait(3)
    for _ in range(2):
        solo.rendered(solo.starts[-1])
    transfer = solo.ask("job", job=JOB)["file_transfer"]
    assert transfer["copies"] == {"waiting": 0, "kept": 0, "single": 2}
    assert transfer["single"] == {"name": "oak", "frames": 2}
    elm.come("newboot2")
    for ask in elm.told(KeepAsk):
        solo.hear(elm.id, KeepTold(ask.lease, True, ""))
    assert solo.ask("job", job=JOB)["file_transfer"]["single"] is None


def test_frames_that_are_in_place_need_no_second_copy(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1-2")
    solo.rendered(solo.starts[0])
    assert solo.ask("job", job=job)["file_transfer"]["single"] == {"name": "oak", "frames": 1}
    solo.placed(solo.publishes()[0])
    solo.wait(1)
    assert solo.ask("job", job=job)["file_transfer"]["single"] is None
