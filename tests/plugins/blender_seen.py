"""Runs inside Blender: draws the add-on's panels on a layout that only takes note; gives the words and buttons."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
from peerfarm_blender import farm_panel, panel

WIDTH = 420
"""Of the properties editor, in pixels."""


class Button:
    """Takes what is set on an operator's button."""


class Layout:
    """Every part of it is itself, in one list of what is drawn."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name not in dir(bpy.types.UILayout) and name not in bpy.types.UILayout.bl_rna.functions:
            raise AttributeError(name)  # as `progress` before Blender 4.0
        return lambda *_, **__: self

    def label(self, text: str = "", **_: Any) -> None:
        self.seen.append(text)

    def prop(self, data: Any, name: str, text: str | None = None, **_: Any) -> None:
        shown = data.bl_rna.properties[name].name if text is None else text
        self.seen.append(f"{shown}={getattr(data, name)}")

    def operator(self, name: str, text: str | None = None, **_: Any) -> Button:
        button = Button()
        self.seen.append(f"[{name if text is None or not text else text}]")
        return button

    def template_icon(self, icon_value: int, **_: Any) -> None:
        self.seen.append("picture" if icon_value else "no picture")

    def template_list(self, _kind: str, _name: str, data: Any, field: str, *_: Any, **__: Any) -> None:
        self.seen.append(f"list of {len(getattr(data, field))}")


def seen() -> list[str]:
    """All that the panels show now, from the top."""
    windows = bpy.context.window_manager.windows
    context = SimpleNamespace(
        scene=windows[0].scene if windows else bpy.context.scene,
        window_manager=bpy.context.window_manager,
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=WIDTH),
    )
    layout = Layout()
    for each in (*panel.CLASSES, *farm_panel.CLASSES):
        if issubclass(each, bpy.types.Panel) and getattr(each, "poll", lambda _: True)(context):
            each.draw(SimpleNamespace(layout=layout), context)
    return layout.seen
