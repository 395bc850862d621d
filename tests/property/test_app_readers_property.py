"""No line that a renderer can print breaks a reader or moves progress backwards."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.apps.base import FrameAnnounced, Progress
from peerfarm.apps.registry import APPS
from peerfarm.model.ids import JobId
from peerfarm.model.render import RenderTask

PARAMS: dict[str, dict[str, Any]] = {
    "blender": {"scene": "/s.blend"},
    "maya": {"scene": "/s.ma"},
    "aftereffects": {"scene": "/s.aep", "item": 1},
    "ocean": {},
    "command": {"command": "true"},
}
FRAMES = (1, 2, 3)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
events = st.sampled_from(["start", "frame", "stats", "rows", "written", "end", "error", "other"])
marks = st.builds(
    lambda event, rest: "PEERFARM " + json.dumps({**rest, "event": event}),
    events,
    st.dictionaries(st.sampled_from(["frame", "done", "of", "path", "width", "height", "text", "message"]), values),
)
lines = st.one_of(
    marks,
    st.text(max_size=60),
    st.builds("Fra:{} Mem:1M | Sample {}/{}".format, st.integers(), st.integers(), st.integers()),
    st.builds("| {}% done Finished Rendering /f/a.{}.exr".format, st.integers(), st.integers()),
    st.builds("Finished Rendering {}".format, st.text(max_size=20)),
    st.builds("PROGRESS: 0:00:00:01 ({}): 0 Seconds".format, st.integers()),
    st.builds("openjd_{}: {}".format, st.sampled_from(["progress", "status", "fail"]), st.text(max_size=20)),
)


@given(st.sampled_from(sorted(APPS)), st.lists(lines, max_size=30), st.integers(-40, 300))
@settings(deadline=None)
def test_any_output_gives_growing_progress_known_frames_and_a_verdict(app: str, said: list[str], code: int) -> None:
    params = APPS[app].check_params(PARAMS[app])
    task = RenderTask("a", JobId("j"), "job", 0, "step", 0, app, params, FRAMES, "/out", "a_####.png")
    reader = APPS[app].reader(task)
    fraction = 0.0
    for line in said:
        for event in reader.feed(line):
            if isinstance(event, Progress):
                assert fraction <= event.fraction <= 1.0
                fraction = event.fraction
            if isinstance(event, FrameAnnounced):
                assert event.frame in FRAMES
    verdict = reader.judge(code)
    assert code in {0, 211} or verdict is not None
    width, height = reader.dimensions
    assert width >= 0 <= height
