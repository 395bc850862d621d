"""A small PNG of the frame that Blender has just rendered, for panels on machines that cannot read its format."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

LONGEST = 320
"""Pixels of the longer edge; a panel makes it smaller still."""


def leave_picture(scene: Any, path: str) -> None:
    """Write the picture, as the scene's own view shows it; silent when that fails, for the frame itself is written.

    The scene's output settings are others afterwards: call it after the last frame.
    """
    large = Path(path).with_suffix(".jpg")
    try:
        settings = scene.render.image_settings
        if hasattr(settings, "media_type"):
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.quality = "JPEG", "RGB", 90
        bpy.data.images["Render Result"].save_render(str(large), scene=scene)
        image = bpy.data.images.load(str(large))
        width, height = image.size
        share = min(1.0, LONGEST / max(width, height, 1))
        image.scale(max(1, round(width * share)), max(1, round(height * share)))
        image.filepath_raw, image.file_format = path, "PNG"
        image.save()
        bpy.data.images.remove(image)
    except Exception:  # noqa: BLE001 - whatever Blender makes of it, the frames are rendered
        remove(path)
    finally:
        remove(str(large))


def remove(path: str) -> None:
    """Remove a file, if it is there and can be removed."""
    with suppress(OSError):
        Path(path).unlink()
