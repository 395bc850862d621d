"""What threads, the disk and the transfers were told to do, and what the store keeps for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from storm_farm import ASH, ASH_KEY, FARM, OAK, OAK_KEY

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed, Packed, PackOrder, PackProgressed
from peerfarm.model.job import FilesMode
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import Inspected, PublishOrder, PublishResult, RenderTask
from peerfarm.node import inputs
from peerfarm.node.effects import AskJoin, CheckPaths, Effects, Inspect, OpenJoin, ReadLog
from peerfarm.protocol.messages import JoinTell, encode_message

ROOT = BlobRef(BlobId(b"r" * 32), 200)
WELCOME = encode_message(JoinTell("", FARM, "studio", ((ASH, ASH_KEY, "ash", ()), (OAK, OAK_KEY, "oak", ()))))


class Orders:
    """The orders that were not answered yet, and the pins, which outlive the program."""

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.pins: set[str] = set()
        self.arrived: set[str] = set()
        """Pins under which everything was here at some time."""

    def take(self, effects: Effects) -> None:
        """Begin what a turn wants, in the daemon's order: pins are let go last."""
        gone = {*effects.fetch_stops, *(order.key for order in effects.fetches)}
        self.pending = [o for o in self.pending if not (isinstance(o, FetchOrder) and o.key in gone)]
        self.pins |= {order.pin for order in effects.fetches if order.pin}
        self.pending += [*effects.checks, *effects.inspections, *effects.log_reads, *effects.reads]
        self.pending += [*effects.publishes, *(join for join in effects.joins if not hasattr(join, "ticket"))]
        self.pending += [*effects.previews, *effects.fetches, *effects.packs, *effects.stops]
        self.pins -= set(effects.released)

    def answer(self, order: Any, problem: str) -> Any:
        """How an order ends, well when there is no problem; None for those that are no thread's."""
        told: Any = None
        match order:
            case FetchOrder():
                told = self._fetched(order, FetchEnded(order.key, problem))
            case PackOrder():
                told = self._packed(order, Packed(order.request, None if problem else ROOT, error=problem))
            case PublishOrder():
                is_lost = bool(problem) and order.files is not FilesMode.PEERS
                result = PublishResult(order.attempt, order.job, order.step, order.task, problem, is_lost=is_lost)
                told = inputs.Published(result)
            case CheckPaths():
                told = inputs.PathsChecked(order.request, problem)
            case Inspect():
                told = Inspected(order.request, None if problem else {"frames": "1-3"}, problem)
            case PreviewOrder():
                told = Previewed(order.request, "f_0001.png", "/out", 160, 90, "aGk=", problem)
            case ReadLog():
                told = inputs.LogRead(order.token, None if problem else "text", order.offset, order.offset)
            case OpenJoin():
                told = inputs.JoinOpened("" if problem else "peerfarm-join", problem)
            case AskJoin():
                told = inputs.JoinAnswered(None if problem else WELCOME, problem)
        return told

    def say(self, which: int, said: Any) -> Any:
        """What is said of one of the orders that it can be said of; None while there is none."""
        fitting = [order for order in self.pending if isinstance(order, _SAID_OF[type(said)])]
        if not fitting:
            return None
        order = fitting[which % len(fitting)]
        if not isinstance(said, (FetchProgressed, PackProgressed)):
            self.pending.remove(order)
        match said:
            case PublishResult():
                said = replace(said, attempt=order.attempt, job=order.job, step=order.step, task=order.task)
                return inputs.Published(said)
            case Packed():
                return self._packed(order, replace(said, request=order.request))
            case PackProgressed():
                return replace(said, request=order.request)
        if isinstance(said, FetchEnded):
            return self._fetched(order, replace(said, key=order.key))
        return replace(said, key=order.key if isinstance(order, FetchOrder) else _result_key(order))

    def heard(self, event: Any) -> None:
        """Something is told out of turn: if it ends an order, then that one has ended."""
        for order in self.pending[:]:
            if isinstance(event, FetchEnded) and isinstance(order, FetchOrder) and order.key == event.key:
                self.pending.remove(order)
                self._fetched(order, event)
            elif isinstance(event, Packed) and isinstance(order, PackOrder) and order.request == event.request:
                self.pending.remove(order)
                self._packed(order, event)

    def ended(self, task: RenderTask, *, is_rendered: bool) -> None:
        """The runner moved frames that travel into the store, perhaps also those of an attempt that gave no result."""
        if task.files is FilesMode.PEERS and task.output_pattern:
            self.pins.add(_result_key(task))
            self.arrived |= {_result_key(task)} if is_rendered else set()

    def _fetched(self, order: FetchOrder, ended: FetchEnded) -> FetchEnded:
        if not ended.error and order.pin:
            self.arrived.add(order.pin)
        return ended

    def _packed(self, order: PackOrder, packed: Packed) -> Packed:
        """Whatever became of it, its files are kept until they are let go."""
        self.pins.add(f"scene/{order.job}")
        return packed


def _result_key(order: PublishOrder | RenderTask) -> str:
    return f"result/{order.job}/{order.attempt}"


_SAID_OF: dict[type[Any], tuple[type[Any], ...]] = {
    FetchProgressed: (FetchOrder, PublishOrder),
    FetchEnded: (FetchOrder,),
    PackProgressed: (PackOrder,),
    Packed: (PackOrder,),
    PublishResult: (PublishOrder,),
}
