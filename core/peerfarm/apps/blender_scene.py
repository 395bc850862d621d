"""Ask a .blend file for the defaults of a submission: frames, output, size, cameras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from peerfarm.apps.base import Command
from peerfarm.apps.blender_errors import explain
from peerfarm.apps.blender_params import SAFE_START
from peerfarm.apps.marks import MARK, MAX_LINE, parse_mark, text
from peerfarm.apps.programs import program_path
from peerfarm.errors import AppFailed
from peerfarm.model.render import Capability

_FIELDS: dict[str, type] = {
    "blender_version": str,
    "file_version": str,
    "scene_name": str,
    "scenes": list,
    "frame_start": int,
    "frame_end": int,
    "frame_step": int,
    "fps": float,
    "output": str,
    "format": str,
    "extension": str,
    "is_movie": bool,
    "width": int,
    "height": int,
    "engine": str,
    "camera": str,
    "cameras": list,
    "view_layers": list,
    "uses_denoiser": bool,
    "missing_files": list,
}


def inspection(found: Capability, scene: str) -> Command:
    """The process that opens `scene`, an absolute path, and prints what `parse_inspection` reads."""
    return Command((found.executable, *SAFE_START, "-P", program_path("blender_inspect.py"), "--", scene), {}, {})


def parse_inspection(output: str) -> dict[str, Any]:
    """What the scene says about itself.

    `output` is an absolute path with Blender's `#` kept, `extension` begins with a dot, `width` and `height` hold the
    percentage already, `camera` is empty when there is none, `missing_files` names what this machine does not see,
    `folders` where the files lie that the scene needs.

    Raises:
        AppFailed: Blender did not open the scene; with the reason in words.
    """
    for line in output.splitlines():
        said = parse_mark(line)
        if said and said["event"] == "scene" and all(_is(said.get(name), kind) for name, kind in _FIELDS.items()):
            found = said.get("folders")
            return {**{name: said[name] for name in _FIELDS}, "folders": found if _is(found, list) else []}
    raise unreadable(output)


def unreadable(output: str) -> AppFailed:
    """Why Blender did not look into a scene, from what it and our program in it printed."""
    problem = ""
    for line in output.splitlines():
        said = parse_mark(line)
        if said and said["event"] == "error":
            problem = text(said, "message")
    lines = [line for line in output.splitlines() if not line.startswith(MARK)]
    candidates = [problem, *(line for line in reversed(lines) if "error" in line.lower() and len(line) < MAX_LINE)]
    for candidate in candidates:
        if candidate and (known := explain(candidate)):
            return AppFailed(known.message)
    return AppFailed(
        f"Blender could not read the scene: {problem or next(iter(lines[-1:]), '')[:300] or 'it said nothing'}",
        "A scene of a newer Blender can make an older one crash: use the version that saved it.",
    )


def _is(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is list:
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return type(value) is kind


def submission_defaults(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with what a submission needs beside them: where the frames go, which version, what to mind.

    Blender puts four digits after a path without `#`; the last run of `#` is the frame number, as here.
    """
    path = facts["output"]
    cut = max(path.rfind("/"), path.rfind("\\")) + 1
    directory, name = path[:cut].rstrip("/\\") or path[:cut], path[cut:]
    extension = ".png" if facts["is_movie"] else facts["extension"]
    stem = name[: -len(extension)] if extension and name.lower().endswith(extension) else name
    if "#" in stem:
        last = stem.rindex("#") + 1
        first = len(stem[:last].rstrip("#"))
        stem = stem[:first].replace("#", "_") + stem[first:]
    else:
        stem += "####"
    return {
        **facts,
        "output_dir": directory,
        "output_pattern": stem + extension,
        "version": facts["file_version"],
        "warnings": _warnings(facts),
    }


def _warnings(facts: Mapping[str, Any]) -> list[str]:
    warnings = []
    if facts["is_movie"]:
        warnings.append("the scene writes a movie, which many workers cannot share: PNG frames are rendered instead")
    if not facts["camera"]:
        warnings.append("the scene has no active camera: set one, or name one with --param camera=NAME")
    if facts["missing_files"]:
        names = ", ".join(facts["missing_files"][:5])
        more = len(facts["missing_files"]) - 5
        warnings.append(f"files are missing: {names}" + (f" and {more} more" if more > 0 else ""))
    return warnings
