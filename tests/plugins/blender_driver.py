"""Runs inside a Blender with a window and the add-on: carries out what the test writes into a folder."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

import bpy

(FOLDER,) = sys.argv[sys.argv.index("--") + 1 :]


def look() -> float:
    """Run `ask.py` when it is there; its `answer` goes to `answer.json`."""
    asked = Path(FOLDER, "ask.py")
    if asked.exists():
        text = asked.read_text("utf-8")
        asked.unlink()
        space: dict[str, object] = {"bpy": bpy, "answer": None}
        try:
            exec(text, space)
        except Exception:  # noqa: BLE001 - the test is told
            space["answer"] = {"error": traceback.format_exc()}
        waiting = Path(FOLDER, "answer.part")
        waiting.write_text(json.dumps(space["answer"], default=str), "utf-8")
        os.replace(waiting, Path(FOLDER, "answer.json"))  # noqa: PTH105 - one step, whole
    return 0.05


bpy.app.timers.register(look, first_interval=1.0, persistent=True)
