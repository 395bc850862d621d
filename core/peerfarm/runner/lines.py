"""A renderer's bytes as bounded lines of text."""

from __future__ import annotations

LINE_LIMIT = 64 * 1024
"""Bytes; the rest of a longer line is left out. Our own programs' lines are never longer."""
CUT = " [peerfarm: the rest of this line is left out]"


class LineSplitter:
    """Cuts a stream at line feeds and carriage returns, alone or together; never keeps more than one line's limit."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_skipping = False
        self._ended_on_return = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, without their ends; undecodable bytes are replaced."""
        if self._ended_on_return and data.startswith(b"\n"):
            data = data[1:]
        self._ended_on_return = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *whole, rest = (self._rest + data).split(b"\n")
        lines = []
        for line in whole:
            if not self._is_skipping:
                lines.append(_text(line))
            self._is_skipping = False
        if len(rest) > LINE_LIMIT:
            if not self._is_skipping:
                lines.append(_text(rest))
            self._is_skipping = True
        self._rest = b"" if self._is_skipping else rest
        return lines

    def finish(self) -> list[str]:
        """The last line when no line end follows it."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest and not self._is_skipping else []


def _text(line: bytes) -> str:
    if len(line) <= LINE_LIMIT:
        return line.decode("utf-8", "replace")
    return line[:LINE_LIMIT].decode("utf-8", "replace") + CUT
