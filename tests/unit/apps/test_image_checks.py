"""Complete images are told from incomplete ones, format by format."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from peerfarm.apps.images import ImageInfo, check_image, is_checked
from peerfarm.errors import OutputMissing

RECORDED = sorted((Path(__file__).parents[2] / "vectors" / "blender" / "images").iterdir())


def check(data: bytes, name: str) -> ImageInfo:
    return check_image(io.BytesIO(data), len(data), name)


def saved(format_name: str, size: tuple[int, int] = (37, 23), mode: str = "RGB", **options: Any) -> bytes:
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    file = io.BytesIO()
    picture.save(file, format_name, **options)
    return file.getvalue()


def exr(parts: list[dict[str, Any]], chunks: list[bytes], *, multi: bool = False, flags: int = 0) -> bytes:
    """An OpenEXR file put together by hand; each chunk is given without its place in the table."""
    data = struct.pack("<II", 20000630, 2 | flags | (0x1000 if multi else 0))
    for part in parts:
        for name, (kind, value) in part.items():
            data += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        data += b"\0"
    data += b"\0" if multi else b""
    place = len(data) + 8 * len(chunks)
    table = b""
    for chunk in chunks:
        table += struct.pack("<Q", place)
        place += len(chunk)
    return data + table + b"".join(chunks)


def window(width: int, height: int) -> dict[str, Any]:
    return {
        "dataWindow": ("box2i", struct.pack("<iiii", 0, 0, width - 1, height - 1)),
        "compression": ("compression", b"\0"),
    }


def scan_chunk(line: int, size: int = 4) -> bytes:
    return struct.pack("<ii", line, size) + b"x" * size


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_images_written_by_blender_are_complete_and_of_their_size(path: Path) -> None:
    found = check(path.read_bytes(), path.name)
    assert (found.width, found.height) == (40, 34)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_no_beginning_of_an_image_written_by_blender_is_accepted(path: Path) -> None:
    data = path.read_bytes()
    step = max(1, len(data) // 700)
    for length in {*range(0, len(data), step), len(data) - 1}:
        with pytest.raises(OutputMissing):
            check(data[:length], path.name)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", saved("PNG")),
        ("a.png", saved("PNG", mode="P")),
        ("a.PNG", saved("PNG", mode="I;16")),
        ("a.jpg", saved("JPEG")),
        ("a.jpeg", saved("JPEG", progressive=True, quality=95)),
        ("a.jpg", saved("JPEG", mode="L", optimize=True)),
        ("a.tif", saved("TIFF")),
        ("a.tiff", saved("TIFF", compression="tiff_lzw")),
        ("a.tiff", saved("TIFF", compression="tiff_adobe_deflate", big_tiff=True)),
        ("a.tif", saved("TIFF", save_all=True, append_images=[Image.new("RGB", (5, 5))])),
    ],
)
def test_images_written_by_another_library_are_of_the_size_that_it_says(name: str, data: bytes) -> None:
    found = check(data, name)
    assert (found.width, found.height) == (37, 23) == Image.open(io.BytesIO(data)).size


def test_a_jpeg_cut_after_its_preview_is_refused() -> None:
    preview = saved("JPEG", (8, 8))
    whole = saved("JPEG", exif=b"Exif\0\0" + preview)
    assert check(whole, "a.jpg").width == 37
    cut = whole[: whole.index(preview) + len(preview)]
    assert cut.endswith(b"\xff\xd9")
    with pytest.raises(OutputMissing):
        check(cut, "a.jpg")


def test_an_exr_whose_writer_was_stopped_before_it_filled_its_table_is_refused() -> None:
    data = exr([window(4, 3)], [scan_chunk(0), scan_chunk(1), scan_chunk(2)])
    assert check(data, "a.exr") == ImageInfo("EXR", 4, 3)
    table = data.index(struct.pack("<Q", len(data) - 36))
    with pytest.raises(OutputMissing, match="not written to the end"):
        check(data[: table + 8] + bytes(8) + data[table + 16 :], "a.exr")


def test_a_tiled_exr_needs_every_tile_of_every_level() -> None:
    tiles = struct.pack("<IIB", 4, 4, 1)
    head = window(8, 4) | {"tiles": ("tiledesc", tiles)}
    chunks = [
        struct.pack("<iiii", x, 0, level, level) + struct.pack("<i", 2) + b"xx"
        for x, level in ((0, 0), (1, 0), (0, 1), (0, 2), (0, 3))
    ]
    assert check(exr([head], chunks, flags=0x200), "a.exr") == ImageInfo("EXR", 8, 4)
    with pytest.raises(OutputMissing):
        check(exr([head], chunks[:-1], flags=0x200), "a.exr")


def test_a_ripmap_exr_needs_every_tile_of_every_pair_of_levels() -> None:
    tiles = struct.pack("<IIB", 4, 4, 0x12)
    head = window(6, 5) | {"tiles": ("tiledesc", tiles)}
    wide, high = [2, 1, 1, 1], [2, 1, 1, 1]  # 6 3 2 1 and 5 3 2 1 pixels, rounded up
    chunks = [struct.pack("<iiiii", at, 0, 0, 0, 2) + b"xx" for at in range(sum(wide) * sum(high))]
    assert check(exr([head], chunks, flags=0x200), "a.exr").height == 5
    with pytest.raises(OutputMissing):
        check(exr([head], chunks[:-1], flags=0x200), "a.exr")


def test_every_part_of_an_exr_with_several_parts_must_be_there() -> None:
    part = window(4, 2) | {"type": ("string", b"scanlineimage"), "chunkCount": ("int", struct.pack("<i", 2))}
    deep = window(4, 1) | {"type": ("string", b"deepscanline"), "chunkCount": ("int", struct.pack("<i", 1))}
    chunks = [struct.pack("<i", 0) + scan_chunk(0), struct.pack("<i", 0) + scan_chunk(1)]
    chunks.append(struct.pack("<iiQQQ", 1, 0, 3, 5, 9) + b"12345678")
    data = exr([part, deep], chunks, multi=True)
    assert check(data, "a.exr") == ImageInfo("EXR", 4, 2)
    with pytest.raises(OutputMissing):
        check(data[:-1], "a.exr")


def test_a_tiff_that_lacks_a_strip_is_refused() -> None:
    entries = [(256, 3, 4), (257, 3, 4), (278, 3, 2), (273, 4, 200), (279, 4, 8)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    data = b"II*\0" + struct.pack("<I", 8) + ifd + bytes(4)
    with pytest.raises(OutputMissing, match="lacks a part"):
        check(data + bytes(300), "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.exr", "a.tif", "a.webp", "a"])
def test_an_empty_file_is_no_frame(name: str) -> None:
    with pytest.raises(OutputMissing, match="empty"):
        check(b"", name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.exr", "a.tif"])
def test_a_file_of_another_kind_than_its_name_says_is_refused(name: str) -> None:
    others = {"a.png": saved("JPEG"), "a.jpg": saved("PNG"), "a.exr": saved("TIFF"), "a.tif": saved("PNG")}
    with pytest.raises(OutputMissing, match="does not begin like"):
        check(others[name], name)


def test_files_of_other_kinds_only_have_to_hold_something() -> None:
    assert check(b"#?RADIANCE", "a.hdr") == ImageInfo("", 0, 0)
    assert not is_checked("a.hdr")
    assert is_checked("b.0001.EXR")


def test_a_file_that_became_shorter_while_it_was_read_is_refused() -> None:
    data = saved("PNG")
    with pytest.raises(OutputMissing):
        check_image(io.BytesIO(data[:-20]), len(data), "a.png")


def test_a_hostile_file_with_endless_chunks_is_given_up() -> None:
    head = saved("PNG")[:33]
    data = head + struct.pack(">I4sI", 0, b"tEXt", 0) * 500_001
    with pytest.raises(OutputMissing, match="too many pieces"):
        check(data, "a.png")


def test_the_sentence_names_the_frame_and_says_what_to_do() -> None:
    with pytest.raises(OutputMissing) as caught:
        check(saved("PNG")[:-5], "beauty_0007.png")
    assert "beauty_0007.png" in str(caught.value)
    assert caught.value.hint == "Render it again."


def test_a_png_must_have_a_sound_header_some_pixels_and_nothing_behind_its_end() -> None:
    whole = saved("PNG")
    pixels = whole.index(b"IDAT") - 4
    for damaged in (whole[:20] + b"\x7f" + whole[21:], whole[:pixels] + whole[-12:], whole + b"more"):
        with pytest.raises(OutputMissing):
            check(damaged, "a.png")


def test_an_exr_whose_table_names_one_place_twice_is_refused() -> None:
    data = bytearray(exr([window(4, 2)], [scan_chunk(0), scan_chunk(1)]))
    table = len(data) - 24 - 16
    data[table : table + 8] = data[table + 8 : table + 16]
    with pytest.raises(OutputMissing, match="damaged"):
        check(bytes(data), "a.exr")


def test_a_hostile_tiff_whose_directories_all_point_at_one_great_table_is_given_up() -> None:
    pieces, first = 1 << 18, 16
    heads = b""
    place = first + 4 * pieces
    for _ in range(256):
        entries = [
            (256, 4, 1, 1),
            (257, 4, 1, pieces),
            (278, 4, 1, 1),
            (273, 4, pieces, first),
            (279, 4, pieces, first),
        ]
        place += 2 + 12 * len(entries) + 4
        heads += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        heads += struct.pack("<I", place)
    table = struct.pack("<I", 8) * pieces
    data = b"II*\0" + struct.pack("<I", first + len(table)) + bytes(8) + table + heads
    with pytest.raises(OutputMissing, match="endless"):
        check(data, "a.tif")
