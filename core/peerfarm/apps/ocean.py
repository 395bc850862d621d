"""The built-in renderer: an animated sea in pure Python, for a machine with no renderer, for demos and tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from peerfarm.apps.base import Candidate, Command, ExpectedFile, Fatal, FrameAnnounced, LineEvent, Places, Progress
from peerfarm.apps.marks import parse_mark, text, whole
from peerfarm.apps.params import Field, Kind, check_fields
from peerfarm.apps.programs import program_path
from peerfarm.errors import AppFailed
from peerfarm.model.render import Capability, FailReason, RenderTask

ORDER = "order.json"

FIELDS: dict[str, Field] = {
    "width": Field(Kind.WHOLE, 320, 16, 4096),
    "height": Field(Kind.WHOLE, 180, 16, 4096),
    "seconds_per_frame": Field(Kind.NUMBER, 0, 0, 3600),
    "seed": Field(Kind.WHOLE, 1, 0, 1 << 31),
}
"""A frame takes at least `seconds_per_frame`: it is drawn, then waited for. The seed chooses the waves."""


class OceanApp:
    """Renders PNG images of a sea at sunset."""

    name = "ocean"

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """See `App.check_params`."""
        return check_fields(self.name, params, FIELDS)

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002 - the sea needs no files
        """None."""
        return ()

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:  # noqa: ARG002 - built in
        """Nothing to look for: see `registry.built_in`."""
        return ()

    def identify(self, path: str, output: str) -> Capability | None:  # noqa: ARG002 - nothing was asked
        """The Python at `path` can always do it."""
        return Capability(self.name, "", path)

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:  # noqa: ARG002 - one version
        """Always, unless a version is asked for, which the sea does not have."""
        return not version

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """The Python in `found` runs `renderers/ocean.py`, isolated from whatever is installed around it."""
        if not task.output_pattern.lower().endswith(".png"):
            raise AppFailed(
                f"the app ocean writes PNG, and the output pattern is {task.output_pattern!r}",
                "End the output pattern in .png.",
            )
        order = {
            **task.params,
            "directory": places.frames,
            "frames": [(frame, task.frame_name(frame)) for frame in task.frames],
        }
        argv = (found.executable, "-I", "-S", program_path("ocean.py"), ORDER)
        return Command(argv, {}, {ORDER: json.dumps(order)})

    def reader(self, task: RenderTask) -> OceanReader:
        """Reads the marks of `renderers/ocean.py`."""
        return OceanReader(task)

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """One PNG a frame, of the ordered size."""
        width, height = task.params["width"], task.params["height"]
        return tuple(ExpectedFile(task.frame_name(frame), frame, width, height) for frame in task.frames)


class OceanReader:
    """One attempt's output."""

    def __init__(self, task: RenderTask) -> None:
        self._frames = task.frames
        self._written: set[int] = set()
        self._fraction = 0.0
        self._message = ""
        self._last_line = ""
        self.dimensions = (int(task.params["width"]), int(task.params["height"]))
        """As ordered."""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """See `LineReader.feed`."""
        said = parse_mark(line.strip())
        if said is None:
            self._last_line = line.strip()[:300] or self._last_line
            return ()
        frame = whole(said, "frame")
        match said["event"]:
            case "rows" if frame in self._frames:
                done, rows = whole(said, "done") or 0, whole(said, "of") or 1
                return (self._progress(min(1.0, max(0, done) / max(1, rows)), frame),)
            case "written" if frame in self._frames:
                self._written.add(frame)
                return FrameAnnounced(frame, text(said, "path", 4096)), self._progress(0.0, frame)
            case "error":
                self._message = text(said, "message")
        return ()

    def judge(self, exit_code: int) -> Fatal | None:
        """See `LineReader.judge`."""
        if exit_code != 0:
            words = self._message or self._last_line or "it said nothing"
            return Fatal(f"the ocean renderer ended with exit code {exit_code}: {words}")
        missing = [str(frame) for frame in self._frames if frame not in self._written]
        if missing:
            return Fatal(f"the ocean renderer ended without frame {', '.join(missing[:10])}", FailReason.OUTPUT_MISSING)
        return None

    def _progress(self, within: float, frame: int | None) -> Progress:
        done = len(self._written) + (within if frame not in self._written else 0.0)
        self._fraction = max(self._fraction, min(1.0, done / max(1, len(self._frames))))
        return Progress(self._fraction, frame, f"frame {frame}")
