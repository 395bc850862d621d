"""Small pictures for peers: of frames that were rendered here, which they do not have or cannot read."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field

from peerfarm.model.ids import ActionId, NodeId
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import PublishOrder
from peerfarm.node.core import Core
from peerfarm.node.delivery import delivery_order
from peerfarm.node.peer import Peer
from peerfarm.node.plaintext import plain
from peerfarm.node.presence import Presence
from peerfarm.protocol.filemessages import MAX_PICTURE_BYTES, MAX_WHY, PictureAsk, PictureTell
from peerfarm.state.farm import Attempt, get_job, get_record
from peerfarm.state.selectors import spec_of

MAX_ORDERS = 8
"""Pictures that are made for one peer at a time."""


@dataclass(slots=True)
class Pictures:
    """Answers PictureAsk."""

    core: Core
    presence: Presence
    _orders: dict[NodeId, set[str]] = field(default_factory=dict)
    """What is being made, by who asked."""

    def on_ask(self, peer: Peer, message: PictureAsk) -> None:
        """A peer's user wants to see a frame that was rendered here."""
        orders = self._orders.get(peer.node, set())
        token = f"{peer.node}/{message.token}"
        if token in orders:
            return
        if len(orders) >= MAX_ORDERS:
            self.core.send(peer.node, _nothing(message.token, "its worker makes other pictures already"))
            return
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

    def on_previewed(self, told: Previewed) -> None:
        """The runner made a picture for a peer, or said why not."""
        owner, _, token = told.request.rpartition("/")
        node = NodeId(owner)
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


def _attempt(record: Iterable[Attempt], lease: ActionId) -> Attempt | None:
    """The attempt of that lease that has frames."""
    return next((one for one in record if one[0] == lease and one[1] is not None and one[2] and one[2][1]), None)


def _nothing(token: int, reason: str) -> PictureTell:
    return PictureTell(token, "", 0, 0, b"", plain(reason, MAX_WHY))
