"""What tests of the Blender add-on share: its pure modules, other Blenders, a desktop with a mouse, a Blender on it."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
ADDONS = ROOT / "plugins" / "blender"
ADDON = ADDONS / "peerfarm_blender"
DRIVER = Path(__file__).with_name("blender_driver.py")
PICTURES = ROOT / "tests" / "output" / "blender"
"""Screenshots, for people to look at."""
SIZE = (1280, 800)
OUTPUT_TAB = (17, 114)
"""Where its icon is, from the upper left corner of the properties editor."""
LIMIT_S = 60.0
MARK = (255, 0, 255)
"""What buttons are painted with to find them."""


def addon_module(name: str) -> Any:
    """A module of the add-on that needs no Blender; `peerfarm` itself is the core here, so it gets another name."""
    package = "blender_addon"
    if package not in sys.modules:
        made = types.ModuleType(package)
        made.__path__ = [str(ADDON)]
        sys.modules[package] = made
    return importlib.import_module(f"{package}.{name}")


def program(name: str) -> str:
    """A program on PATH that the tests cannot do without."""
    found = shutil.which(name)
    assert found, f"install {name}: the tests of the Blender add-on need it"
    return found


def until(what: str, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Wait until the condition gives something true, and give that."""
    deadline_s = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not happen within {limit_s:g} s"
        time.sleep(0.05)
    return found


@contextmanager
def desktop() -> Iterator[str]:
    """An X server without a screen; gives its DISPLAY."""
    reading, writing = os.pipe()
    argv = [program("Xvfb"), "-displayfd", str(writing), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(argv, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


class BlenderOnDesktop:
    """A Blender with a window, a mouse in front of it, and a way to ask what it has on its mind."""

    def __init__(self, display: str, scene: Path, home: Path, folder: Path, **more: str) -> None:
        """Start it with the add-on switched on; `home` is the node's PEERFARM_HOME, `more` adds to the environment."""
        folder.mkdir()
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PEERFARM_", "PYTHON"))}
        addons = folder / "scripts" / "addons"
        addons.mkdir(parents=True)
        (addons / ADDON.name).symlink_to(ADDON)
        self._environment = {
            **kept,
            "DISPLAY": display,
            "PEERFARM_HOME": str(home),
            "BLENDER_USER_SCRIPTS": str(addons.parent),
            **more,
        }
        width, height = map(str, SIZE)
        argv = [program("blender"), "--factory-startup", "-p", "0", "0", width, height, "-noaudio", str(scene)]
        argv += ["--addons", ADDON.name, "-P", str(DRIVER), "--", str(folder)]
        self.log = folder / "blender.txt"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(argv, env=self._environment, stdout=output, stderr=output)
        self.ask("answer = True")

    def ask(self, script: str) -> Any:
        """Run a script on Blender's main thread; gives what it leaves in `answer`."""
        waiting, answer = self.folder / "ask.part", self.folder / "answer.json"
        waiting.write_text(script, "utf-8")
        waiting.rename(self.folder / "ask.py")

        def is_there() -> bool:
            assert self.process.poll() is None, self.log.read_text("utf-8", "replace")
            return answer.exists()

        until(f"an answer to {script!r}", is_there)
        found = json.loads(answer.read_text("utf-8"))
        answer.unlink()
        assert not (isinstance(found, dict) and "error" in found), found
        return found

    def session(self, expression: str) -> Any:
        """Something of the add-on's session, e.g. `now.phase`."""
        return self.ask(f"from peerfarm_blender.state import session\nnow = session()\nanswer = {expression}")

    def picture(self, name: str) -> Path:
        """A screenshot, kept for people."""
        path = PICTURES / f"{name}.png"
        self.ask(f"bpy.ops.screen.screenshot(filepath={str(path)!r})")
        return path

    def _mouse(self, *words: str) -> None:
        subprocess.run([program("xdotool"), *words], env=self._environment, check=True)

    def click(self, x: int, y: int) -> None:
        """Move there, press, let go; Blender wants to see the mouse come first."""
        self._mouse("mousemove", str(x - 2), str(y), "sleep", "0.3", "mousemove", str(x), str(y), "sleep", "0.3")
        self.ask("answer = True")  # a busy machine is behind with what the mouse did
        self._mouse("mousedown", "1", "sleep", "0.15", "mouseup", "1")

    def properties(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the properties editor, in pixels from the top."""
        left, bottom, width, height = self.ask(
            "areas = bpy.context.window_manager.windows[0].screen.areas\n"
            "area = next(area for area in areas if area.type == 'PROPERTIES')\n"
            "answer = [area.x, area.y, area.width, area.height]"
        )
        return left, SIZE[1] - bottom - height, left + width, SIZE[1] - bottom

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """With the left button held."""
        middle = [str((a + b) // 2) for a, b in zip(start, end, strict=True)]
        first, last = map(str, start), map(str, end)
        self._mouse("mousemove", *first, "sleep", "0.3", "mousedown", "1", "sleep", "0.2", "mousemove", *middle)
        self._mouse("sleep", "0.2", "mousemove", *last, "sleep", "0.2", "mouseup", "1", "sleep", "0.2")

    def scroll(self, x: int, y: int, turns: int) -> None:
        """Turn the wheel there, downwards."""
        self._mouse("mousemove", str(x), str(y), "sleep", "0.3", "click", "--repeat", str(turns), "--delay", "20", "5")

    def make_room(self) -> None:
        """Drag the properties editor's borders, as an artist would who wants to see more of it."""

        def is_wide() -> bool:
            left, top, _, bottom = self.properties()
            if left > 900:
                self.drag((left - 1, (top + bottom) // 2), (860, (top + bottom) // 2))
            return self.properties()[0] < 900

        def is_high() -> bool:
            left, top, _, _ = self.properties()
            if top > 150:
                self.drag((left + 120, top - 1), (left + 120, 122))
            return self.properties()[1] < 150

        until("a wide properties editor", is_wide)
        until("a high properties editor", is_high)

    def open_output_tab(self) -> None:
        """Click on its icon, again where a busy machine missed that."""

        def is_open() -> bool:
            left, top, _, _ = self.properties()
            self.click(left + OUTPUT_TAB[0], top + OUTPUT_TAB[1])
            return bool(self.ask(CONTEXT) == "OUTPUT")

        until("the Output tab", is_open)

    def buttons(self, name: str) -> list[tuple[int, int, int, int]]:
        """The buttons of operators on the screen as left, top, width, height; found by painting them for a moment."""
        theme = "ui = bpy.context.preferences.themes[0].user_interface.wcol_tool\n"
        former = self.ask(theme + "answer = list(ui.inner)")
        self.ask(theme + "ui.inner, ui.show_shaded = (1, 0, 1, 1), False\n" + REDRAW)
        path = self.picture(f"{name}-marked")
        self.ask(theme + f"ui.inner = {former}\n" + REDRAW)
        found = marked_rectangles(path)
        path.unlink()
        return found

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.wait()


CONTEXT = """
areas = [area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "PROPERTIES"]
answer = areas[0].spaces.active.context
"""
REDRAW = """
for window in bpy.context.window_manager.windows:
    for area in window.screen.areas:
        area.tag_redraw()
bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=2)
"""


def marked_rectangles(path: Path) -> list[tuple[int, int, int, int]]:
    """Where the picture is painted with MARK, as rectangles from the top."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    width, height = picture.size
    pixels = picture.load()
    assert pixels is not None
    seen: set[tuple[int, int]] = set()
    found = []
    for y in range(height):
        for x in range(width):
            if (x, y) in seen or not _is_marked(pixels[x, y]):
                continue
            block, edge = {(x, y)}, [(x, y)]
            while edge:
                a, b = edge.pop()
                for near in ((a + 1, b), (a - 1, b), (a, b + 1), (a, b - 1)):
                    if (
                        near not in block
                        and 0 <= near[0] < width
                        and 0 <= near[1] < height
                        and _is_marked(pixels[near])
                    ):
                        block.add(near)
                        edge.append(near)
            seen |= block
            across, down = [a for a, _ in block], [b for _, b in block]
            if len(block) > 60:
                found.append((min(across), min(down), max(across) - min(across) + 1, max(down) - min(down) + 1))
    return found


def _is_marked(color: Any) -> bool:
    return bool(color[0] > 220 and color[1] < 60 and color[2] > 220)
