"""What a scene needs, as this machine's Blender tells it; blender-asset-tracer, which reads the file alone, agrees."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from blender_asset_tracer import blendfile, trace
from blender_scenes import blender, collect, make_scene, run_script, saved_by_newer

from peerfarm.apps.base import COLLECTED, collecting
from peerfarm.apps.blender_scene import inspection, parse_inspection
from peerfarm.apps.registry import app_named
from peerfarm.errors import AppFailed
from peerfarm.model.collected import Collected

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(180)]

NEEDED = {
    "show/shots/scene.blend",
    "show/libs/set.blend", "show/libs/wood.png", "show/libs/deep/Paint.blend", "show/libs/deep/maps/Paint.png",
    "elsewhere/lib/Far.blend", "elsewhere/lib/maps/Far.png", "elsewhere/far.png",
    *(f"show/textures/smoke.{number:04d}.png" for number in (8, 9, 10, 12)),
    "show/textures/skin.1001.png", "show/textures/skin.1012.png",
    "show/textures/hair_u1_v1.png", "show/textures/hair_u2_v2.png", "show/textures/film.mp4",
    "show/sounds/bang.wav", "show/plates/plate001.png", "show/plates/plate002.png",
    "show/vdb/fog_1.vdb", "show/vdb/fog_2.vdb", "show/caches/flag.mdd", "show/caches/hero.abc",
    "show/lights/spot.ies", "show/lights/noise.osl",
    "show/edit/card1.png", "show/edit/card2.png", "show/edit/card3.png", "show/edit/intro.mov",
    "show/caches/smoke/config/config_0001.uni", "show/caches/smoke/data/fluid_data_0001.vdb",
    *(f"show/shots/blendcache_scene/466C6167_{frame:06d}_00.bphys" for frame in (1, 2, 3)),
}  # fmt: skip
"""Below the scene's folder, and one font: which one depends on Blender."""

ORACLE_MISSES = {
    "show/textures/hair_u1_v1.png": "it knows <UDIM> but not <UVTILE>",
    "show/textures/hair_u2_v2.png": "as above",
    "show/plates/plate002.png": "it takes every movie clip for one file",
    "show/lights/noise.osl": "it looks into the nodes of lights alone",
}
ORACLE_ADDS = {
    "show/textures/smoke.0008.left.png": "it takes all that begins like a sequence, whatever follows the number",
    "show/caches/smoke/script.py": "it takes the whole directory of a fluid, which may be the project's",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scene(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def top(scene: Path) -> Path:
    return scene.parents[2]


@pytest.fixture(scope="module")
def found(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Collected:
    return collect(scene, tmp_path_factory.mktemp("work"))


def below(top: Path, found: Collected) -> set[str]:
    return {Path(file.path).relative_to(top).as_posix() for file in found.files}


def test_everything_that_a_scene_needs_is_listed_and_nothing_else(top: Path, found: Collected) -> None:
    fonts = {path for path in below(top, found) if path.startswith("show/fonts/")}
    assert len(fonts) == 1
    assert below(top, found) - fonts == NEEDED
    assert len(found.files) == len(NEEDED) + 1


def test_whoever_submits_is_told_in_which_folders_the_files_lie(top: Path, scene: Path, found: Collected) -> None:
    command = inspection(blender(), str(scene))
    ended = subprocess.run(command.argv, capture_output=True, text=True, check=False)
    folders = {str(Path(file.path).parent) for file in found.files[1:]}
    assert set(parse_inspection(ended.stdout)["folders"]) == folders
    assert str(top / "show") not in folders, "it holds folders only"


def test_an_independent_tracer_finds_the_same_files(scene: Path, top: Path, found: Collected) -> None:
    traced = {scene.relative_to(top).as_posix()}
    for usage in trace.deps(scene):
        traced |= {path.resolve().relative_to(top.resolve()).as_posix() for path in usage.files() if path.exists()}
    assert below(top, found) - traced == set(ORACLE_MISSES)
    assert traced - below(top, found) == set(ORACLE_ADDS)


def test_what_is_named_by_relative_paths_lies_below_the_base_as_it_lies_on_the_disk(
    top: Path, found: Collected
) -> None:
    assert found.base == str(top / "show")
    places = {place.path: place for place in found.places()}
    for path, place in places.items():
        if Path(path).is_relative_to(top / "show"):
            assert (place.place, place.origin) == (Path(path).relative_to(top / "show").as_posix(), "")
        else:
            assert (place.place.split("/")[0], place.origin) == ("outside", path)


def test_a_library_elsewhere_keeps_its_textures_beside_it(top: Path, found: Collected) -> None:
    places = {place.path: place.place for place in found.places()}
    library = Path(places[str(top / "elsewhere/lib/Far.blend")])
    assert places[str(top / "elsewhere/lib/maps/Far.png")] == (library.parent / "maps/Far.png").as_posix()


def test_a_missing_file_is_told_with_the_datablock_that_wants_it(top: Path, found: Collected) -> None:
    (missing,) = found.missing
    assert (missing.path, missing.why) == (str(top / "show/textures/nowhere.png"), "image 'nowhere.png'")


def test_what_may_look_different_elsewhere_is_warned_of(found: Collected) -> None:
    gap, unused, loose = found.warnings
    assert "image 'smoke.0009.png' is a sequence" in gap
    assert gap.endswith(": 11")
    assert "image 'unused.png' is not used" in unused
    assert "not baked" in loose
    assert "object 'Loose'" in loose
    assert "object 'Flag'" not in loose
    assert "object 'Domain', fluid" in loose, "one frame of its cache is there, and the scene has more"


@pytest.mark.parametrize(("last", "is_loose"), [(3, False), (4, True)])
def test_a_fluid_that_was_played_through_is_not_warned_of(tmp_path: Path, last: int, is_loose: bool) -> None:
    run_script(
        """
import sys
from pathlib import Path
import bpy
top, last = Path(sys.argv[-2]), int(sys.argv[-1])
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.frame_end = last
bpy.ops.mesh.primitive_cube_add()
modifier = bpy.context.object.modifiers.new("Fluid", "FLUID")
modifier.fluid_type = "DOMAIN"
modifier.domain_settings.cache_directory = str(top / "cache")
bpy.ops.wm.save_as_mainfile(filepath=str(top / "scene.blend"))
for frame in range(1, 4):
    for name in (f"config/config_{frame:04}.uni", f"data/fluid_data_{frame:04}.vdb"):
        (top / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (top / "cache" / name).touch()
""",
        str(tmp_path),
        str(last),
    )
    warnings = collect(tmp_path / "scene.blend", tmp_path / "work").warnings
    assert any("fluid" in warning for warning in warnings) is is_loose


def test_a_baked_ocean_brings_its_frames(scene: Path, top: Path, tmp_path: Path) -> None:
    # Blender bakes an ocean in the background but marks it as baked only in its window: the mark is set by hand.
    baked = shutil.copy(scene, scene.with_name("baked.blend"))
    with blendfile.open_cached(Path(baked), mode="rb+") as file:
        (ocean,) = (block for block in file.blocks if block.dna_type_name == "OceanModifierData")
        ocean.set(b"cached", b"\1")
    blendfile.close_all_cached()
    new = below(top, collect(Path(baked), tmp_path)) - NEEDED
    assert {path for path in new if "caches" in path} == {f"show/caches/sea/disp_000{frame}.exr" for frame in (1, 2)}


def test_a_missing_library_is_told_and_the_rest_is_listed(scene: Path, top: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(top / "show", copy / "show")
    (copy / "show/libs/deep/Paint.blend").unlink()
    found = collect(copy / "show/shots/scene.blend", tmp_path / "work")
    assert {missing.why for missing in found.missing} == {
        "library 'Paint.blend' of set.blend", "image 'nowhere.png'",
    }  # fmt: skip
    assert str(copy / "show/libs/wood.png") in {file.path for file in found.files}


def test_a_scene_of_a_newer_blender_is_refused_with_what_to_do_unless_files_may_be_missing(
    scene: Path, found: Collected, tmp_path: Path
) -> None:
    newer = saved_by_newer(scene, scene.with_name("newer.blend"))
    with pytest.raises(
        AppFailed, match=r"the scene was saved by Blender 9\.9, and this machine has Blender"
    ) as refused:
        collect(newer, tmp_path, any_version=True)
    for way in ("on a machine with Blender 9.9", "--files shared", "--allow-missing"):
        assert way in refused.value.hint
    listed = collect(newer, tmp_path, any_version=True, allow_missing=True)
    caches = f"{scene.parent}/blendcache_"  # named after the scene
    everything = {file.path for file in found.files[1:] if not file.path.startswith(caches)}
    assert {file.path for file in listed.files[1:]} == everything
    assert "which may not see all of its files" in listed.warnings[-1]


def test_a_newer_scene_that_this_blender_cannot_open_travels_alone_if_files_may_be_missing(
    scene: Path, tmp_path: Path
) -> None:
    newer = saved_by_newer(scene, tmp_path / "newer.blend")
    newer.write_bytes(newer.read_bytes()[:40] + bytes(1000))
    listed = collect(newer, tmp_path / "work", allow_missing=True)
    assert [file.path for file in listed.files] == [str(newer)]
    assert listed.warnings[-1].endswith("nothing but the scene itself was found")


def test_a_path_in_the_spelling_of_windows_is_found_as_the_disk_spells_it(tmp_path: Path) -> None:
    texture = tmp_path / "Textures" / "Wood.png"
    texture.parent.mkdir()
    scene = tmp_path / "shots" / "scene.blend"
    scene.parent.mkdir()
    run_script(f"""
import bpy
image = bpy.data.images.new("Wood", 4, 4)
image.filepath_raw, image.file_format = {str(texture)!r}, "PNG"
image.save()
image.source, image.filepath, image.use_fake_user = "FILE", chr(92).join(["//..", "TEXTURES", "wood.PNG"]), True
bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r}, relative_remap=False)
""")
    found = collect(scene, tmp_path / "work")
    assert [file.path for file in found.files] == [str(scene), str(texture)]
    assert found.base == str(tmp_path)


def test_a_long_sequence_travels_through_a_file_and_not_through_the_log(tmp_path: Path) -> None:
    scene = tmp_path / "scene.blend"
    for number in range(3000):
        (tmp_path / f"smoke_{number:05d}.exr").touch()
    run_script(f"""
import bpy
image = bpy.data.images.new("Smoke", 4, 4)
image.source, image.filepath, image.use_fake_user = "SEQUENCE", "//smoke_00000.exr", True
bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r}, relative_remap=False)
""")
    assert len(collect(scene, tmp_path / "work").files) == 3001
    assert (tmp_path / "work" / COLLECTED).stat().st_size > 64 * 1024


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no scene file"),
        (b"Once upon a time", "is no .blend file"),
        (b"BLENDER-v999RENDH\0", "saved by Blender 9.99"),
        (b"BLENDER17-01v0799", "saved by Blender 7.99"),
        (b"BLENDER-v304" + b"\0" * 100, "could not read the scene"),
    ],
)
def test_a_scene_that_cannot_be_opened_is_refused_with_the_reason(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    scene = tmp_path / "scene.blend"
    if content is not None:
        scene.write_bytes(content)
    with pytest.raises(AppFailed) as caught:
        collect(scene, tmp_path / "work")
    assert says in str(caught.value)


def test_only_blender_scenes_name_further_files() -> None:
    assert [name for name in ("blender", "ocean", "command") if collecting(app_named(name))] == ["blender"]
    assert blender().app == "blender"
