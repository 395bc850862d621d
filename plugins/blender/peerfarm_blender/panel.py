# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the Output properties: what to send, the button, what stands in the way, how far it is."""

from __future__ import annotations

from typing import Any

import bpy

from . import checks, drawing, settings
from .session import ASKING, CHECKING, JOBS, PACKING, Session
from .state import session

_ICONS = {checks.STOP: "CANCEL", checks.ASK: "ERROR", checks.NOTE: "INFO"}
MOST_CHOICES = 24


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
            hint = column.row()
            hint.active = False
            hint.label(text=f"as above: {_end_of(settings.output_path(scene))}", icon="BLANK1")
        self._draw_sending(context, now)

    def _draw_sending(self, context: Any, now: Session) -> None:
        layout, width = self.layout, drawing.letters_in(context)
        if now.phase in (CHECKING, PACKING):
            row = layout.row(align=True)
            row.use_property_split = False
            row.scale_y = 1.4
            drawing.bar(row, context, JOBS, now.fraction, now.words)
            row.operator("peerfarm.cancel_send", text="", icon="X")
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
                if now.link.can_start:
                    row.operator("peerfarm.start_node", icon="PLAY")
                row.operator("peerfarm.cancel_send", text="OK")
            return
        row = layout.row()
        row.scale_y = 1.6
        row.operator("peerfarm.send", icon="EXPORT")
        if now.words:
            drawing.text(layout, now.words, width, "CHECKMARK" if now.words.startswith("Sent") else "INFO")
        _draw_findings(layout, now, width)


def _end_of(path: str) -> str:
    """The last folder and the name: what a narrow panel has room for."""
    return "/".join(path.replace("\\", "/").rstrip("/").split("/")[-2:])


def _draw_findings(layout: Any, now: Session, width: int) -> None:
    for finding in now.findings:
        drawing.text(layout, finding.sentence, width, _ICONS[finding.severity])
        if finding.what_to_do:
            row = layout.row()
            row.active = False
            drawing.text(row, finding.what_to_do, width, "BLANK1")


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
            _draw_ticks(layout, [thing for thing in scene.objects if thing.type == "CAMERA"], "OUTLINER_OB_CAMERA")
        layout.prop(wishes, "view_layers")
        if wishes.view_layers == "CHOSEN":
            _draw_ticks(layout, list(scene.view_layers), "RENDERLAYERS")
        column = layout.column()
        column.prop(wishes, "priority")
        column.prop(wishes, "pool")
        column.prop(wishes, "any_version")


def _draw_ticks(layout: Any, things: list[Any], icon: str) -> None:
    box = layout.box().column(align=True)
    box.use_property_split = False
    for thing in things[:MOST_CHOICES]:
        box.prop(thing, "peerfarm_render", text=thing.name, icon=icon)
    if len(things) > MOST_CHOICES:
        box.label(text=f"and {len(things) - MOST_CHOICES} more, which scripts can tick (peerfarm_render)")
    if not things:
        box.label(text="There is none in this scene.")


CLASSES = (PEERFARM_PT_send, PEERFARM_PT_choices)
