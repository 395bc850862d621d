"""Makes a small PNG of a frame: `python thumbnail.py FRAME LONGER_EDGE`; prints a line `PICTURE {…}` and ends with 0.

A process of its own, with a limit on its memory: whatever a frame holds, only the picture is lost. PNG needs the
standard library alone; with the extra `[preview]` (OpenImageIO) JPEG, TIFF, EXR and all else that it reads.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parent))  # an isolated Python does not look for modules beside a program

if TYPE_CHECKING:
    from peerfarm.renderers.thumbnail_any import any_picture, first_line
    from peerfarm.renderers.thumbnail_png import PREVIEW, Unseen, png_picture
else:
    from thumbnail_any import any_picture, first_line
    from thumbnail_png import PREVIEW, Unseen, png_picture

MAX_MEMORY_BYTES = 1536 << 20
ANSWER = "PICTURE "
"""Begins the line that counts: OpenImageIO prints lines of its own at its end."""


def picture(path: Path, longest: int) -> dict[str, Any]:
    """What is printed: `{width, height, png}`, or `{reason}`."""
    try:
        width, height, png = _of_any_kind(path, longest)
    except Unseen as why:
        return {"reason": str(why)}
    except MemoryError:
        return {"reason": "the frame takes too much memory"}
    except Exception as error:  # noqa: BLE001 - a hostile frame must become words, whatever a decoder makes of it
        return {"reason": f"the frame cannot be read: {first_line(str(error))}"}
    return {"width": width, "height": height, "png": base64.b64encode(png).decode()}


def _of_any_kind(path: Path, longest: int) -> tuple[int, int, bytes]:
    if path.suffix.lower() != ".png":
        return any_picture(path, longest)
    try:
        with path.open("rb") as stream:
            return png_picture(stream, longest)
    except Unseen as why:
        if PREVIEW not in str(why):
            raise
    return any_picture(path, longest)


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MAX_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    _limit_memory()
    print("\n" + ANSWER + json.dumps(picture(Path(sys.argv[1]), int(sys.argv[2]))))
