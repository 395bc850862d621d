"""Scenes as artists have them: odd names, tokens, namespaces, renderers with settings of their own, things missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maya_rig import Show
from peerfarm_maya import checks, job, submit

from peerfarm.apps.maya import MayaApp
from peerfarm.model.jobfile import job_from_mapping

SOME = [{"app": "maya", "version": "2025", "tags": ["arnold", "hw2", "sw"]}]
WORKER = {"name": "ada", "state": "live", "render": True, "apps": SOME}


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    show = Show(tmp_path)
    yield show
    show.close()


def prepared(**choices: Any) -> submit.Preparation:
    found = submit.Preparation(job.Choices(**choices))
    found.finish()
    return found


def findings(node: dict[str, Any] = WORKER, **choices: Any) -> list[str]:
    return [f"{one.severity}: {one}" for one in prepared(**choices).findings([node])]


def names(show: Show, found: submit.Preparation, folder: Path) -> list[str]:
    return sorted(Path(path).name for path in found.files if Path(path).parent == folder)


@pytest.mark.parametrize(
    ("token", "files"),
    [
        ("größe <UDIM>.png", ["größe 1001.png", "größe 1002.png"]),
        ("map_<udim>.png", ["map_1001.png", "map_1011.png"]),
        ("map.u<U>_v<V>.png", ["map.u1_v1.png", "map.u2_v1.png"]),
        ("map_<u>_<v>.png", ["map_1_1.png", "map_2_1.png"]),
        ("seq.<f>.exr", ["seq.1.exr", "seq.10.exr"]),
        ("seq.<f04>.exr", ["seq.0001.exr", "seq.0010.exr"]),
        ("seq.%04d.exr", ["seq.0001.exr", "seq.-0002.exr"]),
        ("seq.####.exr", ["seq.0001.exr", "seq.0002.exr"]),
        ("seq.<frame0>.exr", ["seq.1.exr", "seq.2.exr"]),
    ],
)
def test_every_way_to_write_tiles_and_frames_brings_all_their_files(show: Show, token: str, files: list[str]) -> None:
    folder = show.project / "sourceimages" / "odd names"
    folder.mkdir()
    for name in [*files, "other.txt", "map_.png"]:
        (folder / name).write_bytes(b"x")
    path = f"sourceimages/odd names/{token}"
    show.world.add("näme with:späces", "aiImage", ("filename",), filename=path)
    found = prepared()
    assert names(show, found, folder) == sorted(files)
    assert found.collected.missing == []


def test_a_sequence_with_a_shifted_frame_number_goes_along_whole(show: Show) -> None:
    folder = show.project / "sourceimages" / "plate"
    plate = str(folder / "plate.0001.jpg")
    show.world.add(
        "shifted", "file", ("fileTextureName",), fileTextureName=plate, computedFileTextureNamePattern="",
        useFrameExtension=True, frameOffset=-100.0, colorSpace="ACES - ACEScg",
    )  # fmt: skip
    assert names(show, prepared(), folder) == ["plate.0001.jpg", "plate.0002.jpg", "plate.0003.jpg"]


@pytest.mark.parametrize("path", ["/gone/of/ada/wood.png", "wood.png", "Z:/show/sourceimages/wood.png"])
def test_a_texture_that_moved_into_the_projects_folder_is_found_as_maya_finds_it(show: Show, path: str) -> None:
    show.world.nodes["wood"].attributes.update(fileTextureName=path, computedFileTextureNamePattern=path)
    found = prepared()
    assert str(show.textures[0]) in found.files
    assert found.collected.missing == []


def test_textures_that_arnold_converted_come_along_under_their_color_spaces_names(show: Show) -> None:
    folder = show.project / "sourceimages"
    for name in ("wood_sRGB_ACEScg.png.tx", "wood.png.tx", "woodland.tx"):
        (folder / name).write_bytes(b"x")
    found = names(show, prepared(), folder)
    assert {"wood.tx", "wood.png.tx", "wood_sRGB_ACEScg.png.tx"} <= set(found)
    assert "woodland.tx" not in found


def test_an_unloaded_reference_is_left_out_and_one_that_is_gone_is_missing(show: Show) -> None:
    show.world.nodes["setRN"].is_loaded = False
    show.world.nodes["set:propsRN"].reference_path = str(show.scene.parent / "props gone.ma")
    found = prepared()
    assert str(show.scene.parent / "set.ma") not in found.files
    assert [why for _, why in found.collected.missing] == ["reference set:propsRN"]


def test_nodes_of_plug_ins_that_are_not_there_are_told_and_stop_nothing(show: Show) -> None:
    show.world.add("hair:yeti1", "unknownDag")
    assert findings()[-1].startswith("note: This Maya lacks the plug-ins of some nodes (hair:yeti1).")


def test_cameras_of_references_and_of_the_same_name_are_told_apart(show: Show) -> None:
    show.world.add("cams:left", "transform")
    show.world.add("cams:leftShape", "camera", renderable=True).parent = "cams:left"
    show.world.add("rig|shotCam2Shape", "camera", renderable=True).parent = "rig|shot cam ü"
    show.world.add("rig|shot cam ü", "transform")
    made = prepared(layers=["beauty"]).job
    assert [step["params"]["camera"] for step in made["steps"]][2:] == ["cams:left", "rig|shot cam ü"]
    for step in made["steps"]:
        MayaApp().check_params(step["params"])
    assert len({step.name for step in job_from_mapping(made, user="ada", submitted_ms=0).steps}) == 4


def test_every_second_frame_is_the_step_of_the_render_settings_and_not_of_time_units(show: Show) -> None:
    globals_ = show.world.nodes["defaultRenderGlobals"].attributes
    globals_["byFrame"] = 2.5  # 1 frame of film at 60 frames a second
    assert prepared(layers=["beauty"]).job["steps"][0]["frames"] == "1-4"
    globals_["byFrameStep"] = 2.0
    assert prepared(layers=["beauty"]).job["steps"][0]["frames"] == "1-4x2"
    globals_["byFrameStep"] = 0.5
    assert any("between whole frames" in words for words in findings())


@pytest.mark.parametrize(
    ("renderer", "node", "value", "pattern"),
    [
        ("vray", "vraySettings", "exr (multichannel)", "shot.####.exr"),
        ("vray", "vraySettings", None, "shot.####.png"),
        ("redshift", "redshiftOptions", ("OpenEXR", 1), "shot.####.exr"),
        ("redshift", "redshiftOptions", ("Targa", 3), "shot.####.tga"),
    ],
)
def test_renderers_with_an_image_format_of_their_own_are_asked_for_it(
    show: Show, renderer: str, node: str, value: Any, pattern: str
) -> None:
    show.world.nodes["defaultRenderGlobals"].attributes["currentRenderer"] = renderer
    attribute = {"vraySettings": "imageFormatStr", "redshiftOptions": "imageFormat"}[node]
    show.world.add(node, "settings", **{attribute: value, "width": 128, "height": 72})
    step = prepared(layers=["beauty"]).job["steps"][0]
    assert step["output"]["pattern"] == pattern
    assert step["params"]["width"] == (128 if renderer == "vray" else 64)


def test_a_renderer_that_no_worker_has_is_the_artists_choice(show: Show) -> None:
    globals_ = show.world.nodes["defaultRenderGlobals"].attributes
    assert findings() == []
    globals_["currentRenderer"] = "vray"
    show.world.add("vraySettings", "settings", imageFormatStr="png", width=64, height=36)
    (told,) = findings()
    assert told.startswith("ask: No worker's Maya 2025 has the renderer vray; the farm has arnold, hw2, sw.")
    silent = {**WORKER, "apps": [{"app": "maya", "version": "2025", "tags": []}]}
    assert findings(silent) == []


def test_a_layer_without_a_camera_is_not_left_out_in_silence(show: Show) -> None:
    show.world.overrides["rs_shadow", "shotCamShape.renderable"] = False
    (told,) = findings()
    assert told.startswith(f"{checks.ASK}: The layer shadow has no renderable camera.")


def test_a_file_name_without_a_frame_number_gets_one_and_says_which(show: Show) -> None:
    show.world.nodes["defaultRenderGlobals"].attributes["animation"] = False
    told = findings(layers=["shadow"], frames="1-3")
    assert told == [
        "note: The file name of shadow has no frame number in Maya. The farm writes shot.####.png, frames 1-3."
    ]


def test_a_project_with_relative_paths_and_spaces_is_found(tmp_path: Path) -> None:
    show = Show(tmp_path / "Mein Projekt Ü")
    assert set(prepared().files) == show.needed
    show.close()
