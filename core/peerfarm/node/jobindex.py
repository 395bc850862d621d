"""What is derived from the farm per job, made anew only for the jobs that changed and only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from peerfarm.model.ids import JobId
from peerfarm.node.core import Core
from peerfarm.policy.jobqueue import JobQueue
from peerfarm.state.actions import Action
from peerfarm.state.farm import Farm, JobState, all_jobs, get_job


class JobIndex:
    """Collects changed jobs; `freshen` hands each to the queue and to whoever else keeps an index."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._changed: dict[JobId, None] = {}
        self.queue = JobQueue()
        self.on_changed: list[Callable[[JobId, JobState | None], None]] = []
        core.observers.append(self._on_action)
        core.refreshers.append(self.mark_all)

    def _on_action(self, action: Action, _before: Farm) -> None:
        job = getattr(action.body, "job", None)
        if job is not None:
            self._changed[job] = None

    def mark_all(self) -> None:
        """Every job may have changed."""
        self._changed.update((job, None) for job, _ in all_jobs(self._core.farm))

    @property
    def is_stale(self) -> bool:
        """Whether a job changed since the last `freshen`."""
        return bool(self._changed)

    def freshen(self) -> None:
        """Bring every index up to the farm as it is now."""
        while self._changed:
            changed, self._changed = self._changed, {}
            for job in changed:
                state = get_job(self._core.farm, job)
                self.queue.update(job, state)
                for observer in self.on_changed:
                    observer(job, state)
