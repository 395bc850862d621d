"""The keeper's side of second copies: frames that others rendered, fetched and kept from eviction on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from peerfarm.model.blob import MAX_BLOB_BYTES, BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label
from peerfarm.node.copies import UNKNOWN
from peerfarm.node.core import Core
from peerfarm.node.peer import Peer
from peerfarm.node.pins import Held, Pins, keep_key
from peerfarm.node.presence import Presence
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.filemessages import KeepAsk, KeepMoved, KeepTold
from peerfarm.state.farm import EMPTY_STEP, Attempt, get_job, get_record

MAX_UNDER_WAY = 1024
TELL_EVERY_S = 5.0


@dataclass(slots=True)
class _Keep:
    """A copy under way."""

    asker: NodeId
    held: Held
    is_new: bool
    """This request pinned it first: when the copy fails, the pin goes too."""
    told_s: float
    done_bytes: int = 0


@dataclass(slots=True)
class Keeping:
    """What this node keeps for others."""

    core: Core
    presence: Presence
    pins: Pins
    on_begun: Callable[[JobId, str, int], None] = lambda _job, _attempt, _size_bytes: None
    """The frames of an attempt set out for this node, so many bytes."""
    _under_way: dict[str, _Keep] = field(default_factory=dict)
    """By the fetch's key."""

    def __post_init__(self) -> None:
        self.presence.on_gone.append(self._on_gone)
        self.pins.on_let_go = self._let_go

    @property
    def is_busy(self) -> bool:
        """Whether copies are under way."""
        return bool(self._under_way)

    def on_ask(self, peer: Peer, message: KeepAsk) -> None:
        """A worker wants its frames kept; whoever has them already says so at once, for the fetch ends at once."""
        held = self._held(message)
        reason = self._why_not(peer, message, held)
        key = keep_key(message.job, attempt_label(message.lease))
        if reason or held is None:
            self._tell(peer.node, message.lease, reason or UNKNOWN)
            return
        former = self._under_way.get(key)
        if former is not None and former.asker == peer.node:
            return
        self._under_way[key] = _Keep(peer.node, held, not self.pins.has(key), self.core.mono_s)
        self.pins.note(key, held)
        refs = tuple(dict.fromkeys(BlobRef(BlobId(digest), size_bytes) for _, size_bytes, digest in message.frames))
        self.core.effects.fetches.append(FetchOrder(key, refs, holders=(peer.node,), pin=key))
        self.on_begun(message.job, attempt_label(message.lease), sum(ref.size_bytes for ref in refs))

    def is_under_way(self, job: JobId, attempt: str) -> bool:
        """Whether the second copy of an attempt's frames is on its way here."""
        return keep_key(job, attempt) in self._under_way

    def _held(self, message: KeepAsk) -> Held | None:
        state = get_job(self.core.farm, message.job)
        step = state.steps.get(message.step, EMPTY_STEP) if state is not None else EMPTY_STEP
        for lease, given, *_ in get_record(step, message.task):
            if lease == message.lease and given is not None:
                return Held(message.job, message.step, message.task, lease, given[1])
        return None

    def _why_not(self, peer: Peer, message: KeepAsk, held: Held | None) -> str:
        state = get_job(self.core.farm, message.job)
        if self.core.disk_error or self.core.is_stopping or not self.core.is_member:
            return "it takes nothing now"
        if state is None or held is None:
            return UNKNOWN
        if not self.pins.is_wanted(keep_key(message.job, attempt_label(message.lease)), held):
            return "nobody needs it any more"
        record = get_record(state.steps.get(held.step, EMPTY_STEP), held.task)
        if not any(a[0] == held.lease and _may_ask(peer.node, a, message) for a in record):
            return "the lease is another worker's"
        if any(size_bytes > MAX_BLOB_BYTES for _, size_bytes, _ in message.frames):
            return "a frame is too long"
        return "it is busy" if len(self._under_way) >= MAX_UNDER_WAY else ""

    def _tell(self, node: NodeId, lease: ActionId, reason: str) -> None:
        self.core.send(node, KeepTold(lease, not reason, reason[:400]))

    def on_progressed(self, event: FetchProgressed) -> None:
        """A copy moved on: its worker hears so now and then, and waits."""
        keep = self._under_way.get(event.key)
        if keep is None or event.done_bytes <= keep.done_bytes or self.core.mono_s - keep.told_s < TELL_EVERY_S:
            return
        keep.told_s, keep.done_bytes = self.core.mono_s, event.done_bytes
        moved = min(1000, event.done_bytes * 1000 // max(1, event.total_bytes))
        self.core.send(keep.asker, KeepMoved(keep.held.lease, max(1, moved)))

    def on_ended(self, event: FetchEnded) -> None:
        """A copy is durable here, or cannot be made."""
        keep = self._under_way.pop(event.key, None)
        if keep is None:
            return
        if event.error and keep.is_new:
            self.pins.release(keep.held.job, event.key)
        self._tell(keep.asker, keep.held.lease, event.error)

    def _let_go(self, key: str) -> None:
        """Nobody needs the frames any more, as it turned out while they were on their way."""
        keep = self._under_way.pop(key, None)
        if keep is not None:
            self.core.effects.fetch_stops.append(key)
            self._tell(keep.asker, keep.held.lease, "nobody needs it any more")

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        """Nobody waits for the copy; what arrived of it stays as long as the task may need it."""
        for key in [key for key, keep in self._under_way.items() if keep.asker == node]:
            del self._under_way[key]
            self.core.effects.fetch_stops.append(key)


def _may_ask(asker: NodeId, attempt: Attempt, message: KeepAsk) -> bool:
    """Its worker may; another node that holds a copy may, for exactly the frames that stand in the farm's state."""
    is_workers = attempt[1] is not None and attempt[1][2] == asker
    return is_workers or (attempt[2] is not None and tuple(attempt[2][1]) == message.frames)
