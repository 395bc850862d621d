"""OpenEXR: headers, then a table of where each chunk of pixels stands, then the chunks.

The library writes the table last, over zeros: a file whose writer was stopped has holes in it. The layout is in
"OpenEXR File Layout" of the OpenEXR documentation.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from peerfarm.apps.images.source import Source

MAGIC = 20000630
MAX_HEADER_BYTES = 16 << 20
MAX_PARTS = 1024
MAX_CHUNKS = 1 << 20
_TILED, _DEEP, _MULTI = 0x200, 0x800, 0x1000
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32}
"""Lines in a chunk by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB, HTJ2K."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One picture of the file."""

    width: int
    height: int
    chunks: int
    is_tiled: bool
    is_deep: bool


def exr_size(source: Source) -> tuple[int, int]:
    """Width and height of the data window of the first part of a complete OpenEXR file."""
    magic, version = source.unpack_at(0, "<II")
    if magic != MAGIC:
        raise source.wrong("it does not begin like an OpenEXR file")
    is_multi = bool(version & _MULTI)
    offset, parts = 8, list[_Part]()
    while True:
        attributes, offset = _header(source, offset)
        if is_multi and not attributes:
            break
        parts.append(_part(source, attributes, version))
        if not is_multi:
            break
        if len(parts) > MAX_PARTS:
            raise source.wrong("it has too many parts")
    if not parts:
        raise source.wrong("it has no parts")
    if sum(part.chunks for part in parts) > MAX_CHUNKS:
        raise source.wrong("it consists of too many pieces")
    first_chunk = offset + 8 * sum(part.chunks for part in parts)
    for part in parts:
        _check_chunks(source, part, offset, first_chunk, is_multi)
        offset += 8 * part.chunks
    return parts[0].width, parts[0].height


def _header(source: Source, offset: int) -> tuple[dict[str, bytes], int]:
    """The attributes that matter of the header at `offset`, and where it ends."""
    found: dict[str, bytes] = {}
    while True:
        name, offset = _word(source, offset)
        if not name:
            return found, offset
        _, offset = _word(source, offset)
        (size,) = source.unpack_at(offset, "<i")
        offset += 4
        if size < 0 or offset + size > min(source.size_bytes, MAX_HEADER_BYTES):
            raise source.incomplete("stops inside its header")
        found[name] = source.bytes_at(offset, size) if size <= 256 else b""
        offset += size


def _word(source: Source, offset: int) -> tuple[str, int]:
    """The text up to the next zero byte, and where it ends."""
    window = source.bytes_at(offset, min(256, source.size_bytes - offset))
    stop = window.find(b"\0")
    if stop < 0:
        raise source.incomplete("stops inside its header")
    return window[:stop].decode("latin-1"), offset + stop + 1


def _part(source: Source, attributes: dict[str, bytes], version: int) -> _Part:
    try:
        left, top, right, bottom = struct.unpack("<iiii", attributes["dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        kind = attributes.get("type", b"").rstrip(b"\0")
        is_tiled = kind in {b"tiledimage", b"deeptile"} if kind else bool(version & _TILED)
        is_deep = kind in {b"deepscanline", b"deeptile"} if kind else bool(version & _DEEP)
        if width <= 0 or height <= 0:
            raise source.wrong("its header says that it has no pixels")
        if "chunkCount" in attributes:
            (chunks,) = struct.unpack("<i", attributes["chunkCount"])
        elif is_tiled:
            chunks = _tile_count(width, height, *struct.unpack("<IIB", attributes["tiles"]))
        else:
            chunks = -(-height // _LINES[attributes["compression"][0]])
    except (KeyError, IndexError, struct.error) as error:
        raise source.wrong("its header lacks what says where the pixels are") from error
    if not 0 < chunks <= MAX_CHUNKS:
        raise source.wrong("its header is damaged")
    return _Part(width, height, chunks, is_tiled, is_deep)


def _tile_count(width: int, height: int, tile_width: int, tile_height: int, mode: int) -> int:
    """Tiles over all levels; 0 when the description makes no sense. `mode`: 16 for rounding up, plus 0, 1 or 2."""
    if not tile_width or not tile_height:
        return 0

    def sizes(full: int) -> list[int]:
        levels = (full - 1).bit_length() if mode & 0x10 else full.bit_length() - 1
        return [max(1, -(-full >> level) if mode & 0x10 else full >> level) for level in range(levels + 1)]

    def across(pixels: int, tile: int) -> int:
        return -(-pixels // tile)

    match mode & 0xF:
        case 0:
            return across(width, tile_width) * across(height, tile_height)
        case 1:
            count = len(sizes(max(width, height)))
            wide = (sizes(width) + [1] * count)[:count]
            high = (sizes(height) + [1] * count)[:count]
            return sum(across(w, tile_width) * across(h, tile_height) for w, h in zip(wide, high, strict=True))
        case 2:
            wide_tiles = sum(across(w, tile_width) for w in sizes(width))
            return wide_tiles * sum(across(h, tile_height) for h in sizes(height))
    return 0


def _check_chunks(source: Source, part: _Part, table: int, first_chunk: int, is_multi: bool) -> None:
    """Every entry of the part's table points into the file, and the last chunk is all there."""
    offsets = struct.unpack(f"<{part.chunks}Q", source.bytes_at(table, 8 * part.chunks))
    if min(offsets) < first_chunk:
        raise source.incomplete("was not written to the end")
    if len(set(offsets)) != len(offsets):
        raise source.wrong("its table of pixels is damaged")
    place = max(offsets) + (4 if is_multi else 0) + (16 if part.is_tiled else 4)
    if part.is_deep:
        table_bytes, data_bytes, _ = source.unpack_at(place, "<QQQ")
        end = place + 24 + table_bytes + data_bytes
    else:
        (data_bytes,) = source.unpack_at(place, "<i")
        end = place + 4 + data_bytes
    if data_bytes < 0 or end > source.size_bytes:
        raise source.incomplete("stops inside its pixels")
