"""Blender's output: progress, frames written, and its errors in words for the artist."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from peerfarm.apps.base import Fatal, FrameAnnounced, LineEvent, Progress
from peerfarm.apps.blender_errors import explain
from peerfarm.apps.marks import parse_mark, text, whole
from peerfarm.model.render import FailReason, RenderTask

_SAMPLE = re.compile(r"Sample (\d{1,9})/(\d{1,9})")
_FRAME = re.compile(r"Fra:(-?\d{1,9})\b")
_DRIVER = re.compile(r"Error in PyDriver: (?:expression failed: )?(.*)|skipped driver '(.*)', automatic scripts")
_CRASHES = frozenset({-11, -6, -4, -7, -8, 11, 132, 134, 135, 136, 139, 0xC0000005, 0xC00000FD, 0xC0000409})
"""Exit codes of a process that broke down: POSIX signals, a shell's way to tell them, Windows' exceptions."""
_KILLED = frozenset({-9, 137})


class BlenderReader:
    """One attempt's output. Never raises, whatever a line holds."""

    def __init__(self, task: RenderTask) -> None:
        self._frames = task.frames
        self._forgives_drivers = bool(task.params.get("allow_driver_errors"))
        self._written: set[int] = set()
        self._frame: int | None = None
        self._fraction = 0.0
        self._fatal: Fatal | None = None
        self._suspects: deque[str] = deque(maxlen=8)
        self._has_ended = False
        self.dimensions = (0, 0)
        """Pixels that our program announced before the first frame."""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """See `LineReader.feed`."""
        line = line.strip()
        said = parse_mark(line)
        if said is not None:
            return self._heard(said)
        if found := _DRIVER.search(line):
            return self._driver_failed((found[1] or found[2] or "").strip())
        if self._frame is not None and _FRAME.search(line) and (progress := self._sampled(line)):
            return progress
        if "error" in line.lower() or "denois" in line.lower() or "memory" in line.lower():
            self._suspects.append(line[:500])
        return ()

    def judge(self, exit_code: int) -> Fatal | None:
        """See `LineReader.judge`."""
        if self._fatal is not None:
            return self._fatal
        missing = [frame for frame in self._frames if frame not in self._written]
        if exit_code == 0 and self._has_ended and not missing:
            return None
        for line in reversed(self._suspects):
            if meaning := explain(line):
                return meaning
        if exit_code in _CRASHES:
            return Fatal(
                f"Blender crashed (exit code {exit_code}); a scene saved by a newer Blender, a graphics driver or "
                "too little memory can be the cause"
            )
        if exit_code in _KILLED:
            return Fatal("Blender was killed by the system; most often the machine ran out of memory")
        last = f"; its last error was: {self._suspects[-1]}" if self._suspects else ""
        if exit_code == 0:
            names = ", ".join(map(str, missing[:10])) or "any end of its work"
            return Fatal(f"Blender ended as if all were well, without frame {names}{last}", FailReason.OUTPUT_MISSING)
        return Fatal(f"Blender ended with exit code {exit_code}{last}")

    def _heard(self, said: dict[str, Any]) -> tuple[LineEvent, ...]:
        match said["event"]:
            case "start":
                self.dimensions = (max(0, whole(said, "width") or 0), max(0, whole(said, "height") or 0))
                return (self._progress(0.0, f"rendering with {text(said, 'engine', 40)}"),)
            case "frame":
                self._frame = whole(said, "frame")
                return (self._progress(0.0, f"frame {self._frame}"),)
            case "stats":
                return self._sampled(text(said, "text"))
            case "written":
                return self._announce(whole(said, "frame"), text(said, "path", 4096))
            case "end":
                self._has_ended = True
            case "error":
                return self._failed(said)
        return ()

    def _announce(self, frame: int | None, path: str) -> tuple[LineEvent, ...]:
        if frame is None or frame not in self._frames:
            return ()
        self._written.add(frame)
        return FrameAnnounced(frame, path), self._progress(0.0, f"frame {frame} written")

    def _failed(self, said: dict[str, Any]) -> tuple[LineEvent, ...]:
        message = text(said, "message") or "Blender failed without a word"
        known = explain(message)
        if known is None:
            reason = said.get("reason")
            not_found = FailReason.APP_NOT_FOUND
            known = Fatal(
                message.removeprefix("Error: "), not_found if reason == not_found.value else FailReason.APP_FAILED
            )
        self._fatal = self._fatal or known
        return (known,)

    def _driver_failed(self, expression: str) -> tuple[LineEvent, ...]:
        if self._forgives_drivers or self._fatal is not None:
            return ()
        self._fatal = Fatal(
            f"a driver of the scene did not run, so the frames would be wrong: {expression[:200]}; a farm runs no "
            "Python from scenes: bake the driver, or set allow_driver_errors to render all the same",
            stop=True,
        )
        return (self._fatal,)

    def _sampled(self, line: str) -> tuple[LineEvent, ...]:
        found = _SAMPLE.search(line)
        if found is None or int(found[2]) == 0:
            return ()
        within = min(1.0, int(found[1]) / int(found[2]))
        return (self._progress(within, f"frame {self._frame}, sample {found[1]}/{found[2]}"),)

    def _progress(self, within: float, words: str) -> Progress:
        """The chunk's progress with `within` of the current frame; a second view layer starts at 0, we do not."""
        done = len(self._written) + (within if self._frame not in self._written else 0.0)
        self._fraction = max(self._fraction, min(1.0, done / max(1, len(self._frames))))
        return Progress(self._fraction, self._frame, words)
