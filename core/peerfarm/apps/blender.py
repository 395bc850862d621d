"""Blender 3.3 to 5.x: where it is found, how it is started, what its frames are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from peerfarm.apps.base import PICTURE, Candidate, Command, ExpectedFile, Places
from peerfarm.apps.blender_collect import collection, parse_collection
from peerfarm.apps.blender_log import BlenderReader
from peerfarm.apps.blender_params import FIELDS, SAFE_START, formats_for
from peerfarm.apps.images import is_checked
from peerfarm.apps.marks import parse_mark, text
from peerfarm.apps.params import check_fields
from peerfarm.apps.programs import program_path
from peerfarm.model.collected import Collected
from peerfarm.model.pathmap import join_path
from peerfarm.model.render import Capability, RenderTask

__all__ = ["ORDER", "SAFE_START", "BlenderApp", "blend_version"]

ORDER = "order.json"
"""What the program inside Blender is told, in `Places.work`."""

_QUERY = """
import json, bpy
tags = []
try:
    import _cycles
    tags += ["denoiser"] if _cycles.with_openimagedenoise else []
    device = bpy.context.preferences.addons["cycles"].preferences.compute_device_type
    tags += ["gpu"] if device != "NONE" else []
except (ImportError, AttributeError, KeyError):
    pass
print("\\nPEERFARM " + json.dumps({"event": "blender", "version": bpy.app.version_string, "tags": tags}))
"""
_VERSION = re.compile(r"^Blender (\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_HEADER = re.compile(rb"BLENDER(?:[-_][vV](\d)(\d\d)|\d\d-\d\dv(\d\d)(\d\d))")
_PLACES: dict[str, tuple[str, ...]] = {
    "Linux": (
        "blender",
        "/opt/blender*/blender",
        "/opt/*/blender",
        "/usr/local/blender*/blender",
        "/snap/bin/blender",
        "/var/lib/flatpak/exports/bin/org.blender.Blender",
    ),
    "Darwin": ("/Applications/Blender*.app/Contents/MacOS/Blender", "blender"),
    "Windows": (
        r"C:\Program Files\Blender Foundation\Blender*\blender.exe",
        r"C:\Program Files (x86)\Steam\steamapps\common\Blender\blender.exe",
        "blender.exe",
    ),
}


def blend_version(first_bytes: bytes) -> str | None:
    """The `major.minor` of the Blender that saved a file, from its first 17 bytes or more.

    None when the file is compressed (the header shows only after decompression) or is no .blend file.
    """
    found = _HEADER.match(first_bytes)
    if found is None:
        return None
    major, minor = (int(part) for part in found.groups() if part is not None)
    return f"{major}.{minor}"


class BlenderApp:
    """Renders image sequences from a .blend file."""

    name = "blender"

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """See `App.check_params`; the fields are in `blender_params`."""
        return check_fields(self.name, params, FIELDS)

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The scene file."""
        return (params["scene"],)

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:
        """What the owner configured, then PATH, then where installers put it."""
        ask = (*SAFE_START, "--python-expr", _QUERY)
        return tuple(Candidate(path, ask) for path in (*configured, *_PLACES.get(system, ("blender",))))

    def identify(self, path: str, output: str) -> Capability | None:
        """Read the answer to our query; a Blender too broken to answer still shows its version, without any tags."""
        for line in output.splitlines():
            said = parse_mark(line)
            if said and said["event"] == "blender" and (version := _VERSION.match("Blender " + text(said, "version"))):
                tags = said.get("tags")
                known = tuple(tag for tag in ("denoiser", "gpu") if isinstance(tags, list) and tag in tags)
                return Capability(self.name, version[1], path, known)
        found = _VERSION.search(output)
        return Capability(self.name, found[1], path) if found else None

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:
        """Same `major.minor` as wanted; any Blender when none is wanted or `any_version` is set."""
        return not version or params["any_version"] or (found.version + ".").startswith(version + ".")

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """Blender runs `renderers/blender_render.py`, which reads the order that stands beside it."""
        params = task.params
        ordered = (
            *("scene", "scene_name", "camera", "view_layer", "engine", "width", "height", "percent", "samples"),
            *("denoise", "any_version", "allow_missing"),
        )
        order = {name: params[name] for name in ordered}
        order["scene"] = places.paths.translate(params["scene"]) or params["scene"]
        order["paths"] = places.paths.as_json()
        order["picture"] = join_path(places.work, (PICTURE,))
        order["formats"] = formats_for(task.output_pattern, params["format"])
        order["frames"] = [(frame, join_path(places.frames, (task.frame_name(frame),))) for frame in task.frames]
        threads = ("-t", str(params["threads"])) if params["threads"] else ()
        return Command(
            argv=(
                *(found.executable, *SAFE_START, *threads, "-P", program_path("blender_render.py")),
                *("--", join_path(places.work, (ORDER,))),
            ),
            environment={},
            files={ORDER: json.dumps(order)},
        )

    def collect(self, found: Capability, params: Mapping[str, Any], work: str) -> Command:
        """See `CollectingApp.collect`."""
        return collection(found, params, work)

    def collected(self, output: str, listed: str) -> Collected:
        """See `CollectingApp.collected`."""
        return parse_collection(output, listed)

    def reader(self, task: RenderTask) -> BlenderReader:
        """Reads what Blender and our program inside it print."""
        return BlenderReader(task)

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """One image a frame; its size is known once the reader has heard it."""
        names = ((task.frame_name(frame), frame) for frame in task.frames)
        return tuple(ExpectedFile(name, frame, is_image=is_checked(name)) for name, frame in names)
