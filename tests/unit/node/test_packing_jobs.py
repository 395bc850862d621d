"""Submitting a job whose files travel: they are packed first, which may take long, be watched, and be cancelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from files_rig import CLIENT, FARM, MINTED, ROOT, FileSolo

from peerfarm.config import SharedRoot
from peerfarm.model.files import Packed, PackOrder, PackProgressed, StoreTold
from peerfarm.node import inputs
from peerfarm.node.effects import Effects
from peerfarm.state.actions import JobSubmitted, MemberRemoved
from peerfarm.state.farm import get_job
from peerfarm.state.selectors import spec_of

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
    assert effects.forgotten == [MINTED]  # and with it the output folder that was named for it
    assert solo.ask("jobs")["jobs"] == []


def test_what_was_packed_and_cannot_be_recorded_leaves_nothing_either(solo: FileSolo) -> None:
    order = submit(solo)
    solo.node.core.record(MemberRemoved(solo.id))
    effects = solo.turn(Packed(order.request, ROOT))
    assert "no longer counts this node as a member" in str(answer(effects))
    assert (effects.released, effects.forgotten) == ([f"scene/{MINTED}"], [MINTED])


def test_a_job_that_is_recorded_keeps_its_output_folder(solo: FileSolo) -> None:
    order = submit(solo)
    assert solo.turn(Packed(order.request, ROOT)).forgotten == []


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
    assert (effects.released, effects.forgotten) == ([f"scene/{MINTED}"], [MINTED])
    assert solo.recorded(JobSubmitted) == []


def test_the_scene_is_kept_while_the_job_is_packed(solo: FileSolo) -> None:
    submit(solo)
    solo.wait(5)
    assert solo.released() == []


def test_status_tells_how_full_the_store_is(solo: FileSolo) -> None:
    assert solo.ask("status")["store"] is None
    solo.turn(StoreTold(10, 5, 100))
    assert solo.ask("status")["store"] == {"used_bytes": 10, "pinned_bytes": 5, "quota_bytes": 100}


def submitted_as(solo: FileSolo, **request: Any) -> str:
    """How the files of a job reach the workers, as this node decided."""
    effects = solo.turn(inputs.LocalRequest(CLIENT, "mine", "submit", request, inputs.Minted(MINTED, FARM, "t" * 32)))
    return "peers" if effects.packs else "shared" if effects.checks else ""


BLEND = {"name": "r", "app": "blender", "scene": "/mnt/show/a.blend", "frames": "1-2", "output": "/mnt/out/a_####.png"}
JOB_FILE = "app: blender\nscene: {scene}\nframes: 1-2\noutput: {output}/a_####.png\n"


@pytest.mark.parametrize(
    ("scene", "output", "mode"),
    [
        ("/mnt/show/a.blend", "/mnt/out", "shared"),
        ("/home/ada/a.blend", "/mnt/out", "peers"),
        ("/mnt/show/a.blend", "/home/ada/out", "peers"),  # else it would be written wherever the dispatcher runs
        ("/mnt-of-mine/a.blend", "/mnt/out", "peers"),
        ("/mnt/show/../../home/a.blend", "/mnt/out", "peers"),
        ("/MNT/show/a.blend", "/mnt/out", "peers"),
    ],
)
def test_a_job_that_says_nothing_of_files_shares_only_what_lies_on_shared_storage_altogether(
    solo: FileSolo, scene: str, output: str, mode: str
) -> None:
    core = solo.node.core
    core.settings = replace(core.settings, shared=(SharedRoot("/srv/none"), SharedRoot(linux="/mnt", darwin="/home")))
    step = {**BLEND, "scene": scene, "output": f"{output}/a_####.png"}
    assert submitted_as(solo, job=step) == mode
    assert submitted_as(solo, text=JOB_FILE.format(scene=scene, output=output)) == mode
    assert submitted_as(solo, job={"steps": [step, {"app": "command", "command": "true"}]}) == mode


def test_without_shared_storage_files_travel_and_what_the_author_says_goes_before(solo: FileSolo) -> None:
    core = solo.node.core
    core.settings = replace(core.settings, shared=())
    assert submitted_as(solo, job=BLEND) == "peers"
    assert submitted_as(solo, job={**BLEND, "files": "shared"}) == "shared"
    assert submitted_as(solo, text=JOB_FILE.format(scene="/a.blend", output="/o") + "files: shared\n") == "shared"
    core.settings = replace(core.settings, shared=(SharedRoot(linux="/mnt"),))
    assert submitted_as(solo, job={**BLEND, "files": "peers"}) == "peers"


def test_case_counts_in_paths_where_the_system_says_so(solo: FileSolo) -> None:
    core = solo.node.core
    core.settings = replace(core.settings, shared=(SharedRoot(darwin="/Mnt"),), system="darwin")
    assert submitted_as(solo, job=BLEND) == "shared"


@pytest.mark.parametrize("mode", ["peers", "shared"])
@pytest.mark.parametrize("is_allowed", [True, False])
def test_missing_files_that_the_artist_allows_are_allowed_to_the_renderer_too(
    solo: FileSolo, mode: str, is_allowed: bool
) -> None:
    steps = [{**BLEND, "depends_on": []}, {"name": "ls", "app": "command", "command": "true"}]
    request = {"job": {"files": mode, "steps": steps}, **({"allow_missing": True} if is_allowed else {})}
    effects = solo.turn(inputs.LocalRequest(CLIENT, "mine", "submit", request, inputs.Minted(MINTED, FARM, "t" * 32)))
    if mode == "peers":
        solo.turn(Packed(effects.packs[0].request, ROOT))
    else:
        solo.turn(inputs.PathsChecked(effects.checks[0].request, ""))
    state = get_job(solo.node.core.farm, MINTED)
    spec = spec_of(state) if state is not None else None
    assert spec is not None
    assert [step.params.get("allow_missing") for step in spec.steps] == [is_allowed, None]
