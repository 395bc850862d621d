"""Which files on the disk a path of a scene stands for; the program that asks this runs inside Blender."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from peerfarm.apps.programs import program_path


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("blender_files", program_path("blender_files.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FILES: Any = load()


def touch(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def sequence(directory: Path, name: str) -> tuple[list[str], list[str]]:
    found = FILES.sequence(FILES.Disk(), str(directory / name))
    return [Path(path).name for path in found.files], [Path(path).name for path in found.missing]


def test_a_sequence_is_all_siblings_with_a_number_in_the_same_place(tmp_path: Path) -> None:
    touch(tmp_path, "a.0001.png", "a.0010.png", "a.10000.png", "b.0001.png", "a.0001.exr", "a.1.png", "a.00002.png")
    assert sequence(tmp_path, "a.0001.png") == (["a.0001.png", "a.0010.png", "a.10000.png"], [])


def test_the_last_number_of_a_name_counts_and_the_extensions_does_not(tmp_path: Path) -> None:
    touch(tmp_path, "v2_smoke_01_left.mp4", "v2_smoke_02_left.mp4", "v3_smoke_01_left.mp4", "v2_smoke_01_left.mp5")
    assert sequence(tmp_path, "v2_smoke_01_left.mp4")[0] == ["v2_smoke_01_left.mp4", "v2_smoke_02_left.mp4"]


def test_a_sequence_without_its_first_file_is_there_and_one_without_any_is_missing(tmp_path: Path) -> None:
    touch(tmp_path, "a2.png")
    assert sequence(tmp_path, "a1.png") == (["a2.png"], [])
    assert sequence(tmp_path, "b1.png") == ([], ["b1.png"])
    assert sequence(tmp_path, "nowhere/b1.png") == ([], ["b1.png"])


def test_a_name_without_a_number_is_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "still.png", "still2.png")
    assert sequence(tmp_path, "still.png")[0] == ["still.png"]


def test_the_numbers_that_a_sequence_lacks_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "a1.png", "a2.png", "a5.png")
    assert FILES.sequence(FILES.Disk(), str(tmp_path / "a1.png")).gaps == [3, 4]


@pytest.mark.parametrize(
    ("path", "tile", "file"),
    [
        ("skin.<UDIM>.png", 1001, "skin.1001.png"),
        ("skin.<UDIM>.png", 1123, "skin.1123.png"),
        ("skin_<UVTILE>.png", 1001, "skin_u1_v1.png"),
        ("skin_<UVTILE>.png", 1010, "skin_u10_v1.png"),
        ("skin_<UVTILE>.png", 1011, "skin_u1_v2.png"),
    ],
)
def test_each_tile_has_its_file(path: str, tile: int, file: str) -> None:
    assert FILES.tile_paths(path, [tile]) == [file]


def test_a_stereo_image_is_the_files_of_both_eyes() -> None:
    assert FILES.view_paths("/a/sky_L.png", ["_L", "_R"]) == ["/a/sky_L.png", "/a/sky_R.png"]
    assert FILES.view_paths("/a/sky.png", ["_L", "_R"]) == ["/a/sky.png"]


def test_a_name_in_other_capitals_or_accents_is_found_as_the_disk_spells_it(tmp_path: Path) -> None:
    touch(tmp_path, "Textures/Caf\u00e9.PNG")
    disk = FILES.Disk()
    assert disk.named(str(tmp_path / "TEXTURES" / "cafe\u0301.png")) == str(tmp_path / "Textures/Caf\u00e9.PNG")
    assert disk.named(str(tmp_path / "nowhere" / "x.png")) == str(tmp_path / "nowhere" / "x.png")


def test_the_exact_spelling_wins_over_another(tmp_path: Path) -> None:
    touch(tmp_path, "a1.png", "A1.PNG", "A2.PNG")
    assert sequence(tmp_path, "a1.png")[0] == ["a1.png", "A2.PNG"]


def test_a_fluid_is_its_frames_and_not_the_project_around_them(tmp_path: Path) -> None:
    touch(tmp_path, "config/1.uni", "data/1.vdb", "mesh/1.bobj.gz", "scene.blend", "textures/wood.png")
    found = FILES.fluid(FILES.Disk(), str(tmp_path))
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found.files] == [
        "config/1.uni", "data/1.vdb", "mesh/1.bobj.gz",
    ]  # fmt: skip
    assert FILES.fluid(FILES.Disk(), str(tmp_path / "textures")).missing == [str(tmp_path / "textures")]


def test_a_bake_of_nodes_is_its_data_and_not_what_lies_around(tmp_path: Path) -> None:
    touch(tmp_path, "7/meta/1.json", "7/blobs/1.blob", "notes.txt")
    files = FILES.node_bake(FILES.Disk(), str(tmp_path)).files
    assert [Path(path).name for path in files] == ["1.blob", "1.json"]


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    touch(tmp_path, "data/1.vdb")
    (tmp_path / "data" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [Path(path).name for path in FILES.fluid(FILES.Disk(), str(tmp_path)).files] == ["1.vdb"]


@pytest.mark.parametrize(
    ("first_bytes", "version"),
    [
        (b"BLENDER-v304RENDH", (3, 4)),
        (b"BLENDER_v279RENDH", (2, 79)),
        (b"BLENDER17-01v0500", (5, 0)),
        (b"\x28\xb5\x2f\xfd....", None),
        (b"\x1f\x8bdamaged", None),
        (b"", None),
    ],
)
def test_the_header_tells_which_blender_saved_a_scene(
    tmp_path: Path, first_bytes: bytes, version: tuple[int, int] | None
) -> None:
    (tmp_path / "a.blend").write_bytes(first_bytes)
    assert FILES.header_version(str(tmp_path / "a.blend")) == version
