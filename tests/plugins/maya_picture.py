"""Draw the Maya panel from the pretended Maya's tree of widgets: `python maya_picture.py OUT.svg`.

It shows what stands in the panel and in which order, as Maya would lay it out; the drawing itself is ours.
"""

from __future__ import annotations

import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

import maya_rig
from maya.world import Widget
from peerfarm_maya import panel
from peerfarm_maya.rows import JobRow, NodeRow, View

WIDTH, PAD, LINE = 420, 10, 20
BACK, FIELD, TEXT, DIM, BUTTON, BAR = "#444444", "#2b2b2b", "#dddddd", "#9a9a9a", "#5d5d5d", "#5285a6"


class Drawing:
    """Pieces of SVG from the top."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = PAD

    def box(self, x: float, y: float, width: float, height: float, colour: str, radius: int = 2) -> None:
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" fill="{colour}"/>'
        )

    def words(
        self, x: float, y: float, text: str, colour: str = TEXT, *, is_bold: bool = False, size: int = 12
    ) -> None:
        weight = ' font-weight="bold"' if is_bold else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size}"{weight}>{escape(text)}</text>')

    def draw(self, widget: Widget, x: float, width: float) -> None:
        """One widget with all in it, from `self.y` on."""
        flags = widget.flags
        if flags.get("manage") is False:
            return
        if widget.kind == "frameLayout":
            self.box(x, self.y, width, LINE, BUTTON)
            self.words(x + 6, self.y + 14, "▾ " + flags["label"], is_bold=True)
            self.y += LINE + 6
            x, width = x + 6, width - 12
        if widget.kind == "rowLayout":
            self.row(widget, x, width)
        elif (piece := getattr(self, "piece_" + widget.kind, None)) is not None:
            piece(flags, x, width)
        else:
            for child in widget.children:
                self.draw(child, x, width)
        if widget.kind == "frameLayout":
            self.y += 4

    def tab(self, label: str) -> None:
        """The docked panel's tab."""
        self.box(0, 0, WIDTH, LINE + 6, "#373737", 0)
        self.box(PAD, 4, 20 + 7 * len(label), LINE + 2, BACK)
        self.words(PAD + 10, 18, label)
        self.y = LINE + 6 + PAD

    def row(self, widget: Widget, x: float, width: float) -> None:
        top, lowest, at = self.y, self.y, x
        shown = [child for child in widget.children if child.flags.get("manage") is not False]
        for child in shown:
            self.y = top
            own = {"button": 56, "image": 88}.get(child.kind, child.flags.get("width", 0)) or x + width - at
            self.draw(child, at, own - 4 if child.kind == "button" else own)
            lowest, at = max(lowest, self.y), at + own
        self.y = lowest

    def piece_text(self, flags: dict[str, Any], x: float, width: float) -> None:
        if colour := flags.get("backgroundColor"):
            width, shade = flags.get("width", width) - 4, "".join(f"{round(255 * part):02x}" for part in colour)
            self.box(x, self.y + 2, width, LINE - 5, "#" + shade, 0)
            self.y += LINE
            return
        label = str(flags.get("label") or "")
        room = max(8, int(width / 6.3))
        while label:
            cut = label if len(label) <= room else label[:room].rpartition(" ")[0] or label[:room]
            label = label[len(cut) :].strip()
            self.words(x, self.y + 13, cut, is_bold=flags.get("font") == "boldLabelFont")
            self.y += LINE - 2

    def piece_button(self, flags: dict[str, Any], x: float, width: float) -> None:
        height = flags.get("height", 24)
        self.box(x, self.y, width, height, BUTTON)
        label = flags["label"]
        colour = TEXT if flags.get("enable", True) else DIM
        self.words(x + width / 2 - 3.1 * len(label), self.y + height / 2 + 4, label, colour)
        self.y += height + 4

    def piece_checkBox(self, flags: dict[str, Any], x: float, _: float) -> None:  # noqa: N802 - Maya's name
        self.box(x, self.y + 3, 12, 12, FIELD)
        if flags.get("value"):
            self.words(x + 1, self.y + 13, "✓")
        self.words(x + 18, self.y + 13, flags["label"])
        self.y += LINE

    def piece_textFieldGrp(self, flags: dict[str, Any], x: float, width: float) -> None:  # noqa: N802 - Maya's name
        self.words(x, self.y + 15, flags["label"])
        is_narrow = "value1" in flags  # a number's field does not grow with the panel
        room = 80 if is_narrow else width - 116
        if button := flags.get("buttonLabel"):
            room -= 36
            self.box(x + 114 + room, self.y, 32, LINE, BUTTON)
            self.words(x + 124 + room, self.y + 14, button)
        self.box(x + 110, self.y, room, LINE, FIELD)
        value = flags.get("text") or flags.get("value1")
        if value:
            self.words(x + 116, self.y + 14, str(value))
        else:
            self.words(x + 116, self.y + 14, flags.get("placeholderText", ""), DIM)
        self.y += LINE + 3

    piece_intFieldGrp = piece_textFieldButtonGrp = piece_textFieldGrp  # noqa: N815 - Maya's names

    def piece_progressBar(self, flags: dict[str, Any], x: float, width: float) -> None:  # noqa: N802 - Maya's name
        height = flags.get("height", 12)
        self.box(x, self.y + 2, width, height, FIELD)
        self.box(x, self.y + 2, width * flags.get("progress", 0) / flags["maxValue"], height, BAR)
        self.y += height + 6

    def piece_image(self, flags: dict[str, Any], x: float, _: float) -> None:
        self.box(x, self.y, 80, 54, FIELD)
        self.words(x + 14, self.y + 31, "last frame", DIM, size=10)
        self.y += 58

    @property
    def svg(self) -> str:
        """The whole picture."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.y + PAD:g}" '
        head += 'font-family="DejaVu Sans, Verdana, sans-serif">'
        back = f'<rect width="100%" height="100%" fill="{BACK}"/>'
        return "\n".join([head, back, *self.parts, "</svg>", ""])


def example() -> View:
    """A farm as it may be at noon."""
    nodes = (
        NodeRow("ada", "live", "idle", True, 0.0),
        NodeRow("ben", "live", "rendering frames 11-15, frames 16-20", False, 0.4),
        NodeRow("cleo", "live", "fetching files, 62 %", False, 0.0),
        NodeRow("dora", "dead", "away", False, 0.0),
    )
    can, cannot = True, False
    words = "rendering, 40 of 96 frames"
    rendering = JobRow("j2", "shot", "active", words, 0.42, "6 min", "", "/show", can, cannot, can, cannot, "a.png", 40)
    words, error = "failed, 3 of 24 frames", "the camera that the job names is not in the scene"
    failed = JobRow("j1", "turntable", "failed", words, 0.12, "", error, "/show", cannot, cannot, can, can, "b.png", 3)
    return View(1, "studio: 3 nodes, 1 rendering", "", False, nodes, (rendering, failed), 4, (), "studio", "0.1.0")


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as directory:
        show = maya_rig.Show(Path(directory))
        show.world.nodes["defaultResolution"].attributes.update(width=1920, height=1080)
        show.world.nodes["defaultRenderGlobals"].attributes["endFrame"] = 24.0
        show.world.overrides.clear()
        opened = panel.show()
        opened._ticker.stop()
        opened.board.view = example()
        opened.board.notice = "Sent: 96 frames in 20 tasks."
        opened._shown = None
        opened._update()
        drawing = Drawing()
        drawing.tab(str(show.world.widget(panel.CONTROL).flags["label"]))
        drawing.draw(show.world.widget("peerfarmRoot"), PAD, WIDTH - 2 * PAD)
        show.close()
    drawing.words(PAD, drawing.y + 12, "Drawn from the panel's widgets; Maya lays them out itself.", DIM, size=10)
    drawing.y += LINE
    Path(sys.argv[1]).write_text(drawing.svg, "utf-8")


if __name__ == "__main__":
    main()
