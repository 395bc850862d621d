"""The worker's side: which leases are this node's to run, and what a turn leads to."""

from __future__ import annotations

from collections.abc import Mapping

from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label
from peerfarm.model.render import RunnerEvent
from peerfarm.node.asking import Asking
from peerfarm.node.attempts import Attempts
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core
from peerfarm.node.dispatch import Ask, Dispatch
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.presence import Presence
from peerfarm.node.scenes import Scenes
from peerfarm.node.slots import Attempt, Slot
from peerfarm.node.stuckfiles import StuckFiles
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import MAX_RUNNING, LeaseRefused, RunningAttempt
from peerfarm.state.actions import Action, MemberRemoved, TaskLeased
from peerfarm.state.farm import EMPTY_STEP, Farm, get_job, get_record
from peerfarm.state.selectors import is_open, spec_of

MAX_ROUNDS = 64
"""In one turn; what an ask or an end leads to beyond that waits for the next."""


class Work:
    """This node as a worker."""

    def __init__(
        self,
        core: Core,
        presence: Presence,
        dispatch: Dispatch,
        index: JobIndex,
        scenes: Scenes,
        copies: Copies,
        stuck: StuckFiles,
    ) -> None:
        self._core = core
        self._dispatch = dispatch
        self._index = index
        self.slots = [Slot(number) for number in range(core.settings.slots if core.settings.is_rendering else 0)]
        self._copies = copies
        self._scenes = scenes
        self._asking = Asking(core, presence, dispatch, index, self.slots, scenes, copies, stuck)
        self._attempts = Attempts(
            core,
            self.slots,
            self._asking.wake,
            copies,
            copies.pins,
            self._asking.files_missing,
            self._asking.store_answered,
        )
        index.on_changed.append(self._attempts.on_job_changed)
        scenes.on_ready = self._asking.scene_ready
        scenes.on_useless = self._asking.scene_ready
        stuck.on_heard = self._asking.peers_stuck
        copies.on_free = self._asking.wake
        self._own_leases: list[tuple[ActionId, TaskLeased]] = []
        self._touched: dict[JobId, None] = {}
        self._is_removed = False
        self._is_replaced = False
        """The farm was joined with a snapshot, whose leases nobody was told of one by one."""
        core.observers.append(self._on_action)
        core.refreshers.append(self._on_replaced)
        presence.on_gone.append(self._on_gone)
        presence.on_alive.append(lambda _node: self.wake())

    @property
    def attempts(self) -> Mapping[str, Attempt]:
        """Every attempt held, by name; also those leased ahead."""
        return self._attempts.held

    def running(self) -> tuple[RunningAttempt, ...]:
        """For the heartbeat: every attempt held, also those leased ahead, and those that wait for a second copy."""
        held = ((a.lease, a.thousandths, a.frame) for a in self.attempts.values())
        return (*held, *self._copies.running())[:MAX_RUNNING]

    def wake(self) -> None:
        """Something changed that may give idle slots work."""
        self._asking.wake()

    # What happened

    def _on_action(self, action: Action, _before: Farm) -> None:
        body = action.body
        if isinstance(body, TaskLeased) and body.worker == self._core.node:
            self._own_leases.append((action.id, body))
        if isinstance(body, MemberRemoved) and body.node == self._core.node:
            self._core.alarm("this node was removed from the farm: it takes no more work and no jobs")
            self._is_removed = True
        job = getattr(body, "job", None)
        if job is not None:
            self._touched[job] = None
            self._asking.job_acted_on(job)
        self.wake()

    def _on_replaced(self) -> None:
        self._is_replaced = True
        self._touched.update((attempt.job, None) for attempt in self.attempts.values())
        self._touched.update(dict.fromkeys(self._copies.jobs()))
        self.wake()

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        self._asking.gone(node)

    def on_refused(self, message: LeaseRefused) -> None:
        """A dispatcher said no."""
        self._asking.refused(message.request, message.reason, message.again_ms)

    def own_ask_refused(self, ask: Ask) -> None:
        """An ask parked at this very node was refused."""
        self._asking.refused(ask.request, "parked")

    def on_runner(self, event: RunnerEvent) -> None:
        """The runner said something of an attempt."""
        self._attempts.on_runner(event)

    def disk_recovered(self, dropped: tuple[str, ...]) -> None:
        """Give back what was never started, and record what ended meanwhile."""
        self._attempts.disk_recovered(dropped)
        self.wake()

    def stop_all(self, reason: str) -> None:
        """End every attempt: the node stops."""
        self._attempts.stop_all(reason)
        self._copies.drop_all(reason)

    def tick(self) -> None:
        """Look after what takes too long."""
        if not self._core.disk_error:
            self._attempts.stop_slow()
        self._asking.tick()

    # What follows

    def settle(self) -> None:
        """After the inputs of a turn: take granted leases, stop what is pointless, ask for more."""
        if self._core.disk_error:
            return
        for _ in range(MAX_ROUNDS):
            self._index.freshen()
            if self._is_removed:
                self._is_removed = False
                self.stop_all("removed")
            if self._is_replaced:
                self._is_replaced = False
                self._find_own_leases()
            leases, self._own_leases = self._own_leases, []
            for lease, body in leases:
                self._take_lease(lease, body)
            touched, self._touched = self._touched, {}
            if touched:
                self._attempts.stop_pointless(touched)
                self._copies.drop_pointless(touched, self._attempts.pointless)
            self._copies.settle()
            if self._asking.is_stale:
                self._index.freshen()  # a lease that failed at once has left its task ready again
                self._asking.seek()
            if not (self._own_leases or self._touched or self._asking.is_stale):
                return

    def _find_own_leases(self) -> None:
        """At start or in a snapshot: leases of a former start of this node are still open; they are given back."""
        for leases in self._dispatch.open.values():
            for entry in leases.values():
                if entry.worker == self._core.node and not self._is_held(attempt_label(entry.lease)):
                    body = TaskLeased(entry.job, entry.step, entry.task, entry.generation, entry.number, *entry[6:])
                    self._own_leases.append((entry.lease, body))

    def _is_held(self, attempt: str) -> bool:
        return attempt in self.attempts or self._copies.holds(attempt)

    def _take_lease(self, lease: ActionId, body: TaskLeased) -> None:
        is_of_this_start = body.boot == self._core.identity.boot
        slot = next((slot for slot in self.slots if slot.awaits(body)), None) if is_of_this_start else None
        if is_of_this_start:
            self._asking.withdraw(body.request)
        if not self._is_open(lease, body):
            return
        if slot is not None and self._scenes.is_useless(body.job) and not self._core.is_stopping:
            self._attempts.fail_useless(lease, body, self._scenes.why_useless(body.job))
            return
        if slot is None or self._core.is_stopping or not self._has_files(body.job):
            self._attempts.give_back(lease, body.job, body.step, body.task, "not-awaited")
            return
        self._attempts.take(lease, body, slot)

    def _has_files(self, job: JobId) -> bool:
        """Whether the job's files are still here: it may have been over, and begun anew, since it was asked for."""
        state = get_job(self._core.farm, job)
        spec = spec_of(state) if state is not None else None
        return spec is None or self._scenes.is_ready(job, spec)

    def _is_open(self, lease: ActionId, body: TaskLeased) -> bool:
        state = get_job(self._core.farm, body.job)
        step = state.steps.get(body.step, EMPTY_STEP) if state is not None else EMPTY_STEP
        return any(a[0] == lease and is_open(a) for a in get_record(step, body.task))
