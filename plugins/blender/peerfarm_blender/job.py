# SPDX-License-Identifier: GPL-3.0-or-later
"""From what an artist chose to the job that the node is sent. Pure: knows nothing of Blender's data, disk or socket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAX_STEPS = 64
"""Of one job; the node refuses more."""
MOVIES = ("AVI_JPEG", "AVI_RAW", "FFMPEG")
EXTENSIONS = {
    "BMP": ".bmp",
    "IRIS": ".rgb",
    "PNG": ".png",
    "JPEG": ".jpg",
    "JPEG2000": ".jp2",
    "TARGA": ".tga",
    "TARGA_RAW": ".tga",
    "CINEON": ".cin",
    "DPX": ".dpx",
    "OPEN_EXR": ".exr",
    "OPEN_EXR_MULTILAYER": ".exr",
    "HDR": ".hdr",
    "TIFF": ".tif",
    "WEBP": ".webp",
}
"""Blender's image formats, and how their files' names end."""
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f/\\:*?"<>|#%$\s]+')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Windows keeps these names for itself."""
_LONGEST_PART = 28
"""Two of them and a number fit in a step's name, which holds 64."""


@dataclass(frozen=True)
class Settings:
    """What a scene and the panel say of a submission, as plain values."""

    scene_file: str
    """Absolute; empty for a scene that was never saved."""
    scene_name: str
    version: str
    """Blender's `major.minor` that the sent file will have."""
    needs_copy: bool
    """Whether what is in memory differs from what is on the disk."""
    name: str
    """Of the job."""
    frames: str
    """An expression such as `1-60` or `1-100x5,200`."""
    chunk: int
    priority: int
    pool: str
    output: str
    """Absolute path as Blender writes it: a directory, a name, perhaps a run of `#`."""
    file_format: str
    """As Blender calls it, e.g. PNG."""
    engine: str
    camera: str
    """The scene's own; empty when there is none."""
    cameras: tuple[str, ...] | None = None
    """Chosen one by one; None for the scene's own, markers obeyed."""
    view_layers: tuple[str, ...] | None = None
    """Chosen one by one; None for all that are in use, in one picture."""
    layers_in_use: int = 1
    uses_sequencer: bool = False
    uses_denoiser: bool = False
    has_split_views: bool = False
    """Stereo with a file for each eye."""
    file_output_nodes: int = 0
    unsaved_images: tuple[str, ...] = ()
    named_files: tuple[str, ...] = ()
    """What the scene names on the disk, as far as Blender knows it at once; absolute."""
    wishes_any_version: bool = False

    @property
    def output_dir(self) -> str:
        """Absolute directory of the frames; empty when the output names none."""
        cut = _cut(self.output)
        return self.output[:cut].rstrip("/\\") or self.output[:cut]

    @property
    def output_pattern(self) -> str:
        """File name with one run of `#`, as Blender would name its frames; a movie becomes PNG frames."""
        return pattern(self.output[_cut(self.output) :], EXTENSIONS.get(self.file_format, ".png"))

    @property
    def is_movie(self) -> bool:
        """Whether the scene would write one movie."""
        return self.file_format in MOVIES


def _cut(path: str) -> int:
    return max(path.rfind("/"), path.rfind("\\")) + 1


def pattern(name: str, extension: str) -> str:
    """A frame's file name for the last part of an output path, which may lack `#` and the extension."""
    stem = name[: -len(extension)] if name.lower().endswith(extension) else name
    if "#" not in stem:
        return stem + "####" + extension
    last = stem.rindex("#") + 1
    first = len(stem[:last].rstrip("#"))
    return stem[:first].replace("#", "_") + stem[first:] + extension


def scene_frames(first: int, last: int, step: int) -> str:
    """A scene's range as an expression."""
    if last <= first:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}x{step}"


def build_job(
    settings: Settings, scene_file: str, *, allow_missing: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """The job as the node takes it: one step, or one for each chosen view layer and camera.

    Args:
        scene_file: What is rendered: the scene's own file, or the copy of what is in memory.
        allow_missing: Render although files are missing.
        overwrite: Replace frames that stand in the output folder.
    """
    steps = []
    names: set[str] = set()
    for layer, camera in combinations(settings):
        tag = _unused("_".join(plain(part) for part in (layer, camera) if part), names)
        params: dict[str, Any] = {"scene": scene_file, "scene_name": settings.scene_name}
        chosen = {
            "view_layer": layer,
            "camera": camera,
            "allow_missing": allow_missing,
            "any_version": settings.wishes_any_version,
        }
        params.update({field: value for field, value in chosen.items() if value})
        requires: dict[str, Any] = {} if settings.wishes_any_version else {"version": settings.version}
        if settings.uses_denoiser:
            requires["tags"] = ["denoiser"]
        step: dict[str, Any] = {
            "name": tag or "render",
            "app": "blender",
            "params": params,
            "frames": settings.frames,
            "chunk": settings.chunk,
            "output": {"dir": settings.output_dir, "pattern": tagged(settings.output_pattern, tag)},
        }
        if requires:
            step["requires"] = requires
        steps.append(step)
    job: dict[str, Any] = {"name": settings.name, "priority": settings.priority, "steps": steps}
    if settings.pool:
        job["pool"] = settings.pool
    if overwrite:
        job["overwrite"] = True
    return job


def combinations(settings: Settings) -> list[tuple[str, str]]:
    """View layer and camera of each step; empty where the scene decides."""
    layers = ("",) if settings.view_layers is None else settings.view_layers
    cameras = ("",) if settings.cameras is None else settings.cameras
    return [(layer, camera) for layer in layers for camera in cameras]


def plain(name: str) -> str:
    """A name of the scene's as a part of a file name that every system can store."""
    part = _NOT_IN_NAMES.sub("-", name).strip("-. ")[:_LONGEST_PART].rstrip("-. ") or "unnamed"
    return part + "_" if _DEVICES.fullmatch(part) else part


def tagged(frame_pattern: str, tag: str) -> str:
    """The pattern with a step's tag before the frame number."""
    if not tag:
        return frame_pattern
    first = frame_pattern.index("#")
    head = frame_pattern[:first].rstrip("_-. ")
    return "_".join(part for part in (head, tag, frame_pattern[first:]) if part)


def _unused(tag: str, taken: set[str]) -> str:
    """The tag, numbered where capitals alone would tell it from another: some disks take both for one file."""
    number, free = 2, tag
    while free.casefold() in taken:
        free, number = f"{tag}-{number}", number + 1
    taken.add(free.casefold())
    return free
