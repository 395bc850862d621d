"""What the Maya plug-in makes of a scene: settings by layer, files, findings, and the job. Maya is pretended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maya_rig import Show
from peerfarm_maya import checks, disk, job, settings, submit

from peerfarm.apps.maya import MayaApp
from peerfarm.model.jobfile import job_from_mapping

WORKER = {"name": "ada", "state": "live", "render": True, "apps": [{"app": "maya", "version": "2025"}]}


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    show = Show(tmp_path)
    yield show
    show.close()


def findings(**choices: Any) -> list[tuple[str, str]]:
    prepared = submit.Preparation(job.Choices(**choices))
    prepared.finish()
    return [(one.severity, str(one)) for one in prepared.findings([WORKER])]


def collected() -> disk.Collected:
    prepared = submit.Preparation()
    prepared.finish()
    found: disk.Collected = prepared.collected
    return found


def built(**choices: Any) -> dict[str, Any]:
    found: dict[str, Any] = job.build(settings.read(), job.Choices(**choices))
    return found


def test_each_layer_tells_its_own_values_and_the_artist_keeps_hers(show: Show) -> None:
    show.world.layer = "rs_shadow"
    beauty, shadow = settings.read().renderable
    assert (beauty.label, beauty.renderer, beauty.last, beauty.cameras) == (
        *("beauty", "arnold", 4, ["shotCam", "closeCam"]),
    )
    assert (shadow.label, shadow.renderer, shadow.last, shadow.cameras) == ("shadow", "mayaSoftware", 2, ["shotCam"])
    assert show.world.layer == "rs_shadow"


def test_a_layer_that_cannot_be_made_current_is_named_and_the_others_are_read(show: Show) -> None:
    show.world.broken_layers.add("rs_shadow")
    found = settings.read()
    assert [layer.label for layer in found.renderable] == ["beauty"]
    assert "shadow" in found.faults[0]
    assert show.world.layer == "defaultRenderLayer"


def test_every_file_is_found_in_references_tiles_sequences_and_caches(show: Show) -> None:
    found = collected()
    assert set(found.files) == show.needed
    assert found.missing == []
    assert found.faults == []


def test_what_is_missing_is_told_with_its_node(show: Show) -> None:
    (show.project / "sourceimages" / "lost.png").unlink()
    (severity, words), *_ = findings()
    assert severity == checks.ASK
    assert "lost.png" in words
    assert "lost.fileTextureName" in words


def test_an_odd_node_is_told_and_never_stops_the_rest(show: Show) -> None:
    show.world.add("yeti", "pgYetiMaya", ("cacheFileName",)).is_broken = True
    show.world.add("sims", "pgYetiMaya", ("cacheFileName",), cacheFileName=None)
    show.world.add("pair", "aiVolume", ("filename",), filename=[str(show.project / "assets" / "odd.vdb")])
    found = collected()
    assert show.needed < set(found.files)
    assert str(show.project / "assets" / "odd.vdb") in found.files
    assert any("yeti" in fault for fault in found.faults)


def test_a_projects_own_color_configuration_goes_along(show: Show) -> None:
    config = show.project / "ocio" / "config.ocio"
    table = config.parent / "luts" / "film.spi1d"
    table.parent.mkdir(parents=True)
    config.write_text("x", "utf-8")
    table.write_text("x", "utf-8")
    show.world.colours.update(cmConfigFileEnabled=True, configFilePath=str(config))
    assert {str(config), str(table)} <= set(collected().files)


def test_the_job_has_a_step_for_each_layer_and_camera_in_the_words_of_the_node(show: Show) -> None:
    made = built()
    assert [(step["name"], step["frames"]) for step in made["steps"]] == [
        *(("beauty-shotCam", "1-4"), ("beauty-closeCam", "1-4"), ("shadow-shotCam", "1-2")),
    ]
    assert [step["params"]["renderer"] for step in made["steps"]] == ["arnold", "arnold", "sw"]
    for step in made["steps"]:
        MayaApp().check_params(step["params"])
        assert step["requires"] == {"version": "2025"}
    assert len(job_from_mapping(made, user="ada", submitted_ms=0).steps) == 3


def test_layers_and_cameras_never_write_over_each_other(show: Show) -> None:
    places = [(step["output"]["dir"], step["output"]["pattern"]) for step in built()["steps"]]
    images = str(show.project / "images")
    assert places == [
        (f"{images}/beauty/shotCam", "shot.####.png"),
        (f"{images}/beauty/closeCam", "shot.####.png"),
        (f"{images}/shadow", "shot.####.png"),
    ]
    given = [step["output"]["dir"] for step in built(output="/out")["steps"]]
    assert len(set(given)) == 3


def test_a_prefix_with_tokens_is_left_to_tell_them_apart(show: Show) -> None:
    globals_ = show.world.nodes["defaultRenderGlobals"].attributes
    globals_["imageFilePrefix"] = "<RenderLayer>/<Camera>/<Scene>"
    places = [step["output"]["dir"] for step in built()["steps"]]
    images = str(show.project / "images")
    assert places == [f"{images}/beauty/shotCam", f"{images}/beauty/closeCam", f"{images}/shadow/shotCam"]


def test_without_animation_the_current_frame_is_rendered(show: Show) -> None:
    show.world.nodes["defaultRenderGlobals"].attributes["animation"] = False
    show.world.frame = 17.0
    (step,) = built(layers=["shadow"])["steps"]
    assert step["frames"] == "17"
    assert step["output"]["pattern"] == "shot.####.png"


def test_choices_go_before_what_the_scene_says(show: Show) -> None:
    made = built(layers=["rs_beauty"], cameras=["closeCam"], frames="2,4", chunk=2, priority=70, pool="gpu")
    (step,) = made["steps"]
    assert (step["params"]["camera"], step["frames"], step["chunk"]) == ("closeCam", "2,4", 2)
    assert (made["priority"], made["pool"]) == (70, "gpu")


@pytest.mark.parametrize(
    ("image", "first", "wanted"),
    [
        ("/p/images/shot.0001.exr", 1, "shot.####.exr"),
        ("/p/images/sh010_v2.0010.exr", 10, "sh010_v2.####.exr"),
        ("/p/images/shot.-0005.exr", -5, "shot.####.exr"),
        ("/p/images/shot.exr.0001", 1, "shot.####.exr"),
        ("/p/images/v2.exr", 1, "v2.####.exr"),
    ],
)
def test_the_frame_number_is_found_in_the_first_images_name(image: str, first: int, wanted: str) -> None:
    assert settings.pattern(image, first, 4) == ("/p/images", wanted)


def test_a_scene_in_order_has_no_findings(show: Show) -> None:
    assert findings() == []


def test_what_cannot_be_rendered_is_told_with_what_to_do(show: Show) -> None:
    show.world.scene = ""
    assert (checks.STOP, "This scene has never been saved. Save it, so that the farm can open it.") in findings()
    for layer in ("rs_beauty", "rs_shadow"):
        show.world.nodes[layer].attributes["renderable"] = False
    assert any("render layer" in words for severity, words in findings() if severity == checks.STOP)


def test_no_camera_a_movie_and_backward_frames_are_told(show: Show) -> None:
    globals_ = show.world.nodes["defaultRenderGlobals"].attributes
    globals_["imfPluginKey"] = "mov"
    globals_["startFrame"] = 90.0
    words = " ".join(words for _, words in findings())
    assert "movie" in words
    assert "before its first" in words
    for shape in ("shotCamShape", "closeCamShape"):
        show.world.nodes[shape].attributes["renderable"] = False
        show.world.overrides.clear()
    assert any("No camera" in words for _, words in findings())


def test_a_farm_without_this_maya_is_told_before_sending(show: Show) -> None:
    prepared = submit.Preparation()
    prepared.finish()
    other = {**WORKER, "apps": [{"app": "maya", "version": "2023"}]}
    assert "the farm has 2023" in str(prepared.findings([other])[0])
    assert "No worker of the farm has Maya" in str(prepared.findings([{**WORKER, "apps": []}])[0])
