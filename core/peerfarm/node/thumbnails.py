"""The small picture of a job's last frame, for panels: which frame that is. Another room finds and shrinks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import JobId
from peerfarm.model.job import JobSpec
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import PublishOrder
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.desk import Desk
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import optional
from peerfarm.state.actions import Action, JobArchived, JobDeleted, TaskRendered
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState
from peerfarm.state.selectors import canonical, full_mask

KIND = "thumbnail"
DEFAULT_PIXELS = 160
MAX_PIXELS = 512
CANDIDATES = 4
"""Results that are looked for on this machine before it is said that none is here."""
LIMIT_S = 28.0
"""A little less than plug-ins wait for an answer."""
_REMEMBERED = 1000
_READY = 8
"""Pictures kept for panels that come back for them."""

_Key = tuple[str, int]
"""The attempt that is wanted most, and the size."""


@dataclass(slots=True)
class Thumbnails:
    """Answers `thumbnail`."""

    core: Core
    desk: Desk
    found: Callable[[LocalRequest], tuple[JobId, JobState, JobSpec]]
    _last: dict[JobId, tuple[int, int]] = field(default_factory=dict)
    """The step and task that was rendered last, of the jobs that got on last since this node's start."""
    _making: dict[str, tuple[_Key, float]] = field(default_factory=dict)
    """Nobody waits for these: what the runner was asked for, and since when."""
    _ready: dict[_Key, dict[str, Any]] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self.core.observers.append(self._on_action)

    def _on_action(self, action: Action, _before: Farm) -> None:
        body = action.body
        if isinstance(body, (JobArchived, JobDeleted)):
            self._last.pop(body.job, None)
        elif isinstance(body, TaskRendered):
            self._last.pop(body.job, None)
            self._last[body.job] = body.step, body.task
            if len(self._last) > _REMEMBERED:
                del self._last[next(iter(self._last))]

    def thumbnail(self, request: LocalRequest) -> dict[str, Any] | None:
        """The last finished frame of a job as a small PNG, or null and why; without `wait`, or null and `is_coming`."""
        job, state, spec = self.found(request)
        size = optional(request, "size", int, DEFAULT_PIXELS)
        if not 16 <= size <= MAX_PIXELS:
            raise RequestRefused(f"size must be from 16 to {MAX_PIXELS} pixels, not {size}")
        results = []
        for number, task in self._candidates(job, state, spec):
            step = state.steps[number]
            attempt = canonical(step, task)
            if attempt is not None and attempt[2] is not None and attempt[2][1]:
                results.append(delivery_order(job, spec, number, task, step, attempt))
        if not results:
            return no_picture("no frame of this job is done yet")
        if not optional(request, "wait", bool, True):
            return self._at_once(tuple(results), size)
        token = self.desk.wait(request, KIND, LIMIT_S)
        self.core.effects.previews.append(PreviewOrder(token, tuple(results), size))
        return None

    def _at_once(self, results: tuple[PublishOrder, ...], size: int) -> dict[str, Any]:
        """What is ready; else it is begun, and the panel comes back for it. What failed is told once and tried anew."""
        key = (results[0].attempt, size)
        ready = self._ready.get(key)
        if ready is not None:
            if ready["frame"] is None:
                del self._ready[key]
            return ready
        since_s = self.core.mono_s - LIMIT_S
        self._making = {token: made for token, made in self._making.items() if made[1] > since_s}
        if len(self._making) < CANDIDATES and all(made[0] != key for made in self._making.values()):
            self._number += 1
            token = f"{KIND}-{self._number}"
            self._making[token] = (key, self.core.mono_s)
            self.core.effects.previews.append(PreviewOrder(token, results, size))
        return {**no_picture(""), "is_coming": True}

    def _candidates(self, job: JobId, state: JobState, spec: JobSpec) -> list[tuple[int, int]]:
        """Done tasks with frames, the one to show first: what was rendered last, then the last frames."""
        last = self._last.get(job)
        found: list[tuple[int, int]] = []
        for number in reversed(range(len(spec.steps))):
            done = state.steps.get(number, EMPTY_STEP).done & full_mask(spec, number)
            if not spec.steps[number].output_dir:
                continue
            if last is not None and last[0] == number and done >> last[1] & 1:
                found.insert(0, last)
                done &= ~(1 << last[1])
            while done and len(found) < CANDIDATES:
                found.append((number, done.bit_length() - 1))
                done &= ~(1 << done.bit_length() - 1)
        return found[:CANDIDATES]

    def on_previewed(self, told: Previewed) -> None:
        """The runner made the picture, or said why not."""
        if told.request in self._making:
            key, _ = self._making.pop(told.request)
            self._ready[key] = _answer(told)
            if len(self._ready) > _READY:
                del self._ready[next(iter(self._ready))]
            return
        waiting = self.desk.take(told.request, KIND)
        if waiting is not None:
            self.desk.reply(waiting.request, _answer(told))


def _answer(told: Previewed) -> dict[str, Any]:
    if told.reason:
        return no_picture(told.reason)
    return {"frame": told.name, "width": told.width, "height": told.height, "png": told.png, "path": told.path}


def no_picture(reason: str) -> dict[str, Any]:
    """The answer when there is nothing to show."""
    return {"frame": None, "reason": reason}
