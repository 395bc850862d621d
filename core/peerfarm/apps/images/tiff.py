"""TIFF and BigTIFF: directories of tags that point at strips or tiles anywhere in the file."""

from __future__ import annotations

import struct

from peerfarm.apps.images.source import Source

MAX_DIRECTORIES = 256
MAX_TAGS = 4096
MAX_PIECES = 1 << 20
"""Strips or tiles of one picture."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value by TIFF type."""
_LETTERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _SAMPLES, _PLANAR = 256, 257, 277, 284
_STRIPS, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_NEEDED = frozenset(
    {_WIDTH, _HEIGHT, _SAMPLES, _PLANAR, _STRIPS, _ROWS_PER_STRIP, _STRIP_BYTES}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES}
)


def tiff_size(source: Source) -> tuple[int, int]:
    """Width and height of the first picture of a TIFF whose pictures are all there."""
    order = {b"II": "<", b"MM": ">"}.get(source.bytes_at(0, 2))
    kind = source.unpack_at(2, order + "H")[0] if order else 0
    if order is None or kind not in {42, 43}:
        raise source.wrong("it does not begin like a TIFF")
    is_big = kind == 43
    (offset,) = source.unpack_at(8, order + "Q") if is_big else source.unpack_at(4, order + "I")
    sizes: list[tuple[int, int]] = []
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
        seen.add(offset)
        tags, offset = _directory(source, offset, order, is_big)
        sizes.append(_check_picture(source, tags))
    if not sizes:
        raise source.incomplete("holds no picture yet")
    return sizes[0]


def _directory(source: Source, offset: int, order: str, is_big: bool) -> tuple[dict[int, tuple[int, ...]], int]:
    """The tags that matter, and where the next directory stands; 0 after the last."""
    count_layout, entry_layout, next_layout = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    (count,) = source.unpack_at(offset, order + count_layout)
    if not 0 < count <= MAX_TAGS:
        raise source.wrong("its TIFF directory is damaged")
    offset += struct.calcsize(order + count_layout)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(count):
        tag, kind, length, inline = source.unpack_at(offset, order + entry_layout)
        offset += struct.calcsize(order + entry_layout)
        size = _SIZES.get(kind, 1) * length
        start = 0
        if size > len(inline):
            (start,) = struct.unpack(order + ("Q" if is_big else "I"), inline)
            if not start or start + size > source.size_bytes:
                raise source.incomplete("stops inside its TIFF directory")
        if tag in _NEEDED and tag not in tags:
            if kind not in _LETTERS or not 0 < length <= MAX_PIECES:
                raise source.wrong("its TIFF directory is damaged")
            data = source.bytes_at(start, size) if start else inline[:size]
            tags[tag] = struct.unpack(f"{order}{length}{_LETTERS[kind]}", data)
    (following,) = source.unpack_at(offset, order + next_layout)
    return tags, following


def _check_picture(source: Source, tags: dict[int, tuple[int, ...]]) -> tuple[int, int]:
    """Width and height of one picture, once every strip or tile of it was found inside the file."""
    width, height = tags.get(_WIDTH, (0,))[0], tags.get(_HEIGHT, (0,))[0]
    if not width or not height:
        raise source.wrong("its TIFF directory says that it has no pixels")
    planes = tags.get(_SAMPLES, (1,))[0] if tags.get(_PLANAR, (1,))[0] == 2 else 1
    if _TILES in tags:
        tile_width, tile_height = tags.get(_TILE_WIDTH, (0,))[0], tags.get(_TILE_HEIGHT, (0,))[0]
        if not tile_width or not tile_height:
            raise source.wrong("its TIFF tiles have no size")
        wanted = -(-width // tile_width) * -(-height // tile_height) * planes
        starts, lengths = tags[_TILES], tags.get(_TILE_BYTES, ())
    else:
        rows = tags.get(_ROWS_PER_STRIP, (height,))[0]
        wanted = -(-height // max(rows, 1)) * planes
        starts, lengths = tags.get(_STRIPS, ()), tags.get(_STRIP_BYTES, ())
    if len(starts) < wanted or len(lengths) < wanted:
        raise source.incomplete("lacks a part of its pixels")
    for start, length in zip(starts, lengths, strict=False):
        if not start or not length or start + length > source.size_bytes:
            raise source.incomplete("stops inside its pixels")
    return width, height
