"""The worker's side: idle slots ask for leases, attempts run, results are recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from peerfarm.errors import RequestRefused
from peerfarm.model.frames import task_frames
from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label, parse_attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    RenderTask,
    RunnerEvent,
)
from peerfarm.node.core import Core
from peerfarm.node.dispatch import AGAIN_MS, Ask, Dispatch
from peerfarm.node.effects import StartRender
from peerfarm.node.fitness import unfit_reason
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.presence import Presence
from peerfarm.node.slots import UNKNOWN_RENDER_S, Asked, Attempt, Slot
from peerfarm.policy.eligible import left_off
from peerfarm.policy.inputs import inputs_of
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import LeaseAsk, LeaseRefused, LeaseWithdrawn, RunningAttempt
from peerfarm.state.actions import Action, MemberRemoved, TaskFailed, TaskLeased, TaskRendered, TaskReturned
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import cancelled_bits, failures_by_worker, is_open, register, spec_of

ASK_LIMIT_S = 5.0
"""An unanswered ask is withdrawn after this and asked anew."""
MAX_LINES = 20


@dataclass(slots=True)
class _Patience:
    until_s: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Work:
    """This node as a worker."""

    core: Core
    presence: Presence
    dispatch: Dispatch
    index: JobIndex
    slots: list[Slot] = field(default_factory=list)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    _request: int = 0
    _patience: dict[JobId, _Patience] = field(default_factory=dict)
    _own_leases: list[tuple[ActionId, TaskLeased]] = field(default_factory=list)
    _touched: dict[JobId, None] = field(default_factory=dict)
    _deferred: list[RunnerEvent] = field(default_factory=list)
    """How attempts ended while the disk refused; recorded when it accepts again."""
    is_idle_stale: bool = True
    _is_removed: bool = False
    _is_replaced: bool = False
    """The farm was joined with a snapshot, whose leases nobody was told of one by one."""

    def __post_init__(self) -> None:
        settings = self.core.settings
        count = settings.slots if settings.is_rendering else 0
        self.slots = [Slot(number) for number in range(count)]
        self.core.observers.append(self._on_action)
        self.core.refreshers.append(self._on_replaced)
        self.presence.on_gone.append(self._on_gone)
        self.presence.on_alive.append(lambda _node: self.wake())

    def running(self) -> tuple[RunningAttempt, ...]:
        """For the heartbeat: every attempt held, also those leased ahead."""
        return tuple((a.lease, a.thousandths, a.frame) for a in self.attempts.values())

    def wake(self) -> None:
        """Something changed that may give idle slots work."""
        self.is_idle_stale = True

    # What happened to the state

    def _on_action(self, action: Action, _before: Farm) -> None:
        body = action.body
        if isinstance(body, TaskLeased) and body.worker == self.core.node:
            self._own_leases.append((action.id, body))
        if isinstance(body, MemberRemoved) and body.node == self.core.node:
            self.core.alarm("this node was removed from the farm: it takes no more work and no jobs")
            self._is_removed = True
        job = getattr(body, "job", None)
        if job is not None:
            self._touched[job] = None
            patience = self._patience.get(job)
            if patience is not None and patience.reason != "left-off":
                del self._patience[job]
        self.is_idle_stale = True

    def _on_replaced(self) -> None:
        self._is_replaced = True
        self._touched.update((attempt.job, None) for attempt in self.attempts.values())
        self.is_idle_stale = True

    def find_own_leases(self) -> None:
        """At start or in a snapshot: leases of a former start of this node are still open; they are given back."""
        for leases in self.dispatch.open.values():
            for entry in leases.values():
                if entry.worker == self.core.node and attempt_label(entry.lease) not in self.attempts:
                    body = TaskLeased(entry.job, entry.step, entry.task, entry.generation, entry.number, *entry[6:])
                    self._own_leases.append((entry.lease, body))

    def settle(self) -> None:
        """After the inputs of a turn: take granted leases, stop what is pointless, ask for more."""
        if self.core.disk_error:
            return
        for _ in range(64):
            self.index.freshen()
            if self._is_removed:
                self._is_removed = False
                self.stop_all("removed")
            if self._is_replaced:
                self._is_replaced = False
                self.find_own_leases()
            leases, self._own_leases = self._own_leases, []
            for lease, body in leases:
                self._take_lease(lease, body)
            touched, self._touched = self._touched, {}
            if touched and self.attempts:
                self._stop_pointless(touched)
            if self.is_idle_stale:
                self.is_idle_stale = False
                self._seek()
            if not (self._own_leases or self._touched or self.is_idle_stale):
                return

    def _take_lease(self, lease: ActionId, body: TaskLeased) -> None:
        if not self._is_open(lease, body):
            self._unawait(body)
            return
        slot = next((s for s in self.slots if s.awaits(body)), None)
        if slot is None or body.boot != self.core.identity.boot or self.core.is_stopping:
            self._unawait(body)
            self._return(lease, body.job, body.step, body.task, "not-awaited")
            return
        slot.withdraw(body.request)
        attempt = Attempt(lease, body.job, body.step, body.task, body.generation, slot.number)
        self.attempts[attempt_label(lease)] = attempt
        if slot.current is None:
            self._start(slot, attempt)
        else:
            slot.ahead.append(attempt)
        self.is_idle_stale = True

    def _unawait(self, body: TaskLeased) -> None:
        if body.boot == self.core.identity.boot:
            for slot in self.slots:
                if slot.withdraw(body.request) is not None:
                    self.is_idle_stale = True

    def _is_open(self, lease: ActionId, body: TaskLeased) -> bool:
        state = get_job(self.core.farm, body.job)
        step = state.steps.get(body.step, EMPTY_STEP) if state is not None else EMPTY_STEP
        return any(a[0] == lease and is_open(a) for a in get_record(step, body.task))

    def _return(self, lease: ActionId, job: JobId, step: int, task: int, reason: str) -> None:
        self.core.record(TaskReturned(job, step, task, lease, reason))

    # Starting and stopping

    def _start(self, slot: Slot, attempt: Attempt) -> None:
        slot.current = attempt
        state = get_job(self.core.farm, attempt.job)
        spec = spec_of(state) if state is not None else None
        if spec is None or attempt.step >= len(spec.steps):
            self._end(attempt)
            self._return(attempt.lease, attempt.job, attempt.step, attempt.task, "unknown-job")
            return
        attempt.is_started = True
        attempt.started_s = self.core.mono_s
        self.core.effects.must_sync = True  # no start before its lease is in the own store
        assert state is not None
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
        )

    def _stop_pointless(self, jobs: dict[JobId, None]) -> None:
        for attempt in list(self.attempts.values()):
            if attempt.job in jobs and not attempt.is_stopping:
                reason = self._pointless(attempt)
                if reason:
                    self.stop(attempt, reason)

    def _pointless(self, attempt: Attempt) -> str:
        state = get_job(self.core.farm, attempt.job)
        if state is None or state.submitted is None:
            return "job-gone"
        step = state.steps.get(attempt.step, EMPTY_STEP)
        if generation_of(step, attempt.task) > attempt.generation:
            return "retried"
        if step.done >> attempt.task & 1:
            return "done-elsewhere"
        if cancelled_bits(step) >> attempt.task & 1:
            return "cancelled"
        if not attempt.is_started and not any(
            a[0] == attempt.lease and is_open(a) for a in get_record(step, attempt.task)
        ):
            return "requeued"
        return ""

    def stop(self, attempt: Attempt, reason: str) -> None:
        """End an attempt without a result: the lease is given back when its process has ended."""
        attempt.is_stopping = reason
        if attempt.is_started:
            self.core.effects.stops.append(attempt_label(attempt.lease))
        else:
            self._end(attempt)
            self._return(attempt.lease, attempt.job, attempt.step, attempt.task, reason)

    def _end(self, attempt: Attempt) -> None:
        self.attempts.pop(attempt_label(attempt.lease), None)
        slot = self.slots[attempt.slot]
        if attempt in slot.ahead:
            slot.ahead.remove(attempt)
        if slot.current is attempt:
            slot.current = None
            if slot.ahead:
                self._start(slot, slot.ahead.pop(0))
        self.is_idle_stale = True

    def on_runner(self, event: RunnerEvent) -> None:
        """The runner said something of an attempt."""
        attempt = self.attempts.get(event.attempt)
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
            attempt.frame = event.frame or 0
            attempt.text = event.text
        elif isinstance(event, AttemptRendered):
            self._rendered(attempt, event)
        elif isinstance(event, AttemptFailed):
            self._failed(attempt, event)
        elif isinstance(event, AttemptStopped):
            self._end(attempt)
            self._return(attempt.lease, attempt.job, attempt.step, attempt.task, attempt.is_stopping or "stopped")

    def disk_recovered(self, dropped: tuple[str, ...]) -> None:
        """Give back what was never started, and record what ended meanwhile."""
        for label in dropped:
            attempt = self.attempts.get(label)
            if attempt is not None:
                self._end(attempt)
                self._return(attempt.lease, attempt.job, attempt.step, attempt.task, "disk-refused")
        deferred, self._deferred = self._deferred, []
        for event in deferred:
            self.on_runner(event)
        self.wake()

    def _rendered(self, attempt: Attempt, event: AttemptRendered) -> None:
        self.slots[attempt.slot].last_render_s = event.render_s
        frames = tuple((frame.name, frame.size_bytes, frame.sha256) for frame in event.frames)
        self._end(attempt)
        self.core.record(
            TaskRendered(attempt.job, attempt.step, attempt.task, attempt.lease, frames, int(event.render_s * 1000))
        )

    def _failed(self, attempt: Attempt, event: AttemptFailed) -> None:
        self.slots[attempt.slot].last_render_s = UNKNOWN_RENDER_S
        self._end(attempt)
        if attempt.is_stopping:
            self._return(attempt.lease, attempt.job, attempt.step, attempt.task, attempt.is_stopping)
            return
        lines = tuple(line[:1000] for line in event.last_lines[-MAX_LINES:])
        self.core.record(
            TaskFailed(
                attempt.job,
                attempt.step,
                attempt.task,
                attempt.lease,
                str(event.reason),
                event.exit_code,
                event.message[:2000],
                lines,
                int(event.render_s * 1000),
            )
        )

    # Asking

    def _seek(self) -> None:
        if self.core.is_stopping or self.core.farm_id is None:
            return
        if not self.core.is_member:
            return
        asking: dict[JobId, int] = {}
        for slot in self.slots:
            for asked in slot.asks:
                asking[asked.ask.job] = asking.get(asked.ask.job, 0) + 1
        for slot in self.slots:
            for _ in range(slot.wanted()):
                job = self._choose_job(asking)
                if job is None:
                    return
                asking[job] = asking.get(job, 0) + 1
                self._ask(slot, job)

    def _choose_job(self, asking: dict[JobId, int]) -> JobId | None:
        mine = self.presence.worker(self.core.node)
        if mine is None:
            return None
        for job in self.index.queue:
            patience = self._patience.get(job)
            if patience is not None and self.core.mono_s < patience.until_s:
                continue
            ready = self.index.queue.ready_of(job)
            if sum(bits.bit_count() for bits in ready) <= asking.get(job, 0):
                continue
            state = get_job(self.core.farm, job)
            spec = spec_of(state) if state is not None else None
            if state is None or spec is None:
                continue
            pool = register(state, "pool")
            if not any(bits and not unfit_reason(mine, spec, spec.steps[n], pool) for n, bits in enumerate(ready)):
                continue
            if self._is_left_off(state, spec):
                continue
            dispatcher = self.dispatch.dispatcher_of(job)
            if dispatcher == self.core.node or self._can_reach(dispatcher):
                return job
        return None

    def _is_left_off(self, state: JobState, spec: JobSpec) -> bool:
        failures = failures_by_worker(state)
        return bool(failures) and self.core.node in left_off(failures, self.dispatch.able_workers(state, spec))

    def _can_reach(self, dispatcher: NodeId | None) -> bool:
        peer = self.presence.peers.get(dispatcher) if dispatcher is not None else None
        return peer is not None and peer.has_greeted and peer.state is PeerState.LIVE

    def _ask(self, slot: Slot, job: JobId) -> None:
        dispatcher = self.dispatch.dispatcher_of(job)
        if dispatcher is None:
            return
        self._request += 1
        ask = Ask(self.core.node, self.core.identity.boot, self._request, job)
        slot.asks.append(Asked(ask, dispatcher, self.core.mono_s))
        if dispatcher == self.core.node:
            reason = self.dispatch.take(ask)
            if reason:
                self._refused(slot, ask.request, reason, AGAIN_MS)
        else:
            self.core.send(dispatcher, LeaseAsk(ask.boot, ask.request, job))

    def on_refused(self, message: LeaseRefused) -> None:
        """A dispatcher said no."""
        for slot in self.slots:
            self._refused(slot, message.request, message.reason, message.again_ms)

    def own_ask_refused(self, ask: Ask) -> None:
        """An ask parked at this very node was refused."""
        for slot in self.slots:
            self._refused(slot, ask.request, "parked", AGAIN_MS)

    def _refused(self, slot: Slot, request: int, reason: str, again_ms: int) -> None:
        asked = slot.withdraw(request)
        if asked is not None:
            self._patience[asked.ask.job] = _Patience(self.core.mono_s + again_ms / 1000, reason)
            self.is_idle_stale = True

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        for slot in self.slots:
            slot.asks = [asked for asked in slot.asks if asked.node != node]
        self.is_idle_stale = True

    def tick(self) -> None:
        """Withdraw what nobody answered; look again at jobs that were refused a while ago."""
        for slot in self.slots:
            if slot.holds_too_long(self.core.mono_s) and not self.core.disk_error:
                slot.last_render_s = UNKNOWN_RENDER_S
                for attempt in list(slot.ahead):
                    self.stop(attempt, "held-too-long")
        for slot in self.slots:
            for asked in list(slot.asks):
                ask = asked.ask
                if self.core.mono_s - asked.since_s < ASK_LIMIT_S:
                    continue
                if asked.node != self.core.node:
                    self.core.send(asked.node, LeaseWithdrawn(ask.boot, ask.request))
                    self._refused(slot, ask.request, "silent", AGAIN_MS)
                elif self.dispatch.dispatcher_of(ask.job) != self.core.node:
                    slot.withdraw(ask.request)
                    self.is_idle_stale = True
        ripe = [job for job, patience in self._patience.items() if self.core.mono_s >= patience.until_s]
        for job in ripe:
            del self._patience[job]
        if ripe or any(slot.current is None and not slot.asks for slot in self.slots):
            self.is_idle_stale = True

    def stop_all(self, reason: str) -> None:
        """End every attempt: the node stops."""
        for attempt in list(self.attempts.values()):
            if not attempt.is_stopping:
                try:
                    self.stop(attempt, reason)
                except RequestRefused:
                    self._end(attempt)

    def find(self, label: str) -> Attempt | None:
        """A running attempt by its name."""
        return self.attempts.get(label) if parse_attempt_label(label) is not None else None
