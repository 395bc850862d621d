"""The dispatcher's side of leases: whose job it is, who asked, whether granting is safe, which task to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.fitness import unfit_reason
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.leases import OpenLeases
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.node.replication import Replication
from peerfarm.policy.dispatcher import dispatcher_of
from peerfarm.policy.eligible import left_off
from peerfarm.policy.leases import choose_task
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import About, LeaseAsk, LeaseRefused, LeaseWithdrawn
from peerfarm.state.actions import Action, JobSubmitted, MemberAdded, MemberRemoved, TaskLeased
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, Member, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import OpenLease, failures_by_worker, live_members, register, spec_of, submitter_of

AGAIN_MS = 1000
"""A refused worker asks again after this, unless an action wakes it before."""
MAX_PARKED = 4096


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's wish for a task of a job."""

    worker: NodeId
    boot: str
    request: int
    job: JobId


class Dispatch:
    """Gives out the tasks of the jobs whose dispatcher this node is."""

    def __init__(self, core: Core, presence: Presence, replication: Replication, index: JobIndex) -> None:
        self._core = core
        self._presence = presence
        self._replication = replication
        self._index = index
        self._parked: list[Ask] = []
        """Asks that wait until this node has compared with everybody."""
        self._leases = OpenLeases(core, presence)
        self._next_check_s = 0.0
        self._dispatchers: dict[JobId, NodeId | None] = {}
        self._seen: tuple[Mapping[NodeId, Member], list[tuple[NodeId, About | None]]] = ({}, [])
        """The members, and those that count as alive with what they are, when the dispatchers were worked out."""
        self.view = 0
        """Counts how often that changed: who compares it knows whether an answer about the peers may be another."""
        presence.on_gone.append(self._on_gone)
        presence.on_alive.append(self._on_alive)
        core.observers.append(self._on_action)
        core.refreshers.append(self._look_anew)

    def dispatcher_of(self, job: JobId) -> NodeId | None:
        """Who gives out this job's tasks, as this node sees it; None when nobody can."""
        if job not in self._dispatchers:
            state = get_job(self._core.farm, job)
            spec = spec_of(state) if state is not None else None
            submitter = submitter_of(state) if state is not None else None
            if spec is None or submitter is None:
                return None
            members = live_members(self._core.farm)
            candidates = [node for node in self._presence.candidates(spec.version, submitter) if node in members]
            self._dispatchers[job] = dispatcher_of(job, submitter, candidates)
        return self._dispatchers[job]

    def forget_dispatchers(self) -> None:
        """Perhaps somebody came, went or changed: if so, who dispatches what is worked out anew when it is asked."""
        members, alive = self._core.farm.members, [(peer.node, peer.about) for peer in self._presence.alive()]
        is_other = members is not self._seen[0] or alive != self._seen[1]
        self._seen = members, alive
        if is_other:
            self._look_anew()

    def _look_anew(self) -> None:
        self._dispatchers.clear()
        self.view += 1

    @property
    def open(self) -> Mapping[JobId, Mapping[ActionId, OpenLease]]:
        """The leases that nothing has ended yet, of all jobs that have some."""
        return self._leases.of_job

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """Keep the index of open leases up."""
        self._leases.on_job_changed(job, state)
        if state is None or state.submitted is None:
            self._dispatchers.pop(job, None)

    # Asking and granting

    def on_ask(self, peer: Peer, message: LeaseAsk) -> None:
        """A peer wants a task."""
        if message.boot == peer.boot:
            self.take(Ask(peer.node, message.boot, message.request, message.job))

    def on_withdrawn(self, peer: Peer, message: LeaseWithdrawn) -> None:
        """A peer no longer wants what it asked for."""
        self._parked = [ask for ask in self._parked if (ask.worker, ask.request) != (peer.node, message.request)]

    def take(self, ask: Ask) -> str:
        """Grant, park or refuse; the reason of a refusal, empty otherwise."""
        if self.dispatcher_of(ask.job) != self._core.node:
            return self._refuse(ask, "not-dispatcher")
        if not self._core.is_member:
            return self._refuse(ask, "not-a-member")
        if self._core.disk_error or self._core.is_stopping:
            return self._refuse(ask, "disk" if self._core.disk_error else "stopping")
        if self._replication.not_compared():
            if len(self._parked) >= MAX_PARKED:
                return self._refuse(ask, "busy")
            self._parked.append(ask)
            return ""
        return self._grant(ask)

    def _grant(self, ask: Ask) -> str:
        core = self._core
        state = get_job(core.farm, ask.job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None:
            return self._refuse(ask, "unknown-job")
        reason, place = self._choose(ask, state, spec)
        if place is None:
            return self._refuse(ask, reason)
        number, task = place
        step = state.steps.get(number, EMPTY_STEP)
        generation = generation_of(step, task)
        attempt = 1 + sum(1 for a in get_record(step, task) if a[1] is not None and a[1][1] == generation)
        core.record(TaskLeased(ask.job, number, task, generation, attempt, ask.worker, ask.boot, ask.request))
        return ""

    def _choose(self, ask: Ask, state: JobState, spec: JobSpec) -> tuple[str, tuple[int, int] | None]:
        worker = self._presence.worker(ask.worker)
        if worker is None or ask.worker not in live_members(self._core.farm):
            return "unknown-worker", None
        pool = register(state, "pool")
        self._index.freshen()
        ready = self._index.queue.ready_of(ask.job)
        steps = [
            number
            for number, bits in enumerate(ready)
            if bits and not unfit_reason(worker, spec, spec.steps[number], pool)
        ]
        if not steps:
            return ("none-ready" if not any(ready) else "unfit"), None
        failures = failures_by_worker(state)
        able = self.able_workers(state, spec) if failures else set()
        off = left_off(failures, able)
        if ask.worker in off:
            return "left-off", None
        place = choose_task(state, ready, steps, ask.worker, able - off - {ask.worker})
        return ("failed-here" if place is None else ""), place

    def able_workers(self, state: JobState, spec: JobSpec) -> set[NodeId]:
        """Nodes that count as alive and fit some step that has ready tasks or leases."""
        pool = register(state, "pool")
        nodes = [self._core.node, *(peer.node for peer in self._presence.alive())]
        views = [self._presence.worker(node) for node in nodes]
        return {
            view.node
            for view in views
            if view is not None and any(not unfit_reason(view, spec, step, pool) for step in spec.steps)
        }

    def _refuse(self, ask: Ask, reason: str) -> str:
        if ask.worker != self._core.node:
            self._core.send(ask.worker, LeaseRefused(ask.boot, ask.request, reason, AGAIN_MS))
        return reason

    @property
    def must_compare(self) -> bool:
        """Whether members are yet to be compared with."""
        return bool(self._replication.not_compared())

    @property
    def is_waiting(self) -> bool:
        """Whether asks wait for a comparison to end."""
        return bool(self._parked)

    # Lapsing

    def _on_alive(self, _node: NodeId) -> None:
        self.forget_dispatchers()

    def _on_gone(self, node: NodeId, state: PeerState) -> None:
        self.forget_dispatchers()
        self._parked = [ask for ask in self._parked if ask.worker != node]
        if state is PeerState.DEAD:
            self._replication.need_all_comparisons()

    def tick(self) -> list[Ask]:
        """Answer parked asks when comparing is over, and requeue what lapsed; own asks that were refused come back."""
        refused = []
        if self._parked and not self._replication.not_compared():
            parked, self._parked = self._parked, []
            refused = [ask for ask in parked if self.take(ask) and ask.worker == self._core.node]
        if self._core.mono_s >= self._next_check_s and not self._core.disk_error:
            self._next_check_s = self._core.mono_s + 0.5
            if self._core.is_member and not self._replication.not_compared():
                self._leases.requeue_lapsed(lambda job: self.dispatcher_of(job) == self._core.node)
        return refused

    def _on_action(self, action: Action, _before: Farm) -> None:
        """Another set of members has other dispatchers; a job with two submissions may get another submitter."""
        if isinstance(action.body, (MemberAdded, MemberRemoved)):
            self.forget_dispatchers()
        elif isinstance(action.body, JobSubmitted):
            self._dispatchers.pop(action.body.job, None)
