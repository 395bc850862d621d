"""Which frame a panel gets to see: the one that was finished last, and of an older job the last of its frames."""

from __future__ import annotations

from typing import Any

import pytest
from node_rig import CLIENT, Solo

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import FarmId, JobId
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.node import inputs
from peerfarm.node.effects import Effects


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def asked(solo: Solo, job: str, request: str = "t", **more: Any) -> Effects:
    minted = inputs.Minted(JobId("jobaaaaaaaaa"), FarmId("farmfarmfarmfarm"), "t" * 32)
    return solo.turn(inputs.LocalRequest(CLIENT, request, "thumbnail", {"job": job, **more}, minted))


def order(effects: Effects) -> PreviewOrder:
    (one,) = effects.previews
    return one


def test_what_was_rendered_last_comes_first_though_its_frame_is_an_early_one(solo: Solo) -> None:
    job = solo.submit(frames="1-2")
    solo.render(solo.starts[0])
    solo.render(solo.starts[1])
    solo.ask("retry", job=job, tasks="0")
    solo.wait(1)
    solo.render(solo.starts[-1])
    assert [result.task for result in order(asked(solo, job)).results] == [0, 1]


def test_the_picture_is_answered_when_it_is_made_and_only_then(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    effects = asked(solo, job)
    assert effects.answers == []
    one = order(effects)
    assert (one.size, one.results[0].output_dir) == (160, "/out")
    (answer,) = solo.turn(Previewed(one.request, "sea_0001.png", "/out/sea_0001.png", 160, 90, "aGk=")).answers
    assert answer.result == {
        "frame": "sea_0001.png",
        "width": 160,
        "height": 90,
        "png": "aGk=",
        "path": "/out/sea_0001.png",
    }
    assert solo.turn(Previewed(one.request, "sea_0001.png")).answers == []  # told once


def test_why_there_is_no_picture_is_passed_on(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    one = order(asked(solo, job))
    (answer,) = solo.turn(Previewed(one.request, reason="it is damaged")).answers
    assert answer.result == {"frame": None, "reason": "it is damaged"}


def test_nothing_is_looked_for_while_no_frame_is_done(solo: Solo) -> None:
    job = solo.submit(frames="1")
    effects = asked(solo, job)
    assert effects.previews == []
    assert effects.answers[0].result == {"frame": None, "reason": "no frame of this job is done yet"}


@pytest.mark.parametrize("size", [0, 15, 513, -1])
def test_an_odd_size_is_refused(solo: Solo, size: int) -> None:
    job = solo.submit(frames="1")
    with pytest.raises(RequestRefused, match="size must be"):
        solo.ask("thumbnail", job=job, size=size)


COMING = {"frame": None, "reason": "", "is_coming": True}


def test_a_panel_that_does_not_wait_is_answered_at_once_and_comes_back_for_the_picture(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    effects = asked(solo, job, wait=False)
    assert effects.answers[0].result == COMING
    one = order(effects)
    again = asked(solo, job, wait=False)
    assert (again.previews, again.answers[0].result) == ([], COMING)  # it is made once
    assert solo.turn(Previewed(one.request, "sea_0001.png", "/out/sea_0001.png", 160, 90, "aGk=")).answers == []
    for _ in range(2):
        effects = asked(solo, job, wait=False)
        assert effects.previews == []
        assert effects.answers[0].result["png"] == "aGk="


def test_a_picture_that_failed_is_told_once_and_tried_anew(solo: Solo) -> None:
    job = solo.submit(frames="1")
    solo.render(solo.starts[0])
    one = order(asked(solo, job, wait=False))
    solo.turn(Previewed(one.request, reason="not on this machine"))
    assert asked(solo, job, wait=False).answers[0].result == {"frame": None, "reason": "not on this machine"}
    assert order(asked(solo, job, wait=False)).results[0].job == job


def test_pictures_that_never_come_are_given_up_and_few_are_made_at_a_time(solo: Solo) -> None:
    jobs = [solo.submit(frames="1") for _ in range(6)]
    for start in list(solo.starts):
        solo.render(start)
    while len(solo.starts) < 6:
        solo.render(solo.starts[-1])
    begun = [len(asked(solo, job, wait=False).previews) for job in jobs]
    assert sum(begun) == 4
    solo.wait(30)
    assert len(asked(solo, jobs[0], wait=False).previews) == 1
