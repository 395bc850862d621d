"""Draws the After Effects panel from its widgets, as the pretended After Effects has them: no screenshot.

`python tests/plugins/aftereffects_picture.py` writes plugins/aftereffects/panel.svg.
"""

from __future__ import annotations

import base64
import json
import subprocess
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
LINE = 19
LETTER = 6.3
"""Pixels of a letter of 12 pixels, on average: rows are laid out by it."""
PANEL, DARK, EDGE, TEXT, FAINT, BLUE = "#232323", "#161616", "#3d3d3d", "#c8c8c8", "#8a8a8a", "#4b9cf5"
JOBS: list[dict[str, Any]] = [
    {"id": "1", "name": "shot_010", "status": "active", "progress": 0.62, "eta_s": 260, "error": None},
    {"id": "2", "name": "titles", "status": "ready", "progress": 0, "eta_s": None, "error": None},
    {"id": "3", "name": "shot_009", "status": "done", "progress": 1, "eta_s": None, "error": None, "published": 9},
    {"id": "4", "name": "logo", "status": "failed", "progress": 0.4, "eta_s": None, "error": "footage is missing"},
]
ANSWERS: dict[str, Any] = {
    "status": {"farm": {"name": "studio"}, "alarms": [], "live": 6, "rendering": 3, "apps": {"aftereffects": 5}},
    "jobs": {"jobs": [{**job, "output": "/out", "frames": {"done": 62}} for job in JOBS], "total": 27},
    "submit": {"job": "1", "tasks": 20, "frames": 100, "warnings": []},
}


def frame_of_the_sea(folder: Path) -> bytes:
    """A small frame of the built-in renderer."""
    order = {"width": 128, "height": 72, "seed": 1, "seconds_per_frame": 0}
    told = folder / "order.json"
    told.write_text(json.dumps({**order, "directory": str(folder), "frames": [[62, "sea.png"]]}), "utf-8")
    program = HERE.parents[1] / "core" / "peerfarm" / "renderers" / "ocean.py"
    subprocess.run([sys.executable, str(program), str(told)], check=True, stdout=subprocess.DEVNULL)
    return (folder / "sea.png").read_bytes()


def drawn(tree: dict[str, Any], frame: bytes) -> str:
    """The panel as SVG; `frame` stands where the panel shows an image."""
    parts: list[str] = []
    y = 36
    for child in tree["children"]:
        y = _widget(child, 12, y, WIDTH - 24, parts, frame)
    height = y + 6
    ground = (
        f'<rect width="{WIDTH}" height="{height}" fill="{PANEL}"/><rect width="{WIDTH}" height="26" fill="#1d1d1d"/>'
    )
    tab = f'<rect width="74" height="26" fill="{PANEL}"/><rect y="24" width="74" height="2" fill="{BLUE}"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-size="12"'
    fonts = "font-family=\"'Segoe UI','Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif\""
    return f"{head} {fonts}>{ground}{tab}{_text(12, 17, 'peerfarm', '#e4e4e4')}{''.join(parts)}</svg>\n"


def _text(x: float, y: float, text: str, fill: str = TEXT, most: float = 0) -> str:
    """A line of text; with `most`, squeezed to so many pixels where it would be longer."""
    wide = len(text) * LETTER
    fit = f' textLength="{most:.0f}" lengthAdjust="spacingAndGlyphs"' if most and wide > most else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{fill}"{fit}>{escape(text)}</text>'


def _widget(one: dict[str, Any], x: float, y: int, width: float, parts: list[str], frame: bytes) -> int:
    """Draw it from `y` down; gives where the next one begins."""
    if not one["visible"] or (one["type"] == "statictext" and not one["text"]):
        return y
    if one["type"] == "group":
        at, tall = x, 30
        for child in one["children"]:
            if child["type"] == "image":
                parts.append(_image(at, y, frame))
                at, tall = at + 128 + 12, 80
            elif child["visible"]:
                at = _small(child, at, y, parts)
        return y + tall
    if one["type"] == "listbox":
        return _list(one, x, y, width, parts)
    parts.append(_text(x, y + 13, one["text"], TEXT, width))
    return y + LINE + 4


def _image(x: float, y: int, frame: bytes) -> str:
    content = base64.b64encode(frame).decode()
    return f'<image x="{x:.0f}" y="{y}" width="128" height="72" href="data:image/png;base64,{content}"/>'


def _small(one: dict[str, Any], x: float, y: int, parts: list[str]) -> float:
    fill = "#e4e4e4" if one["enabled"] else "#6a6a6a"
    wide = len(one["text"]) * LETTER
    if one["type"] == "button":
        box = f'width="{wide + 22:.0f}" height="22" rx="11"'
        parts.append(f'<rect x="{x + 0.5:.1f}" y="{y + 0.5}" {box} fill="none" stroke="{fill}" stroke-opacity="0.7"/>')
        middle = f'x="{x + 11 + wide / 2:.0f}" y="{y + 16}" fill="{fill}" text-anchor="middle"'
        parts.append(f"<text {middle}>{escape(one['text'])}</text>")
        return x + wide + 30
    if one["type"] == "edittext":
        box = one["characters"] * 8 + 10
        parts.append(f'<rect x="{x:.0f}" y="{y}" width="{box}" height="22" fill="{DARK}" stroke="{EDGE}"/>')
        parts.append(_text(x + 6, y + 15, one["text"], BLUE))
        return x + box + 12
    if one["type"] == "checkbox":
        edge = BLUE if one["value"] else FAINT
        parts.append(f'<rect x="{x:.0f}" y="{y + 5}" width="12" height="12" rx="2" fill="{DARK}" stroke="{edge}"/>')
        if one["value"]:
            stroke = f'stroke="{BLUE}" stroke-width="2" fill="none"'
            parts.append(f'<path d="M{x + 2:.0f} {y + 11}l3 3 5-6" {stroke}/>')
        x += 18
    parts.append(_text(x, y + 15, one["text"]))
    return x + wide + 8


def _list(one: dict[str, Any], x: float, y: int, width: float, parts: list[str]) -> int:
    height = max(112, (len(one["rows"]) + 1) * LINE + 6)
    parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{DARK}" stroke="{EDGE}"/>')
    for number, row in enumerate([one["titles"], *one["rows"]]):
        top = y + number * LINE
        if number - 1 == one["selection"]:
            parts.append(f'<rect x="{x + 1}" y="{top + 1}" width="{width - 2}" height="{LINE}" fill="#34495e"/>')
        at = x + 8
        for cell, wide in zip(row, one["widths"], strict=True):
            parts.append(_text(at, top + 15, cell, TEXT if number else FAINT, wide - 10))
            at += wide
    return y + height + 8


def picture(folder: Path, frame: bytes) -> str:
    """What the panel shows in this folder, with this frame as the last one."""
    told = {"frame": "shot_0062.png", "width": 128, "height": 72, "png": base64.b64encode(frame).decode()}
    with (
        FakeNode(folder, {**ANSWERS, "thumbnail": told}),
        AfterEffects(folder, shot(folder, folder / "out")) as ae,
    ):
        ae.choose(0)
        ae.press("Send to peerfarm")
        ae.tick()
        return drawn(ae.tree, frame)


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as name:
        text = picture(Path(name), frame_of_the_sea(Path(name)))
    (PLUGIN / "panel.svg").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
