"""The worker's side of second copies: no task counts as done before another node holds its frames, if there is one.

A keeper takes the worker's part for what is done when that one is away for long, or left for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchOrder
from peerfarm.model.ids import JobId, NodeId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.node.absent import members_there
from peerfarm.node.core import Core
from peerfarm.node.peer import Peer
from peerfarm.node.pins import Held, Pins, result_key
from peerfarm.node.presence import Presence
from peerfarm.node.slots import Attempt
from peerfarm.policy.keepers import keepers_of
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.filemessages import KeepAsk, KeepMoved, KeepTold
from peerfarm.protocol.messages import RunningAttempt
from peerfarm.state.actions import TaskRendered, TaskReturned
from peerfarm.state.farm import EMPTY_STEP, JobState, all_jobs, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.payloads import Frame
from peerfarm.state.selectors import canonical, spec_of, submitter_of, tasks_in, unpublished_bits

MAX_UNDER_WAY = 8
"""Copies that peers are asked for at the same time."""
MAX_WAITING = 64
"""Results that wait for a copy; with more this worker asks for no more tasks."""
SILENCE_S = 60.0
"""A keeper whose fetch does not move for so long is given up, and not asked for as long."""
REFUSED_S = 30.0
"""Whoever refused, and results that have one copy only, are left alone for so long, or until a peer comes."""
UNKNOWN_S = 1.0
MAX_UNKNOWN = 10
"""A keeper that has not heard of the lease yet soon will."""
UNKNOWN = "unknown-lease"
FROM_THOUSANDTHS = 950
"""A rendered attempt is shown as so far done; the rest is the way to the second node."""


@dataclass(slots=True)
class Copy:
    """The frames of one own attempt, on their way to a second node."""

    held: Held
    frames: tuple[Frame, ...] = ()
    """Empty once the result is recorded: then they stand in the state."""
    render_ms: int = 0
    attempt: Attempt | None = None
    """Until the result is recorded."""
    keeper: NodeId | None = None
    """Who was asked and has not answered."""
    kept_by: NodeId | None = None
    moved_s: float = 0.0
    thousandths: int = 0
    refused: dict[NodeId, float] = field(default_factory=dict)
    """Who said no, or nothing -> when it may be asked again."""
    unknown: int = 0
    worker: NodeId | None = None
    """Who rendered it, where this node is only its keeper and stands in for a worker that is away."""


@dataclass(slots=True)
class Copies:
    """What this worker rendered and nobody has put in place, and who keeps the second copy of it."""

    core: Core
    presence: Presence
    pins: Pins
    on_free: Callable[[], None] = lambda: None
    """There is room for more results."""
    _copies: dict[str, Copy] = field(default_factory=dict)
    """By the attempt's name."""
    _of_job: dict[JobId, dict[str, None]] = field(default_factory=dict)
    _waiting: dict[str, None] = field(default_factory=dict)
    """Those that are not recorded, in the order in which they were rendered."""
    _todo: dict[str, None] = field(default_factory=dict)
    """Those for which a keeper is to be found."""
    _asked: dict[str, None] = field(default_factory=dict)
    _stale_jobs: dict[JobId, None] = field(default_factory=dict)
    _next_offer_s: float = 0.0
    _there: frozenset[NodeId] = frozenset()
    """Members that were not away for long when this node last looked whether to stand in for one."""
    _is_look_due: bool = True

    def __post_init__(self) -> None:
        self.pins.is_handed_over = lambda attempt: attempt in self._waiting
        self.core.refreshers.append(self._on_replaced)
        self.presence.on_alive.append(self._on_alive)
        self.presence.on_gone.append(self._on_gone)

    @property
    def is_full(self) -> bool:
        """Whether so many results wait that this worker should take no more tasks."""
        return len(self._waiting) >= MAX_WAITING

    @property
    def is_busy(self) -> bool:
        """Whether copies are wanted or under way."""
        return bool(self._todo or self._asked)

    def running(self) -> tuple[RunningAttempt, ...]:
        """For the heartbeat: attempts that are rendered and not recorded."""
        return tuple((self._copies[label].held.lease, self.thousandths(label) or 0, 0) for label in self._waiting)

    def jobs(self) -> set[JobId]:
        """The jobs of what waits for a copy."""
        return {self._copies[label].held.job for label in self._waiting}

    def holds(self, attempt: str) -> bool:
        """Whether an own attempt is rendered and waits for its copy."""
        return attempt in self._waiting

    def thousandths(self, attempt: str) -> int | None:
        """How far an attempt is that waits for its copy; None for any other."""
        if attempt not in self._waiting:
            return None
        return FROM_THOUSANDTHS + self._copies[attempt].thousandths * (999 - FROM_THOUSANDTHS) // 1000

    def keeper_of(self, attempt: str) -> NodeId | None:
        """Who said that it keeps the second copy of an own result."""
        copy = self._copies.get(attempt)
        return copy.kept_by if copy is not None else None

    def counts(self, job: JobId) -> dict[str, int]:
        """Results of this node that nobody put in place yet: those that wait, have two copies, have one."""
        told = {"waiting": 0, "kept": 0, "single": 0}
        for label in self._of_job.get(job, ()):
            is_kept = self._copies[label].kept_by is not None
            told["waiting" if label in self._waiting else "kept" if is_kept else "single"] += 1
        return told

    def singles(self, job: JobId) -> list[tuple[int, int]]:
        """(step, task) of results of which this node has a copy, and no other node that is here."""
        copies = [self._copies[label] for label in self._of_job.get(job, ()) if label not in self._waiting]
        return [(copy.held.step, copy.held.task) for copy in copies if copy.kept_by is None]

    # Results

    def hand_over(self, attempt: Attempt, frames: tuple[Frame, ...], render_ms: int) -> None:
        """An attempt was rendered: it is recorded once another node has its frames too."""
        label = attempt_label(attempt.lease)
        held = Held(attempt.job, attempt.step, attempt.task, attempt.lease, attempt.generation)
        self._add(label, Copy(held, frames, render_ms, attempt))
        self._waiting[label] = None
        self.pins.note(result_key(attempt.job, label), held)

    def drop_pointless(self, jobs: Collection[JobId], why: Callable[[Attempt], str]) -> None:
        """These jobs changed: give back the leases whose result nobody wants any more."""
        for label in list(self._waiting):
            attempt = self._copies[label].attempt
            if attempt is not None and attempt.job in jobs and (reason := why(attempt)):
                self._give_back(label, reason)

    def drop_all(self, reason: str) -> None:
        """The node stops, or is no member any more: what has no second copy is rendered elsewhere."""
        if not self.core.disk_error:
            for label in list(self._waiting):
                self._give_back(label, reason)

    def _give_back(self, label: str, reason: str) -> None:
        held = self._copies[label].held
        self._forget(label)
        self.pins.release(held.job, result_key(held.job, label))
        self.core.record(TaskReturned(held.job, held.step, held.task, held.lease, reason))
        self.on_free()

    def _add(self, label: str, copy: Copy) -> None:
        self._copies[label] = copy
        self._of_job.setdefault(copy.held.job, {})[label] = None
        self._todo[label] = None

    def _forget(self, label: str) -> None:
        job = self._copies.pop(label).held.job
        del self._of_job[job][label]
        if not self._of_job[job]:
            del self._of_job[job]
            self._stale_jobs.pop(job, None)
        for names in (self._waiting, self._todo, self._asked):
            names.pop(label, None)

    def _record(self, label: str) -> None:
        """The task is done."""
        copy = self._copies[label]
        held = copy.held
        del self._waiting[label]
        self.core.record(TaskRendered(held.job, held.step, held.task, held.lease, copy.frames, copy.render_ms))
        copy.frames, copy.attempt, copy.refused = (), None, {}
        self.on_free()

    # What happened

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """Some of its results may be in place by now, or be wanted no more."""
        if job not in self._of_job:
            return
        self._stale_jobs[job] = None
        if state is None or state.archived is not None or state.deleted is not None:
            self._forget_needless()

    def _on_replaced(self) -> None:
        """After a start or a snapshot: whatever this node rendered and nobody put in place is offered again."""
        for job, state in all_jobs(self.core.farm):
            spec = spec_of(state)
            if spec is None or spec.files is not FilesMode.PEERS or state.archived or state.deleted:
                continue
            for number in range(len(spec.steps)):
                step = state.steps.get(number, EMPTY_STEP)
                for task in tasks_in(unpublished_bits(state, spec, number)):
                    attempt = canonical(step, task)
                    label = attempt_label(attempt[0]) if attempt is not None else ""
                    if attempt is not None and attempt[1][2] == self.core.node and label not in self._copies:
                        self._add(label, Copy(Held(job, number, task, attempt[0], attempt[1][1])))

    def _on_alive(self, node: NodeId) -> None:
        """A peer came: it may take what has one copy only; what it kept before it may have lost."""
        back: list[str] = []
        for label, copy in self._copies.items():
            copy.refused.pop(node, None)
            if copy.worker == node:
                back.append(label)  # it looks after its result by itself again
            elif copy.keeper == node:
                self._find_another(label)
            elif copy.keeper is None and copy.kept_by in {None, node}:
                self._todo[label] = None
        for label in back:
            self._forget(label)

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        for label in [label for label in self._asked if self._copies[label].keeper == node]:
            self._find_another(label)
        if node not in self.presence.peers:  # removed: what it keeps is out of reach for ever
            for label, copy in self._copies.items():
                if copy.kept_by == node:
                    copy.kept_by = None
                    self._todo[label] = None

    def _find_another(self, label: str) -> None:
        self._copies[label].keeper = None
        self._asked.pop(label, None)
        self._todo[label] = None

    def on_told(self, peer: Peer, message: KeepTold) -> None:
        """A peer keeps a copy, or says why not; one that was given up may have come through after all."""
        label = attempt_label(message.lease)
        copy = self._copies.get(label)
        if copy is None:
            return
        if message.is_kept:
            copy.kept_by, copy.keeper = peer.node, None
            self._asked.pop(label, None)
            self._todo.pop(label, None)
            if label in self._waiting:
                self._todo[label] = None  # to be recorded
        elif copy.keeper == peer.node:
            is_unknown = message.reason == UNKNOWN and copy.unknown < MAX_UNKNOWN
            copy.unknown += is_unknown
            copy.refused[peer.node] = self.core.mono_s + (UNKNOWN_S if is_unknown else REFUSED_S)
            self._find_another(label)

    def on_moved(self, peer: Peer, message: KeepMoved) -> None:
        """A keeper gets on with its copy."""
        copy = self._copies.get(attempt_label(message.lease))
        if copy is not None and copy.keeper == peer.node:
            copy.thousandths, copy.moved_s = message.thousandths, self.core.mono_s

    # What follows

    def settle(self) -> None:
        """Ask for copies, and record what has one, or cannot get one."""
        if not self._todo or self.core.disk_error or self.core.is_stopping:
            return
        for label in list(self._todo):
            copy = self._copies[label]
            if label in self._waiting and copy.kept_by is not None:
                del self._todo[label]
                self._record(label)
            elif len(self._asked) < MAX_UNDER_WAY:
                del self._todo[label]
                self._find_keeper(label, copy)

    def _find_keeper(self, label: str, copy: Copy) -> None:
        state, spec = self._job(copy.held.job)
        submitter = submitter_of(state) if state is not None else None
        frames = copy.frames
        if label not in self._waiting:
            frames = self._recorded(state, spec, copy) if state is not None and spec is not None else ()
        if not frames or submitter is None:
            if label not in self._waiting:
                self._forget(label)
            return
        if copy.worker is None:
            self._pin_again(label, copy, frames)
        now_s = self.core.mono_s
        live = [p.node for p in self.presence.alive() if p.state is PeerState.LIVE and p.has_greeted]
        able = [node for node in live if copy.refused.get(node, 0.0) <= now_s]
        ranked = keepers_of(label, submitter, able)
        if ranked:
            keeper = copy.kept_by if copy.kept_by in able else ranked[0]
            copy.keeper, copy.moved_s, copy.thousandths = keeper, now_s, 0
            self._asked[label] = None
            held = copy.held
            self.core.send(keeper, KeepAsk(held.lease, held.job, held.step, held.task, frames))
        elif label in self._waiting and not self._hopes(copy, live):
            copy.kept_by = None
            self._record(label)
            self.core.tell("task/single-copy", job=copy.held.job, step=copy.held.step, task=copy.held.task)

    def _pin_again(self, label: str, copy: Copy, frames: tuple[Frame, ...]) -> None:
        """The store forgot that it must keep an own result, as after damage to its disk: keep it, or fetch it back."""
        key = result_key(copy.held.job, label)
        if not self.pins.has(key):
            self.pins.note(key, copy.held)
            refs = tuple(dict.fromkeys(BlobRef(BlobId(digest), size_bytes) for _, size_bytes, digest in frames))
            self.core.effects.fetches.append(FetchOrder(f"again/{copy.held.job}/{label}", refs, pin=key))

    def _hopes(self, copy: Copy, live: list[NodeId]) -> bool:
        """Whether a live peer said only that it has not heard of the lease yet."""
        return any(0 < copy.refused.get(node, 0.0) - self.core.mono_s <= UNKNOWN_S for node in live)

    def _recorded(self, state: JobState, spec: JobSpec, copy: Copy) -> tuple[Frame, ...]:
        """The frames of a result that is wanted still; empty when nobody needs a copy of it."""
        held = copy.held
        step = state.steps.get(held.step, EMPTY_STEP)
        if not unpublished_bits(state, spec, held.step) & 1 << held.task:
            return ()
        if generation_of(step, held.task) > held.generation:
            return ()
        found = next((a for a in get_record(step, held.task) if a[0] == held.lease and a[2] is not None), None)
        return tuple(found[2][1]) if found is not None else ()

    def _job(self, job: JobId) -> tuple[JobState | None, JobSpec | None]:
        state = get_job(self.core.farm, job)
        return state, spec_of(state) if state is not None else None

    def tick(self) -> None:
        """Give up keepers that do not move; look after what has one copy only, and forget what is in place."""
        now_s = self.core.mono_s
        for label in list(self._asked):
            copy = self._copies[label]
            if copy.keeper is not None and now_s - copy.moved_s >= SILENCE_S:
                copy.refused[copy.keeper] = now_s + SILENCE_S
                self._find_another(label)
        for label in self._waiting:  # whoever had not heard of a lease may have by now
            if label not in self._asked:
                self._todo[label] = None
        if now_s >= self._next_offer_s:
            self._next_offer_s = now_s + REFUSED_S
            self._forget_needless()
            self._look_for_absent()
            for label, copy in self._copies.items():
                if copy.kept_by is None and copy.keeper is None:
                    self._todo[label] = None

    def _look_for_absent(self) -> None:
        """Count copies on nodes that are away for long for nothing; stand in for workers that are."""
        there = members_there(self.core, self.presence)
        if there == self._there and not self._is_look_due:
            return
        self._there, self._is_look_due = there, False
        for copy in self._copies.values():
            if copy.kept_by is not None and copy.kept_by not in there:
                copy.kept_by = None
        for held in self.pins.kept():
            worker = self._worker_of(held) if held is not None else None
            if held is None or worker is None:
                self._is_look_due = True  # what is not known yet may be soon
            elif worker not in there and (label := attempt_label(held.lease)) not in self._copies:
                self._add(label, Copy(held, worker=worker))

    def _worker_of(self, held: Held) -> NodeId | None:
        state = get_job(self.core.farm, held.job)
        step = state.steps.get(held.step, EMPTY_STEP) if state is not None else EMPTY_STEP
        given = next((a[1] for a in get_record(step, held.task) if a[0] == held.lease), None)
        return given[2] if given is not None else None

    def _forget_needless(self) -> None:
        stale, self._stale_jobs = self._stale_jobs, {}
        wanted: dict[tuple[JobId, int], int] = {}
        for label in [label for job in stale for label in self._of_job.get(job, ())]:
            held = self._copies[label].held
            if label in self._waiting:
                continue
            if (held.job, held.step) not in wanted:
                state, spec = self._job(held.job)
                bits = unpublished_bits(state, spec, held.step) if state is not None and spec is not None else 0
                wanted[held.job, held.step] = bits
            if not wanted[held.job, held.step] >> held.task & 1:
                self._forget(label)
