"""The small picture of a job's last frame, for panels: which frame that is, and who can show it.

Another room finds and shrinks it. What this machine does not have, or cannot read, its worker is asked for once.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import ActionId, JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import PublishOrder
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.desk import Desk, Waiting
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import optional
from peerfarm.node.peer import Peer
from peerfarm.node.plaintext import plain
from peerfarm.node.presence import Presence
from peerfarm.protocol.filemessages import MAX_PICTURE_BYTES, MAX_PICTURE_EDGE, MAX_WHY, PictureAsk, PictureTell
from peerfarm.state.actions import Action, JobArchived, JobDeleted, TaskRendered
from peerfarm.state.farm import EMPTY_STEP, Attempt, Farm, JobState, get_job, get_record
from peerfarm.state.selectors import canonical, full_mask, spec_of

KIND = "thumbnail"
_PNG = b"\x89PNG\r\n\x1a\n"
DEFAULT_PIXELS = 160
MAX_PIXELS = MAX_PICTURE_EDGE
CANDIDATES = 4
"""Results that are looked for on this machine before it is said that none is here."""
LIMIT_S = 28.0
"""A little less than plug-ins wait for an answer."""
MAX_ORDERS = 8
"""Pictures that are made for one peer at a time."""
_REMEMBERED = 1000


class _Elsewhere(NamedTuple):
    """Who rendered the frame that is wanted most, to be asked where this machine has no picture."""

    worker: NodeId
    ask: PictureAsk
    reason: str = ""
    """Why there is none here, once it is asked."""


@dataclass(slots=True)
class Thumbnails:
    """Answers `thumbnail`."""

    core: Core
    presence: Presence
    desk: Desk
    found: Callable[[LocalRequest], tuple[JobId, JobState, JobSpec]]
    _last: dict[JobId, tuple[int, int]] = field(default_factory=dict)
    """The step and task that was rendered last, of the jobs that got on last since this node's start."""
    _orders: dict[NodeId, set[str]] = field(default_factory=dict)
    """Pictures that are being made for peers."""

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
        """The last finished frame of a job as a small PNG, or null and why."""
        job, state, spec = self.found(request)
        size = optional(request, "size", int, DEFAULT_PIXELS)
        if not 16 <= size <= MAX_PIXELS:
            raise RequestRefused(f"size must be from 16 to {MAX_PIXELS} pixels, not {size}")
        results = []
        elsewhere = None
        for number, task in self._candidates(job, state, spec):
            step = state.steps[number]
            attempt = canonical(step, task)
            if attempt is not None and attempt[2] is not None and attempt[2][1]:
                results.append(delivery_order(job, spec, number, task, step, attempt))
                if elsewhere is None:
                    ask = PictureAsk(0, attempt[0], job, number, task, size)
                    elsewhere = _Elsewhere(attempt[1][2], ask)
        if not results:
            return no_picture("no frame of this job is done yet")
        token = self.desk.wait(request, KIND, LIMIT_S, elsewhere)
        self.core.effects.previews.append(PreviewOrder(token, tuple(results), size))
        return None

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
        node, slash, token = told.request.rpartition("/")
        if slash:
            self._tell(NodeId(node), token, told)
            return
        waiting = self.desk.look(told.request, KIND)
        if waiting is None or (told.reason and self._ask_worker(told, waiting)):
            return
        self.desk.take(told.request, KIND)
        if told.reason:
            self.desk.reply(waiting.request, no_picture(told.reason))
            return
        self.desk.reply(
            waiting.request,
            {"frame": told.name, "width": told.width, "height": told.height, "png": told.png, "path": told.path},
        )

    def _ask_worker(self, told: Previewed, waiting: Waiting) -> bool:
        """Whether another machine was asked, which has the frame and perhaps what reads it."""
        elsewhere: _Elsewhere = waiting.extra
        peer = self.presence.peers.get(elsewhere.worker)
        if peer is None or not peer.has_greeted or elsewhere.reason:
            return False
        waiting.extra = elsewhere._replace(reason=told.reason)
        self.core.send(peer.node, elsewhere.ask._replace(token=int(told.request)))
        return True

    def on_ask(self, peer: Peer, message: PictureAsk) -> None:
        """A peer's user wants to see a frame that was rendered here."""
        orders = self._orders.get(peer.node, set())
        token = f"{peer.node}/{message.token}"
        if len(orders) >= MAX_ORDERS or token in orders:
            return  # its user is told that no answer came
        result = self._result(message)
        if result is None:
            self.core.send(peer.node, _nothing(message.token, "its worker knows nothing of this frame any more"))
            return
        self._orders[peer.node] = orders | {token}
        self.core.effects.previews.append(PreviewOrder(token, (result,), message.size))

    def _result(self, message: PictureAsk) -> PublishOrder | None:
        state = get_job(self.core.farm, message.job)
        spec = spec_of(state) if state is not None else None
        step = state.steps.get(message.step) if state is not None else None
        if spec is None or step is None or message.step >= len(spec.steps) or not spec.steps[message.step].output_dir:
            return None
        attempt = _attempt(get_record(step, message.task), message.lease)
        if attempt is None or attempt[1][2] != self.core.node:
            return None
        return delivery_order(message.job, spec, message.step, message.task, step, attempt)

    def _tell(self, node: NodeId, token: str, told: Previewed) -> None:
        orders = self._orders.pop(node, set()) - {f"{node}/{token}"}
        if orders:
            self._orders[node] = orders
        if node not in self.presence.peers:
            return
        try:
            png = b64decode(told.png, validate=True)
        except (ValueError, binascii.Error):
            png = b""
        if told.reason or not 0 < len(png) <= MAX_PICTURE_BYTES:
            self.core.send(node, _nothing(int(token), told.reason or "its picture is too large to be sent"))
        else:
            self.core.send(node, PictureTell(int(token), told.name, told.width, told.height, png, ""))

    def on_tell(self, peer: Peer, message: PictureTell) -> None:
        """A picture from a peer, if it was that peer who was asked."""
        waiting = self.desk.look(str(message.token), KIND)
        if waiting is None or waiting.extra.worker != peer.node or not waiting.extra.reason:
            return
        self.desk.take(str(message.token), KIND)
        if message.reason or not message.png.startswith(_PNG):
            self.desk.reply(waiting.request, no_picture(waiting.extra.reason))
            return
        self.desk.reply(
            waiting.request,
            {
                "frame": message.name,
                "width": message.width,
                "height": message.height,
                "png": b64encode(message.png).decode("ascii"),
                "path": "",
            },
        )


def _attempt(record: Iterable[Attempt], lease: ActionId) -> Attempt | None:
    """The attempt of that lease that has frames."""
    return next((one for one in record if one[0] == lease and one[1] is not None and one[2] and one[2][1]), None)


def _nothing(token: int, reason: str) -> PictureTell:
    return PictureTell(token, "", 0, 0, b"", plain(reason, MAX_WHY))


def no_picture(reason: str) -> dict[str, Any]:
    """The answer when there is nothing to show."""
    return {"frame": None, "reason": reason}
