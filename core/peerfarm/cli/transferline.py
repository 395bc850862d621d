"""Shows how far packing or fetching files is: bytes, rate, time left."""

from __future__ import annotations

from typing import Any

from peerfarm.cli import text
from peerfarm.cli.screen import Screen

KINDS = ("submit/progress", "fetch/progress")


class TransferLine:
    """A redrawn line on a terminal, else a line for each kind of work and for every tenth part of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said = ("", -1)

    def show(self, event: dict[str, Any]) -> None:
        """Show one progress event; others are passed over."""
        if event.get("type") not in KINDS:
            return
        fraction = progress_fraction(event)
        words = progress_words(event)
        self._screen.progress(fraction, words)
        said = (str(event.get("text", "")), int(fraction * 10))
        if not (self._screen.is_live or self._screen.is_json) and said != self._said:
            self._said = said
            self._screen.note(f"{text.percent(fraction):>5}  {words}")


def progress_fraction(event: dict[str, Any]) -> float:
    """How much of it is done, 0 to 1: by bytes where they are told, else by tasks."""
    for done_name, total_name in (("done_bytes", "total_bytes"), ("done", "total")):
        done, total = event.get(done_name) or 0, event.get(total_name) or 0
        if total:
            return float(min(1.0, done / total))
    return 0.0


def progress_words(event: dict[str, Any]) -> str:
    """What one progress event says, in words for people."""
    words = text.clean(event.get("text") or "fetching")
    if event.get("total"):
        words += f" {event.get('done') or 0} of {text.count(event['total'], 'task')}"
    total, done, rate = (event.get(name) or 0 for name in ("total_bytes", "done_bytes", "rate_bytes_s"))
    if total:
        words += f"{',' if event.get('total') else ''} {text.size(done)} of {text.size(total)}"
    if event.get("total_files"):
        words += f", {event.get('done_files') or 0} of {text.count(event['total_files'], 'file')}"
    if rate >= 1:
        words += f", {text.size(rate)}/s"
        if total > done:
            words += f", {text.duration((total - done) / rate)} left"
    if event.get("missing"):
        words += f", {event['missing']} could not be fetched"
    return words
