"""The node's own log file: starts, stops, joins, alarms and bugs, for who keeps the machines running."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

JOURNAL_BYTES = 2 * 1024 * 1024
KEPT_FILES = 3
_TOLD = {"alarm", "stranger", "node/live", "node/dead", "node/joined", "job/submitted", "job/cancelled"}

journal = logging.getLogger("peerfarm")


def open_journal(directory: Path) -> logging.Handler:
    """Write to `node.log` in that directory, turned over at 2 MiB; the caller closes the handler."""
    directory.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        directory / "node.log", maxBytes=JOURNAL_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    journal.addHandler(handler)
    journal.setLevel(logging.INFO)
    journal.propagate = False
    return handler


def write_events(events: Iterable[Mapping[str, Any]]) -> None:
    """Keep those events that matter after the fact."""
    for event in events:
        kind = event["type"]
        if kind in _TOLD:
            rest = " ".join(f"{key}={value}" for key, value in event.items() if key != "type")
            # Names come from other machines: none may forge a line here, or reach the terminal of who reads it.
            safe = "".join(letter if letter.isprintable() else "?" for letter in rest)
            journal.log(logging.WARNING if kind in {"alarm", "stranger"} else logging.INFO, "%s %s", kind, safe)
