"""The small picture of frames that OpenImageIO reads: as a screen shows them, whatever way they are stored."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio  # noqa: N813 - as its own documents call it
import pytest
from PIL import Image

from peerfarm.renderers import thumbnail

RGBA = ("R", "G", "B", "A")


def small(path: Path, longest: int = 16) -> Image.Image:
    told = thumbnail.picture(path, longest)
    assert "reason" not in told, told
    image = Image.open(io.BytesIO(base64.b64decode(told["png"])))
    assert (told["width"], told["height"]) == image.size
    return image.convert("RGBA")


def exr(path: Path, pixels: Any, names: tuple[str, ...] = RGBA, kind: str = "half", **values: Any) -> Path:
    """An EXR of these pixels (rows, columns, channels); values are fields of OpenImageIO's description of it."""
    height, width = pixels.shape[:2]
    spec = oiio.ImageSpec(width, height, len(names), kind)
    spec.channelnames = names
    for name, value in values.items():
        setattr(spec, name, value)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels, np.float32)), out.geterror()
    out.close()
    return path


def even(value: Any, width: int = 64, height: int = 32) -> Any:
    return np.full((height, width, len(value)), value, np.float32)


@pytest.mark.parametrize("kind", ["half", "float"])
def test_linear_light_is_shown_by_the_srgb_curve_and_what_is_brighter_than_white_is_white(
    tmp_path: Path, kind: str
) -> None:
    path = exr(tmp_path / "f.exr", even((0.2140411, 1000.0, 0.002, 1.0)), kind=kind)
    assert small(path).getpixel((3, 3)) == (127, 255, 7, 255) or small(path).getpixel((3, 3)) == (128, 255, 7, 255)


def test_what_is_no_number_or_below_black_is_dark_and_what_is_endless_is_white(tmp_path: Path) -> None:
    path = exr(tmp_path / "f.exr", even((float("nan"), float("inf"), -5.0, 1.0)), kind="float")
    assert small(path).getpixel((3, 3)) == (0, 255, 0, 255)


def test_one_pixel_of_endless_brightness_does_not_drown_its_surroundings(tmp_path: Path) -> None:
    pixels = even((0.0, 0.0, 0.0, 1.0), 64, 64)
    pixels[32, 32, :3] = 60_000
    seen = np.asarray(small(exr(tmp_path / "f.exr", pixels), 4))
    assert seen[:, :, :3].max() < 160


def test_a_half_transparent_colour_keeps_its_brightness(tmp_path: Path) -> None:
    """EXR holds colours multiplied by their alpha, PNG does not."""
    path = exr(tmp_path / "f.exr", even((0.5, 0.0, 0.25, 0.5)))
    assert small(path).getpixel((3, 3)) == (255, 0, 188, 128)


def test_a_data_window_is_shown_in_its_place_and_overscan_is_cut_off(tmp_path: Path) -> None:
    window = {"full_x": 0, "full_y": 0, "full_width": 64, "full_height": 64}
    inner = small(exr(tmp_path / "in.exr", even((1, 0, 0, 1), 16, 16), x=32, y=16, **window), 64)
    assert inner.size == (64, 64)
    assert inner.getbbox() == (32, 16, 48, 32)
    over = even((0, 0, 1, 1), 84, 84)
    over[10:74, 10:74] = (0, 1, 0, 1)
    outer = small(exr(tmp_path / "over.exr", over, x=-10, y=-10, **window), 64)
    assert (np.asarray(outer) == (0, 255, 0, 255)).all()


@pytest.mark.parametrize(
    "layers",
    [
        ("ViewLayer.AO", "ViewLayer.Combined", "ViewLayer.Emit"),
        ("Back.Combined", "Front.Combined"),
        ("ViewLayer.AO.left", "ViewLayer.Combined.left", "ViewLayer.Combined.right"),
        ("albedo", "", "diffuse"),
    ],
)
def test_of_many_layers_the_picture_is_shown_and_not_a_pass(tmp_path: Path, layers: tuple[str, ...]) -> None:
    wanted = next((n for n, layer in enumerate(layers) if "Combined" in layer or not layer), 0)
    names = tuple(f"{layer}.{letter}".lstrip(".") for layer in layers for letter in RGBA)
    colours = [part for n in range(len(layers)) for part in ((0, 1, 0, 1) if n == wanted else (1, 0, 0, 1))]
    path = exr(tmp_path / "f.exr", even(colours), names)
    assert small(path).getpixel((3, 3)) == (0, 255, 0, 255)


def test_a_file_of_several_parts_shows_the_combined_one(tmp_path: Path) -> None:
    """Blender 5 writes a part for each pass."""
    path = tmp_path / "f.exr"
    specs = []
    for layer in ("ViewLayer.Normal", "ViewLayer.Combined"):
        spec = oiio.ImageSpec(32, 32, 4, "half")
        spec.channelnames = tuple(f"{layer}.{letter}" for letter in RGBA)
        spec.attribute("oiio:subimagename", layer)
        specs.append(spec)
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), tuple(specs)), out.geterror()
    out.write_image(even((1, 0, 0, 1), 32, 32))
    assert out.open(str(path), specs[1], "AppendSubimage"), out.geterror()
    out.write_image(even((0, 1, 0, 1), 32, 32))
    out.close()
    assert small(path).getpixel((3, 3)) == (0, 255, 0, 255)


def test_depth_alone_is_shown_as_grey(tmp_path: Path) -> None:
    path = exr(tmp_path / "f.exr", even((0.2140411,)), ("Z",), "float")
    red, green, blue, alpha = small(path).getpixel((3, 3))
    assert red == green == blue in {127, 128}
    assert alpha == 255


def test_tiles_are_put_together(tmp_path: Path) -> None:
    pixels = even((0, 0, 0, 1), 100, 70)
    pixels[:35, :50] = (1, 0, 0, 1)
    pixels[35:, 50:] = (0, 0, 1, 1)
    picture = small(exr(tmp_path / "f.exr", pixels, tile_width=32, tile_height=32), 50)
    assert picture.size == (50, 35)
    seen = [picture.getpixel(place)[:3] for place in ((2, 2), (47, 2), (2, 32), (47, 32))]
    assert seen == [(255, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 255)]


def test_tiff_in_16_bits_and_jpeg_in_print_colours_are_shown(tmp_path: Path) -> None:
    spec = oiio.ImageSpec(64, 32, 3, "uint16")
    out = oiio.ImageOutput.create(str(tmp_path / "f.tif"))
    out.open(str(tmp_path / "f.tif"), spec)
    out.write_image(np.full((32, 64, 3), (0x8080, 0xFFFF, 0), np.uint16))
    out.close()
    assert small(tmp_path / "f.tif").getpixel((3, 3)) == (128, 255, 0, 255)
    Image.new("CMYK", (64, 32), (0, 255, 255, 0)).save(tmp_path / "f.jpg")
    red, green, blue, alpha = small(tmp_path / "f.jpg").getpixel((3, 3))
    assert (red > 200, green < 60, blue < 60, alpha) == (True, True, True, 255)


def damaged(tmp_path: Path) -> dict[str, bytes]:
    noise = np.random.default_rng(7).random((64, 64, 4), np.float32)
    whole = exr(tmp_path / "whole.exr", noise).read_bytes()
    return {
        "cut": whole[: len(whole) // 2],
        "header alone": whole[:60],
        "text": b"no picture at all",
        "empty": b"",
        "zeros within": whole[:400] + bytes(400) + whole[800:],
        "window beyond all": whole.replace(struct.pack("<4i", 0, 0, 63, 63), struct.pack("<4i", 0, 0, 2**30, 2**30)),
    }


@pytest.mark.parametrize("name", ["cut", "header alone", "text", "empty", "zeros within", "window beyond all"])
def test_a_damaged_frame_gives_a_reason_or_a_picture_and_never_a_crash(tmp_path: Path, name: str) -> None:
    path = tmp_path / "f.exr"
    path.write_bytes(damaged(tmp_path)[name])
    ended = subprocess.run(
        [sys.executable, "-E", "-P", thumbnail.__file__, str(path), "32"], capture_output=True, timeout=25, check=True
    )
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith(b"PICTURE ")]
    told = json.loads(line.removeprefix(b"PICTURE "))
    assert told["reason"].startswith("the frame"), told


def test_a_frame_of_16k_is_shown_within_the_bounds_of_the_process(tmp_path: Path) -> None:
    """2 GiB of values: the process may have three quarters of that, and reads only the rows that it needs."""
    path = tmp_path / "f.exr"
    spec = oiio.ImageSpec(16_384, 8192, 4, "half")
    spec.channelnames = RGBA
    spec.attribute("compression", "zips")
    out = oiio.ImageOutput.create(str(path))
    assert out.open(str(path), spec), out.geterror()
    rows = even((0, 1, 0, 1), 16_384, 256)
    for y in range(0, 8192, 256):
        out.write_scanlines(y, y + 256, 0, rows)
    out.close()
    ended = subprocess.run(
        [sys.executable, "-E", "-P", thumbnail.__file__, str(path), "160"], capture_output=True, timeout=25, check=True
    )
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith(b"PICTURE ")]
    told = json.loads(line.removeprefix(b"PICTURE "))
    assert (told.get("width"), told.get("height")) == (160, 80), told
