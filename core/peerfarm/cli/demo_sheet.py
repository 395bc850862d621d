"""A contact sheet of the demo's frames: one small PNG, or a page where the frames cannot be read here."""

from __future__ import annotations

import html
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

SHEET = "contact_sheet.png"
PAGE = "contact_sheet.html"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels by PNG colour type; palettes are left out, no renderer writes them."""
_BUDGET_BYTES = 12_000_000
"""Decoding is plain Python: this much takes a few seconds."""
_SHEET_WIDTH = 1200
_GAP = 6
_MOST = 48
_Pixels = list[bytes]
"""Rows of RGB."""


def write_sheet(frames: Sequence[Path], directory: Path) -> Path | None:
    """Write the sheet beside the frames; gives its path, None when there are no frames.

    Raises:
        OSError: The directory cannot be written.
    """
    if not frames:
        return None
    chosen = list(frames[:: max(1, -(-len(frames) // _MOST))])
    try:
        width, height, depth, colour = _header(chosen[0].read_bytes())
        cost = width * height * _CHANNELS[colour] * depth // 8
        chosen = chosen[:: max(1, -(-cost * len(chosen) // _BUDGET_BYTES))]
        if cost > _BUDGET_BYTES:
            return _write_page(frames, directory)
        columns = max(1, round(len(chosen) ** 0.5 * 1.2))
        room = (_SHEET_WIDTH - _GAP) // columns - _GAP
        shrink = max(1, -(-width // room))
        sheet = _assemble([_shrunk(_decode(path.read_bytes()), shrink) for path in chosen], columns)
    except (ValueError, KeyError, IndexError, struct.error, zlib.error):
        return _write_page(frames, directory)  # not a PNG as renderers write them
    path = directory / SHEET
    path.write_bytes(sheet)
    return path


def _header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits a channel, colour type."""
    if data[:8] != _SIGNATURE:
        raise ValueError("no PNG")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if interlace or depth not in (8, 16):
        raise ValueError("an unusual PNG")
    return width, height, depth, colour


def _decode(data: bytes) -> _Pixels:
    width, height, depth, colour = _header(data)
    channels, size = _CHANNELS[colour], depth // 8
    packed, offset = [], 8
    while offset < len(data):
        length, kind = struct.unpack(">I4s", data[offset : offset + 8])
        if kind == b"IDAT":
            packed.append(data[offset + 8 : offset + 8 + length])
        offset += 12 + length
    raw = zlib.decompress(b"".join(packed))
    stride, step = width * channels * size, channels * size
    before = bytearray(stride)
    rows: _Pixels = []
    for number in range(height):
        start = number * (stride + 1)
        row = bytearray(raw[start + 1 : start + 1 + stride])
        _unfilter(raw[start], row, before, step)
        rows.append(_rgb(bytes(row[::size]), channels))
        before = row
    return rows


def _rgb(row: bytes, channels: int) -> bytes:
    if channels == 3:
        return row
    red, green, blue = (0, 1, 2) if channels == 4 else (0, 0, 0)
    made = bytearray(len(row) // channels * 3)
    made[0::3], made[1::3], made[2::3] = row[red::channels], row[green::channels], row[blue::channels]
    return bytes(made)


def _unfilter(kind: int, row: bytearray, before: bytearray, step: int) -> None:
    """Undo one of PNG's five filters, in place."""
    if kind == 1:
        for place in range(step, len(row)):
            row[place] = (row[place] + row[place - step]) & 255
    elif kind == 2:
        for place, above in enumerate(before):
            row[place] = (row[place] + above) & 255
    elif kind == 3:
        for place, above in enumerate(before):
            left = row[place - step] if place >= step else 0
            row[place] = (row[place] + (left + above) // 2) & 255
    elif kind == 4:
        _undo_paeth(row, before, step)
    elif kind:
        raise ValueError("no filter of PNG")


def _undo_paeth(row: bytearray, before: bytearray, step: int) -> None:
    for place, above in enumerate(before):
        left = row[place - step] if place >= step else 0
        corner = before[place - step] if place >= step else 0
        by_left, by_above, by_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
        nearest = left if by_left <= by_above and by_left <= by_corner else above if by_above <= by_corner else corner
        row[place] = (row[place] + nearest) & 255


def _shrunk(rows: _Pixels, factor: int) -> _Pixels:
    """Every `factor`-th pixel of every `factor`-th row."""
    if factor == 1:
        return rows
    shrunk = []
    for row in rows[::factor]:
        channels = [row[channel::3][::factor] for channel in range(3)]
        made = bytearray(3 * len(channels[0]))
        for channel in range(3):
            made[channel::3] = channels[channel]
        shrunk.append(bytes(made))
    return shrunk


def _assemble(pictures: Sequence[_Pixels], columns: int) -> bytes:
    width = len(pictures[0][0]) // 3
    height = len(pictures[0])
    gap = bytes(3 * _GAP)
    total = columns * (width + _GAP) + _GAP
    empty = bytes(3 * total)
    lines = [empty] * _GAP
    for first in range(0, len(pictures), columns):
        line_of = pictures[first : first + columns]
        for number in range(height):
            line = gap + b"".join(picture[number] + gap for picture in line_of)
            lines.append(line + bytes(3 * total - len(line)))
        lines += [empty] * _GAP
    packed = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    head = struct.pack(">IIBBBBB", total, len(lines), 8, 2, 0, 0, 0)
    return _SIGNATURE + _piece(b"IHDR", head) + _piece(b"IDAT", packed) + _piece(b"IEND", b"")


def _piece(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write_page(frames: Sequence[Path], directory: Path) -> Path:
    pictures = "\n".join(
        f'<figure><img src="{quote(frame.name)}" width="240"><br>{html.escape(frame.name)}</figure>' for frame in frames
    )
    style = "body{background:#222;color:#ccc;font:13px sans-serif}figure{display:inline-block;margin:6px}"
    path = directory / PAGE
    page = f'<!doctype html><meta charset="utf-8"><title>Frames</title><style>{style}</style>\n{pictures}\n'
    path.write_text(page, "utf-8")
    return path
