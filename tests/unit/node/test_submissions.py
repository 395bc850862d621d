"""A program that makes short requests only submits in the background, and asks now and then how far it is."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import CLIENT, FARM, MINTED, ROOT, FileSolo

from peerfarm.errors import InvalidJob, RequestRefused
from peerfarm.model.files import Packed, PackOrder, PackProgressed
from peerfarm.model.ids import JobId
from peerfarm.node import inputs
from peerfarm.node.submissions import REMEMBERED
from peerfarm.state.actions import JobSubmitted

JOB = {"name": "sea", "app": "ocean", "frames": "1-3", "output": "/out/sea_####.png", "files": "peers"}


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def begin(solo: FileSolo, job: JobId = MINTED, **params: Any) -> PackOrder:
    request = {"job": JOB, "background": True, **params}
    effects = solo.turn(inputs.LocalRequest(CLIENT, "mine", "submit", request, inputs.Minted(job, FARM, "t" * 32)))
    (answer,) = effects.answers
    if answer.error is not None:
        raise answer.error
    assert answer.result == {"submission": job}
    (order,) = effects.packs
    return order


def test_it_is_answered_at_once_and_told_on_demand_until_the_job_is_there(solo: FileSolo) -> None:
    order = begin(solo)
    assert solo.ask("submission", submission=MINTED)["state"] == "packing"
    solo.turn(inputs.ClientGone(CLIENT))  # whoever sent it may well hang up
    effects = solo.turn(PackProgressed(order.request, "hashing", 100, 300, 1, 3, 50.0))
    assert effects.private == []
    told = solo.ask("submission", submission=MINTED)
    assert (told["text"], told["done_bytes"], told["left_s"]) == ("hashing", 100, 4)
    effects = solo.turn(Packed(order.request, ROOT, ("wood.png is missing",), files=3, size_bytes=900))
    assert effects.answers == []
    told = solo.ask("submission", submission=MINTED)
    assert told["state"] == "done"
    assert (told["answer"]["job"], told["answer"]["frames"], told["answer"]["warnings"][0]) == (
        MINTED,
        3,
        "wood.png is missing",
    )
    assert [row["id"] for row in solo.ask("jobs")["jobs"]] == [MINTED]


def test_what_cannot_be_packed_is_told_in_words(solo: FileSolo) -> None:
    order = begin(solo)
    effects = solo.turn(Packed(order.request, None, error="wood.png is not there", hint="use --allow-missing"))
    assert effects.forgotten == [MINTED]
    told = solo.ask("submission", submission=MINTED)
    assert (told["state"], told["error"], told["hint"]) == ("failed", "wood.png is not there", "use --allow-missing")


def test_it_can_be_cancelled_by_its_name(solo: FileSolo) -> None:
    order = begin(solo)
    told = solo.ask("cancel_submission", submission=MINTED)
    assert (told["state"], told["error"]) == ("failed", "the submission was cancelled")
    assert [stop for effects in solo.effects for stop in effects.pack_stops] == [order.request]
    solo.turn(Packed(order.request, ROOT))
    assert solo.recorded(JobSubmitted) == []
    assert solo.ask("cancel_submission", submission=MINTED)["state"] == "failed"


def test_cancelling_what_a_connection_waits_for_leaves_it_alone(solo: FileSolo) -> None:
    begin(solo)
    assert solo.ask("cancel_submit") == {"cancelled": 0}
    assert solo.ask("submission", submission=MINTED)["state"] == "packing"


def test_packing_that_falls_silent_fails_in_words(solo: FileSolo) -> None:
    order = begin(solo)
    solo.wait(121)
    assert "said nothing" in solo.ask("submission", submission=MINTED)["error"]
    assert {answer.client for effects in solo.effects for answer in effects.answers} == {CLIENT}
    assert [stop for effects in solo.effects for stop in effects.pack_stops] == [order.request]


def test_only_the_latest_ends_are_remembered_and_never_more_than_so_many_begun(solo: FileSolo) -> None:
    names = [JobId(f"job{number:09}") for number in range(REMEMBERED)]
    orders = [begin(solo, name) for name in names]
    with pytest.raises(RequestRefused, match="too many submissions"):
        begin(solo)
    solo.turn(Packed(orders[3].request, ROOT))
    begin(solo)
    with pytest.raises(RequestRefused, match="knows no submission"):
        solo.ask("submission", submission=names[3])
    assert solo.ask("submission", submission=names[4])["state"] == "packing"


def test_files_that_only_the_application_knows_of_are_packed_too(solo: FileSolo) -> None:
    order = begin(solo, files=["/plates/a.mov", "/plates/a.mov", r"C:\fonts\b.ttf"])
    assert order.files == ("/plates/a.mov", r"C:\fonts\b.ttf")


@pytest.mark.parametrize("files", [["plates/a.mov"], [7], ["/a\0b"]])
def test_what_is_no_absolute_path_is_refused(solo: FileSolo, files: list[Any]) -> None:
    with pytest.raises(InvalidJob, match="must be absolute paths"):
        begin(solo, files=files)
    with pytest.raises(RequestRefused, match="knows no submission"):
        solo.ask("submission", submission=MINTED)
