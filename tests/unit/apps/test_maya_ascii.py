"""A text scene of Maya tells which files it needs, and gets the paths of another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from peerfarm.apps.base import ANY_NUMBER
from peerfarm.apps.maya import MayaApp
from peerfarm.apps.maya_ascii import named, rewritten
from peerfarm.apps.maya_scene import parse_scene
from peerfarm.errors import AppFailed
from peerfarm.model.collected import Collected
from peerfarm.model.pathmap import PathMap, PathRule
from peerfarm.runner.reading import read_scene

VECTORS = Path(__file__).parents[2] / "vectors" / "maya"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """The show's folder, with the scenes of `vectors/maya` and the files that they name; `lost.png` is not there."""
    project, elsewhere = tmp_path / "show", tmp_path / "library"
    names = ["workspace.mel", "sourceimages/wood.png", "sourceimages/wood.tx", "sourceimages/cup.tif"]
    names += [f"sourceimages/skin.{tile}.png" for tile in (1001, 1002, 1011)]
    names += [f"sourceimages/plate/plate.000{frame}.jpg" for frame in (1, 2, 3)]
    names += ["cache/nCache/shot/clothShape.xml", "assets/tree.0001.ass", "assets/tree.0002.ass", "assets/odd.vdb"]
    names += [f"cache/nCache/shot/clothShapeFrame{frame}.mcx" for frame in (1, 2)]
    for path in [*(project / name for name in names), elsewhere / 'crowd "A".abc']:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for frame in (1, 2):
        (elsewhere / f"fire.000{frame}.exr").write_bytes(b"x")
    (project / "scenes").mkdir()
    for name in ("shot.ma", "set.ma", "props.ma"):
        text = (VECTORS / name).read_text("utf-8").replace("@PROJECT@", str(project))
        (project / "scenes" / name).write_text(text.replace("@ELSEWHERE@", str(elsewhere)), "utf-8")
    return project


def read(scene: Path, *, is_listed: bool = False) -> Collected:
    return read_scene(MayaApp(), str(scene), "", "linux", is_listed, lambda: False)


def test_everything_that_a_scene_and_its_references_name_goes_along(show: Path) -> None:
    places = {file.place for file in read(show / "scenes" / "shot.ma").places()}
    assert places == {
        *("workspace.mel", "scenes/shot.ma", "scenes/set.ma", "scenes/props.ma"),
        *("sourceimages/wood.png", "sourceimages/wood.tx", "sourceimages/cup.tif"),
        *("sourceimages/skin.1001.png", "sourceimages/skin.1002.png", "sourceimages/skin.1011.png"),
        *(f"sourceimages/plate/plate.000{frame}.jpg" for frame in (1, 2, 3)),
        *("cache/nCache/shot/clothShape.xml", "cache/nCache/shot/clothShapeFrame1.mcx"),
        *("cache/nCache/shot/clothShapeFrame2.mcx", "assets/tree.0001.ass", "assets/tree.0002.ass", "assets/odd.vdb"),
        *("outside/0/fire.0001.exr", "outside/0/fire.0002.exr", 'outside/0/crowd "A".abc'),
    }


def test_what_is_not_there_is_named_with_who_needs_it(show: Path) -> None:
    (missing,) = read(show / "scenes" / "shot.ma").missing
    assert missing.path.endswith("/sourceimages/lost.png")
    assert missing.why == "file 'lost'"


def test_references_that_name_each_other_come_to_an_end(show: Path) -> None:
    first, second = show / "scenes" / "a.ma", show / "scenes" / "b.ma"
    for scene, other in ((first, second), (second, first)):
        scene.write_text(f'//Maya ASCII 2025 scene\nfile -r -ns "x" -typ "mayaAscii" "{other.name}";\n', "utf-8")
    names = {Path(file.path).name for file in read(first).files}
    assert names == {"a.ma", "b.ma", "workspace.mel"}


def test_a_binary_scene_brings_what_looks_like_a_path_in_it_and_says_that_it_may_lack_more(show: Path) -> None:
    scene = show / "scenes" / "shot.mb"
    texts = [
        f"{show}//scenes/set.ma{{2}}", "(sourceimages/wood.png", f"\x05{show}/sourceimages/skin.1001.png",
        f"{show.parent}/library/fire.<f>.exr", f"!{show.parent}/library/crowd.abc", "gone/away.png", ".png",
    ]  # fmt: skip
    (show.parent / "library" / "crowd.abc").write_bytes(b"x")
    scene.write_bytes(b"FOR8\0\0\0\x20Maya" + b"\0".join(b"STR\0" + text.encode() for text in texts) + b"\0\xff\0")
    found = read(scene)
    assert {file.place for file in found.places()} >= {
        *("scenes/shot.mb", "scenes/set.ma", "scenes/props.ma", "sourceimages/wood.png", "sourceimages/wood.tx"),
        *(f"sourceimages/skin.{tile}.png" for tile in (1001, 1002, 1011)),
        *("outside/0/fire.0001.exr", "outside/0/fire.0002.exr", "outside/0/crowd.abc"),
    }
    assert [missing.path for missing in found.missing] == []
    (warning,) = found.warnings
    assert "from within the application" in warning
    assert read(scene, is_listed=True).warnings == ()


def test_an_unloaded_reference_is_nobodys_need(show: Path) -> None:
    scene = show / "scenes" / "a.ma"
    lines = (
        'file -rdi 1 -ns "a" -dr 1 -rfn "aRN" -typ "mayaAscii" "off.ma";\n'
        'file -rdi 1 -ns "b" -rfn "bRN" "on.ma";\nfile -r -ns "b" -dr 1 -rfn "bRN" "on.ma";\n'
    )
    scene.write_text("//Maya ASCII 2025 scene\n" + lines, "utf-8")
    assert [missing.path for missing in read(scene).missing] == ["on.ma"]


def test_tiles_frames_and_paddings_stand_for_any_number() -> None:
    scene = b'//Maya ASCII 2025 scene\ncreateNode file -n "f";\n\tsetAttr ".ftn" -type "string" "/t/%s";\n'
    for name in (b"a.<UDIM>.png", b"a.<f>.png", b"a.####.png", b"a.<frame04>.png", b"a.<u>.png"):
        assert named(scene % name)[0].path == f"/t/a.{ANY_NUMBER}.png"
    assert named(scene % b"a.0001.png")[0].path == "/t/a.0001.png"


def test_absolute_paths_are_replaced_and_everything_else_stays_byte_for_byte() -> None:
    scene = (
        b'//Maya ASCII 2025 scene\n//Codeset: UTF-8\nfile -r -typ "mayaAscii" "Z:/show//scenes/set.ma";\n'
        b'createNode file -n "w";\n\tsetAttr ".ftn" -type "string" "z:\\\\show\\\\tex\\\\wood.<UDIM>.png";\n'
        b'\tsetAttr ".cs" -type "string" "sRGB";\n\tsetAttr ".x" -type "string" "/elsewhere/a.png";\n'
    )
    paths = PathMap((PathRule("Z:\\show", "/w/files", folds_case=True),))
    after = rewritten(scene, paths.translate)
    assert b'"/w/files/scenes/set.ma"' in after
    assert b'"/w/files/tex/wood.<UDIM>.png"' in after
    assert b'"/elsewhere/a.png"' in after
    assert after.count(b"\n") == scene.count(b"\n")
    assert rewritten(scene, lambda _: None) == scene


def test_other_files_with_the_ending_are_left_alone_and_are_no_scenes() -> None:
    assert rewritten(b'"/a/b"', lambda _: "/c") == b'"/a/b"'
    with pytest.raises(AppFailed, match="Maya ASCII"):
        named(b"FOR4....")


def test_a_texture_that_a_scene_gives_a_referenced_asset_travels_and_is_found(show: Path) -> None:
    scene = show / "scenes" / "a.ma"
    new = show / "sourceimages" / "new <UDIM>.png"
    for tile in (1001, 1002):
        Path(str(new).replace("<UDIM>", str(tile))).write_bytes(b"x")
    change = f'\t\t2 "cup:file1" "fileTextureName" " -type \\"string\\" \\"{new}\\""\n'
    head = '//Maya ASCII 2025 scene\ncreateNode reference -n "cupRN";\n\tsetAttr ".ed" -type "dataReferenceEdits" \n'
    scene.write_text(f'{head}\t\t"cupRN"\n\t\t"cupRN" 1\n{change};\n', "utf-8")
    names = {Path(file.path).name for file in read(scene).files}
    assert names >= {"new 1001.png", "new 1002.png"}
    paths = PathMap((PathRule(str(show), "/w/files"),))
    after = rewritten(scene.read_bytes(), paths.translate).decode()
    assert change.replace(str(show), "/w/files") in after


@pytest.mark.parametrize(
    "statement", [b"setAttr " + b"-a          " * 60, b'createNode file -n "' * 3000, b'file -r "' * 3000]
)
def test_a_scene_that_is_made_to_be_slow_is_read_all_the_same(statement: bytes) -> None:
    scene = b"//Maya ASCII 2025 scene\nselect -ne :defaultRenderGlobals;\n\t" + statement + b"\n\t" + statement + b"!\n"
    assert named(scene) == ()
    assert rewritten(scene, lambda _: None) == scene
    assert parse_scene(scene).cameras == []


def test_a_texture_that_moved_into_the_projects_folder_for_them_is_found_as_maya_finds_it(show: Path) -> None:
    scene = show / "scenes" / "a.ma"
    head = "//Maya ASCII 2025 scene\n"
    text = 'createNode file -n "%s";\n\tsetAttr ".ftn" -type "string" "%s";\n'
    scene.write_text(head + text % ("a", "/gone/of/ada/wood.png") + text % ("b", "cup.tif"), "utf-8")
    found = read(scene)
    assert {"sourceimages/wood.png", "sourceimages/cup.tif"} <= {file.place for file in found.places()}
    assert found.missing == ()
