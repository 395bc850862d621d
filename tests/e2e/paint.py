"""A renderer for tests whose frames tell which attempt painted them, so that no two attempts give the same bytes.

Run as `paint.py DIRECTORY FRAMES SECONDS`: one small PNG for each of the comma-separated FRAMES, SECONDS apart.
"""

import os
import struct
import sys
import time
import zlib
from pathlib import Path

WIDTH, HEIGHT = 64, 36


def piece(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def image(words: str) -> bytes:
    """A grey PNG that carries the words."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * WIDTH) * HEIGHT
    pieces = [
        (b"IHDR", header),
        (b"tEXt", b"Comment\0" + words.encode()),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(piece(kind, content) for kind, content in pieces)


def main(directory: str, frames: str, seconds: str) -> None:
    """Paint all frames."""
    numbers = [int(number) for number in frames.split(",")]
    for done, number in enumerate(numbers, 1):
        time.sleep(float(seconds))
        Path(directory, f"f_{number:04d}.png").write_bytes(image(os.environ["PEERFARM_ATTEMPT"]))
        print(f"openjd_progress: {100 * done / len(numbers):g}", flush=True)  # noqa: T201 - for the node's reader


if __name__ == "__main__":
    main(*sys.argv[1:])
