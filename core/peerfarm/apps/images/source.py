"""Bounded reading of an image file: every wish that the file cannot fulfil becomes OutputMissing."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from peerfarm.errors import OutputMissing

AGAIN = "Render it again."
MAX_READ_BYTES = 128 << 20
"""Of one file, all wishes together: headers and tables of honest images need far less."""


class Source:
    """A file of known size, read at places; never beyond its end.

    Attributes:
        name: What the artist calls the file.
        size_bytes: Where the file ends; what the stream holds beyond it is not looked at.
    """

    def __init__(self, stream: BinaryIO, size_bytes: int, name: str) -> None:
        self._stream = stream
        self.size_bytes = size_bytes
        self.name = name
        self._read_bytes = 0

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`."""
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise self.incomplete("ends too early")
        self._read_bytes += length
        if self._read_bytes > MAX_READ_BYTES:
            raise self.wrong("its headers are endless")
        try:
            self._stream.seek(offset)
            data = self._stream.read(length)
        except (OSError, ValueError) as error:
            raise OutputMissing(f"the frame {self.name} cannot be read: {error}", AGAIN) from error
        if len(data) != length:
            raise self.incomplete("ends too early")
        return data

    def unpack_at(self, offset: int, layout: str) -> tuple[Any, ...]:
        """The numbers of a `struct` layout at `offset`."""
        return struct.unpack(layout, self.bytes_at(offset, struct.calcsize(layout)))

    def incomplete(self, why: str) -> OutputMissing:
        """The error for a file that stops before it is complete."""
        return OutputMissing(f"the frame {self.name} is not a complete image: it {why}", AGAIN)

    def wrong(self, why: str) -> OutputMissing:
        """The error for a file that is damaged or something else than its name says."""
        return OutputMissing(f"the frame {self.name} is not a readable image: {why}", AGAIN)
