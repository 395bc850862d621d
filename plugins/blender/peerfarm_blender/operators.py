# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons and menu entries do. None of them throws: whatever is wrong is reported in a sentence."""

from __future__ import annotations

import os
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from . import headless, panel
from .client import Fault
from .session import CHECKING, JOBS, SHOWN_AT_FIRST
from .state import scroll_to_panel, session

_DONE = {"FINISHED"}
_NOT_DONE = {"CANCELLED"}
_ACTIONS = (
    ("pause", "Pause", "Start no more frames of this job; those being rendered are finished"),
    ("resume", "Resume", "Go on with this job"),
    ("cancel", "Cancel", "Stop this job; frames that are done stay"),
    ("retry", "Retry", "Render again what failed or was cancelled"),
)


def show_output_properties(context: Any) -> bool:
    """Bring the panel on the screen, in a properties editor that is there."""
    areas = [area for area in context.screen.areas if area.type == "PROPERTIES"] if context.screen else []
    for area in areas:
        space = area.spaces.active
        if space.context != "OUTPUT":
            try:
                space.context = "OUTPUT"
            except TypeError:  # the editor is pinned to something without an output
                continue
            scroll_to_panel()
        return True
    return False


class PEERFARM_OT_send(bpy.types.Operator):
    """Send this scene to the farm. Unsaved changes are sent too"""

    bl_idname = "peerfarm.send"
    bl_label = "Send to peerfarm"

    anyway: BoolProperty(
        name="Anyway", description="Send although a check asks for an answer", options={"SKIP_SAVE", "HIDDEN"}
    )
    copy: BoolProperty(
        name="Copy", description="Send what is in memory, whether or not it changed", options={"SKIP_SAVE", "HIDDEN"}
    )

    is_told: BoolProperty(
        name="Told", description="Tell over the window what becomes of it", options={"SKIP_SAVE", "HIDDEN"}
    )

    def execute(self, context: Any) -> set[str]:
        """Check the scene and send it; without a window, wait until the farm has it."""
        if bpy.app.background:
            try:
                headless.submit(anyway=self.anyway, copy=self.copy)
            except Fault as fault:
                self.report({"ERROR"}, str(fault))
                return _NOT_DONE
            return _DONE
        show_output_properties(context)
        session().is_told = self.is_told
        words = session().send(context.scene, anyway=self.anyway, copy=self.copy)
        if self.is_told and not session().is_busy:
            panel.pop_up(session())
        self.report({"INFO" if session().phase == CHECKING else "WARNING"}, words)
        return _DONE


class PEERFARM_OT_send_anyway(bpy.types.Operator):
    """Send the scene all the same"""

    bl_idname = "peerfarm.send_anyway"
    bl_label = "Send Anyway"

    def execute(self, _: Any) -> set[str]:
        """Answer the questions with yes."""
        session().send_anyway()
        return _DONE


class PEERFARM_OT_cancel_send(bpy.types.Operator):
    """Do not send the scene"""

    bl_idname = "peerfarm.cancel_send"
    bl_label = "Cancel"

    def execute(self, _: Any) -> set[str]:
        """Stop packing, or put the findings away."""
        session().cancel()
        return _DONE


class PEERFARM_OT_job(bpy.types.Operator):
    """Change a job of yours"""

    bl_idname = "peerfarm.job"
    bl_label = "Change Job"

    job: StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    action: EnumProperty(items=_ACTIONS, options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def description(cls, _: Any, properties: Any) -> str:
        """The tooltip."""
        return next(text for name, _label, text in _ACTIONS if name == properties.action)

    def invoke(self, context: Any, event: Any) -> set[str]:
        """Ask before frames are thrown away."""
        if self.action == "cancel":
            answer: set[str] = context.window_manager.invoke_confirm(self, event)
            return answer
        return self.execute(context)

    def execute(self, _: Any) -> set[str]:
        """Tell the node; the panel shows what came of it."""
        getattr(session().board, self.action)(self.job)
        return _DONE


class PEERFARM_OT_open(bpy.types.Operator):
    """Show it outside of Blender"""

    bl_idname = "peerfarm.open"
    bl_label = "Open"

    path: StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def description(cls, _: Any, properties: Any) -> str:
        """The tooltip."""
        return f"Open {properties.path}"

    def execute(self, _: Any) -> set[str]:
        """Open a folder or a file as the desktop does."""
        if not os.path.exists(self.path):
            self.report({"WARNING"}, f"There is no {self.path} yet.")
            return _NOT_DONE
        try:
            bpy.ops.wm.path_open(filepath=self.path)
        except RuntimeError as error:
            self.report({"WARNING"}, f"The desktop could not open {self.path}: {str(error).strip()}")
            return _NOT_DONE
        return _DONE


class PEERFARM_OT_show_log(bpy.types.Operator):
    """Show the end of the renderer's log, of the task that failed or rendered last"""

    bl_idname = "peerfarm.show_log"
    bl_label = "Log"

    job: StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def execute(self, _: Any) -> set[str]:
        """Ask the node for it, or put it away."""
        session().show_log(self.job)
        return _DONE


class PEERFARM_OT_more_jobs(bpy.types.Operator):
    """Show more of my jobs, or fewer"""

    bl_idname = "peerfarm.more_jobs"
    bl_label = "More Jobs"

    def execute(self, _: Any) -> set[str]:
        """Switch between the two."""
        now = session()
        now.shown_jobs = JOBS if now.shown_jobs == SHOWN_AT_FIRST else SHOWN_AT_FIRST
        now.has_changed = True
        return _DONE


class PEERFARM_OT_start_node(bpy.types.Operator):
    """Start peerfarm on this machine"""

    bl_idname = "peerfarm.start_node"
    bl_label = "Start peerfarm"

    def execute(self, _: Any) -> set[str]:
        """Start the node apart from Blender."""
        self.report({"INFO"}, session().board.start_node())
        session().has_changed = True
        return _DONE


class PEERFARM_OT_show_farm(bpy.types.Operator):
    """Show the farm and my jobs, in the Output properties"""

    bl_idname = "peerfarm.show_farm"
    bl_label = "peerfarm Status"

    def execute(self, context: Any) -> set[str]:
        """Turn a properties editor to Output."""
        if not show_output_properties(context):
            self.report({"WARNING"}, "Open a Properties editor: peerfarm is in its Output tab.")
            return _NOT_DONE
        return _DONE


CLASSES = (
    PEERFARM_OT_send,
    PEERFARM_OT_send_anyway,
    PEERFARM_OT_cancel_send,
    PEERFARM_OT_job,
    PEERFARM_OT_open,
    PEERFARM_OT_show_log,
    PEERFARM_OT_more_jobs,
    PEERFARM_OT_start_node,
    PEERFARM_OT_show_farm,
)


def draw_menu(menu: Any, _: Any) -> None:
    """The entries in the Render menu."""
    menu.layout.separator()
    menu.layout.operator(PEERFARM_OT_send.bl_idname, icon="EXPORT").is_told = True
    menu.layout.operator(PEERFARM_OT_show_farm.bl_idname, icon="COMMUNITY")
