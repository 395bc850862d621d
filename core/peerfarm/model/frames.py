"""Frame expressions such as `1-10,20-30x2,-5--1`: read, written, cut into the chunks of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NoReturn

from peerfarm.errors import InvalidFrames
from peerfarm.model.job import MAX_FRAMES_PER_STEP, FrameRange, Step
from peerfarm.model.ranges import (
    MAX_FRAME,
    MAX_RANGES,
    compact,
    count_frames,
    find_repeated,
    frames_at,
    index_of,
    make_range,
    without_repeats,
)

__all__ = [
    "MAX_FRAME",
    "MAX_RANGES",
    "count_frames",
    "format_frames",
    "frames_at",
    "index_of",
    "parse_frames",
    "task_count",
    "task_frames",
    "task_of_frame",
    "tasks_of_frames",
]

MAX_TEXT = 32_768
"""Characters of one frame expression."""
_QUOTED = 60
_SYNTAX = "Write frames like 1-10,20-30x2,-5--1."
_NUMBER = re.compile(r"-?[0-9]+")
_BLANK = re.compile(r"[ \t\r\n]*")


def parse_frames(text: str) -> tuple[FrameRange, ...]:
    """Read a frame expression: numbers and ranges `FIRST-LAST`, with a step as in `1-100x5`, joined by commas.

    Negative frames and spaces are fine. The order is kept; a frame named twice is rendered where it comes first.
    Frames are counted before anything is expanded.

    Raises:
        InvalidFrames: It cannot be read, runs backwards, or asks for more than MAX_FRAMES_PER_STEP frames, repeats
            included, or MAX_RANGES ranges. The message quotes the text and names the column, from 1.
    """
    if len(text) > MAX_TEXT:
        raise InvalidFrames(
            f"The frame expression is {len(text)} characters long; at most {MAX_TEXT} are read",
            "Write runs of frames as ranges, or submit them as several steps.",
        )
    found = _Reader(text).read()
    ranges = compact(found)
    try:
        if find_repeated(ranges) is not None:
            ranges = compact(without_repeats(ranges))
    except InvalidFrames as error:
        raise InvalidFrames(f"{error}: {_quote(text)}", error.hint) from None
    if len(ranges) > MAX_RANGES:
        raise InvalidFrames(
            f"The frames are {len(ranges)} separate ranges; a step takes at most {MAX_RANGES}: {_quote(text)}",
            "Submit them as several steps.",
        )
    return ranges


def format_frames(frames: Iterable[int | FrameRange]) -> str:
    """Write frames, or ranges, as a short expression in the same order; empty when there are none."""
    ranges = compact((frame, frame, 1) if isinstance(frame, int) else frame for frame in frames)
    return ",".join(_format_range(*one) for one in ranges)


def _format_range(first: int, last: int, step: int) -> str:
    if first == last:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}x{step}"


def task_count(step: Step) -> int:
    """How many tasks the step has: one for each chunk of its frames, one for a step without frames."""
    if not step.frames:
        return 1
    return -(-count_frames(step.frames) // step.chunk_size)


def task_frames(step: Step, index: int) -> tuple[int, ...]:
    """The frames of one task in the order of rendering; empty without frames, or when there is no such task."""
    return frames_at(step.frames, index * step.chunk_size, (index + 1) * step.chunk_size)


def task_of_frame(step: Step, frame: int) -> int | None:
    """The index of the task that renders the frame; None when the step lacks the frame."""
    position = index_of(step.frames, frame)
    return None if position is None else position // step.chunk_size


def tasks_of_frames(step: Step, frames: Iterable[int]) -> tuple[int, ...]:
    """The indices of the tasks that render any of the frames, ascending, each once; frames it lacks are ignored."""
    found = {task_of_frame(step, frame) for frame in frames}
    return tuple(sorted(task for task in found if task is not None))


class _Reader:
    """One pass over a frame expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._count = 0

    def read(self) -> list[FrameRange]:
        if not self._text.strip():
            raise InvalidFrames("The frame expression is empty", _SYNTAX)
        found = [self._range()]
        while self._next():
            if not self._takes(","):
                self._refuse_rest()
            found.append(self._range())
        return found

    def _range(self) -> FrameRange:
        start = self._skip()
        first = self._number("a frame number")
        last, step = first, 1
        if self._takes("-"):
            last = self._number("the last frame of the range")
        if self._next() in {"x", "X"}:
            at = self._at
            self._at += 1
            step = self._number("a step")
            if step < 1:
                self._refuse(at, f"the step {step} is not positive", "Write the lower frame first and a step from 1.")
        if last < first:
            self._refuse(
                start,
                f"{first}-{last} runs backwards",
                f"Ranges run upwards: write {_format_range(*make_range(last, first, step))}, or list single frames.",
            )
        self._count += (last - first) // step + 1
        if self._count > MAX_FRAMES_PER_STEP:
            self._refuse(
                start,
                f"with {first}-{last} these are {self._count} frames, more than the {MAX_FRAMES_PER_STEP} of a step",
                "Is a digit too many? Else submit several jobs.",
            )
        return make_range(first, last, step)

    def _number(self, wanted: str) -> int:
        start = self._skip()
        found = _NUMBER.match(self._text, start)
        if found is None:
            if start == len(self._text):
                self._refuse(start, f"{wanted} is missing at the end", _SYNTAX)
            if self._text[start] == ",":
                self._refuse(start, f"{wanted} is missing before the comma", _SYNTAX)
            self._refuse_rest()
        self._at = found.end()
        number = int(found[0]) if len(found[0]) <= len(str(MAX_FRAME)) + 1 else MAX_FRAME + 1
        if abs(number) > MAX_FRAME:
            self._refuse(start, f"{_quote(found[0])} is beyond {MAX_FRAME}", "No renderer counts further.")
        return number

    def _skip(self) -> int:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at

    def _next(self) -> str:
        """The next character that is not blank; empty at the end."""
        at = self._skip()
        return self._text[at : at + 1]

    def _takes(self, wanted: str) -> bool:
        if self._next() != wanted:
            return False
        self._at += 1
        return True

    def _refuse_rest(self) -> NoReturn:
        """Refuse what stands here, with the reason where people are used to write it."""
        letter = self._text[self._at]
        if letter == ":":
            self._refuse(
                self._at,
                "':' means a step in OpenJD and interleaving in fileseq",
                "Write a step as x: 1-100x5 is every fifth frame.",
            )
        if letter in "\u2010\u2011\u2012\u2013\u2014\u2212":
            self._refuse(self._at, f"{letter!r} is a dash, not a minus", "Write the plain - of the keyboard.")
        if letter in "yY":
            self._refuse(
                self._at, "'y' leaves frames out in fileseq and is not read here", "Write the frames to render."
            )
        if letter in "#@%$":
            self._refuse(self._at, "this looks like a file's padding", "Padding belongs to the output's file name.")
        word = re.match(r"[^\s,]+", self._text[self._at :])
        self._refuse(self._at, f"{_quote(word[0] if word else letter)} cannot be read", _SYNTAX)

    def _refuse(self, at: int, problem: str, hint: str) -> NoReturn:
        raise InvalidFrames(f"Frames {_quote(self._text, at)}, column {at + 1}: {problem}", hint)


def _quote(text: str, at: int = 0) -> str:
    """The text in quotes, or what surrounds the place when it is long."""
    start = max(0, min(at - _QUOTED // 2, len(text) - _QUOTED))
    part = text[start : start + _QUOTED]
    shown = "".join(letter if letter.isprintable() else " " for letter in part)
    return f'"{"…" if start else ""}{shown}{"…" if start + _QUOTED < len(text) else ""}"'
