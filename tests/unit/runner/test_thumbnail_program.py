"""The small picture of a frame: every kind of PNG, and hostile ones that cost no memory."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from peerfarm.renderers import thumbnail

PROGRAM = thumbnail.__file__


def small(path: Path, longest: int = 16) -> Image.Image:
    told = thumbnail.picture(path, longest)
    assert "reason" not in told, told
    image = Image.open(io.BytesIO(base64.b64decode(told["png"])))
    assert (told["width"], told["height"]) == image.size
    return image.convert("RGBA")


def halves(mode: str, colours: tuple[Any, Any], size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Left half in the first colour, right half in the second."""
    if mode == "I;16":
        row = struct.pack("<H", colours[0]) * (size[0] // 2) + struct.pack("<H", colours[1]) * (size[0] // 2)
        return Image.frombytes(mode, size, row * size[1])
    image = Image.new(mode, size, colours[0])
    image.paste(colours[1], (size[0] // 2, 0, *size))
    return image


@pytest.mark.parametrize(
    ("mode", "colours", "seen"),
    [
        ("RGB", ((200, 10, 30), (0, 90, 250)), ((200, 10, 30, 255), (0, 90, 250, 255))),
        ("RGBA", ((200, 10, 30, 255), (0, 90, 250, 100)), ((200, 10, 30, 255), (0, 90, 250, 100))),
        ("L", (40, 220), ((40, 40, 40, 255), (220, 220, 220, 255))),
        ("LA", ((40, 255), (220, 60)), ((40, 40, 40, 255), (220, 220, 220, 60))),
        ("1", (0, 1), ((0, 0, 0, 255), (255, 255, 255, 255))),
        ("I;16", (0x2812, 0xDC34), ((0x28, 0x28, 0x28, 255), (0xDC, 0xDC, 0xDC, 255))),
    ],
)
def test_a_frame_of_any_colour_type_keeps_its_colours(
    tmp_path: Path, mode: str, colours: tuple[Any, Any], seen: tuple[Any, Any]
) -> None:
    path = tmp_path / "f.png"
    halves(mode, colours).save(path)
    picture = small(path)
    assert picture.size == (16, 8)
    assert (picture.getpixel((2, 4)), picture.getpixel((13, 4))) == seen


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "f.png"
    halves("RGB", ((200, 10, 30), (0, 90, 250))).quantize(4).save(path)
    picture = small(path)
    assert (picture.getpixel((2, 4)), picture.getpixel((13, 4))) == ((200, 10, 30, 255), (0, 90, 250, 255))


@pytest.mark.parametrize("filter_", range(5))
@pytest.mark.parametrize("depth", [8, 16])
def test_every_filter_is_undone(tmp_path: Path, filter_: int, depth: int) -> None:
    """Compared with what Pillow reads of the same file, pixel by pixel: nothing is made smaller."""
    step, width, height = 3 * depth // 8, 9, 7
    rows, above = b"", bytes(width * step)
    for y in range(height):
        row = bytes((x * 37 + y * 91 + x * y * 13) & 255 for x in range(width * step))
        left = bytes(step) + row[:-step]
        corner = bytes(step) + above[:-step]
        guess = [
            [0] * len(row),
            list(left),
            list(above),
            [(a + b) // 2 for a, b in zip(left, above, strict=True)],
            [paeth(a, b, c) for a, b, c in zip(left, above, corner, strict=True)],
        ][filter_]
        rows += bytes([filter_]) + bytes((v - g) & 255 for v, g in zip(row, guess, strict=True))
        above = row
    path = tmp_path / "f.png"
    path.write_bytes(png(width, height, zlib.compress(rows), depth=depth))
    picture = small(path, 64)
    told = [picture.getpixel((x, height - 1))[:3] for x in range(width)]
    wide = depth // 8
    assert told == [tuple(above[x * step + c * wide] for c in range(3)) for x in range(width)]


def paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda v: abs(guess - v))


def png(width: int, height: int, data: bytes, *, depth: int = 8, interlace: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


HOSTILE = {
    "empty": b"",
    "text": b"not a picture",
    "cut": png(64, 64, zlib.compress(bytes(64 * 193)))[:-40],
    "short of rows": png(64, 64, zlib.compress(bytes(193))),
    "no deflate": png(64, 64, b"\xff" * 90),
    "bad filter": png(2, 2, zlib.compress(b"\x09" * 14)),
    "endless sizes": png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(1000))),
    "bomb": png(60_000, 60_000, zlib.compress(bytes(1 << 24))),
    "long chunk": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**31, b"IHDR") + b"x",
    "nothing in data": png(8, 8, b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_frame_gives_a_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / "f.png"
    path.write_bytes(HOSTILE[name])
    told = thumbnail.picture(path, 160)
    assert told.keys() == {"reason"}
    assert told["reason"].startswith("the frame")


def test_an_interlaced_frame_is_left_to_the_extra(tmp_path: Path) -> None:
    path = tmp_path / "f.png"
    path.write_bytes(png(8, 8, zlib.compress(bytes(400)), interlace=1))
    with path.open("rb") as stream, pytest.raises(thumbnail.Unseen, match=r"interlaced PNG: .*\[preview\]"):
        thumbnail.png_picture(stream, 16)
    assert small(path).size == (8, 8)


def test_data_that_unpacks_to_far_more_than_it_says_costs_little_memory(tmp_path: Path) -> None:
    """16 MB of pixels are promised, 512 MB come: what is not a pixel is never unpacked."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 << 24)) for _ in range(32)) + packer.flush()
    path = tmp_path / "f.png"
    path.write_bytes(png(2300, 2300, data))
    script = (
        "import resource, runpy, sys; sys.argv = sys.argv[1:];"
        "resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2);"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", script, PROGRAM, str(path), "32"], capture_output=True, timeout=25, check=True
    )
    told = json.loads(ended.stdout.splitlines()[-1].removeprefix(b"PICTURE "))
    assert (told["width"], told["height"]) == (32, 32)


def test_a_kind_that_needs_the_extra_says_so(tmp_path: Path) -> None:
    path = tmp_path / "f.nobody-reads-this"
    path.write_bytes(b"x" * 100)
    reason = thumbnail.picture(path, 160)["reason"]
    assert "[preview]" in reason or "cannot be read" in reason


def test_a_picture_is_never_larger_than_its_frame(tmp_path: Path) -> None:
    path = tmp_path / "f.png"
    Image.new("RGB", (5, 3), (1, 2, 3)).save(path)
    assert small(path, 160).size == (5, 3)
    Image.new("RGB", (3, 900), (1, 2, 3)).save(path)
    assert small(path, 160).size == (1, 160)
