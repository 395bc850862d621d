"""Shows how far packing or fetching files is: bytes, rate, time left."""

from __future__ import annotations

from typing import Any

from peerfarm.cli import text
from peerfarm.cli.screen import Screen

KINDS = ("submit/progress",)


class TransferLine:
    """A redrawn line on a terminal, else a line for each kind of work and for every tenth part of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said = ("", -1)

    def show(self, event: dict[str, Any]) -> None:
        """Show one progress event; others are passed over."""
        if event.get("type") not in KINDS:
            return
        total, done = event.get("total_bytes") or 0, event.get("done_bytes") or 0
        fraction = done / total if total else 0.0
        words = progress_words(event)
        self._screen.progress(fraction, words)
        said = (str(event.get("text", "")), int(fraction * 10))
        if not (self._screen.is_live or self._screen.is_json) and said != self._said:
            self._said = said
            self._screen.note(f"{text.percent(fraction):>5}  {words}")


def progress_words(event: dict[str, Any]) -> str:
    """What one progress event says, in words for people."""
    words = text.clean(event.get("text") or "fetching")
    total, done, rate = (event.get(name) or 0 for name in ("total_bytes", "done_bytes", "rate_bytes_s"))
    if total:
        words += f" {text.size(done)} of {text.size(total)}"
    if event.get("total_files"):
        words += f", {event['done_files']} of {text.count(event['total_files'], 'file')}"
    if rate >= 1:
        words += f", {text.size(rate)}/s"
        if total > done:
            words += f", {text.duration((total - done) / rate)} left"
    return words
