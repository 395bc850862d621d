"""What local listeners are told of jobs: progress now and then, and each outcome once."""

from __future__ import annotations

from peerfarm.model.ids import JobId
from peerfarm.node.core import Core
from peerfarm.node.views import Views
from peerfarm.state.actions import Action, TaskFailed, TaskRendered
from peerfarm.state.farm import Farm, JobState, get_job

PROGRESS_EVERY_S = 0.25
OVER = {"done", "failed", "cancelled"}


class Outcomes:
    """Watches changed jobs while somebody listens."""

    def __init__(self, core: Core, views: Views) -> None:
        self._core = core
        self._views = views
        self._changed: dict[JobId, None] = {}
        self._told: dict[JobId, str] = {}
        self._next_s = 0.0
        self.is_listened_to = False
        core.observers.append(self._on_action)

    def _on_action(self, action: Action, _before: Farm) -> None:
        body = action.body
        if self.is_listened_to and isinstance(body, TaskRendered):
            self._core.tell("task/rendered", job=body.job, step=body.step, task=body.task)
        elif self.is_listened_to and isinstance(body, TaskFailed):
            self._core.tell(
                "task/failed", job=body.job, step=body.step, task=body.task, reason=body.reason, message=body.message
            )

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job may have something to tell."""
        if state is not None and state.submitted is not None:
            self._changed[job] = None
        else:
            self._changed.pop(job, None)
            self._told.pop(job, None)

    def tick(self) -> None:
        """Tell what is new, at most a few times a second."""
        if not self._changed or self._core.mono_s < self._next_s:
            return
        self._next_s = self._core.mono_s + PROGRESS_EVERY_S
        changed, self._changed = self._changed, {}
        if not self.is_listened_to:
            return
        for job in changed:
            state = get_job(self._core.farm, job)
            row = self._views.summary(job, state) if state is not None else None
            if row is None:
                continue
            self._core.tell("job/progress", job=job, tasks=row["tasks"], frames=row["frames"], progress=row["progress"])
            status = row["status"]
            if status == "done" and not row["is_published"]:
                status = "publishing"
            if status != self._told.get(job):
                self._told[job] = status
                if status in OVER:
                    self._core.tell(f"job/{status}", job=job, name=row["name"], error=row["error"], published=True)

    @property
    def next_s(self) -> float | None:
        """When there is something to tell; None while there is not."""
        return self._next_s if self._changed and self.is_listened_to else None
