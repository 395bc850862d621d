"""Where a command's words go: data to stdout, messages to stderr, one JSON object with `--json`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from peerfarm.cli import text
from peerfarm.errors import PeerfarmError

NARROWEST_BAR = 10
"""Where there is no room for so much of a bar, the words are told without one."""
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_STATUS_STYLES = {
    "done": "green",
    "live": "green",
    "rendered": "green",
    "failed": "red",
    "dead": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "suspect": "yellow",
    "blocked": "dim",
    "left": "dim",
}


class Screen:
    """The two output streams of one command.

    Attributes:
        is_json: Print data as JSON and nothing else on stdout.
        is_live: A progress line may be redrawn: stderr is a terminal and the output is for people.
    """

    def __init__(self, is_json: bool = False) -> None:
        self.is_json = is_json
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")  # a job's name must not stop a command in a C locale
        self.is_live = sys.stderr.isatty() and not is_json and os.environ.get("TERM") != "dumb"
        self._has_colour = (
            sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and (os.name != "nt" or "WT_SESSION" in os.environ)
        )
        self._drawn = ""
        encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower().replace("-", "")
        self._marks = "█░" if encoding.startswith("utf") else "#-"

    def data(self, value: dict[str, Any]) -> None:
        """Print the command's result as one line of JSON."""
        print(json.dumps(value, ensure_ascii=True), flush=True)

    def line(self, words: str = "") -> None:
        """Print a line of the result."""
        self.erase()
        print(words, flush=True)

    def raw(self, words: str) -> None:
        """Print text that brings its own line ends."""
        self.erase()
        sys.stdout.write(words)
        sys.stdout.flush()

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; words that are a status get a colour."""
        lines = text.table(header, rows)
        self.line(self.styled(lines[0], "bold"))
        for line in lines[1:]:
            self.line(self._coloured(line))

    def note(self, words: str) -> None:
        """Tell the user something that is not the result."""
        self.erase()
        print(words, file=sys.stderr, flush=True)

    def error(self, error: PeerfarmError) -> None:
        """Say what is wrong and what to do; with `--json` also as an object on stdout."""
        self.note(f"peerfarm: {text.clean(error)}")
        if error.hint:
            self.note(f"  {text.clean(error.hint)}")
        if self.is_json:
            self.data({"error": {"kind": type(error).__name__, "message": str(error), "hint": error.hint}})

    def progress(self, fraction: float, words: str) -> None:
        """Draw or redraw the progress line; does nothing where it could not be redrawn."""
        if not self.is_live:
            return
        columns = shutil.get_terminal_size().columns
        room = min(30, columns - text.width(words) - 12)
        bar = f"{text.bar(fraction, room, self._marks)} " if room >= NARROWEST_BAR else ""
        drawn = f"{bar}{text.percent(fraction):>5}  {text.clean(words)}"
        drawn = drawn[: max(columns - 1, 10)]
        if drawn != self._drawn:
            sys.stderr.write("\r" + drawn + " " * max(0, text.width(self._drawn) - text.width(drawn)))
            sys.stderr.flush()
            self._drawn = drawn

    def erase(self) -> None:
        """Remove the progress line."""
        if self._drawn:
            sys.stderr.write("\r" + " " * text.width(self._drawn) + "\r")
            sys.stderr.flush()
            self._drawn = ""

    def styled(self, words: str, style: str) -> str:
        """The words in a style of `_STYLES`, where colours are welcome."""
        return f"\x1b[{_STYLES[style]}m{words}\x1b[0m" if self._has_colour else words

    def status(self, word: str) -> str:
        """A status word in its colour."""
        style = _STATUS_STYLES.get(word)
        return self.styled(word, style) if style else word

    def _coloured(self, line: str) -> str:
        if not self._has_colour:
            return line
        return " ".join(self.status(word) for word in line.split(" "))
