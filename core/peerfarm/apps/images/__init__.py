"""Is a rendered file a complete image, and of what size? Read from the file's own structure, without decoding it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from peerfarm.apps.images.exr import exr_size
from peerfarm.apps.images.jpeg import jpeg_size
from peerfarm.apps.images.png import png_size
from peerfarm.apps.images.source import AGAIN, Source
from peerfarm.apps.images.tiff import tiff_size
from peerfarm.errors import OutputMissing

__all__ = ["ImageInfo", "check_image", "is_checked"]


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a complete image says about itself."""

    format: str
    """`PNG`, `JPEG`, `EXR` or `TIFF`; empty for a kind whose structure is not looked at."""
    width: int
    """Pixels; 0 when the format is not looked at."""
    height: int


_READERS: dict[str, tuple[str, Callable[[Source], tuple[int, int]]]] = {
    "png": ("PNG", png_size),
    "jpg": ("JPEG", jpeg_size),
    "jpeg": ("JPEG", jpeg_size),
    "exr": ("EXR", exr_size),
    "tif": ("TIFF", tiff_size),
    "tiff": ("TIFF", tiff_size),
}


def is_checked(name: str) -> bool:
    """Whether files of this name are looked into, or only have to exist and hold something."""
    return _extension(name) in _READERS


def check_image(stream: BinaryIO, size_bytes: int, name: str) -> ImageInfo:
    """Say what image `stream` holds, having made sure that all of it is there.

    Reads little, seeks much, and does bounded work whatever the bytes are.

    Args:
        stream: Seekable; where it stands does not matter.
        size_bytes: The size of the file.
        name: The file's name; its extension says which format is expected.

    Raises:
        OutputMissing: The file is empty, truncated, damaged, or not of the format that its name says.
    """
    if size_bytes <= 0:
        raise OutputMissing(f"the frame {name} is empty", AGAIN)
    known = _READERS.get(_extension(name))
    if known is None:
        return ImageInfo("", 0, 0)
    format_name, size_of = known
    width, height = size_of(Source(stream, size_bytes, name))
    return ImageInfo(format_name, width, height)


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower()
