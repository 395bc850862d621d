"""Frames that travel reach the output folder on the submitter's machine, through her node and no other."""

from __future__ import annotations

import pytest
from files_rig import CLIENT, MINTED, ROOT, Elm, FileSolo
from node_rig import mentions

from peerfarm.errors import RequestRefused
from peerfarm.model.files import FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, Greeting, KeepAsk, KeepTold
from peerfarm.state.actions import MemberRemoved, TaskLeased, TaskRendered, TasksPublished, TasksRetried

JOB = JobId("jobone222222")
FRAME = ("sea_0001.png", 10, b"f" * 32)


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def rendered_elsewhere(solo: FileSolo, elm: Elm, job: JobId = MINTED, task: int = 0, generation: int = 0) -> None:
    lease = elm.say(TaskLeased(job, 0, task, generation, 1, elm.id, elm.boot, 1))[0]
    frame = (f"sea_{task + 1:04}.png", 10, bytes([generation + 1]) * 32)
    elm.say(TaskRendered(job, 0, task, lease, (frame,), 10))


def events(solo: FileSolo, kind: str) -> list[dict[str, object]]:
    told = [event for effects in solo.effects for client, event in effects.private if client == CLIENT]
    return [event for event in told if event["type"] == kind]


def test_the_submitters_node_fetches_and_puts_in_place_what_others_rendered(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files()
    rendered_elsewhere(solo, elm, task=1)
    (order,) = solo.publishes()
    assert (order.files, order.holders, order.output_dir) == ("peers", (elm.id,), "/out")
    assert not order.is_overwriting
    assert not order.is_asked_here
    solo.placed(order)
    solo.wait(1)
    assert [body.ranges for body in solo.recorded(TasksPublished)] == [((1, 1),)]


def test_nobody_else_puts_them_in_place_not_even_when_the_submitter_is_away(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    elm.submit(JOB, manifest=False)
    rendered_elsewhere(solo, ash, JOB)
    elm.leave()
    solo.beats(ash, 10)
    assert solo.publishes() == []
    told = solo.ask("job", job=JOB)
    assert told["error"] == f"frames wait for elm to be back; `peerfarm fetch {JOB} DIR` brings them elsewhere"
    missing = told["steps"][0]["missing"]
    assert (missing["count"], missing["names"]) == (4, [f"sea_000{frame}.png" for frame in (1, 2, 3, 4)])
    assert missing["directory"] == "/out"
    assert missing["rendered"] == {"count": 1, "names": ["sea_0001.png"], "waits_for": ["elm"]}


def test_what_was_rendered_again_may_take_the_place_of_its_former_frames(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(overwrite=True)
    rendered_elsewhere(solo, elm, task=1)
    solo.placed(solo.publishes()[-1])
    elm.say(TasksRetried(MINTED, 0, ((1, 1),), 1))
    rendered_elsewhere(solo, elm, task=1, generation=1)
    assert solo.publishes()[-1].former == (b"\1" * 32,)
    assert solo.publishes()[-1].is_overwriting


def test_frames_whose_holders_are_away_hold_up_no_others_and_are_tried_again_when_somebody_comes(
    solo: FileSolo,
) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1-30")
    for task in range(1, 13):
        rendered_elsewhere(solo, ash, task=task)
    for number in range(12):
        solo.placed(solo.publishes()[number], "no node that is here holds it; waits for ash")
    rendered_elsewhere(solo, elm, task=20)
    assert [order.task for order in solo.publishes()][-1] == 20
    solo.placed(solo.publishes()[-1])
    count = len(solo.publishes())
    solo.beats(elm, 3)
    assert solo.ask("job", job=MINTED)["error"] == "no node that is here holds it; waits for ash"
    assert len(solo.publishes()) == count
    ash.come("newboot2")
    assert len(solo.publishes()) == count + 8


def test_frames_that_no_member_holds_are_rendered_again(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1-2")
    rendered_elsewhere(solo, elm, task=1)
    solo.placed(solo.publishes()[-1], "nobody holds it", (elm.id,))
    assert solo.recorded(TasksRetried) == []
    solo.beats(ash, 6)
    solo.placed(solo.publishes()[-1], "nobody holds it", (elm.id, ash.id))
    assert [body.ranges for body in solo.recorded(TasksRetried)] == [((1, 1),)]


def test_members_that_left_for_ever_are_not_waited_for(solo: FileSolo) -> None:
    elm, ash = Elm(solo), Elm(solo, "ash")
    solo.submit_files(frames="1-2")
    rendered_elsewhere(solo, ash, task=1)
    elm.say(MemberRemoved(NodeId(ash.id)))
    solo.placed(solo.publishes()[-1], "nobody holds it", (elm.id,))
    assert len(solo.recorded(TasksRetried)) == 1


def test_a_lone_node_says_that_it_lost_frames_and_renders_them_again(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1-2")
    solo.rendered(solo.starts[0])
    order = solo.publishes()[-1]
    solo.placed(order, "the output folder is gone")
    solo.wait(6)
    assert solo.recorded(TasksRetried) == []
    solo.placed(solo.publishes()[-1], "no machine that can be reached holds 1 of its 1 files", is_missing=True)
    assert [body.ranges for body in solo.recorded(TasksRetried)] == [((0, 0),)]
    assert any("are lost and are rendered again" in alarm for alarm in solo.ask("status")["alarms"])
    solo.rendered(solo.starts[1])
    assert solo.starts[2].frames == (1,)
    assert solo.ask("job", job=job)["error"] == ""


def test_a_node_whose_peers_are_away_waits_for_them_before_it_renders_again(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-2")
    elm.leave()
    solo.rendered(solo.starts[0])
    solo.placed(solo.publishes()[-1], "no machine that can be reached holds 1 of its 1 files", is_missing=True)
    assert solo.recorded(TasksRetried) == []
    elm.come("newboot2")
    solo.placed(solo.publishes()[-1], "nobody holds it", (elm.id,), is_missing=True)
    assert len(solo.recorded(TasksRetried)) == 1


# `fetch`


def fetched_job(solo: FileSolo, count: int = 3) -> Elm:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False)
    for task in range(count):
        rendered_elsewhere(solo, elm, JOB, task)
    return elm


def test_any_node_fetches_the_frames_that_are_done_into_any_folder(solo: FileSolo) -> None:
    fetched_job(solo)
    told = solo.ask("fetch", job=JOB, directory="/mine", overwrite=True)
    assert told == {"job": JOB, "tasks": 3, "not_done": 1, "size_bytes": 30, "directories": ["/mine"]}
    orders = solo.publishes()
    assert {(order.output_dir, order.is_overwriting, order.is_asked_here) for order in orders} == {
        ("/mine", True, True)
    }
    solo.now_s += 0.5
    solo.placed(orders[0])
    assert events(solo, "fetch/progress")[-1]["done"] == 1
    solo.placed(orders[1])
    solo.placed(orders[2], "elm is away")
    (ended,) = events(solo, "fetch/ended")
    assert (ended["done"], ended["total"], ended["missing_count"]) == (2, 3, 1)
    row = {"step": 0, "step_name": "r", "task": 2, "frames": "3", "why": "elm is away", "waits_for": ""}
    assert ended["missing"] == [row]
    assert ended["waits_for"] == []
    assert solo.recorded(TasksPublished) == []


def test_a_fetch_tells_its_bytes_rate_and_time_left_also_while_a_task_is_under_way(solo: FileSolo) -> None:
    fetched_job(solo, 4)
    solo.ask("fetch", job=JOB, directory="/mine")
    first, second = solo.publishes()[:2]
    solo.now_s += 1.0
    solo.placed(first)
    solo.now_s += 1.0
    solo.turn(FetchProgressed(f"result/{JOB}/{second.attempt}", 5, 10, 1.0))
    solo.turn(FetchProgressed(f"result/{JOB}/{second.attempt}", 6, 10, 1.0))
    told = [[event[name] for name in ("done", "done_bytes", "total_bytes")] for event in events(solo, "fetch/progress")]
    assert told == [[0, 0, 40], [1, 10, 40], [1, 15, 40]]
    assert [event["rate_bytes_s"] for event in events(solo, "fetch/progress")] == [0, 10, 8]
    assert events(solo, "fetch/progress")[-1]["left_s"] == 4  # 25 bytes at 7.5 a second


def test_a_fetch_names_whoever_holds_what_is_missing_and_is_not_here(solo: FileSolo) -> None:
    elm = fetched_job(solo, 1)
    elm.leave()
    solo.ask("fetch", job=JOB, directory="/mine")
    solo.placed(solo.publishes()[0], "no machine that can be reached holds 1 of its 1 files")
    (ended,) = events(solo, "fetch/ended")
    assert ended["waits_for"] == [ended["missing"][0]["waits_for"]] == ["elm"]


def test_a_large_fetch_keeps_few_orders_under_way(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(JOB, manifest=False, frames=20)
    for task in range(20):
        rendered_elsewhere(solo, elm, JOB, task)
    solo.ask("fetch", job=JOB, directory="/mine")
    assert len(solo.publishes()) == 4
    for number in range(20):
        solo.placed(solo.publishes()[number])
    assert events(solo, "fetch/ended")[0]["done"] == 20


def test_a_fetch_without_a_folder_is_for_the_submitter_alone(solo: FileSolo) -> None:
    fetched_job(solo)
    error = solo.refusal("fetch", job=JOB)
    assert isinstance(error, RequestRefused)
    assert error.hint == f"say where the frames shall go: `peerfarm fetch {JOB} DIR`"
    assert "no absolute path" in str(solo.refusal("fetch", job=JOB, directory="mine"))


def test_frames_on_shared_storage_are_not_fetched(solo: FileSolo) -> None:
    job = solo.submit()
    assert "shared storage" in str(solo.refusal("fetch", job=job, directory="/mine"))


def test_a_fetch_that_is_cancelled_or_whose_user_is_gone_orders_no_more(solo: FileSolo) -> None:
    fetched_job(solo, 4)
    solo.ask("fetch", job=JOB, directory="/mine")
    solo.ask("cancel_fetch", job=JOB)
    assert events(solo, "fetch/ended")[0]["is_cancelled"]
    assert publish_stops(solo) == [order.attempt for order in solo.publishes()]
    for order in solo.publishes():
        solo.placed(order)
    assert len(solo.publishes()) == 4
    solo.ask("fetch", job=JOB, directory="/mine")
    solo.turn(inputs.ClientGone(CLIENT))
    assert not solo.node.fetching._fetches
    assert publish_stops(solo) == [order.attempt for order in solo.publishes()]


def publish_stops(solo: FileSolo) -> list[str]:
    return [attempt for effects in solo.effects for attempt in effects.publish_stops]


def test_an_attempt_is_never_put_in_place_twice_at_once(solo: FileSolo) -> None:
    elm = Elm(solo)
    job = solo.submit_files(frames="1-2")
    rendered_elsewhere(solo, elm, task=1)
    solo.ask("fetch", job=job, directory="/mine")
    assert [order.output_dir for order in solo.publishes()] == ["/out"]
    solo.placed(solo.publishes()[0])
    assert [order.output_dir for order in solo.publishes()] == ["/out", "/mine"]


def test_frames_that_a_user_fetches_just_now_are_put_in_place_a_moment_later(solo: FileSolo) -> None:
    elm = Elm(solo)
    job = solo.submit_files(frames="1-2")
    rendered_elsewhere(solo, elm, task=1)
    solo.placed(solo.publishes()[0], "the folder is full")
    solo.ask("fetch", job=job, directory="/mine")
    elm.come("newboot2")
    assert [order.output_dir for order in solo.publishes()] == ["/out", "/mine"]
    solo.placed(solo.publishes()[1])
    assert [order.output_dir for order in solo.publishes()] == ["/out", "/mine", "/out"]


def test_links_for_files_are_kept_while_a_job_needs_them(solo: FileSolo) -> None:
    assert not solo.node.are_files_travelling
    job = solo.submit_files(frames="1")
    assert solo.node.are_files_travelling
    assert solo.node.jobs_with_files() == {job}
    solo.rendered(solo.starts[0])
    solo.placed(solo.publishes()[0])
    solo.wait(40)
    assert not solo.node.are_files_travelling
    assert solo.node.jobs_with_files() == set()


def test_a_node_that_has_not_compared_does_not_say_that_no_job_needs_files() -> None:
    solo = FileSolo()
    assert solo.node.jobs_with_files() is None, "it belongs to no farm"
    solo.found()
    assert solo.node.jobs_with_files() == set()
    elm = Elm(solo)
    elm.come("newboot2")
    assert solo.node.jobs_with_files() == set()
    solo.turn(inputs.LinkUp(elm.id))
    solo.hear(elm.id, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), "boot3333"))
    assert solo.node.jobs_with_files() is None, "elm may know of jobs"
    elm.compare()
    assert solo.node.jobs_with_files() == set()


def test_nothing_of_a_job_whose_files_travelled_is_remembered_once_it_is_archived(solo: FileSolo) -> None:
    elm = Elm(solo)
    job = solo.submit_files(root=ROOT, frames="1-2")
    solo.fetched(f"scene/{job}", "nobody is here")
    solo.beats(elm, 6)
    solo.fetched(f"scene/{job}")
    for number in range(2):
        solo.rendered(solo.starts[number])
        solo.hear(elm.id, KeepTold(elm.told(KeepAsk)[-1].lease, True, ""))
        solo.placed(solo.publishes()[-1], "the folder is full")
        solo.beats(elm, 6)
        solo.placed(solo.publishes()[-1])
    solo.ask("fetch", job=job, directory="/mine")
    for order in solo.publishes()[-2:]:
        solo.placed(order)
    solo.beats(elm, 2)
    assert mentions(solo.node, job)
    solo.ask("archive", job=job)
    solo.beats(elm, 35)
    assert mentions(solo.node, job) == []
