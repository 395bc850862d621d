"""How values read on a terminal: durations, progress, tables. Pure; nothing here prints."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable, Sequence

from peerfarm.model.sizes import size_words

# Names and log lines come from other machines: no escape sequence or direction mark of theirs may reach a terminal.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNSAFE_IN_LOG = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(value: object) -> str:
    """The value as one safe line of text."""
    return _UNSAFE.sub("?", str(value))


def clean_log(text: str) -> str:
    """Log text with its lines and tabs, safe for a terminal."""
    return _UNSAFE_IN_LOG.sub("?", text.replace("\r\n", "\n").replace("\r", "\n"))


def duration(seconds: float) -> str:
    """`0.4 s`, `45 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(fraction: float) -> str:
    """`0 %` to `100 %`; rounded down, so that only what is complete says 100."""
    return f"{int(min(max(fraction, 0.0), 1.0) * 100)} %"


def local_time(wall_ms: int) -> str:
    """A wall clock time as people write it, in this machine's time zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return "?"  # another machine's clock may say anything


size = size_words
"""`640 B`, `1.2 MB`."""


def count(number: int, word: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def width(text: str) -> int:
    """Columns that the text takes on a terminal; East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table whose columns are as wide as their widest cell."""
    cells = [list(header), *([clean(value) for value in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(text + " " * (wide - width(text)) for text, wide in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def bar(fraction: float, columns: int, marks: str = "█░") -> str:
    """A progress bar of `columns` characters."""
    full = int(min(max(fraction, 0.0), 1.0) * columns)
    return marks[0] * full + marks[1] * (columns - full)


def setting(value: object) -> str:
    """A setting's value much as `peerfarm.yaml` would hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(setting(part) for part in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{clean(key)}: {setting(part)}' for key, part in value.items())}}}"
    return clean(value) if value != "" else '""'
