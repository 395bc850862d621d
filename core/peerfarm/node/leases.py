"""The leases that nothing has ended yet, of all jobs, kept up task by task; and which of them are over."""

from __future__ import annotations

from collections.abc import Callable

from peerfarm.model.ids import ActionId, JobId
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.policy.leases import LOST_S, STALL_MARGIN_S
from peerfarm.policy.liveness import PeerState, counts_as_alive
from peerfarm.state.actions import (
    Action,
    JobChanged,
    TaskFailed,
    TaskLeased,
    TaskRendered,
    TaskRequeued,
    TaskReturned,
    TasksCancelled,
    TasksPublished,
)
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, get_job, get_record
from peerfarm.state.selectors import OpenLease, live_members, open_leases, open_leases_of, spec_of

MAX_TAKEN_BACK = 256
"""Leases taken back in one check; the rest waits for the next, for each is an action and the loop has peers to hear."""


class OpenLeases:
    """Knows who renders what in the farm, and takes back what lapsed of the own jobs."""

    def __init__(self, core: Core, presence: Presence) -> None:
        self._core = core
        self._presence = presence
        self.of_job: dict[JobId, dict[ActionId, OpenLease]] = {}
        """Only jobs that have some."""
        self._touched: dict[JobId, set[tuple[int, int]] | None] = {}
        """Job -> (step, task) of which an attempt changed; None when all of it is to be looked at."""
        self._missing_s: dict[ActionId, float] = {}
        """Since when a live worker does not list a lease among its running ones."""
        core.observers.append(self._on_action)

    def _on_action(self, action: Action, _before: Farm) -> None:
        body = action.body
        if isinstance(body, (TaskLeased, TaskRendered, TaskFailed, TaskReturned, TaskRequeued)):
            places = self._touched.setdefault(body.job, set())
            if places is not None:
                places.add((body.step, body.task))
            if not isinstance(body, TaskLeased):
                self._missing_s.pop(body.lease, None)
        elif isinstance(body, (JobChanged, TasksCancelled, TasksPublished)):
            self._touched.setdefault(body.job, set())
        elif (job := getattr(body, "job", None)) is not None:
            self._touched[job] = None

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """Bring the index up to this job; only the tasks that actions named since, where they tell what changed."""
        places = self._touched.pop(job, None)
        if state is None or places is None:
            leases = {entry.lease: entry for entry in open_leases(job, state)} if state is not None else {}
        else:
            leases = self.of_job.get(job, {})
            for number, task in places:
                step = state.steps.get(number, EMPTY_STEP)
                for attempt in get_record(step, task):
                    leases.pop(attempt[0], None)
                leases.update((entry.lease, entry) for entry in open_leases_of(job, number, step, task))
        if leases:
            self.of_job[job] = leases
        else:
            self.of_job.pop(job, None)

    def requeue_lapsed(self, is_own: Callable[[JobId], bool]) -> None:
        """Take back every lease of the jobs that are this node's whose worker is gone or whose progress stopped."""
        members = live_members(self._core.farm)
        missing_s: dict[ActionId, float] = {}
        room = MAX_TAKEN_BACK
        for job in [job for job in self.of_job if is_own(job)]:
            state = get_job(self._core.farm, job)
            spec = spec_of(state) if state is not None else None
            for entry in list(self.of_job[job].values()):
                reason = "removed" if entry.worker not in members else self._lapse(entry, spec, missing_s)
                if reason and room:
                    room -= 1
                    missing_s.pop(entry.lease, None)
                    self._core.record(TaskRequeued(job, entry.step, entry.task, entry.lease, reason))
        self._missing_s = missing_s

    def _lapse(self, entry: OpenLease, spec: JobSpec | None, missing_s: dict[ActionId, float]) -> str:
        """Why the lease is over: `died`, `left`, `lost`, `stalled`, or nothing."""
        if entry.worker == self._core.node:
            return ""
        peer = self._presence.peers.get(entry.worker)
        if peer is None or not counts_as_alive(peer.state):
            return "died" if peer is None or peer.state is PeerState.DEAD else "left"
        if peer.boot and peer.boot != entry.boot:
            return "died"
        progress = peer.progress_s.get(entry.lease)
        now_s = self._core.now_s
        if progress is None:
            since_s = missing_s[entry.lease] = self._missing_s.get(entry.lease, now_s)
            return "lost" if now_s - since_s >= LOST_S else ""
        limit_s = spec.steps[entry.step].stall_limit_s if spec is not None and entry.step < len(spec.steps) else 0.0
        return "stalled" if limit_s and now_s - progress[1] >= limit_s + STALL_MARGIN_S else ""
