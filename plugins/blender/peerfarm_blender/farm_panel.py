# SPDX-License-Identifier: GPL-3.0-or-later
"""Below the button: the machines of the farm, and my jobs. Drawn from the board's last view alone."""

from __future__ import annotations

from typing import Any

import bpy

from . import drawing
from .panel import OutputPanel
from .session import SHOWN_AT_FIRST, Session
from .state import picture_of, session

MOST_NODES = 10
LOG_LINES = 12
PICTURE_WIDTH = 0.2
"""Of a job's frame, as a share of the panel."""
_NODE_ICONS = {"live": "CHECKMARK", "suspect": "QUESTION", "dead": "CANCEL", "left": "REMOVE"}
_JOB_ICONS = {
    "ready": "TIME",
    "active": "RENDER_ANIMATION",
    "paused": "PAUSE",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "CANCEL",
    "blocked": "TIME",
}


class FarmPanel(OutputPanel):
    """Below the main one, once there is a farm to show."""

    bl_parent_id = "PEERFARM_PT_send"

    @classmethod
    def poll(cls, _: Any) -> bool:
        """Without a farm the main panel says why."""
        return session().is_linked


class PEERFARM_PT_jobs(FarmPanel, bpy.types.Panel):
    """My jobs, newest first."""

    bl_label = "My Jobs"
    bl_idname = "PEERFARM_PT_jobs"

    def draw(self, context: Any) -> None:
        """A box for each job."""
        layout, now = self.layout, session()
        view, width = now.board.view, drawing.letters_in(context)
        if now.board.notice:
            drawing.text(layout, now.board.notice, width, "INFO")
        for alarm in view.alarms[:3]:
            drawing.text(layout, alarm, width, "ERROR")
        for row, job in enumerate(view.jobs[: now.shown_jobs]):
            _draw_job(layout.box(), context, now, row, job, width)
        if not view.jobs:
            layout.label(text="None yet: press Send to peerfarm.", icon="INFO")
        hidden = max(0, len(view.jobs) - now.shown_jobs)
        if hidden or now.shown_jobs > SHOWN_AT_FIRST:
            words = f"Show {hidden} More" if hidden else "Show Fewer"
            layout.operator("peerfarm.more_jobs", text=words, icon="TRIA_DOWN" if hidden else "TRIA_UP")
        if view.more_jobs and not hidden:
            layout.label(text=f"and {view.more_jobs} older: `peerfarm jobs` lists them", icon="BLANK1")


def _draw_job(box: Any, context: Any, now: Session, row: int, job: Any, width: int) -> None:
    icon = picture_of(job.thumbnail)
    column = box
    if icon:
        line = box.split(factor=PICTURE_WIDTH)
        line.template_icon(icon_value=icon, scale=3.0)
        column = line.column()
        width = int(width * (1 - PICTURE_WIDTH))
    head = column.row()
    head.label(text=job.name, icon=_JOB_ICONS.get(job.status, "DOT"))
    _draw_buttons(head.row(align=True), now, job)
    drawing.bar(column, context, row, job.progress, job.words)
    if job.left:
        small = column.row()
        small.active = False
        small.label(text=f"{job.left} left")
    if job.error:
        drawing.text(column, job.error, width - 2, "ERROR")
    if now.log_of == job.id:
        _draw_log(box, now)


def _draw_buttons(buttons: Any, now: Session, job: Any) -> None:
    for can, action, icon in (
        (job.can_pause, "pause", "PAUSE"),
        (job.can_resume, "resume", "PLAY"),
        (job.can_retry, "retry", "FILE_REFRESH"),
        (job.can_cancel, "cancel", "X"),
    ):
        if can:
            button = buttons.operator("peerfarm.job", text="", icon=icon)
            button.job, button.action = job.id, action
    button = buttons.operator("peerfarm.show_log", text="", icon="TEXT", depress=now.log_of == job.id)
    button.job = job.id
    if job.output:
        buttons.operator("peerfarm.open", text="", icon="FILE_FOLDER").path = job.output


def _draw_log(box: Any, now: Session) -> None:
    frame = box.box()
    column = frame.column(align=True)
    column.scale_y = 0.8
    for words in now.log_lines[-LOG_LINES:]:
        column.label(text=words)
    if now.log_path:
        frame.operator("peerfarm.open", text="Open in Text Editor", icon="TEXT").path = now.log_path


class PEERFARM_PT_machines(FarmPanel, bpy.types.Panel):
    """The farm's machines and what they do."""

    bl_label = "Machines"
    bl_idname = "PEERFARM_PT_machines"

    def draw_header_preset(self, _: Any) -> None:
        """The farm's name at the right."""
        if farm := session().board.view.farm:
            self.layout.label(text=str(farm))

    def draw(self, _: Any) -> None:
        """A line for each; those that do something come first."""
        layout, view = self.layout, session().board.view
        column = layout.column(align=True)
        for node in view.nodes[:MOST_NODES]:
            line = column.split(factor=0.35)
            name = f"{node.name} (this)" if node.is_self else node.name
            line.label(text=name, icon=_NODE_ICONS.get(node.state, "DOT"))
            words = line.row()
            words.active = node.words != "idle"
            words.label(text=node.words)
        if len(view.nodes) > MOST_NODES:
            column.label(text=f"and {len(view.nodes) - MOST_NODES} more", icon="BLANK1")


CLASSES = (PEERFARM_PT_jobs, PEERFARM_PT_machines)
