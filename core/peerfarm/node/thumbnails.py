"""The small picture of a job's last frame, for panels: which frame that is, and who can show it.

Another room finds and shrinks it. What this machine does not have, or cannot read, its worker is asked for once.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import PublishOrder
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.desk import Desk
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import optional
from peerfarm.node.peer import Peer
from peerfarm.node.pictures import Pictures
from peerfarm.node.presence import Presence
from peerfarm.protocol.filemessages import MAX_PICTURE_EDGE, PictureAsk, PictureTell
from peerfarm.state.actions import Action, JobArchived, JobDeleted, TaskRendered
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState
from peerfarm.state.selectors import canonical, full_mask

KIND = "thumbnail"
_PNG = b"\x89PNG\r\n\x1a\n"
DEFAULT_PIXELS = 160
MAX_PIXELS = MAX_PICTURE_EDGE
CANDIDATES = 4
"""Results that are looked for on this machine before it is said that none is here."""
LIMIT_S = 28.0
"""A little less than plug-ins wait for an answer."""
MAX_WAITING = 64
"""Requests that wait for a picture: the room for what waits serves logs and submissions too."""
_REMEMBERED = 1000
_READY = 8
"""Pictures kept for panels that come back for them."""

_Key = tuple[str, int]
"""The attempt that is wanted most, and the size."""


class _Making(NamedTuple):
    """Nobody waits for this one: what the runner was asked for, and since when."""

    key: _Key
    since_s: float
    elsewhere: PictureAsk
    worker: NodeId


class _Asked(NamedTuple):
    """A worker was asked, since there is no picture here."""

    token: str
    worker: NodeId
    reason: str
    """Why there is none here."""
    since_s: float


@dataclass(slots=True)
class Thumbnails:
    """Answers `thumbnail`."""

    core: Core
    presence: Presence
    desk: Desk
    found: Callable[[LocalRequest], tuple[JobId, JobState, JobSpec]]
    _last: dict[JobId, tuple[int, int]] = field(default_factory=dict)
    """The step and task that was rendered last, of the jobs that got on last since this node's start."""
    _making: dict[str, _Making] = field(default_factory=dict)
    _ready: dict[_Key, dict[str, Any]] = field(default_factory=dict)
    _asked: dict[int, _Asked] = field(default_factory=dict)
    _number: int = 0
    for_peers: Pictures = field(init=False)

    def __post_init__(self) -> None:
        self.for_peers = Pictures(self.core, self.presence)
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
        wanted = []
        for number, task in self._candidates(job, state, spec):
            step = state.steps[number]
            attempt = canonical(step, task)
            if attempt is not None and attempt[2] is not None and attempt[2][1]:
                wanted.append((delivery_order(job, spec, number, task, step, attempt), attempt))
        if not wanted:
            return no_picture("no frame of this job is done yet")
        results = tuple(result for result, _ in wanted)
        first, attempt = wanted[0]
        elsewhere = PictureAsk(0, attempt[0], job, first.step, first.task, size)
        if not optional(request, "wait", bool, True):
            return self._at_once(results, elsewhere, attempt[1][2])
        if self.desk.count(KIND) >= MAX_WAITING:
            return no_picture("many pictures are being made already; ask again later")
        token = self.desk.wait(request, KIND, LIMIT_S, (elsewhere, attempt[1][2]))
        self.core.effects.previews.append(PreviewOrder(token, results, size))
        return None

    def _at_once(self, results: tuple[PublishOrder, ...], elsewhere: PictureAsk, worker: NodeId) -> dict[str, Any]:
        """What is ready; else it is begun, and the panel comes back for it. What failed is told once and tried anew."""
        key = (results[0].attempt, elsewhere.size)
        ready = self._ready.get(key)
        if ready is not None:
            if ready["frame"] is None:
                del self._ready[key]
            return ready
        since_s = self.core.mono_s - LIMIT_S
        self._making = {token: made for token, made in self._making.items() if made.since_s > since_s}
        if len(self._making) < CANDIDATES and all(made.key != key for made in self._making.values()):
            self._number += 1
            token = f"{KIND}-{self._number}"
            self._making[token] = _Making(key, self.core.mono_s, elsewhere, worker)
            self.core.effects.previews.append(PreviewOrder(token, results, elsewhere.size))
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
        if "/" in told.request:
            self.for_peers.on_previewed(told)
        elif not (told.reason and self._ask_worker(told)):
            self._done(told.request, _answer(told))

    def _ask_worker(self, told: Previewed) -> bool:
        """Whether another machine was asked, which has the frame and perhaps what reads it."""
        made, waiting = self._making.get(told.request), self.desk.look(told.request, KIND)
        if made is not None:
            ask, worker = made.elsewhere, made.worker
        elif waiting is not None:
            ask, worker = waiting.extra
        else:
            return False
        peer = self.presence.peers.get(worker)
        if peer is None or not peer.has_greeted:
            return False
        since_s = self.core.mono_s - LIMIT_S
        self._asked = {number: asked for number, asked in self._asked.items() if asked.since_s > since_s}
        self._number += 1
        self._asked[self._number] = _Asked(told.request, worker, told.reason, self.core.mono_s)
        self.core.send(worker, ask._replace(token=self._number))
        return True

    def on_tell(self, peer: Peer, message: PictureTell) -> None:
        """A picture from a peer, if it was that peer who was asked."""
        asked = self._asked.get(message.token)
        if asked is None or asked.worker != peer.node:
            return
        del self._asked[message.token]
        if message.reason or not message.png.startswith(_PNG):
            self._done(asked.token, no_picture(asked.reason))
            return
        png = b64encode(message.png).decode("ascii")
        shown = {"frame": message.name, "width": message.width, "height": message.height, "png": png, "path": ""}
        self._done(asked.token, shown)

    def tick(self) -> None:
        """Nobody waits for a worker that has gone since it was asked."""
        for number, asked in tuple(self._asked.items()):
            peer = self.presence.peers.get(asked.worker)
            if peer is None or not peer.has_greeted:
                del self._asked[number]
                self._done(asked.token, no_picture(asked.reason))

    def _done(self, token: str, answer: dict[str, Any]) -> None:
        """Hand the answer to who waits for it, or keep it for who comes back."""
        made = self._making.pop(token, None)
        if made is not None:
            self._ready[made.key] = answer
            if len(self._ready) > _READY:
                del self._ready[next(iter(self._ready))]
            return
        waiting = self.desk.take(token, KIND)
        if waiting is not None:
            self.desk.reply(waiting.request, answer)


def _answer(told: Previewed) -> dict[str, Any]:
    if told.reason:
        return no_picture(told.reason)
    return {"frame": told.name, "width": told.width, "height": told.height, "png": told.png, "path": told.path}


def no_picture(reason: str) -> dict[str, Any]:
    """The answer when there is nothing to show."""
    return {"frame": None, "reason": reason}
