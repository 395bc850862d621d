"""What the panel costs Blender's main thread, in a real Blender with a window: hearing, and drawing what was heard."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from figures import percentile
from panel import JOBS, NODES, answers

REFRESHES = 40
MEASURE = """
import time
from peerfarm_blender import farm_panel, panel, state
spent = bpy.app.driver_namespace["spent"] = {"turn": [], "draw": [0.0]}

def measured(deed, note):
    def run(*rest, **named):
        before_s = time.thread_time()
        result = deed(*rest, **named)
        note((time.thread_time() - before_s) * 1000)
        return result
    return run

def measured_draw(deed):
    timed = measured(deed, drawn)
    def draw(self, context):  # Blender counts the arguments
        timed(self, context)
    return draw

def drawn(ms):
    spent["draw"][-1] += ms

def turned(ms):
    spent["turn"].append(ms)
    if spent["draw"][-1]:
        spent["draw"].append(0.0)

state.turn = measured(state.turn, turned)
for each in (*panel.CLASSES, *farm_panel.CLASSES):
    if issubclass(each, bpy.types.Panel):
        each.draw = measured_draw(each.draw)
state.session().board.refresh()
areas = bpy.context.window_manager.windows[0].screen.areas
next(area for area in areas if area.type == "PROPERTIES").spaces.active.context = "OUTPUT"
"""
TOLD = "answer = bpy.app.driver_namespace['spent']"
AGAIN = "from peerfarm_blender.state import session\nsession().board.refresh()"


def run(scale: float) -> dict[str, Any]:
    """Processor time of Blender's main thread in ms: a turn of the timer, and all of the add-on's panels drawn once."""
    from blender_rig import BlenderOnDesktop, desktop, program, until  # noqa: PLC0415 - found through panel's path
    from fake_node import FakeNode  # noqa: PLC0415 - the same

    wanted = max(4, int(REFRESHES * scale))
    with tempfile.TemporaryDirectory() as name, desktop() as display:
        folder = Path(name)
        home, scene = folder / "home", folder / "scene.blend"
        home.mkdir()
        script = f"import bpy; bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})"
        argv = [program("blender"), "-b", "--factory-startup", "--python-expr", script]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        with FakeNode(home, answers()):
            blender = BlenderOnDesktop(display, scene, home, folder / "asks")
            try:
                blender.ask(MEASURE)

                def spent() -> Any:
                    blender.ask(AGAIN)
                    found = blender.ask(TOLD)
                    return found if len(found["draw"]) > wanted + 3 else None

                found = until("enough refreshes", spent, 120.0)
            finally:
                blender.close()
    return {
        "blender_panel_turn_ms": percentile(found["turn"][3:], 50),
        "blender_panel_turn_p95_ms": percentile(found["turn"][3:], 95),
        "blender_panel_draw_ms": percentile(found["draw"][3:-1], 50),
        "blender_panel_draw_p95_ms": percentile(found["draw"][3:-1], 95),
        "blender_panel_jobs": JOBS,
        "blender_panel_nodes": NODES,
    }
