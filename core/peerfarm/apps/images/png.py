"""PNG: a signature, then chunks of length, type, data and CRC, from IHDR to IEND."""

from __future__ import annotations

import struct
import zlib

from peerfarm.apps.images.source import Source

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 500_000
"""libpng writes data chunks of 8 KiB: enough for an image of 4 GB."""


def png_size(source: Source) -> tuple[int, int]:
    """Width and height of a complete PNG."""
    if source.bytes_at(0, 8) != SIGNATURE:
        raise source.wrong("it does not begin like a PNG")
    head = source.bytes_at(8, 25)
    if head[:8] != b"\0\0\0\rIHDR" or zlib.crc32(head[4:21]) != struct.unpack(">I", head[21:])[0]:
        raise source.wrong("its PNG header is damaged")
    width, height = struct.unpack(">II", head[8:16])
    if not width or not height:
        raise source.wrong("its PNG header says that it has no pixels")
    offset, data_bytes = 33, 0
    for _ in range(MAX_CHUNKS):
        length, kind = source.unpack_at(offset, ">I4s")
        end = offset + 12 + length
        if end > source.size_bytes:
            raise source.incomplete("stops inside its data")
        if kind == b"IDAT":
            data_bytes += length
        elif kind == b"IEND":
            if not data_bytes:
                raise source.incomplete("holds no pixels")
            if length or end != source.size_bytes:
                raise source.wrong("something follows the end of the PNG")
            source.bytes_at(offset, 12)
            return int(width), int(height)
        offset = end
    raise source.wrong("it consists of too many pieces")
