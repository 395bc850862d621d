"""Whatever bytes a renderer leaves behind, the check answers with an image or with OutputMissing."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from peerfarm.apps.images import check_image
from peerfarm.errors import OutputMissing

RECORDED = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parents[1] / "vectors" / "blender" / "images").iterdir())
}
BEGINNINGS = {
    "a.png": b"\x89PNG\r\n\x1a\n",
    "a.jpg": b"\xff\xd8\xff",
    "a.exr": struct.pack("<II", 20000630, 2),
    "a.tif": b"II*\0",
}
OPTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "a.png", {}),
    ("PNG", "a.png", {"optimize": True}),
    ("JPEG", "a.jpg", {}),
    ("JPEG", "a.jpg", {"progressive": True}),
    ("TIFF", "a.tif", {}),
    ("TIFF", "a.tif", {"compression": "tiff_lzw"}),
    ("TIFF", "a.tif", {"big_tiff": True}),
]


def is_accepted(data: bytes, name: str) -> bool:
    """Whether the check calls it complete; any other error than OutputMissing escapes and fails the test."""
    try:
        check_image(io.BytesIO(data), len(data), name)
    except OutputMissing:
        return False
    return True


@given(
    st.sampled_from(OPTIONS),
    st.integers(1, 60),
    st.integers(1, 60),
    st.binary(min_size=1, max_size=64),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_every_size_is_read_and_no_truncation_is_accepted(
    option: tuple[str, str, dict[str, Any]], width: int, height: int, noise: bytes, data: st.DataObject
) -> None:
    format_name, name, extra = option
    picture = Image.frombytes("L", (width, height), (noise * (width * height))[: width * height]).convert("RGB")
    file = io.BytesIO()
    picture.save(file, format_name, **extra)
    whole = file.getvalue()
    found = check_image(io.BytesIO(whole), len(whole), name)
    assert (found.width, found.height) == (width, height)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert not is_accepted(whole[:cut], name)


@pytest.mark.parametrize("name", RECORDED)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_image_never_breaks_the_check(name: str, data: st.DataObject) -> None:
    damaged = bytearray(RECORDED[name])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(damaged), 600) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    is_accepted(bytes(damaged), name)


@given(st.sampled_from(sorted(BEGINNINGS)), st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_junk_behind_a_true_beginning_never_breaks_the_check(name: str, junk: bytes) -> None:
    is_accepted(BEGINNINGS[name] + junk, name)
    is_accepted(junk or b"x", name)
