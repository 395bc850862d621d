"""An artist before a real Blender with a window, and a node that says what a test wants; what she sees and does."""

from __future__ import annotations

import base64
import io
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blender_rig import REDRAW, ROOT, BlenderOnDesktop, until
from PIL import Image

sys.path.append(str(ROOT / "tests" / "integration"))
from fake_node import FakeNode

from peerfarm.errors import RequestRefused
from peerfarm.gateway.server import LocalRequest

SEEN = f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\nfrom blender_seen import seen\nanswer = seen()"
ERROR = "Error: Out of memory in frame 31 (2.1 GB of 2 GB). The texture wood_8k.exr is the largest file."


def frame() -> str:
    """A PNG as the node gives it."""
    picture = Image.linear_gradient("L").resize((160, 90))
    stream = io.BytesIO()
    Image.merge("RGB", (picture, picture.point(lambda value: 255 - value // 2), picture)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def machine(name: str, state: str = "live", **more: Any) -> dict[str, Any]:
    apps = [{"app": "blender", "version": "3.4.1", "tags": []}]
    row = {
        "name": name,
        "state": state,
        "is_self": False,
        "render": True,
        "tasks": [],
        "fetching": [],
        "pools": ["gpu"],
    }
    return {**row, "apps": apps, **more}


def job(number: int, name: str, status: str, done: int, **more: Any) -> dict[str, Any]:
    frames = {"total": 60, "done": done}
    return {"id": f"j{number}", "name": name, "status": status, "frames": frames, "progress": done / 60, **more}


MACHINES = [
    machine("oak", is_self=True, tasks=[{"frames": "12-13", "progress": 0.4}]),
    machine("elm", fetching=[{"progress": 0.42}]),
    machine("ash"),
    machine("birch", "suspect"),
    machine("fir", "dead"),
    machine("archive", render=False),
]
JOBS = [
    job(1, "sea", "active", 12, eta_s=190.0, output=str(ROOT / "tests")),
    job(2, "forest", "failed", 31, error=ERROR, output="/nowhere/frames"),
    job(3, "dunes", "paused", 3),
    job(4, "harbour", "done", 60, is_published=True),
    job(5, "a name that is far too long for any panel of this width to show it whole", "ready", 0),
    job(6, "cliffs", "cancelled", 7),
    job(7, "old", "done", 60),
]


class Studio(FakeNode):
    """A farm of some size, and a node that packs until it is told to end."""

    def __init__(self, home: Path) -> None:
        farm = {"farm": {"id": "f", "name": "studio"}, "alarms": [], "node": {"version": "0.1.0"}}
        self.packing = threading.Event()
        self.be_usual()
        super().__init__(home, {
            "status": farm,
            "nodes": lambda _: {"nodes": self.machines},
            "jobs": lambda asked: {"jobs": self.jobs[: asked["limit"]], "total": len(self.jobs)},
            "thumbnail": {"frame": "f_0012.png", "png": frame(), "width": 160, "height": 90, "path": "/f_0012.png"},
            "log": {"text": "Fra:31 Mem:2048M\nError: Out of memory\n", "is_complete": True},
            "cancel_submit": self._cancelled,
            **{deed: {"job": {}} for deed in ("pause", "resume", "cancel", "retry")},
        })  # fmt: skip

    def be_usual(self) -> None:
        """Forget what a test changed or asked."""
        self.machines, self.jobs = list(MACHINES), list(JOBS)
        self.asked = []
        self._held: LocalRequest | None = None
        self.packing.clear()

    def change(self, machines: list[dict[str, Any]] | None = None, jobs: list[dict[str, Any]] | None = None) -> None:
        """Let the farm be another."""
        self.machines = self.machines if machines is None else machines
        self.jobs = self.jobs if jobs is None else jobs
        self.push({"type": "job/changed"})

    def _answer(self, request: LocalRequest) -> None:
        if request.method != "submit":
            super()._answer(request)
            return
        self.asked.append((request.method, request.params))
        self._held = request
        self.packing.set()

    def _cancelled(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._held is not None:
            self.gateway.refuse(self._held.client, self._held.id, RequestRefused("the submission was cancelled"))
        return {"cancelled": 1}

    def pack(self, **event: Any) -> None:
        """Tell how far the submission is."""
        assert self.packing.wait(30)
        assert self._held is not None
        self.push({"type": "submit/progress", "request": self._held.id, **event})

    def end(self, outcome: Mapping[str, Any] | RequestRefused) -> dict[str, Any]:
        """Answer the submission; gives its job."""
        assert self.packing.wait(30)
        held, self._held = self._held, None
        self.packing.clear()
        assert held is not None
        if isinstance(outcome, RequestRefused):
            self._order(lambda: self.gateway.refuse(held.client, held.id, outcome))
        else:
            self._order(lambda: self.gateway.answer(held.client, held.id, outcome))
        return dict(held.params["job"])

    def was_asked(self, method: str) -> list[Mapping[str, Any]]:
        return [params for asked, params in self.asked if asked == method]


SENT = {"job": "j9", "tasks": 60, "frames": 60, "warnings": [], "files": {}}


class Artist:
    """Sits before a Blender with the Output tab open."""

    def __init__(self, blender: BlenderOnDesktop, node: Studio) -> None:
        self.blender, self.node = blender, node

    def does(self, script: str) -> Any:
        """Run a script in Blender, which knows `scene`; gives its `answer`."""
        return self.blender.ask(f"scene = bpy.context.window_manager.windows[0].scene\n{script}")

    def sees(self) -> list[str]:
        """All words in the add-on's panels, and its buttons in brackets."""
        found: list[str] = self.blender.ask(SEEN)
        return found

    def awaits(self, words: str) -> str:
        """Wait until the panels hold the words, which may go over several lines; gives all that they hold."""

        def is_there() -> str:
            shown = " ".join(self.sees())
            return shown if words in shown else ""

        found: str = until(words, is_there)
        return found

    def opens(self, path: Path) -> None:
        """Another file, in the same windows."""
        self.does(f"bpy.ops.wm.open_mainfile(filepath={str(path)!r}, load_ui=False)")

    def sends(self, **given: bool) -> None:
        """Press Send, or call it with what a script may say."""
        words = ", ".join(f"{key}={value}" for key, value in given.items())
        self.does(f"bpy.ops.peerfarm.send({words})")

    def presses(self, name: str, **given: str) -> None:
        """Another of the buttons."""
        words = ", ".join(f"{key}={value!r}" for key, value in given.items())
        self.does(f"bpy.ops.peerfarm.{name}({words})")

    def photographs(self, name: str) -> None:
        """Keep what is on the screen, scrolled to the panel's end."""
        self.does("from peerfarm_blender import state\nstate.scroll_to_panel()")
        until(
            "the panel's end",
            lambda: self.does("from peerfarm_blender import state\nanswer = not state._state.scrolls"),
        )
        self.blender.ask(REDRAW)
        self.blender.picture(name)
