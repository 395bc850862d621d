"""Reads frames of any kind for their small picture, by the extra `[preview]` (OpenImageIO).

Only the rows that the picture is made of are read, a band at a time: a frame of 16K costs as little as one of 2K.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from peerfarm.renderers.thumbnail_png import PREVIEW, Unseen, encode, samples, small_size
else:
    from thumbnail_png import PREVIEW, Unseen, encode, samples, small_size

MAX_VALUES = 64 << 20
"""Of pixels times channels in a band: one row, or one row of tiles."""
MAX_EDGE = 65_536
MAX_FILE_MB = 16 << 10
"""Of a frame's pixels as they are stored, which are never all in memory."""
MAX_PARTS = 64
"""Of a file that holds several images, as Blender 5 writes passes."""
MAX_CHANNELS = 1024
_OTHERS = {"R": "GBA", "r": "gba"}


class _Shown(NamedTuple):
    """What of a file is shown."""

    part: int
    channels: tuple[int, ...]
    """Red, green, blue and perhaps alpha, or one for grey."""


def any_picture(path: Path, longest: int) -> tuple[int, int, bytes]:
    """The small picture of whatever OpenImageIO reads: the display window; linear light becomes sRGB as on a screen.

    Raises:
        Unseen: It cannot be read, or OpenImageIO is not installed.
    """
    oiio = _library(path)
    image = oiio.ImageInput.open(str(path))
    if image is None:
        raise Unseen(f"the frame cannot be read: {first_line(oiio.geterror())}")
    try:
        shown = _choose(image)
        image.seek_subimage(shown.part, 0)
        return _picture(oiio, image, shown.channels, longest)
    finally:
        image.close()


def _library(path: Path) -> Any:
    # It reserves memory for each processor, of which a machine may have more than the limit of this process has room.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import OpenImageIO as oiio  # noqa: N813, PLC0415 - an extra, and slow to load
    except ImportError:
        kind = path.suffix.lstrip(".").upper()
        raise Unseen(f"the frame, of the kind {kind}, needs a larger reader: {PREVIEW}") from None
    oiio.attribute("threads", 1)
    oiio.attribute("exr_threads", 1)
    oiio.attribute("limits:imagesize_MB", MAX_FILE_MB)
    oiio.attribute("limits:channels", MAX_CHANNELS)
    return oiio


def _picture(oiio: Any, image: Any, channels: tuple[int, ...], longest: int) -> tuple[int, int, bytes]:
    import numpy  # noqa: ICN001, PLC0415 - OpenImageIO brings it

    spec = image.spec()
    full_width, full_height = spec.full_width or spec.width, spec.full_height or spec.height
    if not (0 < full_width <= MAX_EDGE and 0 < full_height <= MAX_EDGE and spec.width > 0 and spec.height > 0):
        raise Unseen("the frame has too many pixels, or none that can be shown")
    if spec.deep or spec.depth > 1:
        raise Unseen("the frame is deep or a volume, of which no picture is made")
    if (spec.width + spec.tile_width) * (spec.tile_height or 1) * spec.nchannels > MAX_VALUES:
        raise Unseen("the frame has too many pixels in a row")
    is_linear = spec.format.basetype in {oiio.HALF, oiio.FLOAT, oiio.DOUBLE}
    width, height = small_size(full_width, full_height, longest)
    starts = [index * full_width // width for index in range(width)]
    counts = numpy.diff([*starts, full_width])[:, None]
    first = spec.x - spec.full_x
    rows: list[bytes] = []
    read = _reader(oiio, image, spec, channels)
    for group in samples(full_height, height):
        mean = numpy.zeros((width, 4))
        for y in group:
            row = read(y + spec.full_y)
            whole = numpy.zeros((full_width, 4))  # outside of the data window there is nothing
            if row is not None:
                begin, end = max(0, first), min(full_width, first + spec.width)
                if begin < end:
                    whole[begin:end] = _light(numpy, row, channels)[begin - first : end - first]
            mean += numpy.add.reduceat(whole, starts, axis=0) / counts / len(group)
        rows.append(_bytes(numpy, mean, is_linear=is_linear))
    return width, height, encode(width, height, rows)


def _reader(oiio: Any, image: Any, spec: Any, channels: tuple[int, ...]) -> Callable[[int], Any]:
    """A function that gives a row's values by channel, or None outside of the data window; a band of tiles once."""
    part, low, high = image.current_subimage(), min(channels), max(channels) + 1
    kept: dict[int, Any] = {}

    def read(y: int) -> Any:
        if not spec.y <= y < spec.y + spec.height:
            return None
        top, bottom = y, y + 1
        if spec.tile_height:
            top = y - (y - spec.y) % spec.tile_height
            bottom = min(top + spec.tile_height, spec.y + spec.height)
        if top not in kept:
            kept.clear()
            if spec.tile_height:
                sides = (spec.x, spec.x + spec.width)
                values = image.read_tiles(part, 0, *sides, top, bottom, 0, 1, low, high, oiio.FLOAT)
            else:
                values = image.read_scanlines(part, 0, top, bottom, 0, low, high, oiio.FLOAT)
            if values is None:
                raise Unseen(f"the frame cannot be read: {first_line(image.geterror())}")
            kept[top] = values.reshape(bottom - top, spec.width, high - low)
        return kept[top][y - top][:, [channel - low for channel in channels]]

    return read


def _light(numpy: Any, row: Any, channels: tuple[int, ...]) -> Any:
    """Red, green, blue (times alpha) and alpha from 0 to 1; what is no number is dark, what is brighter white."""
    values = numpy.nan_to_num(row, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    out = numpy.ones((len(values), 4))
    out[:, :3] = values[:, :3] if len(channels) >= 3 else values[:, :1]
    if len(channels) == 4:
        out[:, 3] = values[:, 3]
    return out


def _bytes(numpy: Any, mean: Any, *, is_linear: bool) -> bytes:
    """What a screen shows: colours apart from alpha, by the sRGB curve where they are linear."""
    alpha = mean[:, 3:]
    colours = (mean[:, :3] / numpy.where(alpha > 0, alpha, 1.0)).clip(0.0, 1.0)
    if is_linear:
        colours = numpy.where(colours > 0.0031308, 1.055 * colours ** (1 / 2.4) - 0.055, 12.92 * colours)
    together = numpy.concatenate([colours, alpha], axis=1)
    told: bytes = (together * 255).round().clip(0, 255).astype(numpy.uint8).tobytes()
    return told


def _choose(image: Any) -> _Shown:
    """The picture itself, not one of its passes: colours without a layer's name, then Blender's Combined, then any."""
    found: list[tuple[int, int, _Shown]] = []
    for part in range(MAX_PARTS):
        if not image.seek_subimage(part, 0):
            break
        names = [str(name) for name in image.spec().channelnames]
        for index, name in enumerate(names):
            layer, dot, last = name.rpartition(".")
            if last not in _OTHERS:
                continue
            rest = [layer + dot + letter for letter in _OTHERS[last]]
            channels = (index, *(names.index(other) for other in rest if other in names))
            if len(channels) >= 3:
                found.append((_rank(layer), part, _Shown(part, channels)))
    if found:
        return min(found)[2]
    if not image.seek_subimage(0, 0):
        raise Unseen("the frame holds no pixels")
    names = [str(name) for name in image.spec().channelnames]
    return _Shown(0, (names.index("Y") if "Y" in names else 0,))


def _rank(layer: str) -> int:
    if not layer:
        return 0
    words = layer.lower().split(".")
    return 1 if {"combined", "composite", "beauty", "rgba", "rgb"} & set(words) else 2


def first_line(text: str) -> str:
    """Of what a library says, enough for a panel."""
    return (text.splitlines() or ["nobody knows why"])[0][:200]
