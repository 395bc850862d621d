# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things that Blender's layouts lack: text in several lines, and a bar before Blender 4.0."""

from __future__ import annotations

import textwrap
from typing import Any

_LETTER_PX = 6.1
"""Of Blender's own font at a resolution scale of 1, on average."""
_NARROWEST = 18
MOST_LINES = 6


def letters_in(context: Any, margin: int = 8) -> int:
    """How many letters fit in a line of the region that is drawn, `margin` letters for icons and frames left out."""
    scale = context.preferences.system.ui_scale
    return max(_NARROWEST, int(context.region.width / (_LETTER_PX * scale)) - margin)


def text(layout: Any, words: str, width: int, icon: str = "NONE") -> None:
    """A sentence over as many lines as it needs, the icon before the first."""
    lines = textwrap.wrap(words, width, max_lines=MOST_LINES, placeholder=" …") or [""]
    column = layout.column(align=True)
    column.scale_y = 0.85
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def bar(layout: Any, context: Any, row: int, fraction: float, words: str) -> None:
    """A progress bar with words in it; `row` says whose, see `properties.BARS`."""
    if hasattr(layout, "progress"):
        layout.progress(factor=fraction, text=words)
    else:
        layout.prop(context.window_manager, f"peerfarm_bar_{row}", text=words, slider=True)
