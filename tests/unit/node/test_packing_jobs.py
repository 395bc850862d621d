"""Submitting a job whose files travel: they are packed first, which may take long, be watched, and be cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from files_rig import CLIENT, FARM, MINTED, ROOT, FileSolo

from peerfarm.model.files import Packed, PackOrder, PackProgressed, StoreTold
from peerfarm.node import inputs
from peerfarm.node.effects import Effects
from peerfarm.state.actions import JobSubmitted

JOB = {"name": "sea", "app": "ocean", "frames": "1-3", "output": "/out/sea_####.png", "files": "peers"}


@pytest.fixture
def solo() -> FileSolo:
    solo = FileSolo()
    solo.found()
    return solo


def submit(solo: FileSolo, **params: Any) -> PackOrder:
    request = {"job": JOB, **params}
    effects = solo.turn(inputs.LocalRequest(CLIENT, "mine", "submit", request, inputs.Minted(MINTED, FARM, "t" * 32)))
    (order,) = effects.packs
    return order


def answer(effects: Effects) -> Any:
    (told,) = [told for told in effects.answers if told.id == "mine"]
    return told.result or told.error


def test_a_job_is_recorded_when_its_files_are_packed(solo: FileSolo) -> None:
    order = submit(solo, allow_missing=True)
    assert (order.job, order.may_miss_files, order.is_overwriting) == (MINTED, True, False)
    assert [(step.step_name, step.app) for step in order.steps] == [("ocean", "ocean")]
    assert order.outputs == (("/out", ("sea_0001.png", "sea_0002.png", "sea_0003.png")),)
    assert solo.recorded(JobSubmitted) == []
    effects = solo.turn(Packed(order.request, ROOT, ("wood.png is missing",), files=3, size_bytes=900))
    told = answer(effects)
    assert told["job"] == MINTED
    assert told["warnings"][0] == "wood.png is missing"
    assert (told["files"], told["size_bytes"]) == (3, 900)
    shown = solo.ask("job", job=MINTED)["file_transfer"]
    assert (shown["mode"], shown["manifest"], shown["manifest_bytes"]) == ("peers", ROOT.id.hex(), 400)


def test_what_cannot_be_packed_is_refused_in_words_and_leaves_nothing(solo: FileSolo) -> None:
    order = submit(solo)
    effects = solo.turn(Packed(order.request, None, error="wood.png is not there", hint="use --allow-missing"))
    error = answer(effects)
    assert (str(error), error.hint) == ("wood.png is not there", "use --allow-missing")
    assert effects.released == [f"scene/{MINTED}"]
    assert solo.ask("jobs")["jobs"] == []


def test_whoever_submits_hears_how_far_it_is_and_nobody_else(solo: FileSolo) -> None:
    order = submit(solo)
    effects = solo.turn(PackProgressed(order.request, "hashing", 100, 300, 1, 3, 50.0))
    ((client, event),) = effects.private
    assert client == CLIENT
    assert (event["type"], event["text"]) == ("submit/progress", "hashing")
    assert (event["done_bytes"], event["total_bytes"], event["left_s"]) == (100, 300, 4)
    assert effects.events == []


def test_packing_may_take_long_but_must_get_on(solo: FileSolo) -> None:
    order = submit(solo)
    for _ in range(4):
        solo.wait(100)
        solo.turn(PackProgressed(order.request, "hashing", 1, 2))
    assert [stop for effects in solo.effects for stop in effects.pack_stops] == []
    solo.wait(121)
    late = [told for effects in solo.effects for told in effects.answers if told.id == "mine"]
    assert [str(told.error) for told in late] == ["no answer came in time"]
    assert [stop for effects in solo.effects for stop in effects.pack_stops] == [order.request]


def test_a_submission_can_be_cancelled_and_is_when_its_user_is_gone(solo: FileSolo) -> None:
    order = submit(solo)
    assert solo.ask("cancel_submit") == {"cancelled": 1}
    assert [str(told.error) for effects in solo.effects for told in effects.answers if told.id == "mine"] == [
        "the submission was cancelled"
    ]
    other = submit(solo)
    solo.turn(inputs.ClientGone(CLIENT))
    assert [stop for effects in solo.effects for stop in effects.pack_stops] == [order.request, other.request]
    effects = solo.turn(Packed(order.request, ROOT))  # the packer was through, and had pinned the scene once more
    assert effects.released == [f"scene/{MINTED}"]
    assert solo.recorded(JobSubmitted) == []


def test_the_scene_is_kept_while_the_job_is_packed(solo: FileSolo) -> None:
    submit(solo)
    solo.wait(5)
    assert solo.released() == []


def test_status_tells_how_full_the_store_is(solo: FileSolo) -> None:
    assert solo.ask("status")["store"] is None
    solo.turn(StoreTold(10, 5, 100))
    assert solo.ask("status")["store"] == {"used_bytes": 10, "pinned_bytes": 5, "quota_bytes": 100}
