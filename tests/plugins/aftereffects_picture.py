"""Draws the After Effects panel from its widgets, as the pretended After Effects has them: no screenshot.

`python tests/plugins/aftereffects_picture.py` writes plugins/aftereffects/panel.svg.
"""

from __future__ import annotations

import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "core")]

from aftereffects_project import shot  # noqa: E402 - the folders must be known first
from aftereffects_rig import PLUGIN, AfterEffects  # noqa: E402 - as above
from fake_node import FakeNode  # noqa: E402 - as above

WIDTH = 470
LINE = 18
APPS = [{"app": "aftereffects", "version": "24.1"}]
JOBS: list[dict[str, Any]] = [
    {"id": "1", "name": "shot_010", "status": "active", "progress": 0.62, "eta_s": 260, "error": None},
    {"id": "2", "name": "titles", "status": "ready", "progress": 0, "eta_s": None, "error": None},
    {"id": "3", "name": "shot_009", "status": "done", "progress": 1, "eta_s": None, "error": None, "published": 9},
    {"id": "4", "name": "logo", "status": "failed", "progress": 0.4, "eta_s": None, "error": "footage is missing"},
]
ANSWERS: dict[str, Any] = {
    "status": {"farm": {"name": "studio"}, "alarms": []},
    "nodes": {"nodes": [{"state": "live", "busy": at % 2, "apps": APPS} for at in range(6)]},
    "jobs": {"jobs": JOBS, "total": 27},
}


def drawn(tree: dict[str, Any]) -> str:
    """The panel as SVG."""
    parts: list[str] = []
    y = 34
    for child in tree["children"]:
        y = _widget(child, 12, y, WIDTH - 24, parts)
    frame = f'<rect width="{WIDTH}" height="{y + 8}" fill="#232323"/><rect width="{WIDTH}" height="24" fill="#1b1b1b"/>'
    title = '<text x="12" y="16" fill="#9bb8ff">peerfarm</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8}" font-family="sans-serif"'
    return f'{head} font-size="12" fill="#c8c8c8">{frame}{title}{"".join(parts)}</svg>\n'


def _text(x: float, y: float, text: str, fill: str = "#c8c8c8") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{fill}">{escape(text)}</text>'


def _widget(one: dict[str, Any], x: float, y: int, width: float, parts: list[str]) -> int:
    """Draw it from `y` down; gives where the next one begins."""
    if not one["visible"] or (one["type"] == "statictext" and not one["text"]):
        return y
    if one["type"] == "group":
        at = x
        for child in one["children"]:
            if child["visible"]:
                at = _small(child, at, y, parts)
        return y + 30
    if one["type"] == "listbox":
        return _list(one, x, y, width, parts)
    parts.append(_text(x, y + 13, one["text"]))
    return y + LINE + 4


def _small(one: dict[str, Any], x: float, y: int, parts: list[str]) -> float:
    fill = "#e8e8e8" if one["enabled"] else "#6a6a6a"
    wide = len(one["text"]) * 6.4
    if one["type"] == "button":
        box = f'width="{wide + 20:.0f}" height="22" rx="11"'
        parts.append(f'<rect x="{x:.0f}" y="{y}" {box} fill="none" stroke="{fill}"/>')
        parts.append(_text(x + 10, y + 15, one["text"], fill))
        return x + wide + 28
    if one["type"] == "edittext":
        box = one["characters"] * 8 + 10
        parts.append(f'<rect x="{x:.0f}" y="{y}" width="{box}" height="22" fill="#161616" stroke="#3a3a3a"/>')
        parts.append(_text(x + 5, y + 15, one["text"], "#9bb8ff"))
        return x + box + 10
    if one["type"] == "checkbox":
        parts.append(f'<rect x="{x:.0f}" y="{y + 5}" width="12" height="12" fill="#161616" stroke="#8a8a8a"/>')
        if one["value"]:
            parts.append(_text(x + 2, y + 15, "\u2713"))
        x += 18
    parts.append(_text(x, y + 15, one["text"]))
    return x + wide + 8


def _list(one: dict[str, Any], x: float, y: int, width: float, parts: list[str]) -> int:
    height = max(160, (len(one["rows"]) + 1) * LINE)
    parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#161616" stroke="#3a3a3a"/>')
    for number, row in enumerate([one["titles"], *one["rows"]]):
        if number - 1 == one["selection"]:
            parts.append(f'<rect x="{x}" y="{y + number * LINE + 2}" width="{width}" height="{LINE}" fill="#30405f"/>')
        at = x + 6
        for cell, wide in zip(row, one["widths"], strict=True):
            parts.append(_text(at, y + number * LINE + 14, cell, "#c8c8c8" if number else "#8a8a8a"))
            at += wide
    return y + height + 8


def main() -> None:
    """Write the picture."""
    with (
        tempfile.TemporaryDirectory() as name,
        FakeNode(Path(name), ANSWERS),
        AfterEffects(Path(name), shot(Path(name), Path(name) / "out")) as ae,
    ):
        ae.choose(0)
        tree = ae.tree
    (PLUGIN / "panel.svg").write_text(drawn(tree), "utf-8")


if __name__ == "__main__":
    main()
