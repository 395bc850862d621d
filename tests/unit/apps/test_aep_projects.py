"""What a project of After Effects says without After Effects: its footage, its render queue, and both formats."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "plugins"))

from aftereffects_project import aep, alias, chunk, chunks

from peerfarm.apps.aep import Part, read_project, relinked
from peerfarm.apps.aep_footage import Footage, footage, named_footage
from peerfarm.apps.aep_queue import queue_said
from peerfarm.apps.aftereffects import AfterEffectsApp
from peerfarm.apps.base import ANY_NAME, ANY_NUMBER
from peerfarm.errors import AppFailed
from peerfarm.model.pathmap import PathMap, PathRule

APP = AfterEffectsApp()
ITEM: dict[str, Any] = {"comp": "Shot", "start": 0.4, "duration": 0.32, "outputs": ["/out/shot_[####].png"]}


def project_of(*parts: bytes) -> bytes:
    """A project of these parts."""
    inner = b"Egg!" + chunk(b"head", bytes(20)) + b"".join(parts)
    return struct.pack(">4sI", b"RIFX", len(inner)) + inner + b"<?xpacket begin?>"


def pin(path: str, *more: bytes, is_folder: bool = False) -> bytes:
    """One source."""
    return chunks(b"Item", chunks(b"Pin ", alias(path, is_folder), *more))


def names(*all_of_them: str) -> bytes:
    """The list of a sequence's files."""
    return chunks(b"StVc", *(chunk(b"Utf8", name.encode()) for name in all_of_them))


def paths(project: bytes) -> list[str]:
    return [one.path for one in named_footage(project)]


# Footage


def test_footage_is_listed_and_relinked_to_this_machine() -> None:
    text = chunks(b"btdk", b"<<odd bytes that are no chunks")
    project = project_of(
        chunks(
            b"Fold",
            pin("/Users/ada/shot/plate.mov"),
            pin("/Users/ada/shot/smoke", is_folder=True),
            pin("/Library/logo.png"),
            text,
        )
    )
    assert footage(project) == (
        Footage("/Users/ada/shot/plate.mov"),
        Footage("/Users/ada/shot/smoke", True),
        Footage("/Library/logo.png"),
    )
    map_ = PathMap((PathRule("/Users/ada/shot", r"D:\work\a-longer-place\files"),))
    after = APP.rewritten(project, map_)
    assert [source.path for source in footage(after)] == [
        r"D:\work\a-longer-place\files\plate.mov",
        r"D:\work\a-longer-place\files\smoke",
        "/Library/logo.png",
    ]
    assert b'"platform":1' in after
    assert after.endswith(b"<?xpacket begin?>")
    assert b"<<odd bytes that are no chunks" in after


def test_where_frames_go_is_no_footage(tmp_path: Path) -> None:
    (tmp_path / "title.png").touch()
    project = aep([tmp_path / "title.png"], [ITEM])
    assert paths(project) == [str(tmp_path / "title.png")]


@pytest.mark.parametrize(
    ("around", "found"),
    [
        ((chunk(b"Utf8", b"s_"), chunk(b"Utf8", b".exr")), [f"/p/s_{ANY_NUMBER}.exr"]),
        ((names("a.0101.exr", "b.exr"),), ["/p/a.0101.exr", "/p/b.exr"]),
        ((names("../../etc/passwd", ".."),), [f"/p/{ANY_NAME}"]),
        ((chunk(b"opti", b"png!"),), [f"/p/{ANY_NAME}"]),
        ((), [f"/p/{ANY_NAME}"]),
    ],
)
def test_a_sequence_is_the_files_that_its_name_stands_for(around: tuple[bytes, ...], found: list[str]) -> None:
    assert paths(project_of(chunks(b"Fold", pin("/p", *around, is_folder=True)))) == found


@pytest.mark.parametrize(
    ("said", "is_folder", "beside"),
    [
        ({"ascendcount_base": 1, "ascendcount_target": 2}, False, "plates/a.mov"),
        ({"ascendcount_base": 3, "ascendcount_target": 1}, False, "../../a.mov"),
        ({"ascendcount_base": 1, "ascendcount_target": 2}, True, f"a.mov/{ANY_NAME}"),
        ({"ascendcount_base": 0, "ascendcount_target": 1}, False, ""),
        ({"ascendcount_base": 1, "ascendcount_target": 99}, False, ""),
        ({"ascendcount_base": "x", "ascendcount_target": None}, False, ""),
        ({}, False, ""),
    ],
)
def test_a_project_that_was_moved_says_where_its_footage_lies_beside_it(
    said: dict[str, Any], is_folder: bool, beside: str
) -> None:
    link = {"fullpath": r"D:\job\plates\a.mov", "target_is_folder": is_folder, **said}
    text = str(link).replace("'", '"').replace("True", "true").replace("False", "false").replace("None", "null")
    project = project_of(chunks(b"Fold", chunks(b"Pin ", chunks(b"Als2", chunk(b"alas", text.encode())))))
    assert [one.beside for one in named_footage(project)] == [beside]


def test_a_project_that_needs_no_change_stays_as_it_is() -> None:
    project = project_of(chunks(b"Fold", pin("/a/b.mov"), chunks(b"Als2", chunk(b"alas", b"{odd"))))
    assert APP.rewritten(project, PathMap()) == project
    assert paths(project) == ["/a/b.mov"]


@pytest.mark.parametrize("content", [b"", b"notes", b"RIFX\0\0\1\0Egg!LIST\0\1\1\1"])
def test_what_lies_beside_a_project_and_ends_like_one_stops_no_render(content: bytes) -> None:
    assert APP.rewritten(content, PathMap((PathRule("/a", "/b"),))) == content


@pytest.mark.parametrize("damage", [b"", b"RIFX", b"<html/>", b"RIFF" + b"\0" * 20])
def test_what_is_no_project_is_refused_in_words(damage: bytes) -> None:
    with pytest.raises(AppFailed, match="no After Effects project"):
        footage(damage)


def test_a_project_that_was_cut_off_is_refused_in_words() -> None:
    whole = aep([], [ITEM])
    cut = struct.pack(">4sI", b"RIFX", len(whole)) + whole[8:300]
    with pytest.raises(AppFailed, match="cut off"):
        footage(cut)
    with pytest.raises(AppFailed, match="damaged"):
        footage(b"<AfterEffectsProject><Fold>")


# The render queue


def test_the_render_queue_tells_items_frames_and_outputs() -> None:
    items = [
        ITEM,
        {"comp": "Later", "status": "NEEDS_OUTPUT"},
        {**ITEM, "comp": "Whole", "span": 0, "template": "x.png"},
    ]
    said = queue_said(aep([], items, [{"name": "Whole", "duration": 2, "start": -0.2}]))
    assert said["version"] == "24"
    assert said["warnings"] == []
    assert [(one["item"], one["comp"], one["is_queued"]) for one in said["items"]] == [
        (1, "Shot", True),
        (2, "Later", False),
        (3, "Whole", True),
    ]
    first, _, third = said["items"]
    assert (first["frame_start"], first["frame_end"]) == (10, 17)
    assert (first["output_dir"], first["output_pattern"]) == ("/out", "shot_####.png")
    assert (third["frame_start"], third["frame_end"], third["output_pattern"]) == (-5, 44, "x.png")


def test_further_outputs_of_an_item_are_warned_of() -> None:
    twice = {**ITEM, "outputs": ["/out/shot_[####].png", "/out/shot.mov"]}
    said = queue_said(aep([], [twice, {**twice, "status": "DONE"}]))
    assert said["warnings"] == ["item 1 (Shot) has 2 outputs, and only the first is rendered"]
    assert said["items"][0]["output_pattern"] == "shot_####.png"


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("[compName]_[#####].[fileExtension]", "Sh ü_#####.png"),
        ("[compName].[fileextension]", "Sh ü.png"),
        ("[width]x[height]_[##].png", "640x360_##.png"),
        ("[dateYear]_[####].png", ""),
    ],
)
def test_the_words_of_an_output_name_are_filled_in_or_left_to_the_user(template: str, pattern: str) -> None:
    (item,) = queue_said(aep([], [{**ITEM, "comp": "Sh ü", "template": template}]))["items"]
    assert item["output_pattern"] == pattern


def test_broken_frame_rates_are_counted_as_after_effects_counts_them() -> None:
    item = {**ITEM, "start": 1001 / 60000 * 120, "duration": 1001 / 60000 * 60}
    (said,) = queue_said(aep([], [item], [{"name": "Shot", "frameRate": 60000 / 1001, "start": -1}]))["items"]
    assert (said["frame_start"], said["frame_end"]) == (60, 119)


@pytest.mark.parametrize(
    ("more", "comp", "from_one", "frames"),
    [
        ({}, {}, True, (11, 18)),
        ({"rate": 50}, {}, False, (20, 35)),
        ({"span": 1}, {"workArea": (1, 3)}, False, (25, 74)),
        ({"span": 1}, {"workArea": (1, 0), "duration": 5}, False, (25, 124)),
        ({"span": 0}, {"duration": 5, "start": 10}, False, (250, 374)),
        ({"span": 0xFFFF}, {}, False, (10, 17)),
    ],
)
def test_an_items_frames_follow_its_time_span_its_rate_and_how_the_project_counts(
    more: dict[str, Any], comp: dict[str, Any], from_one: bool, frames: tuple[int, int]
) -> None:
    project = aep([], [ITEM | more], [{"name": "Shot", **comp}], counts_from_one=from_one)
    (said,) = queue_said(project)["items"]
    assert (said["frame_start"], said["frame_end"]) == frames


def test_a_project_without_a_queue_has_no_items_and_an_odd_one_is_refused() -> None:
    assert queue_said(project_of())["items"] == []
    whole = aep([], [ITEM])
    at = whole.index(b"lhd3") + 8
    with pytest.raises(AppFailed, match="render queue cannot be read"):
        queue_said(whole[: at + 10] + struct.pack(">H", 9) + whole[at + 12 :])


# Projects in XML


def xml(*references: str) -> bytes:
    body = "".join(f"<Item><string/><Pin><Als2>{one}</Als2></Pin></Item>" for one in references)
    queue = "<LRdr><LItm><LOm><Als2>" + reference("/out") + "</Als2></LOm></LItm></LRdr>"
    head = '<?xml version="1.0"?><AfterEffectsProject xmlns="http://www.adobe.com/products/aftereffects">'
    return f"{head}<Fold>{body}</Fold>{queue}</AfterEffectsProject>".encode()


def reference(path: str, folder: int = 0) -> str:
    return (
        f'<fileReference ascendcount_base="1" ascendcount_target="1" fullpath="{path}" platform="MacPOSIX" '
        f'server_name="" server_volume_name="" target_is_folder="{folder}"/>'
    )


def test_projects_in_xml_name_and_take_the_same_paths() -> None:
    project = xml(reference("/Users/ada/A &amp; &quot;B&quot;.mov"), reference("/Users/ada/smoke", 1))
    assert footage(project)[0] == Footage('/Users/ada/A & "B".mov', False, (), 'A & "B".mov')
    assert footage(project)[1].is_directory
    assert len(footage(project)) == 2
    after = relinked(project, lambda path: r"D:\<x>" + path[10:] if path.startswith("/Users") else None)
    assert [one.path for one in footage(after)] == [r"D:\<x>/A & " + '"B".mov', r"D:\<x>/smoke"]
    assert b'platform="Win"' in after
    assert relinked(project, lambda _: None) == project


def as_xml(part: Part) -> str:
    """The same part in XML."""
    if part.kind == "Utf8":
        return f"<string>{part.text()}</string>"
    if part.kind == "alas":
        return reference(str(part.link()["fullpath"]), int(part.link()["target_is_folder"]))
    if part.parts:
        return f"<{part.kind}>" + "".join(map(as_xml, part.parts)) + f"</{part.kind}>"
    return f'<{part.kind} bdata="{part.data.hex()}"/>'


def test_the_render_queue_of_a_project_in_xml_says_the_same() -> None:
    project = aep([], [ITEM, {**ITEM, "comp": "ü", "template": "[compName]_[##].png"}])
    inner = "".join(map(as_xml, read_project(project).parts))
    said = queue_said(f"<AfterEffectsProject>{inner}</AfterEffectsProject>".encode())
    assert said == queue_said(project)
    assert [item["output_pattern"] for item in said["items"]] == ["shot_####.png", "ü_##.png"]
