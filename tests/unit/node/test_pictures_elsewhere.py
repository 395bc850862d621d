"""A frame that this machine does not have, or cannot read, is shown by the machine that rendered it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from files_rig import Elm, FileSolo
from node_rig import CLIENT

from peerfarm.model.ids import FarmId, JobId
from peerfarm.model.preview import Previewed
from peerfarm.node import inputs
from peerfarm.node.effects import Effects
from peerfarm.protocol.filemessages import PictureAsk, PictureTell
from peerfarm.state.actions import TaskLeased, TaskRendered

JOB = JobId("jobofelm2222")
PNG = b"\x89PNG\r\n\x1a\nsmall"
UNREAD = "install the extra [preview] to see EXR"


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


@pytest.fixture
def elm(solo: FileSolo) -> Elm:
    """It submitted a job and rendered a frame of it."""
    elm = Elm(solo)
    elm.submit(JOB, manifest=False, frames=1)
    (lease,) = elm.say(TaskLeased(JOB, 0, 0, 0, 1, elm.id, "peerboot", 1))
    elm.say(TaskRendered(JOB, 0, 0, lease, (("sea_0001.exr", 10, b"\1" * 32),), 2000))
    return elm


def ask_picture(solo: FileSolo, job: str) -> str:
    """A panel asks; the order to look here."""
    minted = inputs.Minted(JobId("jobaaaaaaaaa"), FarmId("farmfarmfarmfarm"), "t" * 32)
    (order,) = solo.turn(inputs.LocalRequest(CLIENT, "t", "thumbnail", {"job": job, "size": 64}, minted)).previews
    return order.request


def answer(effects: Effects) -> dict[str, Any]:
    (one,) = effects.answers
    result: dict[str, Any] = one.result
    return result


def test_the_worker_is_asked_once_and_its_picture_is_shown(solo: FileSolo, elm: Elm) -> None:
    request = ask_picture(solo, JOB)
    assert solo.turn(Previewed(request, reason=UNREAD)).answers == []
    (ask,) = elm.told(PictureAsk)
    assert (ask.job, ask.step, ask.task, ask.size) == (JOB, 0, 0, 64)
    told = answer(solo.hear(elm.id, PictureTell(ask.token, "sea_0001.exr", 64, 36, PNG, "")))
    assert told == {
        "frame": "sea_0001.exr",
        "width": 64,
        "height": 36,
        "png": base64.b64encode(PNG).decode(),
        "path": "",
    }
    assert solo.hear(elm.id, PictureTell(ask.token, "sea_0001.exr", 64, 36, PNG, "")).answers == []


def test_what_is_in_the_way_here_is_told_when_the_worker_has_no_picture_either(solo: FileSolo, elm: Elm) -> None:
    solo.turn(Previewed(ask_picture(solo, JOB), reason=UNREAD))
    (ask,) = elm.told(PictureAsk)
    told = answer(solo.hear(elm.id, PictureTell(ask.token, "", 0, 0, b"", "it is damaged")))
    assert told == {"frame": None, "reason": UNREAD}


def test_only_who_was_asked_may_answer_and_only_with_a_picture(solo: FileSolo, elm: Elm) -> None:
    ash = Elm(solo, "ash")
    request = ask_picture(solo, JOB)
    token = int(request)
    assert solo.hear(elm.id, PictureTell(token, "a", 1, 1, PNG, "")).answers == []  # nobody was asked yet
    solo.turn(Previewed(request, reason=UNREAD))
    assert solo.hear(ash.id, PictureTell(token, "a", 1, 1, PNG, "")).answers == []
    assert answer(solo.hear(elm.id, PictureTell(token, "a", 1, 1, b"<svg>", ""))) == {"frame": None, "reason": UNREAD}


def test_a_worker_that_is_away_is_not_waited_for(solo: FileSolo, elm: Elm) -> None:
    request = ask_picture(solo, JOB)
    elm.leave()
    assert answer(solo.turn(Previewed(request, reason=UNREAD))) == {"frame": None, "reason": UNREAD}
    assert elm.told(PictureAsk) == []


def test_a_worker_that_goes_after_it_was_asked_is_not_waited_for(solo: FileSolo, elm: Elm) -> None:
    request = ask_picture(solo, JOB)
    assert solo.turn(Previewed(request, reason=UNREAD)).answers == []
    assert len(elm.told(PictureAsk)) == 1
    solo.turn(inputs.LinkDown(elm.id))
    said: list[Any] = []
    for _ in range(16):
        solo.now_s += 0.25
        said += solo.turn(inputs.Tick()).answers
    assert [one.result for one in said] == [{"frame": None, "reason": UNREAD}]


def test_a_thousand_panels_leave_room_for_other_requests_and_each_is_answered(solo: FileSolo, elm: Elm) -> None:
    minted = inputs.Minted(JobId("jobaaaaaaaaa"), FarmId("farmfarmfarmfarm"), "t" * 32)
    told = [
        solo.turn(inputs.LocalRequest(CLIENT, number, "thumbnail", {"job": JOB}, minted))  # type: ignore[arg-type]
        for number in range(1000)
    ]
    at_once = [one.result for effects in told for one in effects.answers]
    orders = [order for effects in told for order in effects.previews]
    assert (len(at_once), len(orders)) == (936, 64)
    assert all("ask again later" in str(result) for result in at_once)
    answers = [one for order in orders for one in solo.turn(Previewed(order.request, reason=UNREAD)).answers]
    assert answers == []
    asked = elm.told(PictureAsk)
    answers = [one for ask in asked for one in solo.hear(elm.id, PictureTell(ask.token, "a", 9, 9, PNG, "")).answers]
    assert [one.result["frame"] for one in answers] == ["a"] * 64


def test_a_peer_gets_the_picture_of_a_frame_that_was_rendered_here(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    elm = Elm(solo)
    lease = _lease(solo, job)
    (order,) = solo.hear(elm.id, PictureAsk(5, lease, job, 0, 0, 64)).previews
    assert (order.size, [frame.name for frame in order.results[0].frames]) == (64, ["sea_0001.png"])
    solo.turn(Previewed(order.request, "sea_0001.png", "/out/sea_0001.png", 64, 36, base64.b64encode(PNG).decode()))
    assert elm.told(PictureTell) == [PictureTell(5, "sea_0001.png", 64, 36, PNG, "")]


def test_a_peer_cannot_order_pictures_without_end_nor_of_what_is_not_ours(solo: FileSolo) -> None:
    job = solo.submit_files(frames="1")
    solo.rendered(solo.starts[0])
    elm = Elm(solo)
    elm.submit(JOB, manifest=False, frames=1)
    (other,) = elm.say(TaskLeased(JOB, 0, 0, 0, 1, elm.id, "peerboot", 1))
    elm.say(TaskRendered(JOB, 0, 0, other, (("sea_0001.exr", 10, b"\1" * 32),), 2000))
    lease = _lease(solo, job)
    orders = [
        order for token in range(20) for order in solo.hear(elm.id, PictureAsk(token, lease, job, 0, 0, 64)).previews
    ]
    assert len(orders) == 8
    assert [told.token for told in elm.told(PictureTell)] == list(range(8, 20))  # the others hear so at once
    for order in orders:
        solo.turn(Previewed(order.request, reason="no"))
    for ask in (
        PictureAsk(40, lease, JobId("jobunknown22"), 0, 0, 64),
        PictureAsk(41, lease, job, 9, 0, 64),
        PictureAsk(42, lease, job, 0, 7, 64),
        PictureAsk(43, (*lease[:2], lease[2] + 1), job, 0, 0, 64),
        PictureAsk(44, other, JOB, 0, 0, 64),
    ):
        assert solo.hear(elm.id, ask).previews == []
    assert [told.token for told in elm.told(PictureTell)[-5:]] == [40, 41, 42, 43, 44]
    assert all(told.reason for told in elm.told(PictureTell)[-5:])


def _lease(solo: FileSolo, job: str) -> Any:
    (body,) = [body for body in solo.recorded(TaskRendered) if body.job == job]
    return body.lease
