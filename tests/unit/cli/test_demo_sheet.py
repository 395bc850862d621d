"""The contact sheet, compared with what another PNG library reads and writes."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from peerfarm.cli.demo_sheet import write_sheet


def make_frames(directory: Path, count: int, size: tuple[int, int], mode: str) -> list[Path]:
    """Frames with smooth colours, so that their writer uses all of PNG's filters; each with a shade of its own."""
    frames = []
    for number in range(count):
        width, height = size
        image = Image.new("RGB", size)
        image.putdata(
            [(x * 7 % 256, (x + y * 3) % 256, number * 40 % 256) for y in range(height) for x in range(width)]
        )
        frames.append(directory / f"f_{number:04d}.png")
        image.convert(mode).save(frames[-1], optimize=True)
    return frames


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_sheet_shows_the_frames_in_order_in_their_own_colours(tmp_path: Path, mode: str) -> None:
    frames = make_frames(tmp_path, 4, (64, 36), mode)
    path = write_sheet(frames, tmp_path)
    assert path is not None
    with Image.open(path) as sheet:
        assert sheet.size == (2 * 64 + 3 * 6, 2 * 36 + 3 * 6)
        for number, frame in enumerate(frames):
            left, top = 6 + number % 2 * 70, 6 + number // 2 * 42
            shown = sheet.crop((left, top, left + 64, top + 36))
            with Image.open(frame) as original:
                assert original.convert("RGB").tobytes() == shown.tobytes()


def predicted(kind: int, left: int, above: int, corner: int) -> int:
    """What each of PNG's five filters foretells of a byte, as its specification writes it."""
    nearest = sorted(
        (abs(left + above - corner - value), place, value) for place, value in enumerate((left, above, corner))
    )
    return (0, left, above, (left + above) // 2, nearest[0][2])[kind]


def filtered_png(pixels: bytes, width: int, height: int) -> bytes:
    """An RGB image whose rows take turns at the five filters."""
    stride = 3 * width
    lines = bytearray()
    for y in range(height):
        kind = y % 5
        lines.append(kind)
        for x in range(stride):
            here = y * stride + x
            left = pixels[here - 3] if x >= 3 else 0
            above = pixels[here - stride] if y else 0
            corner = pixels[here - stride - 3] if y and x >= 3 else 0
            lines.append((pixels[here] - predicted(kind, left, above, corner)) % 256)

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", zlib.compress(lines)) + piece(b"IEND", b"")


def test_every_filter_of_png_is_undone(tmp_path: Path) -> None:
    width, height = 20, 15
    pixels = bytes(random.Random(7).choices(range(9), k=3 * width * height))  # few values: many ties
    frame = tmp_path / "f_0001.png"
    frame.write_bytes(filtered_png(pixels, width, height))
    path = write_sheet([frame], tmp_path)
    assert path is not None
    with Image.open(frame) as original, Image.open(path) as sheet:
        assert pixels == original.tobytes()
        assert pixels == sheet.crop((6, 6, 6 + width, 6 + height)).tobytes()


def test_large_frames_are_shrunk_to_a_sheet_that_fits_a_screen(tmp_path: Path) -> None:
    path = write_sheet(make_frames(tmp_path, 6, (640, 360), "RGB"), tmp_path)
    assert path is not None
    with Image.open(path) as sheet:
        assert 500 < sheet.width <= 1200


def test_frames_of_another_kind_get_a_page_that_shows_them(tmp_path: Path) -> None:
    frame = tmp_path / "<shot> 1.exr"
    frame.write_bytes(b"no PNG")
    path = write_sheet([frame], tmp_path)
    assert path is not None
    assert path.suffix == ".html"
    page = path.read_text("utf-8")
    assert 'src="%3Cshot%3E%201.exr"' in page
    assert "&lt;shot&gt; 1.exr" in page


def test_no_frames_make_no_sheet(tmp_path: Path) -> None:
    assert write_sheet([], tmp_path) is None
    assert list(tmp_path.iterdir()) == []
