"""The lines `PEERFARM {json}` that our own programs print among a renderer's output."""

from __future__ import annotations

import json
from typing import Any

MARK = "PEERFARM "
MAX_LINE = 64 * 1024
"""Characters; a longer line is no line of ours."""


def parse_mark(line: str) -> dict[str, Any] | None:
    """What a line of our programs says; None for every other line, whatever it holds."""
    if not line.startswith(MARK) or len(line) > MAX_LINE:
        return None
    try:
        said = json.loads(line[len(MARK) :])
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("event"), str) else None


def whole(said: dict[str, Any], field: str) -> int | None:
    """A whole number in a mark; None when it is absent or something else."""
    value = said.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(said: dict[str, Any], field: str, limit: int = 1000) -> str:
    """A text in a mark, cut to `limit` characters; empty when it is absent or something else."""
    value = said.get(field)
    return value.strip()[:limit] if isinstance(value, str) else ""
