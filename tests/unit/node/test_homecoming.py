"""How far frames are on their way to the artist who submitted the job: bytes, rate, time left."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import MINTED, Elm, FileSolo

from peerfarm.model.files import FetchEnded, FetchProgressed
from peerfarm.model.ids import ActionId, attempt_label
from peerfarm.protocol.messages import KeepAsk
from peerfarm.state.actions import TaskLeased, TaskRendered

FRAME = 1000
"""Bytes of each frame here."""


@pytest.fixture
def solo() -> FileSolo:
    """The artist's own machine, which renders nothing."""
    solo = FileSolo(is_rendering=False)
    solo.found()
    return solo


def frames_of(task: int) -> tuple[tuple[str, int, bytes], ...]:
    return ((f"sea_{task + 1:04}.png", FRAME, bytes([task + 1]) * 32),)


def lease(elm: Elm, task: int) -> ActionId:
    return elm.say(TaskLeased(MINTED, 0, task, 0, 1, elm.id, elm.boot, 1))[0]


def rendered(elm: Elm, task: int, render_ms: int = 10) -> ActionId:
    """The peer rendered a task, and somebody else keeps its frames too."""
    given = lease(elm, task)
    elm.say(TaskRendered(MINTED, 0, task, given, frames_of(task), render_ms))
    return given


def asks_to_keep(elm: Elm, task: int) -> str:
    """The peer rendered a task and wants this node to keep its frames; the key of the fetch."""
    given = lease(elm, task)
    elm.solo.hear(elm.id, KeepAsk(given, MINTED, 0, task, frames_of(task)))
    return f"keep/{MINTED}/{attempt_label(given)}"


def moved(solo: FileSolo, key: str, done_bytes: int) -> None:
    solo.turn(FetchProgressed(key, done_bytes, FRAME, 0.0))


def row(solo: FileSolo) -> dict[str, Any] | None:
    found: dict[str, Any] | None = solo.ask("job", job=MINTED)["file_transfer"]["frames"]
    return found


def test_frames_that_workers_send_home_are_told_with_bytes_rate_and_time_left(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-4")
    first, second = asks_to_keep(elm, 1), asks_to_keep(elm, 2)
    solo.beats(elm, 2)
    moved(solo, first, 200)
    assert row(solo) == {
        "tasks": 2,
        "rendered": 2,
        "done_bytes": 200,
        "total_bytes": 2 * FRAME,
        "rate_bytes_s": 100,
        "left_s": 18,
    }
    solo.beats(elm, 2)
    solo.turn(FetchEnded(first))
    told = row(solo)
    assert told is not None
    assert (told["tasks"], told["done_bytes"], told["total_bytes"]) == (1, FRAME, 2 * FRAME)
    solo.turn(FetchEnded(second))
    solo.beats(elm, 1)
    assert row(solo) is None


def test_whoever_comes_back_sees_how_much_of_her_frames_is_still_to_come(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-20")
    for task in range(2, 14):
        rendered(elm, task)
    orders = solo.publishes()
    assert len(orders) == 8, "as many as are ordered at a time"
    told = row(solo)
    assert told is not None
    assert (told["tasks"], told["rendered"], told["total_bytes"]) == (12, 0, 12 * FRAME)
    solo.beats(elm, 1)
    moved(solo, f"result/{MINTED}/{orders[0].attempt}", FRAME)
    told = row(solo)
    assert told is not None
    assert (told["done_bytes"], told["total_bytes"], told["left_s"]) == (FRAME, 12 * FRAME, 11)
    solo.placed(orders[0])
    told = row(solo)
    assert told is not None
    assert (told["tasks"], told["done_bytes"], told["total_bytes"]) == (11, FRAME, 12 * FRAME)
    for order in orders[1:]:
        solo.placed(order)
    for order in solo.publishes()[8:]:
        solo.placed(order)
    solo.beats(elm, 1)
    assert row(solo) is None


def test_frames_that_are_here_already_are_not_said_to_be_on_their_way(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-4")
    key = asks_to_keep(elm, 1)
    solo.turn(FetchEnded(key))
    given = next(order for order in solo.fetches() if order.key == key)
    elm.say(TaskRendered(MINTED, 0, 1, _lease_of(given.key), frames_of(1), 10))
    assert [order.task for order in solo.publishes()] == [1]
    assert row(solo) is None


def _lease_of(key: str) -> ActionId:
    node, log, seq = key.split("/")[2].rsplit("-", 2)
    return (node, log, int(seq))  # type: ignore[return-value]


def test_frames_kept_for_another_artist_are_not_this_ones(solo: FileSolo) -> None:
    elm = Elm(solo)
    elm.submit(MINTED, manifest=False)
    key = asks_to_keep(elm, 1)
    moved(solo, key, 200)
    assert row(solo) is None


@pytest.mark.parametrize(("render_ms", "left_s"), [(10, 18.0), (60_000, 60.0)])
def test_the_time_left_of_a_job_is_that_of_the_way_home_or_of_the_rest_to_render_whichever_is_longer(
    solo: FileSolo, render_ms: int, left_s: float
) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-3")
    rendered(elm, 1, render_ms)
    solo.placed(solo.publishes()[0])
    solo.beats(elm, 1)
    key = asks_to_keep(elm, 0)
    solo.beats(elm, 2)
    moved(solo, key, 100)
    assert solo.ask("job", job=MINTED)["eta_s"] == left_s


def test_subscribers_hear_of_frames_on_their_way_twice_a_second_at_most(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-4")
    key = asks_to_keep(elm, 1)
    solo.now_s += 1.0
    for done in range(100, 600, 100):
        moved(solo, key, done)
    solo.now_s += 0.5
    moved(solo, key, 600)
    told = [event for effects in solo.effects for event in effects.events if event["type"] == "frames/progress"]
    assert [event["done_bytes"] for event in told] == [100, 600]
    assert told[-1] == {
        "type": "frames/progress",
        "job": MINTED,
        "tasks": 1,
        "rendered": 1,
        "done_bytes": 600,
        "total_bytes": FRAME,
        "rate_bytes_s": 400,
        "left_s": 1,
    }


def test_a_copy_whose_worker_is_gone_is_on_its_way_no_more(solo: FileSolo) -> None:
    elm = Elm(solo)
    solo.submit_files(frames="1-4")
    moved(solo, asks_to_keep(elm, 1), 200)
    assert row(solo) is not None
    elm.leave()
    assert row(solo) is None
