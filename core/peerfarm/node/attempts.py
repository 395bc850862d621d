"""The attempts that this worker holds: started, stopped, and their ends recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from peerfarm.errors import RequestRefused
from peerfarm.model.frames import task_frames
from peerfarm.model.ids import ActionId, JobId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    FailReason,
    RenderTask,
    RunnerEvent,
)
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core
from peerfarm.node.effects import StartRender
from peerfarm.node.lostinputs import LostInputs
from peerfarm.node.pins import Pins, result_key
from peerfarm.node.plaintext import plain
from peerfarm.node.scenes import root_of
from peerfarm.node.slots import UNKNOWN_RENDER_S, Attempt, Slot
from peerfarm.policy.inputs import inputs_of
from peerfarm.state.actions import TaskFailed, TaskLeased, TaskRendered, TaskReturned
from peerfarm.state.farm import EMPTY_STEP, JobState, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import cancelled_bits, is_open, spec_of

MAX_MESSAGE = 2000
MAX_LINES = 20
MISSING_TRIES = 5
"""At so many in a row, an attempt without its files is a failure; before, its lease is given back."""
FULL_ALARM = "a render failed here for want of room on the disk"
"""Stands until one succeeds."""
STORE_ALARM = "this node's own store refused a job's frames"
"""Stands until it takes some."""
MAX_LINES_BYTES = 48_000
"""Of the last lines together: with the message they must fit one action, in whatever script they are."""
MAX_TOLD_FRAME = 1 << 40
"""What a heartbeat may say; a renderer says what it likes."""


@dataclass(slots=True)
class Attempts:
    """Every attempt from its lease to its end, one after the other on each slot."""

    core: Core
    slots: list[Slot]
    on_free: Callable[[], None]
    """An attempt ended: its slot may have use for another."""
    copies: Copies
    """Takes over what was rendered for jobs whose files travel between nodes."""
    pins: Pins
    on_missing: Callable[[JobId], None]
    """Files of a job could not be fetched."""
    on_store: Callable[[bool], None]
    """The own store took an attempt's frames, or refused them."""
    lost: LostInputs = field(init=False)
    held: dict[str, Attempt] = field(default_factory=dict)
    """By name; also those leased ahead."""
    _deferred: list[RunnerEvent] = field(default_factory=list)
    """How attempts ended while the disk refused; recorded when it accepts again."""
    _missing: dict[JobId, int] = field(default_factory=dict)
    """How often in a row a job's files could not be fetched."""

    def __post_init__(self) -> None:
        self.lost = LostInputs(self.core)

    # Starting

    def take(self, lease: ActionId, body: TaskLeased, slot: Slot) -> None:
        """The slot got this lease: start it, or let it wait for the one before it."""
        attempt = Attempt(lease, body.job, body.step, body.task, body.generation, slot.number)
        self.held[attempt_label(lease)] = attempt
        if slot.current is None:
            self.start(slot, attempt)
        else:
            slot.ahead.append(attempt)

    def start(self, slot: Slot, attempt: Attempt) -> None:
        """Run an attempt on a slot that is free."""
        slot.current = attempt
        state = get_job(self.core.farm, attempt.job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None or attempt.step >= len(spec.steps):
            self._end(attempt)
            self._give_back(attempt, "unknown-job")
            return
        attempt.is_started = True
        attempt.is_travelling = spec.files is FilesMode.PEERS
        attempt.started_s = self.core.mono_s
        self.core.effects.must_sync = True  # no start before its lease is in the own store
        self.core.effects.starts.append(StartRender(slot.number, self._render_task(attempt, state, spec)))

    def _render_task(self, attempt: Attempt, state: JobState, spec: JobSpec) -> RenderTask:
        step = spec.steps[attempt.step]
        return RenderTask(
            attempt=attempt_label(attempt.lease),
            job=attempt.job,
            job_name=spec.name,
            step=attempt.step,
            step_name=step.name,
            task=attempt.task,
            app=step.app,
            params=step.params,
            frames=task_frames(step, attempt.task),
            output_dir=step.output_dir if spec.files is FilesMode.SHARED else "",
            output_pattern=step.output_pattern,
            version=step.requires.version,
            time_limit_s=step.time_limit_s,
            stall_limit_s=step.stall_limit_s,
            worker_name=self.core.settings.name,
            inputs=inputs_of(state, spec, attempt.step, attempt.task),
            files=spec.files,
            manifest=root_of(spec),
        )

    # Stopping

    def stop_pointless(self, jobs: Collection[JobId]) -> None:
        """These jobs changed: end the attempts whose result nobody wants any more."""
        for attempt in list(self.held.values()):
            if attempt.job in jobs and not attempt.is_stopping:
                reason = self.pointless(attempt)
                if reason:
                    self.stop(attempt, reason)

    def pointless(self, attempt: Attempt) -> str:
        """Why nobody wants this attempt's result any more; empty when somebody does."""
        state = get_job(self.core.farm, attempt.job)
        if state is None or state.submitted is None:
            return "job-gone"
        step = state.steps.get(attempt.step, EMPTY_STEP)
        bit = 1 << attempt.task
        if generation_of(step, attempt.task) > attempt.generation:
            return "retried"
        if step.done & bit:
            return "done-elsewhere"
        if cancelled_bits(step, bit):
            return "cancelled"
        if not attempt.is_started and not any(
            a[0] == attempt.lease and is_open(a) for a in get_record(step, attempt.task)
        ):
            return "requeued"
        return ""

    def stop_slow(self) -> None:
        """What was leased ahead behind a render that turns out long goes back, for others may be idle."""
        for slot in self.slots:
            if slot.holds_too_long(self.core.mono_s):
                slot.last_render_s = UNKNOWN_RENDER_S
                for attempt in list(slot.ahead):
                    self.stop(attempt, "held-too-long")

    def stop_all(self, reason: str) -> None:
        """End every attempt: the node stops, or is no member any more."""
        for attempt in list(self.held.values()):
            if not attempt.is_stopping:
                try:
                    self.stop(attempt, reason)
                except RequestRefused:
                    self._end(attempt)

    def stop(self, attempt: Attempt, reason: str) -> None:
        """End an attempt without a result: the lease is given back when its process has ended."""
        attempt.is_stopping = reason
        if attempt.is_started:
            self.core.effects.stops.append(attempt_label(attempt.lease))
        else:
            self._end(attempt)
            self._give_back(attempt, reason)

    def _end(self, attempt: Attempt) -> None:
        self.held.pop(attempt_label(attempt.lease), None)
        slot = self.slots[attempt.slot]
        if attempt in slot.ahead:
            slot.ahead.remove(attempt)
        if slot.current is attempt:
            slot.current = None
            if slot.ahead:
                self.start(slot, slot.ahead.pop(0))
        self.on_free()

    def give_back(self, lease: ActionId, job: JobId, step: int, task: int, reason: str) -> None:
        """Return a lease that has no result."""
        self.core.record(TaskReturned(job, step, task, lease, reason))

    def _give_back(self, attempt: Attempt, reason: str) -> None:
        self.give_back(attempt.lease, attempt.job, attempt.step, attempt.task, reason)

    def fail_useless(self, lease: ActionId, body: TaskLeased, why: str) -> None:
        """The job's files are of no use here, nor anywhere else: the task fails, so that the artist learns it."""
        reason = str(FailReason.FILES_USELESS)
        self.core.record(
            TaskFailed(body.job, body.step, body.task, lease, reason, None, plain(why, MAX_MESSAGE), (), 0)
        )

    # What the runner says

    def on_runner(self, event: RunnerEvent) -> None:
        """The runner said something of an attempt."""
        attempt = self.held.get(event.attempt)
        if attempt is None:
            return
        if self.core.disk_error and not isinstance(event, (AttemptStarted, AttemptProgressed)):
            self._deferred.append(event)
            return
        if isinstance(event, AttemptStarted):
            self.core.tell(
                "task/started", job=attempt.job, step=attempt.step, task=attempt.task, worker=self.core.settings.name
            )
        elif isinstance(event, AttemptProgressed):
            attempt.thousandths = max(attempt.thousandths, min(999, int(event.fraction * 1000)))
            attempt.frame = max(-MAX_TOLD_FRAME, min(event.frame or 0, MAX_TOLD_FRAME))
            attempt.text = event.text
        elif isinstance(event, AttemptRendered):
            self._rendered(attempt, event)
        elif isinstance(event, AttemptFailed):
            self._failed(attempt, event)
        elif isinstance(event, AttemptStopped):
            self._end(attempt)
            self._let_go(attempt)
            self._give_back(attempt, attempt.is_stopping or "stopped")

    def disk_recovered(self, dropped: tuple[str, ...]) -> None:
        """Give back what was never started, and record what ended meanwhile."""
        for label in dropped:
            attempt = self.held.get(label)
            if attempt is not None:
                self._end(attempt)
                self._give_back(attempt, "disk-refused")
        deferred, self._deferred = self._deferred, []
        for event in deferred:
            self.on_runner(event)

    def _rendered(self, attempt: Attempt, event: AttemptRendered) -> None:
        self.slots[attempt.slot].last_render_s = event.render_s
        if event.frames:
            self.core.calm(FULL_ALARM)
        frames = tuple((frame.name, frame.size_bytes, frame.sha256) for frame in event.frames)
        self._end(attempt)
        self._missing.pop(attempt.job, None)
        render_ms = int(event.render_s * 1000)
        if frames and attempt.is_travelling:
            self.core.calm(STORE_ALARM)
            self.on_store(True)
            if not self._is_gone(attempt.job):
                self.copies.hand_over(attempt, frames, render_ms)
                return
            self._let_go(attempt)
        self.core.record(TaskRendered(attempt.job, attempt.step, attempt.task, attempt.lease, frames, render_ms))

    def _may_be_back(self, job: JobId) -> bool:
        """Whether to wait for whoever holds the missing files: a machine that restarts must not cost the task a try."""
        self._missing[job] = self._missing.get(job, 0) + 1
        if self._missing[job] >= MISSING_TRIES:
            del self._missing[job]
            return False
        self.on_missing(job)
        return True

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job that is put away is forgotten."""
        if state is None or state.archived is not None or state.deleted is not None:
            self._missing.pop(job, None)
        self.lost.on_job_changed(job, state)

    def _is_gone(self, job: JobId) -> bool:
        state = get_job(self.core.farm, job)
        return state is None or spec_of(state) is None

    def _let_go(self, attempt: Attempt) -> None:
        """It gave no result that anybody wants: what it may have put into the store is not kept."""
        if attempt.is_travelling:
            self.pins.release(attempt.job, result_key(attempt.job, attempt_label(attempt.lease)))

    def _failed(self, attempt: Attempt, event: AttemptFailed) -> None:
        self.slots[attempt.slot].last_render_s = UNKNOWN_RENDER_S
        self._end(attempt)
        self._let_go(attempt)
        if attempt.is_stopping:
            self._give_back(attempt, attempt.is_stopping)
            return
        if event.reason is FailReason.FILES_MISSING and self.lost.render_again(attempt, event):
            self._give_back(attempt, "inputs-lost")
            return
        if event.reason is FailReason.FILES_MISSING and self._may_be_back(attempt.job):
            self._give_back(attempt, str(event.reason))
            return
        if event.reason is FailReason.STORE_REFUSED:
            self.core.alarm(f"{STORE_ALARM}, and takes no more such work for a while: {plain(event.message, 300)}")
            self.on_store(False)
            self._give_back(attempt, str(event.reason))
            return
        if event.reason is FailReason.DISK_FULL:
            self.core.alarm(f"{FULL_ALARM}: {plain(event.message, 200)}")
        self.core.record(
            TaskFailed(
                attempt.job,
                attempt.step,
                attempt.task,
                attempt.lease,
                str(event.reason),
                event.exit_code,
                plain(event.message, MAX_MESSAGE),
                _newest(event.last_lines),
                int(event.render_s * 1000),
            )
        )


def _newest(lines: Sequence[str]) -> tuple[str, ...]:
    """The newest lines that there is room for, oldest first."""
    kept: list[str] = []
    room_bytes = MAX_LINES_BYTES
    for line in reversed(lines[-MAX_LINES:]):
        text = plain(line, 1000)
        room_bytes -= len(text.encode())
        if room_bytes < 0:
            break
        kept.append(text)
    return tuple(reversed(kept))
