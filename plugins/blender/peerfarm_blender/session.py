# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on is doing: its link to the node, the farm as last heard, and the submission under way.

Panels only read it; operators and the timer change it, all on Blender's main thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import bpy

from . import checks, headless
from .board import Board
from .checks import Finding
from .client import NOT_RUNNING, REFUSED, Fault, Link
from .draft import Draft

IDLE, CHECKING, ASKING, PACKING = "idle", "checking", "asking", "packing"
DISK_LIMIT_S = 15.0
"""A disk may hang; the node looks for the scene's files anyway."""
NOTICE_S = 20.0
SHOWN_AT_FIRST = 4
JOBS = 20


class Session:
    """One for each Blender, while the add-on is on."""

    def __init__(self) -> None:
        self.link = Link(headless.application(), headless.VERSION)
        self.board = Board(self.link, limit=JOBS)
        self.phase = IDLE
        self.findings: Sequence[Finding] = ()
        self.is_told = False
        """Whether what becomes of the submission is told over the window: it was not sent from the panel."""
        self.words = ""
        """How far the submission is, or what became of the last one."""
        self.fraction = 0.0
        self.shown_jobs = SHOWN_AT_FIRST
        self.log_of = ""
        """The job whose log is shown; empty for none."""
        self.log_lines: list[str] = []
        self.log_path = ""
        self.has_changed = True
        """Whether the panel shows something old."""
        self._is_open = False
        self._drawn = (0, "")
        """Revision of the view, and the notice, that were drawn last."""
        self._noticed_s = 0.0
        self._draft: Draft | None = None
        self._allowed: frozenset[str] = frozenset()
        self._is_sure = False
        """Whether every question is answered with yes."""
        self.is_cancelled = False
        """Whether the node was told to stop packing, and has not answered yet."""
        self._nodes: list[dict[str, Any]] | None = None
        self._missing: list[str] | None = None
        self._begun_s = 0.0

    # The link

    def open(self) -> None:
        """Begin to talk with the node; returns at once."""
        if not self._is_open:
            self._is_open = True
            self.link.open()

    def close(self) -> None:
        """Stop talking; a submission under way is given up by the node."""
        if self._draft is not None:
            self._draft.drop()
        if self._is_open:
            self.link.close()
        self.board.close()

    def tick(self, now_s: float, *, is_seen: bool) -> bool:
        """Take in what the node said; True when the panel should be drawn anew.

        Args:
            is_seen: Whether the panel is on the screen; unseen, the farm is not asked for anything.
        """
        if is_seen:
            self.board.tick(now_s)
        else:
            self.link.drain()
        if self.phase == CHECKING:
            self._check(now_s)
        self._fade(now_s)
        former, self._drawn = self._drawn, (self.board.view.revision, self.board.notice)
        has_changed, self.has_changed = self.has_changed or former != self._drawn, False
        return has_changed

    def _fade(self, now_s: float) -> None:
        """Put away what the last click came to, once it has been there to read."""
        if self.board.notice != self._drawn[1]:
            self._noticed_s = now_s
        elif now_s - self._noticed_s >= NOTICE_S:
            self.board.notice = ""

    # Sending

    def send(self, scene: Any, *, anyway: bool = False, copy: bool = False) -> str:
        """Begin to send the scene; gives a sentence for the status bar.

        Args:
            anyway: Answer every question with yes, as `send_anyway` does.
            copy: Send a copy of what is in memory, whether or not Blender knows of changes.
        """
        if self.is_busy:
            return "A scene is on its way already."
        self._end("")
        self.open()
        self._draft, self._is_sure = Draft(scene, copy=copy), anyway
        found = checks.check_scene(self._draft.settings)
        if any(finding.severity == checks.STOP for finding in found):
            return self._ask(sorted(found, key=lambda finding: finding.severity != checks.STOP))
        if self.link.state in (NOT_RUNNING, REFUSED):
            self._end("Not sent.")
            return f"Not sent. {self.link.sentence} {self.link.hint}".strip()
        self._begin_checks(self._draft.settings.named_files)
        return "Checking the scene."

    def _begin_checks(self, named_files: tuple[str, ...]) -> None:
        self.phase, self.words, self.fraction = CHECKING, "Checking the scene", 0.0
        self._nodes, self._missing, self._begun_s = None, None, time.monotonic()
        self.has_changed = True
        draft = self._draft

        def look() -> None:
            missing = checks.missing_of(named_files)
            if self._draft is draft:
                self._missing = missing

        threading.Thread(target=look, name="peerfarm-files", daemon=True).start()
        self.link.call("nodes", {}, on_answer=self._on_nodes, on_fault=self._on_fault)

    def _on_nodes(self, answer: dict[str, Any]) -> None:
        self._nodes = answer["nodes"]

    def _check(self, now_s: float) -> None:
        if self._draft is None or self._nodes is None:
            return
        if self._missing is None and now_s - self._begun_s < DISK_LIMIT_S:
            return
        found = checks.check(self._draft.settings, self._nodes, self._missing or ())
        if any(finding.severity != checks.NOTE for finding in found):
            self._ask(found)
        else:
            self.findings = found
            self._pack()

    def _ask(self, findings: Sequence[Finding]) -> str:
        is_new = self.phase == CHECKING or checks.allowances(findings) - self._allowed
        self.phase, self.findings, self.words, self.has_changed = ASKING, findings, "", True
        if self._is_sure and is_new:
            self.send_anyway()
        return findings[0].sentence

    @property
    def is_busy(self) -> bool:
        """Whether a scene is on its way."""
        return self.phase in (CHECKING, PACKING)

    @property
    def can_send_anyway(self) -> bool:
        """Whether the findings are questions only."""
        return self.phase == ASKING and all(finding.severity != checks.STOP for finding in self.findings)

    def send_anyway(self) -> None:
        """The artist says yes to what was asked; the scene is read anew, for it may have changed while she thought."""
        if not self.can_send_anyway or self._draft is None:
            return
        self._allowed |= checks.allowances(self.findings)
        former, self._draft = self._draft, self._draft.again()
        former.drop()
        if self._draft is None:
            self._end(f"Not sent: the scene {former.settings.scene_name} is gone.")
            return
        stops = [finding for finding in checks.check_scene(self._draft.settings) if finding.severity == checks.STOP]
        if stops:
            self._ask(stops)
        else:
            self.findings = ()
            self._pack()

    def _pack(self) -> None:
        assert self._draft is not None
        self.phase, self.words, self.fraction, self.has_changed = PACKING, "Looking into the scene", 0.0, True
        try:
            request = self._draft.request(self._allowed)
        except Fault as fault:
            self._on_fault(fault)
            return
        allow_missing = bool(request.get("allow_missing"))
        self.board.send(request["job"], allow_missing, (), self._on_progress, self._on_done, self._on_fault)

    def _on_progress(self, words: str, share: float) -> None:
        if not self.is_cancelled:
            self.words, self.fraction, self.has_changed = words[:1].upper() + words[1:], share, True

    def _on_done(self, answer: dict[str, Any]) -> None:
        assert self._draft is not None
        self._draft.sent(answer)
        self.board.notice = ""  # told in `words`, beside the button
        name = self._draft.settings.name
        notes = [Finding(checks.NOTE, text[:1].upper() + text[1:], "") for text in answer.get("warnings", ())]
        self.findings = [*self.findings, *notes]
        frames, tasks = answer.get("frames", 0), answer.get("tasks", 0)
        late = " It was too late to stop that: cancel it in My Jobs." if self.is_cancelled else ""
        self.phase, self._draft, self.has_changed = IDLE, None, True
        self.words = f"Sent {name}: {frames} frame{'s' * (frames != 1)} in {tasks} task{'s' * (tasks != 1)}.{late}"

    def _on_fault(self, fault: Fault) -> None:
        if not self.is_busy:
            return
        self.board.notice = ""  # told beside the button, with what to do
        if self.is_cancelled:
            self._end("Not sent.")
        elif self.link.state in (NOT_RUNNING, REFUSED):
            self._end("Not sent." if self.phase == CHECKING else "Perhaps not sent: look at My Jobs later.")
        else:
            self._ask([checks.refused(fault.sentence, fault.hint)])
            if not self.can_send_anyway and self._draft is not None:
                self._draft.drop()

    def cancel(self) -> None:
        """Give the submission up, or put the findings away."""
        if self.phase == PACKING:
            self.is_cancelled, self.words, self.has_changed = True, "Stopping", True
            self.board.cancel_send()  # the node's answer ends it
        else:
            self._end("Not sent." if self.phase == CHECKING else "")

    def file_opened(self) -> None:
        """Another file is open: what was asked about the former one is of no use; what is being packed goes on."""
        if self.phase in (CHECKING, ASKING):
            self._end("Not sent: another file was opened meanwhile.")

    def _end(self, words: str) -> None:
        if self._draft is not None:
            self._draft.drop()
        self.phase, self.findings, self.words, self.fraction = IDLE, (), words, 0.0
        self._draft, self._allowed, self.is_cancelled, self.has_changed = None, frozenset(), False, True

    # What is shown

    def show_log(self, job: str) -> None:
        """Show the end of a job's log, or put it away."""
        self.has_changed = True
        if self.log_of == job:
            self.log_of = ""
            return
        self.log_of, self.log_lines, self.log_path = job, ["…"], ""

        def on_text(text: str) -> None:
            if self.log_of == job:
                self.log_lines = [line for line in text.splitlines() if line.strip()] or ["nothing yet"]
                self.log_path = _written(job, text)
                self.has_changed = True

        self.board.log_text(job, on_text)

    @property
    def is_linked(self) -> bool:
        """Whether the node answers and belongs to a farm."""
        return bool(self.board.view.farm)

    def fraction_of(self, row: int) -> float:
        """How far the job in a row of the panel is, 0 to 1; the row after the last stands for the submission."""
        if row == JOBS:
            return self.fraction
        jobs = self.board.view.jobs
        return float(jobs[row].progress) if row < len(jobs) else 0.0


def _written(job: str, text: str) -> str:
    """The log as a file that a text editor can open, in Blender's own folder; empty when there is no room for it."""
    path = os.path.join(bpy.app.tempdir, f"peerfarm-{job}.log")
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        return ""
    return path
