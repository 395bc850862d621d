"""Following one process: its lines to the app's reader and the log, its limits, and the order to end."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from peerfarm.apps.base import Fatal, LineReader, Progress
from peerfarm.model.render import AttemptProgressed, RenderTask, RunnerEvent
from peerfarm.runner.failures import AttemptError, Stopped
from peerfarm.runner.limits import Limits, Throttle
from peerfarm.runner.lines import LineSplitter
from peerfarm.runner.process import Process

SETTLED_S = 0.1
"""A process that has lived so long is worth a log file of its own and a note of its birth."""
_GRACE_S = 0.25
"""How long others may hold the output after the first process ended by itself: a pipe to `tee` has to run dry."""
_LAST_LINES = 12
_LAST_LINE_CHARACTERS = 400


class Order:
    """The node's order to end, seen by the thread that follows the process."""

    def __init__(self, notice_s: float) -> None:
        self.notice_s = notice_s
        """Between asking and killing."""
        self.is_given = False


class Watch:
    """Reads one process to its end."""

    def __init__(
        self,
        task: RenderTask,
        reader: LineReader,
        order: Order,
        post: Callable[[RunnerEvent], None],
        note: Callable[[list[str]], None],
    ) -> None:
        """Prepare.

        Args:
            post: Gets progress, a few times a second.
            note: Gets every line, for the log.
        """
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.fatal: Fatal | None = None
        """The first line that meant failure, or the one that demanded a stop."""
        self._task = task
        self._reader = reader
        self._order = order
        self._post = post
        self._note = note
        self._splitter = LineSplitter()
        self._throttle = Throttle()

    def follow(self, process: Process, started_s: float, settle: Callable[[], None]) -> None:
        """Read until the process is over; when it has to be ended before, ask, and return when the notice is over.

        Args:
            started_s: Monotonic.
            settle: Called once, when the process has lived for a moment.

        Raises:
            Stopped: The node's order.
            AttemptError: A limit passed, or the app's reader demanded a stop.
        """
        stream = process.stream
        limits = Limits(started_s, self._task.time_limit_s, self._task.stall_limit_s)
        ending: Exception | None = None
        settle_s, asked_s, leave_s = started_s + SETTLED_S, math.inf, math.inf
        while True:
            now_s = time.monotonic()
            if ending is None and (ending := self._reason_to_end(limits, now_s)):
                process.tree.ask()
                asked_s = now_s
            kill_s = asked_s + self._order.notice_s
            if stream.has_ended and leave_s == math.inf:
                leave_s = now_s if stream.is_silent else now_s + _GRACE_S
            if now_s >= min(kill_s, leave_s) or (stream.has_ended and stream.is_silent):
                break
            if now_s >= settle_s:
                settle_s = math.inf
                settle()
            self._tell(self._throttle.due(now_s))
            next_s = min(settle_s, kill_s, leave_s, self._throttle.next_s, math.inf if ending else limits.next_s)
            if data := stream.wait(next_s - now_s):
                limits.moved(time.monotonic())
                self._hear(self._splitter.feed(data))
        if ending is not None:
            raise ending

    def _reason_to_end(self, limits: Limits, now_s: float) -> Exception | None:
        if self._order.is_given:
            return Stopped()
        if self.fatal is not None and self.fatal.stop:
            return AttemptError(self.fatal.reason, self.fatal.message)
        return limits.overrun(now_s)

    def finish(self, process: Process) -> None:
        """After the family was ended: hear the last words, and tell the last progress."""
        give_up_s = time.monotonic() + 1.0  # of a survivor that the system does not let anybody end
        while (data := process.drain()) and time.monotonic() < give_up_s:
            self._hear(self._splitter.feed(data))
        self._hear(self._splitter.finish())
        self._tell(self._throttle.last())

    def _hear(self, lines: list[str]) -> None:
        if lines:
            self._note(lines)
        for line in lines:
            if line and not line.startswith("PEERFARM "):
                self.last_lines.append(line[:_LAST_LINE_CHARACTERS])
            for event in self._reader.feed(line):
                if isinstance(event, Progress):
                    told = AttemptProgressed(self._task.attempt, event.fraction, event.frame, event.text)
                    self._throttle.hold(told)
                elif isinstance(event, Fatal) and (self.fatal is None or event.stop > self.fatal.stop):
                    self.fatal = event

    def _tell(self, progress: AttemptProgressed | None) -> None:
        if progress is not None:
            self._post(progress)
