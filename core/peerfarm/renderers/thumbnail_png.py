"""Reads PNG frames for their small picture, and writes the picture, with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PLAIN_BYTES = 96 << 20
"""Of pixels that are unpacked in Python: 4K in 16 bits with alpha has 66 MB, and takes some seconds."""
MAX_EDGE = 65_536
SAMPLES = 3
"""Rows and columns that each pixel of the small picture is made of."""
PREVIEW = "install peerfarm with its extra [preview] to see frames of this kind"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of a PNG by colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""

Pixel = tuple[int, int, int, int]


class Unseen(Exception):
    """There is no picture to be had; the words say why."""


def small_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size of the small picture; never larger than the frame."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def encode(width: int, height: int, rows: list[bytes]) -> bytes:
    """A PNG of rows of RGBA in 8 bits."""
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_picture(stream: BinaryIO, longest: int) -> tuple[int, int, bytes]:
    """The small picture of a PNG: width, height and a PNG.

    Raises:
        Unseen: It is damaged, interlaced or too large.
    """
    if stream.read(8) != SIGNATURE:
        raise Unseen("the frame does not begin like a PNG")
    kind, head = _next_chunk(stream)
    if kind != b"IHDR" or len(head) != 13:
        raise Unseen("the frame's PNG header is damaged")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", head)
    channels = _CHANNELS.get(colour, 0)
    if not (0 < width <= MAX_EDGE and 0 < height <= MAX_EDGE) or not channels or depth not in {1, 2, 4, 8, 16}:
        raise Unseen("the frame's PNG header is damaged")
    if interlace:
        raise Unseen(f"the frame is an interlaced PNG: {PREVIEW}")
    row_bytes = (width * channels * depth + 7) // 8
    if row_bytes * height > MAX_PLAIN_BYTES:
        raise Unseen(f"the frame has too many pixels for the reader that peerfarm brings along: {PREVIEW}")
    palette, alphas, data = _before_pixels(stream)
    small_width, small_height = small_size(width, height, longest)
    look = _pixel_reader(depth, colour, palette, alphas)
    columns = samples(width, small_width)
    wanted = samples(height, small_height)
    needed = {y for group in wanted for y in group}
    step = max(1, channels * depth // 8)
    rows: list[bytes] = []
    sums = [[0, 0, 0, 0] for _ in range(small_width)]
    last = max(needed)
    for y, row in enumerate(_rows(stream, data, row_bytes, height, step)):
        if y in needed:
            for sum_, xs in zip(sums, columns, strict=True):
                for x in xs:
                    red, green, blue, alpha = look(row, x)
                    sum_[0] += red * alpha
                    sum_[1] += green * alpha
                    sum_[2] += blue * alpha
                    sum_[3] += alpha
        if y == wanted[len(rows)][-1]:
            rows.append(_mean_row(sums, columns, len(wanted[len(rows)])))
            sums = [[0, 0, 0, 0] for _ in range(small_width)]
        if y == last:
            break
    return small_width, small_height, encode(small_width, small_height, rows)


def _mean_row(sums: list[list[int]], columns: list[list[int]], rows: int) -> bytes:
    out = bytearray()
    for (red, green, blue, alpha), xs in zip(sums, columns, strict=True):
        weight = alpha or 1
        out += bytes((red // weight, green // weight, blue // weight, alpha // (len(xs) * rows)))
    return bytes(out)


def samples(full: int, small: int) -> list[list[int]]:
    """Which rows or columns each of the small picture's is made of: a few of its own, evenly spread."""
    groups = []
    for index in range(small):
        first, end = index * full // small, max(index * full // small + 1, (index + 1) * full // small)
        count = min(SAMPLES, end - first)
        groups.append([first + (2 * part + 1) * (end - first) // (2 * count) for part in range(count)])
    return groups


def _next_chunk(stream: BinaryIO) -> tuple[bytes, bytes]:
    head = stream.read(8)
    if len(head) != 8:
        raise Unseen("the frame ends too early")
    length, kind = struct.unpack(">I4s", head)
    if length > MAX_PLAIN_BYTES:
        raise Unseen("the frame's PNG data is damaged")
    data = stream.read(length)
    if len(data) != length or len(stream.read(4)) != 4:
        raise Unseen("the frame ends too early")
    return kind, data


def _before_pixels(stream: BinaryIO) -> tuple[bytes, bytes, bytes]:
    """The palette, its alphas, and the first data."""
    palette = alphas = b""
    while True:
        kind, data = _next_chunk(stream)
        if kind == b"PLTE":
            palette = data[:768]
        elif kind == b"tRNS":
            alphas = data[:256]
        elif kind == b"IDAT":
            return palette, alphas, data
        elif kind == b"IEND":
            raise Unseen("the frame holds no pixels")


def _inflated(stream: BinaryIO, data: bytes) -> Iterator[bytes]:
    """The filtered rows' bytes, never more than a piece at a time."""
    inflate = zlib.decompressobj()
    while True:
        while data:
            piece = inflate.decompress(data, 1 << 18)
            data = inflate.unconsumed_tail
            if piece:
                yield piece
        kind, data = _next_chunk(stream)
        if kind != b"IDAT":
            return


def _rows(stream: BinaryIO, data: bytes, row_bytes: int, height: int, step: int) -> Iterator[bytes]:
    """Each row as it is, its filter undone."""
    above, waiting, count = bytes(row_bytes), bytearray(), 0
    for piece in _inflated(stream, data):
        waiting += piece
        place = 0
        while len(waiting) - place > row_bytes and count < height:
            filter_ = waiting[place]
            row = bytes(waiting[place + 1 : place + 1 + row_bytes])
            above = _unfiltered(filter_, row, above, step)
            yield above
            place += 1 + row_bytes
            count += 1
        del waiting[:place]
        if count == height:
            return
    if count < height:
        raise Unseen("the frame ends too early")


def _unfiltered(filter_: int, row: bytes, above: bytes, step: int) -> bytes:
    match filter_:
        case 0:
            return row
        case 1:
            out = bytearray(row)
            for channel in range(min(step, len(row))):
                out[channel::step] = bytes(value & 255 for value in accumulate(row[channel::step]))
            return bytes(out)
        case 2:
            return bytes((value + up) & 255 for value, up in zip(row, above, strict=True))
        case 3:
            return _averaged(row, above, step)
        case 4:
            return _paeth(row, above, step)
    raise Unseen("the frame's PNG data is damaged")


def _averaged(row: bytes, above: bytes, step: int) -> bytes:
    out = bytearray(row)
    for channel in range(min(step, len(row))):
        left, values = 0, []
        for value, up in zip(row[channel::step], above[channel::step], strict=True):
            left = (value + (left + up >> 1)) & 255
            values.append(left)
        out[channel::step] = bytes(values)
    return bytes(out)


def _paeth(row: bytes, above: bytes, step: int) -> bytes:
    out = bytearray(row)
    for channel in range(min(step, len(row))):
        left = corner = 0
        values = []
        for value, up in zip(row[channel::step], above[channel::step], strict=True):
            by_left, by_up = abs(up - corner), abs(left - corner)
            by_corner = abs(left + up - corner - corner)
            if by_left <= by_up and by_left <= by_corner:
                left = (value + left) & 255
            elif by_up <= by_corner:
                left = (value + up) & 255
            else:
                left = (value + corner) & 255
            corner = up
            values.append(left)
        out[channel::step] = bytes(values)
    return bytes(out)


def _pixel_reader(depth: int, colour: int, palette: bytes, alphas: bytes) -> Callable[[bytes, int], Pixel]:
    """A function that gives the pixel at a place of a row, in 8 bits."""
    if depth < 8:
        most = (1 << depth) - 1
        each = 8 // depth

        def packed(row: bytes, x: int) -> int:
            return row[x // each] >> (8 - depth * (x % each + 1)) & most

        if colour == 3:
            return lambda row, x: _of_palette(packed(row, x), palette, alphas)
        return lambda row, x: (*(packed(row, x) * 255 // most,) * 3, 255)
    wide = depth // 8
    if colour == 3:
        return lambda row, x: _of_palette(row[x], palette, alphas)
    if colour == 0:
        return lambda row, x: (row[x * wide], row[x * wide], row[x * wide], 255)
    if colour == 4:
        return lambda row, x: (*(row[2 * x * wide],) * 3, row[(2 * x + 1) * wide])
    if colour == 2:
        return lambda row, x: (row[3 * x * wide], row[(3 * x + 1) * wide], row[(3 * x + 2) * wide], 255)
    return lambda row, x: (
        row[4 * x * wide],
        row[(4 * x + 1) * wide],
        row[(4 * x + 2) * wide],
        row[(4 * x + 3) * wide],
    )


def _of_palette(index: int, palette: bytes, alphas: bytes) -> Pixel:
    red, green, blue = (palette[3 * index : 3 * index + 3] + b"\0\0\0")[:3]
    return red, green, blue, alphas[index] if index < len(alphas) else 255
