"""One run of a task, from the checks before the start to verified frames; every ending becomes one event."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

from peerfarm.apps.base import App, Command, Places
from peerfarm.model.job import FilesMode
from peerfarm.model.pathmap import PathMap
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    Capability,
    FailReason,
    FrameFile,
    RenderTask,
)
from peerfarm.runner import header
from peerfarm.runner.attemptlog import AttemptLog
from peerfarm.runner.brought import CHECKOUT, check_out, keep_frames, lay_out_inputs, mapped_params, prepare_frames
from peerfarm.runner.failures import AttemptError, Stopped, explain
from peerfarm.runner.files import Errand, FilesLacking, FilesStopped
from peerfarm.runner.frames import FramesPlace, free_bytes, prepare, verify
from peerfarm.runner.header import Ending
from peerfarm.runner.inputs import lay_out
from peerfarm.runner.paths import check_path, is_label, name_fault
from peerfarm.runner.previews import keep_picture
from peerfarm.runner.process import Process
from peerfarm.runner.rewrite import rewrite_scenes
from peerfarm.runner.sharedpaths import paths_here, task_here
from peerfarm.runner.watch import Order, Watch
from peerfarm.runner.workplace import FRAMES_NOTE, LOG_NAME, Workplace, make_empty

_FULL_BYTES = 1024 * 1024
"""A disk with less room is full."""
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "not enough space on the disk")


class Attempt:
    """Runs in a slot's thread; `stop` may come from any other."""

    def __init__(self, place: Workplace, work: Path, app: App, task: RenderTask, capability: Capability) -> None:
        self._place = place
        self._work = work
        self._app = app
        self._task = task
        self._capability = capability
        self._directory = place.attempts / task.attempt
        self._log = AttemptLog(self._directory / LOG_NAME, place.settings.log_limit_mb * 1024 * 1024)
        self._head: list[str] = []
        self._lock = threading.Lock()
        self._order = Order(place.settings.notice_s)
        self._process: Process | None = None
        self._watch: Watch | None = None
        self._frames: FramesPlace | None = None
        self._exit_code: int | None = None
        self._has_started = False
        self._wall_s = 0.0
        self._survivors = 0

    def stop(self, notice_s: float | None = None) -> None:
        """Ask the attempt to end, and kill it when the notice period has passed.

        Args:
            notice_s: A shorter notice period than the settings'.
        """
        with self._lock:
            self._order.is_given = True
            if notice_s is not None:
                self._order.notice_s = min(self._order.notice_s, notice_s)
            if self._process is not None:
                self._process.stream.wake()

    def run(self) -> Ending:
        """Run it all and say how it ended; never raises."""
        ending: Ending
        try:
            ending = AttemptRendered(self._task.attempt, self._render(), self._wall_s)
        except Stopped:
            ending = AttemptStopped(self._task.attempt)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong becomes an event, never a dead slot
            ending = self._failed(error)
        try:
            self._put_away(ending)
        except OSError as error:
            if isinstance(ending, AttemptRendered):
                ending = self._failed(error)
        return ending

    def _failed(self, error: Exception) -> AttemptFailed:
        reason, message = explain(error)
        last_lines = tuple(self._watch.last_lines) if self._watch else ()
        is_doubtful = reason in {FailReason.APP_FAILED, FailReason.OUTPUT_MISSING} and self._has_started
        if is_doubtful and (where := self._full_disk(last_lines)):
            reason, message = FailReason.DISK_FULL, f"the disk is full: {where} has no room left. {message}"
        lost, lacking = (error.inputs, error.lacking) if isinstance(error, FilesLacking) else ((), ())
        return AttemptFailed(
            self._task.attempt, reason, message, self._exit_code, last_lines, self._wall_s, lost, lacking
        )

    def _full_disk(self, last_lines: tuple[str, ...]) -> str:
        """Which directory has no room left; empty when there is room, as far as anybody says."""
        output = self._task.output_dir if self._frames else ""
        for directory in filter(None, (output, str(self._work))):
            free = free_bytes(directory)
            if free is not None and free < _FULL_BYTES:
                return directory
        is_told = any(words in line for line in last_lines for words in _FULL_WORDS)
        return (output or str(self._work)) if is_told else ""

    def _render(self) -> tuple[FrameFile, ...]:
        if self._order.is_given:
            raise Stopped
        if not is_label(self._task.attempt):
            raise AttemptError(FailReason.INTERNAL, f"{self._task.attempt!r} is no name of an attempt")
        self._head = header.title_lines(self._task, self._capability)
        command = self._prepare()
        reader = self._app.reader(self._task)
        watch = self._watch = Watch(self._task, reader, self._order, self._place.post, self._hear)
        environment = {**self._place.environment, **command.environment}
        process = Process(command.argv, str(self._work), environment, self._task.attempt)
        started_s = time.monotonic()
        is_orderly = False
        try:
            self._started(process, command)
            watch.follow(process, started_s, lambda: self._settle(process))
            is_orderly = True
        finally:
            self._end(process, watch, started_s, is_orderly=is_orderly)
        verdict = reader.judge(-1 if self._exit_code is None else self._exit_code)
        if fatal := watch.fatal or verdict:
            raise AttemptError(fatal.reason, fatal.message)
        return self._verify(reader.dimensions)

    def _prepare(self) -> Command:
        """Check what the task may touch, make its directories, and let the app build the command."""
        if self._task.files is FilesMode.PEERS:
            return self._prepare_brought()
        paths = paths_here(self._place.settings)
        task, roots = task_here(self._task, self._app, paths), self._place.settings.roots
        for path in self._app.paths(task.params):
            check_path(path, roots, task.worker_name)
        scene = task.params.get("scene")
        if isinstance(scene, str) and not Path(scene).exists():
            message = f"{task.worker_name or 'this node'} sees no scene file {scene}"
            raise AttemptError(FailReason.APP_FAILED, message, "Put it where all workers see it at the same path.")
        if task.output_dir:
            self._frames = prepare(task, roots)
            self._directory.mkdir(mode=0o700, exist_ok=True)
            note = {"job": task.job, "frames": str(self._frames.path)}
            (self._directory / FRAMES_NOTE).write_text(json.dumps(note), "utf-8")
        inputs = lay_out(task, self._work, roots) if task.inputs else ""
        return self._build(task, inputs, paths)

    def _prepare_brought(self) -> Command:
        """Bring the job's files, and what earlier steps rendered, below this node's own folders."""
        task, files = self._task, self._place.files
        if files is None:
            raise AttemptError(FailReason.INTERNAL, "this node has no store for files of jobs")
        errand = Errand(lambda: self._order.is_given, self._say)
        try:
            paths = check_out(task, self._work, files, errand)
            rewrite_scenes(self._app, self._work / CHECKOUT, paths, errand)
            params = mapped_params(self._app, task.params, paths, task.worker_name, self._place.settings.roots)
            inputs = lay_out_inputs(task, self._work, files, errand)
        except FilesStopped:
            raise Stopped from None
        if task.output_pattern:
            self._frames = prepare_frames(self._directory)
        return self._build(replace(task, params=params), inputs, paths)

    def _say(self, words: str) -> None:
        self._place.post(AttemptProgressed(self._task.attempt, 0.0, None, words))

    def _build(self, task: RenderTask, inputs: str, paths: PathMap) -> Command:
        frames = str(self._frames.path) if self._frames else ""
        command = self._app.build(self._capability, task, Places(str(self._work), frames, inputs, paths))
        for name, text in command.files.items():
            if fault := name_fault(name):
                raise AttemptError(FailReason.INTERNAL, f"the app {task.app} wants a file {name!r}, which {fault}")
            (self._work / name).write_text(text, "utf-8")
        return command

    def _started(self, process: Process, command: Command) -> None:
        task, place = self._task, self._place
        wall_ms = time.time_ns() // 1_000_000
        self._has_started = True
        with self._lock:
            self._process = process
        place.starts.started(task, process.pid, wall_ms, time.monotonic_ns())
        self._head += header.start_lines(
            command.argv, str(self._work), command.environment, place.dropped, process.pid, wall_ms, task.attempt
        )
        place.post(AttemptStarted(task.attempt, process.pid))

    def _settle(self, process: Process) -> None:
        """The process has lived a moment: from now on its log is on disk and its birth is known."""
        self._place.starts.settled(self._task.attempt, process.pid, process.tree.settle(self._place.settings.nice))
        self._hear([])
        self._log.flush()

    def _hear(self, lines: list[str]) -> None:
        for line in (*self._head, *lines):
            self._log.add(line)
        self._head = []
        if self._log.is_open:
            self._log.flush()

    def _end(self, process: Process, watch: Watch, started_s: float, *, is_orderly: bool) -> None:
        """End whatever still runs, hear the last words, collect the process."""
        try:
            self._survivors = process.end_family(is_orderly=is_orderly)
            self._wall_s = time.monotonic() - started_s
            watch.finish(process)
        finally:
            with self._lock:
                self._process = None
            self._exit_code = process.finish()

    def _verify(self, dimensions: tuple[int, int]) -> tuple[FrameFile, ...]:
        expected = self._app.expected(self._task)
        if not expected:
            return ()
        if self._frames is None:
            raise AttemptError(FailReason.INTERNAL, f"the app {self._task.app} expects frames, but has no output")
        frames = verify(self._frames, expected, dimensions)
        if self._task.files is FilesMode.PEERS and self._place.files is not None:
            return keep_frames(self._task, self._frames, frames, self._place.files)
        return frames

    def _put_away(self, ending: Ending) -> None:
        """Close the log, and leave nothing behind but verified frames.

        Raises:
            OSError: The disk refuses the line that says that the process ended.
        """
        label = self._task.attempt
        is_kept = isinstance(ending, AttemptRendered) and self._task.files is FilesMode.SHARED
        if self._frames is not None and not is_kept:
            shutil.rmtree(self._frames.path, ignore_errors=True)
        if self._has_started:
            if isinstance(ending, AttemptRendered) and self._frames is not None:
                keep_picture(self._work, self._directory)
            make_empty(self._work)
        process_end = (self._exit_code, self._wall_s) if self._has_started else None
        footer = header.footer(ending, process_end, self._survivors)
        if self._head and isinstance(ending, AttemptRendered) and self._frames is None:
            self._place.quiet_logs.add(label, "\n".join([*self._head, footer]))
        elif is_label(label):
            self._hear([])
            self._log.close(footer)
        if self._has_started:
            self._place.starts.ended(label, self._exit_code, header.outcome_word(ending))
