"""From the options of `peerfarm submit` and what a scene says of itself to a job as a job file would hold it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from peerfarm.errors import RequestRefused

SCENE_APPS = {".blend": "blender", ".ma": "maya", ".mb": "maya", ".aep": "aftereffects", ".aepx": "aftereffects"}
"""File name extension -> the app that opens it."""
_FRAME_APPS = frozenset({"blender", "maya", "ocean"})
"""They do nothing but write frames; a command may have neither frames nor an output."""
JOB_FILES = (".yaml", ".yml", ".json")

PATTERN = re.compile(r"#|%0?\d*d|\$F\d?")
"""Where a file name has the frame's number."""
_TELLING = ("layer", "camera")
"""Parameters that tell the passes of a scene apart."""
_MAJOR_MINOR = re.compile(r"\d+\.\d+|20\d\d")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wrote on the command line; empty or None where nothing was."""

    app: str
    scene: str = ""
    """Absolute path; empty for an app without a scene."""
    output: str = ""
    """Absolute directory, or one with a file name pattern at its end."""
    frames: str = ""
    chunk: int | None = None
    name: str = ""
    priority: int | None = None
    pool: str = ""
    workers: tuple[str, ...] = ()
    tries: int | None = None
    time_limit: float | str | None = None
    """Seconds, or text such as `5m`, which the node reads."""
    stall_limit: float | str | None = None
    version: str = ""
    is_any_version: bool = False
    params: Mapping[str, Any] | None = None
    item: int | None = None
    """Place in the render queue of After Effects, from 1."""
    is_paused: bool = False


def app_of_scene(scene: str) -> str:
    """The app that opens a scene, by the name's extension; empty when it is none that we know."""
    dot = scene.rfind(".")
    return SCENE_APPS.get(scene[dot:].lower(), "") if dot >= 0 else ""


def is_job_file(path: str) -> bool:
    """Whether the name is a job file's."""
    return path.lower().endswith(JOB_FILES)


def split_output(output: str) -> tuple[str, str]:
    """The directory and the file name pattern; an empty pattern when the path is only a directory.

    Raises:
        RequestRefused: The last part has an extension of a frame but no place for its number.
    """
    cut = max(output.rfind("/"), output.rfind("\\"))
    directory, name = output[: cut + 1], output[cut + 1 :]
    if not PATTERN.search(name):
        if re.search(r"\.(png|jpe?g|exr|tiff?|tga|bmp|hdr|dpx|webp)$", name, re.IGNORECASE):
            stem, _, extension = name.rpartition(".")
            hint = f"Write the frame number's digits as #, e.g. {stem}_####.{extension}."
            raise RequestRefused(f"the output {name!r} is one file for all frames", hint)
        return output, ""
    kept = directory.rstrip("/\\")
    return kept if kept and not kept.endswith(":") else directory, name


def parse_params(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` options; a value that is JSON (a number, true, false, a list) is that, else it is text.

    Raises:
        RequestRefused: A pair has no `=` or no key, or a key is given twice.
    """
    params: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise RequestRefused(f"the parameter {pair!r} is not of the form key=value", "E.g. --param samples=64.")
        if key in params:
            raise RequestRefused(f"the parameter {key!r} is given twice")
        params[key] = _value(value)
    return params


def build_job(wish: Wish, scene: Mapping[str, Any] | None) -> dict[str, Any]:
    """The job to submit; what the user wrote goes before what the scene says.

    `scene` is the answer to `inspect`; None for an app without a scene.

    Raises:
        RequestRefused: Something that the job needs was neither given nor found in the scene.
    """
    said = scene or {}
    stem = _stem(wish.scene) if wish.scene else wish.app
    params = dict(wish.params or {})
    if wish.scene:
        params.setdefault("scene", wish.scene)
    if wish.is_any_version and wish.app in {"blender", "maya"}:
        params.setdefault("any_version", True)
    frames = wish.frames or _scene_frames(said)
    version = wish.version or ("" if wish.is_any_version else _version_of(said.get("version", "")))
    passes = _passes(said, params)
    steps = []
    for one in passes:
        directory, pattern = _output(wish, {**said, **one}, len(passes) > 1)
        if "unsaid" in said and not (frames and directory and pattern):
            raise RequestRefused(said["unsaid"], said["hint"])
        if wish.scene and not directory:
            raise RequestRefused(
                "the scene names no output directory",
                "Say where the frames belong, e.g. --output /projects/shot/frames.",
            )
        if wish.app in _FRAME_APPS and not (frames and directory):
            missing = "directory for its frames" if frames else "frames"
            hint = "E.g. --frames 1-24 --output /projects/sea."
            raise RequestRefused(f"the app {wish.app} was given no {missing}", hint)
        if directory and not pattern:
            pattern = f"{stem}_####.png"
        chosen = given(one.get("params", {}))
        own = {**chosen, **params, **{name: chosen[name] for name in _TELLING if name in chosen}}
        if wish.app == "maya" and wish.output and (image_format := _format(pattern, said.get("format", ""))):
            own.setdefault("format", image_format)
        step = {
            "name": one.get("name", "render"),
            "app": wish.app,
            "params": own,
            "frames": frames,
            "chunk": wish.chunk,
            "output": {"dir": directory, "pattern": pattern} if directory else None,
            "tries": wish.tries,
            "time_limit": wish.time_limit,
            "stall_limit": wish.stall_limit,
            "requires": {"version": version} if version else None,
        }
        steps.append(given(step))
    job = {
        "name": wish.name or stem,
        "priority": wish.priority,
        "pool": wish.pool,
        "workers": list(wish.workers),
        "paused": wish.is_paused or None,
        "steps": steps,
    }
    return given(job)


def _passes(said: Mapping[str, Any], params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What of the scene's layers and cameras is to be rendered: those that the user named, else all.

    Scenes of other applications, and those that do not tell, have one pass without values of its own.
    """
    passes: list[Mapping[str, Any]] = list(said.get("passes", ()))
    for name in _TELLING:
        if not params.get(name):
            continue
        # Render setup layers have a name in Maya's window, and one with `rs_` before it in the scene.
        names = {str(params[name]), f"rs_{params[name]}"}
        named = [one for one in passes if one["params"].get(name) in names]
        passes = named or [{**one, "params": {**one["params"], name: ""}} for one in passes[:1]]
    return passes or [{}]


def _output(wish: Wish, said: Mapping[str, Any], is_one_of_many: bool) -> tuple[str, str]:
    """The directory and the pattern of one pass; several in one directory are kept apart in folders below it."""
    if not wish.output:
        return said.get("output_dir", ""), said.get("output_pattern", "")
    directory, pattern = split_output(wish.output)
    if is_one_of_many and said.get("place"):
        directory = f"{directory.rstrip('/')}/{said['place']}"
    return directory, pattern or said.get("output_pattern", "")


def _format(pattern: str, said: str) -> str:
    """What `Render -of` is to be told; empty where the scene writes what the pattern says, or does not tell."""
    wanted = pattern.rpartition(".")[2].lower()
    return wanted if said and wanted != said else ""


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without those that were left out; the node knows their defaults."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _scene_frames(said: Mapping[str, Any]) -> str:
    if "frame_start" not in said:
        return ""
    frames = f"{said['frame_start']}-{said['frame_end']}"
    step = said.get("frame_step", 1)
    return frames if step == 1 else f"{frames}x{step}"


def _stem(path: str) -> str:
    name = path[max(path.rfind("/"), path.rfind("\\")) + 1 :]
    return name.rpartition(".")[0] or name


def _version_of(version: str) -> str:
    """Major and minor number, which scenes and installations are compared by; of Maya the year."""
    match = _MAJOR_MINOR.match(version)
    return match[0] if match else ""


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)
