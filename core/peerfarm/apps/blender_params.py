"""What a job may say to Blender, and which file formats its frames may have."""

from __future__ import annotations

from peerfarm.apps.params import Field, Kind
from peerfarm.errors import AppFailed

SAFE_START = ("-b", "-Y", "--python-exit-code", "9")
"""In the background; never run a scene's own scripts; an error in ours is an error of the process."""

FIELDS: dict[str, Field] = {
    "scene": Field(Kind.PATH, is_required=True),
    "scene_name": Field(Kind.TEXT, ""),
    "camera": Field(Kind.TEXT, ""),
    "view_layer": Field(Kind.TEXT, ""),
    "engine": Field(Kind.TEXT, ""),
    "format": Field(Kind.TEXT, ""),
    "width": Field(Kind.WHOLE, 0, 0, 65536),
    "height": Field(Kind.WHOLE, 0, 0, 65536),
    "percent": Field(Kind.WHOLE, 0, 0, 1000),
    "samples": Field(Kind.WHOLE, 0, 0, 1 << 24),
    "denoise": Field(Kind.YES_NO, None),
    "threads": Field(Kind.WHOLE, 0, 0, 1024),
    "any_version": Field(Kind.YES_NO, False),
    "allow_missing": Field(Kind.YES_NO, False),
    "allow_driver_errors": Field(Kind.YES_NO, False),
}
"""Zero, empty and null mean "as the scene says"; what each is for stands in `apps/README.md`."""

FORMATS: dict[str, tuple[str, ...]] = {
    "png": ("PNG",),
    "jpg": ("JPEG",),
    "jpeg": ("JPEG",),
    "exr": ("OPEN_EXR", "OPEN_EXR_MULTILAYER"),
    "tif": ("TIFF",),
    "tiff": ("TIFF",),
    "tga": ("TARGA", "TARGA_RAW"),
    "bmp": ("BMP",),
    "hdr": ("HDR",),
    "dpx": ("DPX",),
    "cin": ("CINEON",),
    "jp2": ("JPEG2000",),
    "webp": ("WEBP",),
    "rgb": ("IRIS",),
}
"""File name extension -> Blender's formats that it may hold; the first is taken when the scene's own is none of them.
Movies are left out: a frame is a file, so that it can be verified and rendered again alone."""

MOVIES = frozenset({"mp4", "mov", "avi", "mkv", "webm", "ogv", "mpg", "mpeg", "m4v", "flv", "dv"})


def formats_for(pattern: str, wanted: str) -> tuple[str, ...]:
    """Blender's names of the formats that frames named by `pattern` may have, best first.

    Args:
        pattern: File name with a run of `#`.
        wanted: The `format` parameter; empty for what the extension says.

    Raises:
        AppFailed: The extension is no image format, is a movie, or is not the wanted format's.
    """
    extension = pattern.rpartition(".")[2].lower()
    if extension in MOVIES:
        raise AppFailed(
            f"{pattern!r} names a movie, and a farm renders single images",
            "Render to PNG or EXR and make the movie from the frames.",
        )
    known = FORMATS.get(extension)
    if known is None:
        raise AppFailed(
            f"Blender writes no images named like {pattern!r}",
            f"End the output pattern in one of: {', '.join(FORMATS)}.",
        )
    if wanted and wanted.upper() not in known:
        raise AppFailed(
            f"the output pattern {pattern!r} does not fit the format {wanted!r}",
            f"With .{extension} the format is {' or '.join(known)}.",
        )
    return (wanted.upper(),) if wanted else known
