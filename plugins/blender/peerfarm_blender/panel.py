# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the Output properties: what to send, the button, what stands in the way, how far it is."""

from __future__ import annotations

from typing import Any

import bpy

from . import checks, drawing, settings
from .session import ASKING, JOBS, Session
from .state import session

_ICONS = {checks.STOP: "CANCEL", checks.ASK: "ERROR", checks.NOTE: "INFO"}
MOST_CHOICES = 10
POP_UP_LETTERS = 60
FIELDS_AT = 0.4
"""Where Blender puts fields beside their names, as a share of the width."""


class OutputPanel:
    """Where all panels of the add-on are."""

    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"


class PEERFARM_PT_send(OutputPanel, bpy.types.Panel):
    """Send this scene to the farm."""

    bl_label = "peerfarm"
    bl_idname = "PEERFARM_PT_send"

    def draw(self, context: Any) -> None:
        """Only from what lies ready."""
        layout, scene, now = self.layout, context.scene, session()
        layout.use_property_split = True
        layout.use_property_decorate = False
        wishes = scene.peerfarm
        column = layout.column()
        column.prop(wishes, "frames_from")
        if wishes.frames_from == "CUSTOM":
            column.prop(wishes, "frames", text=" ")
        column.prop(wishes, "chunk")
        column.prop(wishes, "output")
        if not wishes.output:
            hint = column.split(factor=FIELDS_AT)
            hint.active = False
            hint.label(text="")
            hint.label(text=f"Scene's: {_end_of(settings.output_path(scene))}")
        width = drawing.letters_in(context)
        _draw_sending(layout, context, now, width)
        if not now.is_linked:
            _draw_trouble(layout.box(), now.board.view, width)


def _draw_sending(layout: Any, context: Any, now: Session, width: int) -> None:
    if now.is_busy:
        row = layout.row(align=True)
        row.use_property_split = False
        row.scale_y = 1.4
        first, more = _halves(now.words)
        drawing.bar(row, context, JOBS, now.fraction, first)
        if not now.is_cancelled:
            row.operator("peerfarm.cancel_send", text="", icon="X")
        if more:
            _draw_advice(layout, more, width)
        return
    if now.phase == ASKING:
        box = layout.box()
        _draw_findings(box, now, width)
        row = box.row()
        row.scale_y = 1.2
        if now.can_send_anyway:
            row.operator("peerfarm.send_anyway", icon="EXPORT")
            row.operator("peerfarm.cancel_send", text="Cancel")
        else:
            row.operator("peerfarm.send", text="Check Again", icon="FILE_REFRESH")
            row.operator("peerfarm.cancel_send", text="OK")
        return
    row = layout.row()
    row.scale_y = 1.6
    row.operator("peerfarm.send", icon="EXPORT")
    if now.words:
        drawing.text(layout, now.words, width, "CHECKMARK" if now.words.startswith("Sent") else "INFO")
    _draw_findings(layout, now, width)


def _halves(words: str) -> tuple[str, str]:
    """What fits in a bar, e.g. `Packing, 1 GB of 4 GB`, and the rest: the rate, and the time left."""
    parts = words.split(", ")
    return ", ".join(parts[:2]), ", ".join(parts[2:])


def pop_up(now: Session) -> None:
    """Tell what became of a submission that was not sent from the panel, or where that is not on the screen."""

    def draw(menu: Any, _: Any) -> None:
        if now.words:
            drawing.text(menu.layout, now.words, POP_UP_LETTERS)
        _draw_findings(menu.layout, now, POP_UP_LETTERS)
        if now.can_send_anyway:
            menu.layout.separator()
            menu.layout.operator("peerfarm.send_anyway", icon="EXPORT")

    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.context.window_manager.popup_menu(draw, title="peerfarm")


def _draw_trouble(box: Any, view: Any, width: int) -> None:
    """Why there is no farm to show, what to do, and the button that does it where one can."""
    drawing.text(box, view.sentence, width, "UNLINKED")
    if view.hint:
        _draw_advice(box, view.hint, width)
    if view.can_start:
        row = box.row()
        row.scale_y = 1.3
        row.operator("peerfarm.start_node", icon="PLAY")


def _draw_advice(layout: Any, words: str, width: int) -> None:
    row = layout.row()
    row.active = False
    drawing.text(row, words, width, "BLANK1")


def _end_of(path: str) -> str:
    """The last folder and the name: what a narrow panel has room for."""
    return "/".join(path.replace("\\", "/").rstrip("/").split("/")[-2:])


def _draw_findings(layout: Any, now: Session, width: int) -> None:
    for finding in now.findings:
        drawing.text(layout, finding.sentence, width, _ICONS[finding.severity])
        if finding.what_to_do:
            _draw_advice(layout, finding.what_to_do, width)


class PEERFARM_PT_choices(OutputPanel, bpy.types.Panel):
    """Which cameras and layers, for whom, how urgent."""

    bl_label = "Cameras, View Layers, Priority"
    bl_idname = "PEERFARM_PT_choices"
    bl_parent_id = "PEERFARM_PT_send"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender reads it as a plain set

    def draw(self, context: Any) -> None:
        """The choices that most scenes need not touch."""
        layout, scene = self.layout, context.scene
        layout.use_property_split = True
        layout.use_property_decorate = False
        wishes = scene.peerfarm
        layout.prop(wishes, "cameras")
        if wishes.cameras == "CHOSEN":
            cameras = [thing for thing in scene.objects if thing.type == "CAMERA"]
            _draw_ticks(layout, scene, "objects", cameras, "camera_shown")
        layout.prop(wishes, "view_layers")
        if wishes.view_layers == "CHOSEN":
            _draw_ticks(layout, scene, "view_layers", list(scene.view_layers), "layer_shown")
        column = layout.column()
        column.prop(wishes, "priority")
        column.prop(wishes, "pool")
        column.prop(wishes, "any_version")


class PEERFARM_UL_ticks(bpy.types.UIList):
    """Cameras among objects, or view layers, to be ticked."""

    bl_idname = "PEERFARM_UL_ticks"

    def draw_item(
        self, _context: Any, layout: Any, _data: Any, item: Any, _icon: int, _active: Any, _field: str
    ) -> None:
        """One of them."""
        _draw_tick(layout, item)

    def filter_items(self, _: Any, data: Any, field: str) -> tuple[list[int], list[int]]:
        """Leave out objects that are no cameras, and what the search field leaves out."""
        things, sought = getattr(data, field), self.filter_name.casefold()
        wanted = self.bitflag_filter_item
        kinds = ("CAMERA", None)
        shown = (getattr(thing, "type", None) in kinds and sought in thing.name.casefold() for thing in things)
        return [wanted if is_shown else 0 for is_shown in shown], []


def _draw_ticks(layout: Any, scene: Any, field: str, things: list[Any], index: str) -> None:
    """A box of ticks, or a list to scroll and search where there are many."""
    if len(things) > MOST_CHOICES:
        layout.template_list(PEERFARM_UL_ticks.bl_idname, field, scene, field, scene.peerfarm, index, rows=MOST_CHOICES)
        return
    box = layout.box().column(align=True)
    for thing in things:
        _draw_tick(box, thing)
    if not things:
        box.label(text="There is none in this scene.")


def _draw_tick(layout: Any, thing: Any) -> None:
    row = layout.row()
    row.use_property_split = False
    row.prop(thing, "peerfarm_render", text=thing.name)


CLASSES = (PEERFARM_UL_ticks, PEERFARM_PT_send, PEERFARM_PT_choices)
