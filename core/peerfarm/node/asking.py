"""Which jobs an idle slot asks for, and what becomes of the asks."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.worker import WorkerView
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core
from peerfarm.node.dispatch import AGAIN_MS, Ask, Dispatch
from peerfarm.node.fitness import unfit_reason
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.presence import Presence
from peerfarm.node.scenes import Scenes
from peerfarm.node.slots import Asked, Slot
from peerfarm.node.stuckfiles import StuckFiles
from peerfarm.policy.eligible import left_off
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import LeaseAsk, LeaseWithdrawn
from peerfarm.state.farm import JobState, get_job
from peerfarm.state.selectors import failures_by_worker, register, spec_of

ASK_LIMIT_S = 5.0
"""An unanswered ask is withdrawn after this and asked anew."""

# What may be in a job's way beside a dispatcher that is out of reach and a refusal not long ago:
UNFIT = "unfit"
"""This node fits none of its ready steps; until the job changes or this node does."""
LEFT_OFF = "left-off"
"""This node failed it too often; until the job changes or what is known of the other workers."""
NOBODYS = "nobody's"
"""No node that is there can give out its tasks."""
MISSING = "files-missing"
"""Files that its tasks need could not be fetched a moment ago."""
MISSING_S = 20.0
USELESS = "useless"
"""This node can make no use of its files, and leaves it to workers that may."""
STORE = "store"
"""Its frames would go into the own store, which refused some."""
STORE_S = 60.0
"""So long no such job is asked for; then one task, to see whether the store takes its frames."""


@dataclass(frozen=True, slots=True)
class _Patience:
    until_s: float
    reason: str


@dataclass(slots=True)
class Asking:
    """This worker's asks. A job that cannot be had is set aside in the queue until what is in its way may be gone."""

    core: Core
    presence: Presence
    dispatch: Dispatch
    index: JobIndex
    slots: list[Slot]
    scenes: Scenes
    copies: Copies
    stuck: StuckFiles
    is_stale: bool = True
    """Something changed that may give idle slots work."""
    _request: int = 0
    _patience: dict[JobId, _Patience] = field(default_factory=dict)
    """Jobs that were refused a moment ago."""
    _ripe_s: float = math.inf
    """When the first of them may be asked for again, or earlier."""
    _out_of_reach: set[NodeId] = field(default_factory=set)
    """Dispatchers whose jobs were set aside."""
    _store_again_s: float | None = None
    """When to try a task again whose frames go into the own store; None while that takes what it is given."""
    _mine: WorkerView | None = None
    """What this node was when it last looked for a job."""
    _view: int = 0
    """What was known of the peers then."""

    def wake(self) -> None:
        """Look for work at the end of this turn."""
        self.is_stale = True

    def scene_ready(self, job: JobId) -> None:
        """All files of a job are here, or never will be."""
        self.index.queue.bring_back(("files", job))
        self.is_stale = True

    def peers_stuck(self) -> None:
        """Peers said that they can use a job's files, or cannot."""
        self.index.queue.bring_back(USELESS)
        self.is_stale = True

    def job_acted_on(self, job: JobId) -> None:
        """An action about a job may have ended the reason for which it was refused."""
        patience = self._patience.get(job)
        if patience is not None and patience.reason not in {LEFT_OFF, MISSING}:
            self._forgive(job)
        self.is_stale = True

    def _forgive(self, job: JobId) -> None:
        del self._patience[job]
        self.index.queue.bring_back(("refused", job))

    def _forgive_ripe(self) -> None:
        if self.core.mono_s >= self._ripe_s:
            for job in [job for job, patience in self._patience.items() if self.core.mono_s >= patience.until_s]:
                self._forgive(job)
            self._ripe_s = min((patience.until_s for patience in self._patience.values()), default=math.inf)

    def seek(self) -> None:
        """Ask for as much as the slots have use for. Costs nothing for jobs of which nothing changed."""
        self.is_stale = False
        core = self.core
        if core.is_stopping or core.is_short_of_room or core.farm_id is None or not core.is_member:
            return
        if self.copies.is_full:
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
        self._bring_back(mine)
        queue = self.index.queue
        obstacles: dict[JobId, Hashable] = {}
        chosen = None
        for job in queue:
            if job in asking and sum(bits.bit_count() for bits in queue.ready_of(job)) <= asking[job]:
                continue
            obstacle = self._obstacle(job, mine)
            if obstacle is None:
                chosen = job
                break
            obstacles[job] = obstacle
        queue.set_aside(obstacles)
        return chosen

    def _bring_back(self, mine: WorkerView) -> None:
        """Look again at the jobs whose obstacle may be gone."""
        self._forgive_ripe()
        queue = self.index.queue
        if self._store_again_s is not None:
            queue.bring_back(STORE)
        is_other_view = self._view != self.dispatch.view
        if mine != self._mine:
            queue.bring_back(UNFIT)
        if mine != self._mine or is_other_view:
            queue.bring_back(LEFT_OFF)
        if is_other_view:
            queue.bring_back(NOBODYS)
            queue.bring_back(USELESS)
        for node in [node for node in self._out_of_reach if is_other_view or self._can_reach(node)]:
            self._out_of_reach.discard(node)
            queue.bring_back(("out of reach", node))
        self._mine, self._view = mine, self.dispatch.view

    def _obstacle(self, job: JobId, mine: WorkerView) -> Hashable | None:
        """What is in the way of asking for this job; None when nothing is."""
        if job in self._patience:
            return ("refused", job)
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        if state is None or spec is None:
            return UNFIT
        ready, pool = self.index.queue.ready_of(job), register(state, "pool")
        if not any(bits and not unfit_reason(mine, spec, spec.steps[n], pool) for n, bits in enumerate(ready)):
            return UNFIT
        failures = failures_by_worker(state)
        if failures and self.core.node in left_off(failures, self.dispatch.able_workers(state, spec)):
            return LEFT_OFF
        dispatcher = self.dispatch.dispatcher_of(job)
        if dispatcher is None:
            return NOBODYS
        if dispatcher != self.core.node and not self._can_reach(dispatcher):
            self._out_of_reach.add(dispatcher)
            return ("out of reach", dispatcher)
        return self._files_obstacle(job, state, spec)

    def _files_obstacle(self, job: JobId, state: JobState, spec: JobSpec) -> Hashable | None:
        if self._is_store_in_the_way(spec):
            return STORE
        if self.scenes.is_ready(job, spec):
            return None
        self.scenes.wish(job)
        if not self.scenes.is_useless(job):
            return ("files", job)
        return None if self._is_nobodys_use(job, state, spec) else USELESS

    def _is_nobodys_use(self, job: JobId, state: JobState, spec: JobSpec) -> bool:
        """Whether every other worker that is there is left off the job, or said that it cannot use its files either."""
        able = self.dispatch.able_workers(state, spec)
        others = able - {self.core.node} - left_off(failures_by_worker(state), able)
        return all(self.stuck.is_useless_to(node, job) for node in others)

    def _can_reach(self, dispatcher: NodeId) -> bool:
        peer = self.presence.peers.get(dispatcher)
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
                self.refused(ask.request, reason, AGAIN_MS)
        else:
            self.core.send(dispatcher, LeaseAsk(ask.boot, ask.request, job))

    def refused(self, request: int, reason: str, again_ms: int = AGAIN_MS) -> None:
        """A dispatcher, perhaps this very node, said no."""
        asked = self.withdraw(request)
        if asked is not None:
            until_s = self.core.mono_s + again_ms / 1000
            self._patience[asked.ask.job] = _Patience(until_s, reason)
            self._ripe_s = min(self._ripe_s, until_s)

    def files_missing(self, job: JobId) -> None:
        """Files of this job could not be fetched: whoever holds them may be back soon, the own ones are doubtful."""
        self.scenes.doubt(job)
        self._patience[job] = _Patience(self.core.mono_s + MISSING_S, MISSING)
        self._ripe_s = min(self._ripe_s, self.core.mono_s + MISSING_S)

    def store_answered(self, is_taken: bool) -> None:
        """The own store took the frames of an attempt, or refused them."""
        self._store_again_s = None if is_taken else self.core.mono_s + STORE_S
        if is_taken:
            self.index.queue.bring_back(STORE)

    def _is_store_in_the_way(self, spec: JobSpec) -> bool:
        if self._store_again_s is None or not _needs_store(spec):
            return False
        return self.core.mono_s < self._store_again_s or any(map(self._needs_store, self._busy_jobs()))

    def _busy_jobs(self) -> Iterator[JobId]:
        for slot in self.slots:
            yield from (asked.ask.job for asked in slot.asks)
            yield from (attempt.job for attempt in (slot.current, *slot.ahead) if attempt is not None)

    def _needs_store(self, job: JobId) -> bool:
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        return spec is not None and _needs_store(spec)

    def withdraw(self, request: int) -> Asked | None:
        """Expect no answer to that ask any more; None when there is no such ask."""
        for slot in self.slots:
            asked = slot.withdraw(request)
            if asked is not None:
                self.is_stale = True
                return asked
        return None

    def gone(self, node: NodeId) -> None:
        """A peer died or left: it answers nothing any more."""
        for slot in self.slots:
            slot.asks = [asked for asked in slot.asks if asked.node != node]
        self.is_stale = True

    def tick(self) -> None:
        """Withdraw what nobody answered; look again at jobs that were refused a while ago."""
        for asked in [asked for slot in self.slots for asked in slot.asks]:
            ask = asked.ask
            if self.core.mono_s - asked.since_s < ASK_LIMIT_S:
                continue
            if asked.node != self.core.node:
                self.core.send(asked.node, LeaseWithdrawn(ask.boot, ask.request))
                self.refused(ask.request, "silent")
            elif self.dispatch.dispatcher_of(ask.job) != self.core.node:
                self.withdraw(ask.request)
        if self.core.mono_s >= self._ripe_s or any(slot.current is None and not slot.asks for slot in self.slots):
            self.is_stale = True


def _needs_store(spec: JobSpec) -> bool:
    """Whether frames of the job go into the store of the node that renders them."""
    return spec.files is FilesMode.PEERS and any(step.output_pattern for step in spec.steps)
