"""Maya 2022 to 2026: where Render is found, how it renders one layer through one camera, what must exist afterwards.

Maya itself could not be run where this was written; tests run a program that behaves like Render.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

from peerfarm.apps.base import Candidate, Command, ExpectedFile, NamedPath, Places
from peerfarm.apps.images import is_checked
from peerfarm.apps.maya_ascii import named, rewritten
from peerfarm.apps.maya_binary import is_maya_binary, named_in_binary
from peerfarm.apps.maya_log import MayaReader
from peerfarm.apps.params import Field, Kind, check_fields
from peerfarm.apps.programs import program_path
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.pathmap import PathMap, join_path
from peerfarm.model.render import Capability, RenderTask

RENDERERS = ("file", "arnold", "vray", "redshift", "renderman", "sw", "hw2")
"""What `Render -r` is called with; `file` takes the scene's own."""

FIELDS: dict[str, Field] = {
    "scene": Field(Kind.PATH, is_required=True),
    "project": Field(Kind.PATH),
    "renderer": Field(Kind.TEXT, "file"),
    "camera": Field(Kind.TEXT, ""),
    "layer": Field(Kind.TEXT, ""),
    "format": Field(Kind.TEXT, ""),
    "width": Field(Kind.WHOLE, 0, 0, 65536),
    "height": Field(Kind.WHOLE, 0, 0, 65536),
    "any_version": Field(Kind.YES_NO, False),
    "listed": Field(Kind.YES_NO, False),
}
"""What each is for stands in `apps/README.md`."""

ORDER = "order.json"
"""What `renderers/maya_render.py` is told, in `Places.work`."""

_PATHS = "paths.json"
_ENVIRONMENT = {"MAYA_DISABLE_CIP": "1", "MAYA_DISABLE_CER": "1", "MAYA_DISABLE_CLIC_IPM": "1"}
"""No reports to Autodesk and no windows that ask for leave to send them: nobody would close them."""
_OWN_OPTIONS: dict[str, tuple[str, ...]] = {
    # Without a licence Arnold would write a watermark into the frames; below verbosity 2 it says nothing of progress,
    # and a scene may send its log elsewhere. The name has a number although the scene may render a single frame.
    "arnold": ("-fnc", "name.#.ext", "-ai:alf", "true", "-ai:lve", "2", "-ai:ltc", "true"),
    "sw": ("-fnc", "name.#.ext"),
}
_YEAR = re.compile(r"maya[ _-]?(20\d\d)", re.IGNORECASE)
_PLACES: dict[str, tuple[str, ...]] = {
    "Linux": ("$MAYA_LOCATION/bin/Render", "/usr/autodesk/maya20*/bin/Render", "/opt/autodesk/maya20*/bin/Render"),
    "Darwin": ("$MAYA_LOCATION/bin/Render", "/Applications/Autodesk/maya20*/Maya.app/Contents/bin/Render"),
    "Windows": (r"$MAYA_LOCATION\bin\Render.exe", r"C:\Program Files\Autodesk\Maya20*\bin\Render.exe"),
}

# Maya runs every userSetup.py on its Python path before it opens the scene: the only way to redirect paths in .mb.
_USER_SETUP = """
import json, os
try:
    import maya.cmds as cmds
    with open(os.path.join({work!r}, {paths!r}), "rb") as stream:
        rules = json.loads(stream.read().decode("utf-8"))
    cmds.dirmap(enable=True)
    for there, here in rules:
        cmds.dirmap(mapDirectory=(there, here))
    print("peerfarm: %d directories are mapped" % len(rules))
except Exception as error:
    print("peerfarm: paths could not be mapped: %s" % error)
"""


class MayaApp:
    """Renders image sequences from a .ma or .mb file by Maya's own command-line renderer."""

    name = "maya"
    rewritten_suffixes = (".ma",)
    read_suffixes = (".ma", ".mb")
    guessed_suffixes = (".mb",)

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """See `App.check_params`."""
        checked = check_fields(self.name, params, FIELDS)
        if checked["renderer"] not in RENDERERS:
            raise InvalidJob(
                f"params.renderer of app maya is {checked['renderer'][:40]!r}",
                f"Known are: {', '.join(RENDERERS)}; `file` takes the scene's own.",
            )
        if bool(checked["width"]) != bool(checked["height"]):
            raise InvalidJob("params.width and params.height of app maya belong together", "Give both or neither.")
        return checked

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The scene. The project only says where the scene's relative paths begin."""
        return (params["scene"],)

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:
        """What the owner configured, then `MAYA_LOCATION`, then where Autodesk's installer puts it."""
        paths = (*configured, *_PLACES.get(system, ()))
        return tuple(Candidate(path, ("-listRenderers",), may_be_silent=True) for path in paths)

    def identify(self, path: str, output: str) -> Capability | None:
        """The year that the path names, empty when it names none: then it suits jobs of no certain year.

        Its tags are the renderers that `Render -listRenderers` knows; none where it did not answer as expected. Nothing
        is refused for want of a tag: a renderer that is not there makes Render end with 206.
        """
        found = _YEAR.search(path)
        listed = {name for name in RENDERERS[1:] if re.search(rf"^\W*{name}\b", output, re.MULTILINE)}
        tags = tuple(sorted(listed)) if listed & {"sw", "hw2"} else ()
        return Capability(self.name, found[1] if found else "", path, tags)

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:
        """Same year as wanted; any Maya when none is wanted or `any_version` is set."""
        return not version or params["any_version"] or found.version == version.partition(".")[0]

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """Our own program runs Render and then gives the images their names.

        Maya puts layers and cameras into directories of its own choice, in a way that differs between renderers.
        """
        params = task.params
        if not task.frames:
            raise AppFailed("the step has no frames", "Give it frames, e.g. 1-24.")
        scene = places.paths.translate(params["scene"]) or params["scene"]
        first, last, spacing = _span(task.frames)
        argv = [found.executable, "-r", params["renderer"]]
        project = _project_here(params["project"] or "", places.paths)
        argv += ["-proj", project] if project else []
        argv += ["-s", str(first), "-e", str(last), "-b", str(spacing), "-pad", str(_padding(task.output_pattern))]
        argv += ["-rd", places.frames, "-im", _prefix(task.output_pattern)]
        argv += ["-of", _format(params)] if params["format"] else []
        argv += ["-cam", params["camera"]] if params["camera"] else []
        argv += ["-rl", params["layer"]] if params["layer"] else []
        argv += ["-x", str(params["width"]), "-y", str(params["height"])] if params["width"] else []
        argv += _OWN_OPTIONS.get(params["renderer"], ())
        order = {
            "argv": [*argv, scene],
            "has_project": bool(project),
            "directory": places.frames,
            "prefix": _prefix(task.output_pattern),
            "frames": [(frame, task.frame_name(frame)) for frame in task.frames],
        }
        files = {ORDER: json.dumps(order)}
        environment = dict(_ENVIRONMENT)
        if rules := _directories(places.paths):
            files[_PATHS] = json.dumps(rules)
            files["userSetup.py"] = _USER_SETUP.format(work=places.work, paths=_PATHS)
            environment["PYTHONPATH"] = places.work
        program = (sys.executable, "-I", "-S", program_path("maya_render.py"))
        return Command((*program, join_path(places.work, (ORDER,))), environment, files)

    def named(self, content: bytes) -> tuple[NamedPath, ...]:
        """See `ReadableApp`."""
        return named_in_binary(content) if is_maya_binary(content) else named(content)

    def rewritten(self, content: bytes, paths: PathMap) -> bytes:
        """See `RewritingApp`: absolute paths in .ma; those in .mb are mapped while Maya opens it."""
        return rewritten(content, paths.translate)

    def reader(self, task: RenderTask) -> MayaReader:
        """Reads what Maya, its renderers and our program around them print."""
        return MayaReader(task)

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """One image a frame."""
        width, height = task.params["width"], task.params["height"]
        names = ((task.frame_name(frame), frame) for frame in task.frames)
        return tuple(ExpectedFile(name, frame, width, height, is_image=is_checked(name)) for name, frame in names)


def _span(frames: tuple[int, ...]) -> tuple[int, int, int]:
    """First and last frame, and the widest even spacing that meets all of them; what it adds is left behind."""
    ordered = sorted(frames)
    spacing = math.gcd(*(later - earlier for earlier, later in itertools.pairwise(ordered))) or 1
    return ordered[0], ordered[-1], spacing


def _format(params: Mapping[str, Any]) -> str:
    """The image format in the renderer's words: Arnold does not know `jpg`."""
    return "jpeg" if params["renderer"] == "arnold" and params["format"] == "jpg" else str(params["format"])


def _padding(pattern: str) -> int:
    return max(1, pattern.count("#"))


def _prefix(pattern: str) -> str:
    """What Maya is to call the images before their number."""
    stem = pattern.partition("#")[0] if "#" in pattern else pattern.rpartition(".")[0]
    prefix = stem.rstrip("._-") or "frame"
    return f"_{prefix}" if prefix.startswith("-") else prefix


def _project_here(project: str, paths: PathMap) -> str:
    """The project's directory on this machine; empty where nobody named one, or where it did not come along."""
    if project and (here := paths.translate(project)):
        return here
    return "" if paths.rules else project


def _directories(paths: PathMap) -> list[tuple[str, str]]:
    """What `dirmap` is to be told: forward slashes, and a slash at the end, or /show would be found in /showroom.

    It minds capitals on every system, and Windows writes its drives in both.
    """
    told: list[tuple[str, str]] = []
    for rule in sorted(paths.rules, key=lambda rule: -len(rule.there)):
        there, here = (path.replace("\\", "/").rstrip("/") for path in (rule.there, rule.here))
        if there == here:
            continue
        is_drive = there[1:2] == ":"
        spellings = sorted({there[0].upper() + there[1:], there[0].lower() + there[1:]}) if is_drive else [there]
        told += [(spelling + "/", here + "/") for spelling in spellings]
        told += [(spelling, here) for spelling in spellings if "." in there.rpartition("/")[2]]  # a single file
    return told
