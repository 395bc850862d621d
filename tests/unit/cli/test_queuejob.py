"""What `peerfarm submit project.aep` makes of a render queue and of options."""

from __future__ import annotations

from typing import Any

import pytest

from peerfarm.cli.jobspec import Wish, app_of_scene
from peerfarm.cli.queuejob import queue_job
from peerfarm.errors import RequestRefused
from peerfarm.model.jobfile import job_from_mapping

FIRST = {
    "item": 1,
    "comp": "Shot: 010",
    "is_queued": True,
    "frame_start": 10,
    "frame_end": 17,
    "frame_step": 1,
    "output_dir": "/out/",
    "output_pattern": "shot_####.png",
    "outputs": 1,
}
MOVIE = FIRST | {"item": 3, "comp": "Cut", "output_pattern": "cut.mov", "frame_start": 0, "frame_end": 99}
IDLE = FIRST | {"item": 2, "comp": "Later", "is_queued": False, "output_dir": "", "output_pattern": ""}


def said(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), "version": "24", "warnings": []}


def wish(**more: Any) -> Wish:
    return Wish("aftereffects", "/projects/shot.aep", **more)


@pytest.mark.parametrize("scene", ["/p/shot.aep", r"D:\p\SHOT.AEPX"])
def test_projects_are_known_by_their_names(scene: str) -> None:
    assert app_of_scene(scene) == "aftereffects"


def test_all_queued_items_become_steps() -> None:
    job = queue_job(wish(chunk=4, params={"several_frames_at_once": True}), said(FIRST, IDLE, MOVIE))
    assert job["name"] == "shot"
    sequence, movie = job["steps"]
    assert sequence == {
        "name": "1 Shot  010",
        "app": "aftereffects",
        "params": {
            "several_frames_at_once": True,
            "scene": "/projects/shot.aep",
            "item": 1,
            "comp": "Shot: 010",
        },
        "frames": "10-17",
        "chunk": 4,
        "output": {"dir": "/out", "pattern": "shot_####.png"},
        "requires": {"version": "24"},
    }
    assert (movie["frames"], movie["chunk"], movie["output"]["pattern"]) == ("1", 1, "cut.mov")
    assert (movie["params"]["movie"], movie["params"]["first"], movie["params"]["last"]) == (True, 0, 99)
    assert job_from_mapping(job, user="ada", submitted_ms=0)


def test_one_item_is_chosen_and_what_the_user_wrote_goes_first() -> None:
    chosen = wish(item=1, output="/elsewhere/a_##.png", frames="1-100x5", version="23")
    (step,) = queue_job(chosen, said(FIRST, MOVIE))["steps"]
    assert step["output"] == {"dir": "/elsewhere", "pattern": "a_##.png"}
    assert (step["frames"], step["requires"]) == ("1-100x5", {"version": "23"})
    (step,) = queue_job(wish(params={"item": 3}, output="/elsewhere/b.mov", frames="5-9"), said(FIRST, MOVIE))["steps"]
    assert step["output"] == {"dir": "/elsewhere", "pattern": "b.mov"}
    assert (step["params"]["first"], step["params"]["last"]) == (5, 9)
    (step,) = queue_job(wish(item=1, output="/elsewhere"), said(FIRST))["steps"]
    assert step["output"] == {"dir": "/elsewhere", "pattern": "shot_####.png"}


@pytest.mark.parametrize(
    ("more", "items", "words", "hint"),
    [
        ({}, (IDLE,), "nothing is queued", "save the project"),
        ({}, (), "nothing is queued", "save the project"),
        ({"item": 2}, (FIRST, IDLE), "item 2 (Later) is not queued", "Tick it"),
        ({"item": 7}, (FIRST, MOVIE), "no item 7", "--item 1 (Shot: 010), --item 3 (Cut)"),
        ({"item": 7}, (), "no item 7", "empty"),
        ({"frames": "1-4"}, (FIRST, MOVIE), "--frames is for one item, and 2 are queued", "--item 3 (Cut)"),
        ({"output": "/o"}, (FIRST, MOVIE), "--output is for one item", "--item 1"),
        ({}, (FIRST | {"output_pattern": ""},), "item 1 (Shot: 010) has no output", "--output"),
        (
            {"output": "/o/a_##.exr"},
            (FIRST,),
            "renders png frames, and a_##.exr ends otherwise",
            "End the name in .png",
        ),
        ({"frames": "1,5"}, (MOVIE,), "a movie shows all frames", "--frames 1-100"),
        ({}, (FIRST, FIRST | {"item": 4, "comp": "Twin"}), "write into the same files", "another output"),
    ],
)
def test_what_cannot_be_submitted_is_told_with_what_to_do(
    more: dict[str, Any], items: tuple[dict[str, Any], ...], words: str, hint: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        queue_job(wish(**more), said(*items))
    assert words in str(refused.value)
    assert hint in refused.value.hint


def test_a_project_that_was_not_looked_into_needs_item_frames_and_output() -> None:
    with pytest.raises(RequestRefused, match="not looked into"):
        queue_job(wish(frames="1-4", output="/o/a_##.png"), None)
    (step,) = queue_job(wish(item=2, frames="1-4", output="/o/a_##.png"), None)["steps"]
    assert (step["name"], step["params"]) == ("2", {"scene": "/projects/shot.aep", "item": 2})
    with pytest.raises(RequestRefused, match="frames of item 2 are not known"):
        queue_job(wish(item=2, output="/o/a_##.png"), None)
