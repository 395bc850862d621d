"""Maya's output: progress of its renderers, fatal lines, and what Render's exit codes mean."""

from __future__ import annotations

import re
from collections import deque

from peerfarm.apps.base import Fatal, FrameAnnounced, LineEvent, Progress
from peerfarm.apps.marks import parse_mark, text, whole
from peerfarm.model.render import FailReason, RenderTask

NOT_UNDERSTOOD = 206
"""Render did not understand its command line."""
FATAL = 210
"""A fatal error while rendering."""
LOADED_WITH_ERRORS = 211
"""The scene opened with errors; often every frame is fine."""

_PERCENT = re.compile(
    r"\b(\d{1,3})% done\b|\bR90000\s+(\d{1,3})%|V-Ray:.*?\b(\d{1,3})\s*%|\[PROGRESS\]\s*(\d{1,3})\s*percent",
    re.IGNORECASE,
)
_FINISHED = re.compile(r"Finished Rendering\s+(\S.*)", re.IGNORECASE)
_NUMBER = re.compile(r"(-?\d+)(?:\.[A-Za-z]\w*)?\.?\s*$")

_LICENCE = re.compile(
    r"abort_on_license_fail option was enabled|FLEXlm error|License was not obtained|could not get a license"
    r"|no license (?:is )?available|licen[sc]e checkout failed",
    re.IGNORECASE,
)
_FATAL_LINES: tuple[tuple[re.Pattern[str], str, FailReason], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning, reason)
    for pattern, meaning, reason in (
        (
            r'Plug-?in, "[^"]+", was not found',
            "the worker's Maya lacks a plug-in that the scene needs: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"Error encountered when initializing Maya",
            "Maya could not start on the worker: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"\[mtoa\] Failed batch render",
            "Arnold could not render: {last}",
            FailReason.APP_FAILED,
        ),
        (
            r"Cannot load scene",
            "Maya could not open the scene; a newer Maya may have saved it, or a file of it is damaged: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"does not have any renderable cameras",
            "the scene has no renderable camera: mark one in the render settings, or name one in the job",
            FailReason.APP_FAILED,
        ),
        (
            r"Camera .*does not exist",
            "the camera that the job names is not in the scene: {line}",
            FailReason.APP_FAILED,
        ),
        (r"Cannot open project", "the project's folder cannot be opened on the worker: {line}", FailReason.APP_FAILED),
        (r"Frame rendering aborted", "the renderer gave up on a frame: {last}", FailReason.APP_FAILED),
        (r"V-Ray error:", "V-Ray could not render: {line}", FailReason.APP_FAILED),
        (r"\(kFailure\)", "Maya could not render: {line}", FailReason.APP_FAILED),
        (r"No space left on device|disk full", "the disk is full: {line}", FailReason.DISK_FULL),
    )
)
_ERROR = re.compile(r"\berror\b|cannot\b|could not\b", re.IGNORECASE)
_CRASHES = frozenset({132, 134, 135, 136, 139, 0xC0000005, 0xC00000FD, 0xC0000409})
_KILLED = 137


class MayaReader:
    """One attempt's output. Never raises, whatever a line holds."""

    def __init__(self, task: RenderTask) -> None:
        self._frames = tuple(sorted(task.frames))
        self._finished: set[str] = set()
        self._named: set[int] = set()
        self._percent = 0
        self._passed = 0
        self._fraction = 0.0
        self._fatal: Fatal | None = None
        self._errors: deque[str] = deque(maxlen=6)
        self.dimensions = (int(task.params["width"]), int(task.params["height"]))
        """As the job says; zeros when it leaves that to the scene."""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """See `LineReader.feed`."""
        line = line.strip()
        if (said := parse_mark(line)) is not None:
            frame = whole(said, "frame")
            if said["event"] == "written" and frame in self._frames:
                self._named.add(frame)
                return FrameAnnounced(frame, text(said, "path", 4096)), self._progress(frame)
            return ()
        if _LICENCE.search(line):
            words = f"the renderer got no licence on the worker, so another one has to take it: {line[:300]}"
            return self._died(Fatal(words, FailReason.APP_NOT_FOUND, stop=True))
        for pattern, meaning, reason in _FATAL_LINES:
            if pattern.search(line):
                last = self._errors[-1] if self._errors else line[:300]
                return self._died(Fatal(meaning.format(line=line[:300], last=last), reason))
        if found := _PERCENT.search(line):
            return (self._moved(min(100, int(next(part for part in found.groups() if part is not None)))),)
        if found := _FINISHED.search(line):
            return (self._wrote(found[1].strip()),)
        if _ERROR.search(line):
            self._errors.append(line[:300])
        return ()

    def judge(self, exit_code: int) -> Fatal | None:
        """See `LineReader.judge`: 211 passes when every frame is there, which our own program has told."""
        if self._fatal is not None:
            return self._fatal
        last = f"; its last error was: {self._errors[-1]}" if self._errors else ""
        missing = [str(frame) for frame in self._frames if frame not in self._named]
        if exit_code == LOADED_WITH_ERRORS and missing:
            words = f"the scene opened with errors, and frame {', '.join(missing[:10])} is missing{last}"
            return Fatal(words, FailReason.OUTPUT_MISSING)
        if exit_code in {0, LOADED_WITH_ERRORS}:
            return None
        if exit_code == NOT_UNDERSTOOD:
            return Fatal(
                f"Render did not understand its command line{last}; is the renderer installed in the worker's Maya?",
                FailReason.APP_NOT_FOUND,
            )
        if exit_code == FATAL:
            return Fatal(f"Maya stopped with a fatal error while rendering{last}")
        if exit_code in _CRASHES:
            return Fatal(f"Maya crashed (exit code {exit_code}){last}")
        if exit_code == _KILLED:
            return Fatal("Maya was killed by the system; most often the machine ran out of memory")
        return Fatal(f"Maya ended with exit code {exit_code}{last}")

    def _died(self, fatal: Fatal) -> tuple[LineEvent, ...]:
        if self._fatal is None or (fatal.stop and not self._fatal.stop):
            self._fatal = fatal
        return (fatal,)

    def _moved(self, percent: int) -> Progress:
        if percent + 10 < self._percent:  # the next frame began; not every renderer says that one ended
            self._passed += 1
        self._percent = percent
        return self._progress(None)

    def _wrote(self, path: str) -> Progress:
        self._finished.add(path)
        self._percent = 0
        self._passed = max(self._passed, len(self._finished))
        found = _NUMBER.search(path)
        frame = int(found[1]) if found and len(found[1]) < 12 else None
        return self._progress(frame if frame in self._frames else None)

    def _progress(self, frame: int | None) -> Progress:
        done = max(self._passed + self._percent / 100, float(len(self._named)))
        self._fraction = max(self._fraction, min(1.0, done / max(1, len(self._frames))))
        if frame is None and self._frames:
            frame = self._frames[min(self._passed, len(self._frames) - 1)]
        return Progress(self._fraction, frame, f"frame {frame}")
