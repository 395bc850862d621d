"""After Effects 2020 to 2026: where aerender is found, how it renders one item of the render queue, what it leaves.

After Effects itself could not be run where this was written; tests run a program that behaves like aerender.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from peerfarm.apps.aep import relinked
from peerfarm.apps.aep_footage import named_footage
from peerfarm.apps.aep_queue import queue_said
from peerfarm.apps.aftereffects_log import AfterEffectsReader
from peerfarm.apps.base import Candidate, Command, ExpectedFile, NamedPath, Places
from peerfarm.apps.images import is_checked
from peerfarm.apps.params import Field, Kind, check_fields
from peerfarm.errors import AppFailed, InvalidJob
from peerfarm.model.pathmap import PathMap, join_path
from peerfarm.model.render import Capability, RenderTask

FIELDS: dict[str, Field] = {
    "scene": Field(Kind.PATH, is_required=True),
    "item": Field(Kind.WHOLE, None, 1, 9999, is_required=True),
    "comp": Field(Kind.TEXT, ""),
    "movie": Field(Kind.YES_NO, False),
    "first": Field(Kind.WHOLE, 0, -(10**7), 10**7),
    "last": Field(Kind.WHOLE, 0, -(10**7), 10**7),
    "width": Field(Kind.WHOLE, 0, 0, 65536),
    "height": Field(Kind.WHOLE, 0, 0, 65536),
    "several_frames_at_once": Field(Kind.YES_NO, None),
    "processor_percent": Field(Kind.WHOLE, 100, 1, 100),
    "allow_missing": Field(Kind.YES_NO, False),
    "listed": Field(Kind.YES_NO, False),
}
"""What each is for stands in `apps/README.md`."""

MULTI_FRAME_SINCE = 22
"""The first major version whose aerender knows `-mfr`."""

_VERSION = re.compile(r"aerender version (\d+(?:\.\d+){0,2})", re.IGNORECASE)
_YEAR = re.compile(r"After Effects (?:CC )?(20\d\d)")
_MAJOR_OF_YEAR = {2019: 16, 2020: 17, 2021: 18}
"""From 2022 on the major version is the year's last two digits."""
_PLACES: dict[str, tuple[str, ...]] = {
    "Darwin": ("/Applications/Adobe After Effects*/aerender",),
    "Windows": (
        r"C:\Program Files\Adobe\Adobe After Effects*\Support Files\aerender.exe",
        r"$ProgramFiles\Adobe\Adobe After Effects*\Support Files\aerender.exe",
    ),
}


class AfterEffectsApp:
    """Renders one queued item of a project: an image sequence in chunks, or a movie in one piece."""

    name = "aftereffects"
    rewritten_suffixes = (".aep", ".aepx")
    read_suffixes = (".aep", ".aepx")
    guessed_suffixes = ()

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """See `App.check_params`."""
        checked = check_fields(self.name, params, FIELDS)
        if checked["movie"] and checked["last"] < checked["first"]:
            raise InvalidJob("params.last of app aftereffects comes before params.first", "Give the movie's frames.")
        return checked

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The project."""
        return (params["scene"],)

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:
        """What the owner configured, then where Adobe's installer puts it; there is none for Linux."""
        return tuple(Candidate(path, ("-version",)) for path in (*configured, *_PLACES.get(system, ())))

    def identify(self, path: str, output: str) -> Capability | None:
        """The version that aerender prints, else the one that its folder's year stands for."""
        if found := _VERSION.search(output):
            return Capability(self.name, found[1], path)
        if found := _YEAR.search(path):
            year = int(found[1])
            return Capability(self.name, str(_MAJOR_OF_YEAR.get(year, year - 2000)), path)
        return None

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:  # noqa: ARG002 - see base
        """The same major version as wanted or a later one: projects open in no earlier one."""
        return not version or _major(found.version) >= _major(version)

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """Run aerender with the item's place in the queue: only so do frames, output and templates of the item count.

        Frames that stand apart unevenly are covered by the widest even spacing; those in between are left behind.
        """
        params = task.params
        project = places.paths.translate(params["scene"]) or params["scene"]
        first, last, spacing = _span(task)
        argv = [found.executable, "-project", project, "-rqindex", str(params["item"])]
        argv += ["-s", str(first), "-e", str(last)]
        argv += ["-i", str(spacing)] if spacing > 1 else []
        argv += ["-output", join_path(places.frames, (_output_name(task),))]
        argv += ["-v", "ERRORS_AND_PROGRESS", "-close", "DO_NOT_SAVE_CHANGES"]
        argv += ["-sound", "OFF"]  # whether it makes a noise at the end: a movie has its sound all the same
        if params["several_frames_at_once"] is not None and _major(found.version) >= MULTI_FRAME_SINCE:
            argv += ["-mfr", "ON" if params["several_frames_at_once"] else "OFF", str(params["processor_percent"])]
        argv += ["-continueOnMissingFootage"] if params["allow_missing"] else []
        return Command(tuple(argv), {}, {})

    def rewritten(self, content: bytes, paths: PathMap) -> bytes:
        """See `RewritingApp`: the project with its footage relinked.

        What is no project, or a damaged one, stays as it is: a folder that came along may hold some that nobody opens.
        """
        try:
            return relinked(content, paths.translate)
        except AppFailed:
            return content

    def named(self, content: bytes) -> tuple[NamedPath, ...]:
        """See `ReadableApp`: all footage of the project, used or not."""
        return named_footage(content)

    def said(self, content: bytes) -> dict[str, Any]:
        """See `SayingApp`: what stands in the render queue."""
        return queue_said(content)

    def reader(self, task: RenderTask) -> AfterEffectsReader:
        """Reads what aerender prints, in whatever language."""
        first, last, spacing = _span(task)
        return AfterEffectsReader(task, first, spacing, (last - first) // spacing + 1)

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """One image a frame, or the movie's one file."""
        names = ((task.frame_name(frame), frame) for frame in task.frames)
        width, height = task.params["width"], task.params["height"]
        is_movie = task.params["movie"]
        return tuple(
            ExpectedFile(name, frame, width, height, is_image=not is_movie and is_checked(name))
            for name, frame in names
        )


def _span(task: RenderTask) -> tuple[int, int, int]:
    """First and last frame to render, and the spacing."""
    params = task.params
    if params["movie"]:
        if len(task.frames) != 1:
            raise AppFailed(
                "a movie is rendered in one piece, and this task has several frames",
                "Give the step a single frame; `first` and `last` say what the movie shows.",
            )
        return params["first"], params["last"], 1
    if not task.frames:
        raise AppFailed("the step has no frames", "Give it frames, or set `movie` for a movie.")
    frames = sorted(task.frames)
    spacing = math.gcd(*(later - earlier for earlier, later in itertools.pairwise(frames))) or 1
    return frames[0], frames[-1], spacing


def _output_name(task: RenderTask) -> str:
    """The output's name as aerender wants it: `[####]` for the frame number."""
    if task.params["movie"]:
        return task.frame_name(task.frames[0])
    return re.sub(r"#+", lambda run: f"[{run[0]}]", task.output_pattern)


def _major(version: str) -> int:
    """The number before the first dot; a year such as 2024 counts as its major version."""
    digits = re.match(r"\d+", version)
    number = int(digits[0]) if digits else 0
    return _MAJOR_OF_YEAR.get(number, number - 2000) if number >= 2019 else number
