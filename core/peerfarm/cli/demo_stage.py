"""Where the demo speaks: plain sentences, and below them a block of lines that is redrawn while it renders."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from peerfarm.cli import text

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_PLAIN_EVERY_S = 5.0
"""Between two lines of progress where nothing can be redrawn."""


class Stage:
    """One output stream; on a terminal it keeps a block at the bottom up to date, elsewhere it prints now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        is_able = os.environ.get("TERM") != "dumb" and (os.name != "nt" or "WT_SESSION" in os.environ)
        self.is_live = stream.isatty() and is_able
        self._has_colour = self.is_live and not os.environ.get("NO_COLOR")
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        self.marks = "█░" if encoding.startswith("utf") else "#-"
        self._drawn: list[str] = []
        self._next_plain_s = 0.0

    def say(self, sentence: str, style: str = "") -> None:
        """Print one sentence above the block."""
        drawn = self._drawn
        self.clear()
        self._write(self.styled(text.clean(sentence), style) + "\n")
        if drawn:
            self._draw(drawn)

    def show(self, rows: Sequence[tuple[str, str]], plain: str) -> None:
        """Show how things stand.

        Args:
            rows: Lines of the block, each with its style.
            plain: The same on one line, for a log.
        """
        if not self.is_live:
            if time.monotonic() >= self._next_plain_s:
                self._next_plain_s = time.monotonic() + _PLAIN_EVERY_S
                self._write(text.clean(plain) + "\n")
            return
        columns = max(20, shutil.get_terminal_size().columns - 1)
        block = [self.styled(text.clean(words)[:columns], style) for words, style in rows]
        if block != self._drawn:
            self.clear()
            self._draw(block)

    def clear(self) -> None:
        """Remove the block."""
        if self._drawn:
            self._write(f"\x1b[{len(self._drawn)}A\x1b[J")
            self._drawn = []

    def styled(self, words: str, style: str) -> str:
        """The words in a style of `_STYLES`, where colours are welcome."""
        return f"\x1b[{_STYLES[style]}m{words}\x1b[0m" if style and self._has_colour else words

    def _draw(self, block: list[str]) -> None:
        self._write("\n".join(block) + "\n")
        self._drawn = block

    def _write(self, words: str) -> None:
        self._stream.write(words)
        self._stream.flush()


def stage_for(is_json: bool) -> Stage:
    """Standard output; standard error where the result is JSON on standard output."""
    return Stage(sys.stderr if is_json else sys.stdout)
