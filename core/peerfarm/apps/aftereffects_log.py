"""aerender's output: progress in any language, and its errors, which may come with exit code 0."""

from __future__ import annotations

import re
from collections import deque

from peerfarm.apps.base import Fatal, FrameAnnounced, LineEvent, Progress
from peerfarm.model.render import FailReason, RenderTask

_FRAME = re.compile(r"(?:\d{1,3}[:;.]\d\d[:;.]\d\d(?:[:;.]\d{2,3})?|\b\d{1,8}\+?\d*)\s*\((\d{1,8})\)\s*:")
"""The time of a frame and its number within the run, as `0:00:00:01 (2):`; drop frame writes `;`."""
_FAILED: tuple[tuple[re.Pattern[str], str, FailReason], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning, reason)
    for pattern, meaning, reason in (
        (
            r"fonts?\b.{0,60}\b(?:missing|not (?:found|installed))|missing fonts?\b|schrift(?:art|en)?\b.{0,60}fehl",
            "a font of the project is not installed on this machine: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"(?:missing|fehlende) (?:dependencies|abh\w+|effe[ck]t\w*|plug-?ins?)",
            "the project needs a plug-in or effect that is not installed on this machine: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"licen[sc]e|lizenz|not activated|sign in to",
            "After Effects has no licence on this machine: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"footage.{0,80}missing|missing footage|fehlendes footage|footage.{0,40}fehl",
            "footage of the project is missing: {line}; relink it, or allow missing files",
            FailReason.APP_FAILED,
        ),
        (
            r"no comp was found|keine komposition",
            "the project's render queue has no such item: {line}; save it with the item queued, and send it again",
            FailReason.APP_FAILED,
        ),
        (
            r"newer version|neueren version|created (?:with|in) .{0,40}version",
            "the project was saved by a newer After Effects than this machine has: {line}",
            FailReason.APP_NOT_FOUND,
        ),
        (r"no space left|disk (?:is )?full|datentr\w+ voll", "the disk is full: {line}", FailReason.DISK_FULL),
    )
)
_ERROR = re.compile(
    r"aerender\s+(?:ERROR|FEHLER)\b|After Effects (?:error|warning|Fehler|Warnung)\s*:|^\s*(?:ERROR|FEHLER)\s*:"
    r"|Unable to (?:Render|open|obtain)|Rendern nicht m\w+glich|Konnte nicht gerendert",
    re.IGNORECASE,
)
_MISSING = re.compile(r"footage|\bfonts?\b|schrift", re.IGNORECASE)
"""What an artist may send although it is not there."""
_WARNING = re.compile(r"After Effects (?:warning|Warnung)|^\s*WARN(?:ING|UNG)\s*:", re.IGNORECASE)


class AfterEffectsReader:
    """One attempt's output. Never raises, whatever a line holds."""

    def __init__(self, task: RenderTask, first: int, spacing: int, count: int) -> None:
        """A run that renders `count` frames from `first` on, `spacing` apart."""
        self._task = task
        self._first = first
        self._spacing = spacing
        self._count = max(1, count)
        self._done = 0
        self._errors: deque[str] = deque(maxlen=8)
        self.dimensions = (int(task.params["width"]), int(task.params["height"]))
        """As the job says; zeros when it does not."""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """See `LineReader.feed`."""
        line = line.strip()
        if found := _FRAME.search(line):
            return self._rendered(int(found[1]))
        if _ERROR.search(line) and not _WARNING.search(line):
            self._errors.append(line[:500])
        elif self._errors and line and len(self._errors) < (self._errors.maxlen or 0):
            self._errors.append(line[:500])  # the sentence often stands on the lines after the word
        elif any(pattern.search(line) for pattern, _, reason in _FAILED if reason is FailReason.APP_NOT_FOUND):
            self._errors.append(line[:500])
        return ()

    def judge(self, exit_code: int) -> Fatal | None:
        """See `LineReader.judge`: an error that was printed counts, whatever the exit code."""
        for line in self._errors:
            for pattern, meaning, reason in _FAILED:
                if pattern.search(line) and not self._is_allowed(line):
                    return Fatal(meaning.format(line=_plain(line)[:300]), reason)
        told = [_plain(line) for line in self._errors if not self._is_allowed(line)]
        if told:
            return Fatal(f"After Effects could not render: {' '.join(told)[:400]}")
        if exit_code != 0:
            return Fatal(f"aerender ended with exit code {exit_code} and named no error; its log has all it said")
        return None

    def _is_allowed(self, line: str) -> bool:
        return bool(self._task.params.get("allow_missing")) and _MISSING.search(line) is not None

    def _rendered(self, number: int) -> tuple[LineEvent, ...]:
        """The frames of this run count from 1, whatever their numbers in the composition."""
        if not 0 < number <= self._count:
            return ()
        self._done = max(self._done, number)
        frame = self._first + (number - 1) * self._spacing
        progress = Progress(self._done / self._count, frame, f"frame {frame}")
        if self._task.params["movie"] or frame not in self._task.frames:
            return (progress,)
        return FrameAnnounced(frame, self._task.frame_name(frame)), progress


def _plain(line: str) -> str:
    """The sentence without the program's name before it."""
    return re.sub(r"^\s*(?:aerender\s+)?(?:ERROR|FEHLER)\s*:?\s*", "", line, flags=re.IGNORECASE).strip() or line
