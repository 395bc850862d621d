"""Frames on their way to the node that submitted their job: how much has come, how fast, and when the rest is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from peerfarm.model.files import FetchProgressed
from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.keeping import Keeping
from peerfarm.node.pace import Pace, left_s
from peerfarm.node.pins import Pins, keep_key, result_key
from peerfarm.node.publishing import Publishing
from peerfarm.state.farm import EMPTY_STEP, JobState, get_job
from peerfarm.state.selectors import canonical, spec_of, submitter_of, tasks_in

TELL_EVERY_S = 0.5
"""Local subscribers hear of each job's frames so often at most."""
MAX_SIZED = 200
"""Tasks whose frames' sizes are added up; they stand for the others."""


@dataclass(slots=True)
class _Coming:
    """The frames of one attempt."""

    size_bytes: int
    is_recorded: bool
    """Whether the task counts as done already."""
    done_bytes: int = 0


@dataclass(slots=True)
class _Home:
    """One job's frames, from when the first set out until none is on its way."""

    coming: dict[str, _Coming] = field(default_factory=dict)
    """By the attempt's name."""
    came_bytes: int = 0
    """Of attempts whose frames are here."""
    pace: Pace = field(default_factory=Pace)
    told_s: float = -TELL_EVERY_S

    def bytes_now(self) -> int:
        """All that has come."""
        return self.came_bytes + sum(coming.done_bytes for coming in self.coming.values())


@dataclass(slots=True)
class Homecoming:
    """Counts what this node fetches of its own users' jobs: second copies that it keeps, and frames to put in place."""

    core: Core
    pins: Pins
    keeping: Keeping
    publishing: Publishing
    _homes: dict[JobId, _Home] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keeping.on_begun = partial(self._begin, is_recorded=False)
        self.publishing.on_begun = partial(self._begin, is_recorded=True)

    def _begin(self, job: JobId, attempt: str, size_bytes: int, *, is_recorded: bool) -> None:
        """An attempt's frames set out for this node."""
        state = get_job(self.core.farm, job)
        is_mine = state is not None and submitter_of(state) == self.core.node
        if not is_mine or (is_recorded and self._is_here(job, attempt)):
            return
        home = self._homes.setdefault(job, _Home())
        home.coming.setdefault(attempt, _Coming(size_bytes, is_recorded))
        home.pace.note(self.core.mono_s, home.bytes_now())

    def on_progressed(self, event: FetchProgressed) -> None:
        """Some of an attempt's frames have come; other fetches are passed over."""
        kind, _, rest = event.key.partition("/")
        name, _, attempt = rest.partition("/")
        job = JobId(name)
        home = self._homes.get(job) if kind in {"keep", "result"} else None
        coming = home.coming.get(attempt) if home is not None else None
        if home is not None and coming is not None:
            coming.done_bytes = min(event.done_bytes, coming.size_bytes)
            self._moved(job, home)

    def on_ended(self, name: str, error: str) -> None:
        """The frames of `JOB/ATTEMPT` are here, or will not come by this order."""
        job, _, attempt = name.partition("/")
        home = self._homes.get(JobId(job))
        coming = home.coming.pop(attempt, None) if home is not None else None
        if home is not None and coming is not None:
            home.came_bytes += 0 if error else coming.size_bytes
            self._moved(JobId(job), home)

    def _moved(self, job: JobId, home: _Home) -> None:
        now_s = self.core.mono_s
        home.pace.note(now_s, home.bytes_now())
        if now_s - home.told_s >= TELL_EVERY_S:
            home.told_s = now_s
            state = get_job(self.core.farm, job)
            spec = spec_of(state) if state is not None else None
            if state is not None and spec is not None and (row := self.row(job, state, spec)) is not None:
                self.core.tell("frames/progress", job=job, **row)

    def tick(self) -> None:
        """Forget what is on its way no more."""
        for job, home in list(self._homes.items()):
            for attempt in [attempt for attempt in home.coming if not self._is_under_way(job, attempt)]:
                del home.coming[attempt]
            if not home.coming:
                del self._homes[job]

    def _is_under_way(self, job: JobId, attempt: str) -> bool:
        return self.keeping.is_under_way(job, attempt) or self.publishing.is_under_way(attempt)

    def row(self, job: JobId, state: JobState, spec: JobSpec) -> dict[str, Any] | None:
        """How far a job's frames are on their way here; None when none is on its way, or another node's user has it."""
        home = self._homes.get(job)
        if home is None:
            return None
        tasks, later_bytes = self._later(job, home, state, spec)
        tasks += len(home.coming)
        if not tasks:
            return None
        rest_bytes = later_bytes + sum(coming.size_bytes - coming.done_bytes for coming in home.coming.values())
        done_bytes = home.bytes_now()
        return {
            "tasks": tasks,
            "rendered": sum(not coming.is_recorded for coming in home.coming.values()),
            "done_bytes": done_bytes,
            "total_bytes": done_bytes + rest_bytes,
            "rate_bytes_s": round(home.pace.rate),
            "left_s": left_s(rest_bytes, home.pace.rate),
        }

    def _later(self, job: JobId, home: _Home, state: JobState, spec: JobSpec) -> tuple[int, int]:
        """How many tasks' frames are to come that have not set out, and how many bytes; of very many, about."""
        count = total_bytes = 0
        for number, step in enumerate(spec.steps):
            tasks = list(tasks_in(self.publishing.left_bits(job, state, spec, number))) if step.output_dir else []
            if not tasks:
                continue
            known = state.steps.get(number, EMPTY_STEP)
            looked_at = tasks[:: -(-len(tasks) // MAX_SIZED)]
            sizes = []
            for task in looked_at:
                attempt = canonical(known, task)
                label = attempt_label(attempt[0]) if attempt is not None else ""
                if attempt is not None and label not in home.coming and not self._is_here(job, label):
                    sizes.append(sum(frame[1] for frame in attempt[2][1]))
            count += len(sizes) * len(tasks) // len(looked_at)
            total_bytes += sum(sizes) * len(tasks) // len(looked_at)
        return count, total_bytes

    def _is_here(self, job: JobId, attempt: str) -> bool:
        """Whether this node's store keeps an attempt's frames: then nothing of them has to come."""
        return self.pins.has(result_key(job, attempt)) or self.pins.has(keep_key(job, attempt))
