"""JPEG: marker segments up to the first scan, then coded data that only EOI may end."""

from __future__ import annotations

from peerfarm.apps.images.source import Source

MAX_SEGMENTS = 10_000
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF markers; the three left out are tables and reserved."""
_SCAN = 0xDA
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length."""


def jpeg_size(source: Source) -> tuple[int, int]:
    """Width and height of a complete JPEG.

    The end mark FF D9 cannot stand inside coded data, and a preview's end mark stands inside a segment, whose whole
    length must be there: so a file that ends in FF D9 after its first scan was written to the end.
    """
    if source.bytes_at(0, 2) != b"\xff\xd8":
        raise source.wrong("it does not begin like a JPEG")
    offset, width, height = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        prefix, marker = source.bytes_at(offset, 2)
        if prefix != 0xFF:
            raise source.wrong("its JPEG header is damaged")
        if marker == 0xFF or marker in _BARE:
            offset += 1 if marker == 0xFF else 2
            continue
        (length,) = source.unpack_at(offset + 2, ">H")
        if length < 2:
            raise source.wrong("its JPEG header is damaged")
        if marker in _SIZES:
            height, width = source.unpack_at(offset + 5, ">HH")
        offset += 2 + length
        if marker == _SCAN:
            break
    if not width or not height:
        raise source.wrong("its JPEG header says that it has no pixels")
    if source.size_bytes < offset + 3 or source.bytes_at(source.size_bytes - 2, 2) != b"\xff\xd9":
        raise source.incomplete("stops before the end of the JPEG")
    return width, height
