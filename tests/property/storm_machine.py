"""The machine under a node: a clock turned by hand, the real ledger on a disk in memory, threads and a runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storm_farm import BOOT, LOGS, OAK, OAK_KEY
from storm_orders import Orders
from storm_witness import Witness

from peerfarm.config import SharedRoot
from peerfarm.daemon.ledger import Ledger, recall
from peerfarm.model.ids import BootId, JobId, LogId, NodeId
from peerfarm.model.render import (
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    Capability,
    Discovered,
    FrameFile,
    RenderTask,
)
from peerfarm.node import Node, inputs
from peerfarm.node.core import NodeSettings
from peerfarm.node.effects import Answer, Effects, OpenJoin, ReadRows
from peerfarm.protocol.messages import KeepAsk, LeaseAsk, VectorAsk, decode_message
from peerfarm.state.entities import state_hash
from peerfarm.store.memory import MemoryDisk, MemoryLog

APPS = (Capability("ocean", "", "/python"), Capability("command", "", "/bin/true", ("true",)))


class Machine:
    """One node after the other, all on the same disk."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.questions: dict[NodeId, int] = {}
        """The token of the last question to each peer what it holds."""
        self.wishes: dict[NodeId, LeaseAsk] = {}
        """The last ask for a lease to each peer."""
        self.token = ""
        """Of the last invitation."""
        self.keep_asks: dict[NodeId, list[KeepAsk]] = {}
        """What each peer was asked to keep."""
        self.seen: set[str] = set()
        """What came to pass so far, of all starts; see Witness."""
        self.orders = Orders()
        self._disk = MemoryDisk()
        self._starts = 0
        self._begin()

    def _begin(self) -> None:
        self._starts += 1
        self._disk.full = False
        number = "abcdefghijklmnopqrstuvwxyz"[self._starts % 26]
        log = LOGS[OAK] if self._starts == 1 else LogId(f"loglog{number}{number}")
        boot = BOOT if self._starts == 1 else BootId(f"bootboo{number}")
        identity = inputs.Identity(OAK, OAK_KEY, "oak", boot, log, 1_000_000)
        settings = NodeSettings(
            "oak",
            slots=2,
            user="mia",
            memory_mb=8000,
            cores=4,
            addresses=("127.0.0.1:1",),
            shared=(SharedRoot("/out"),),
        )
        self.node = Node(identity, settings, {"name": "oak"})
        self._store = MemoryLog(self._disk)
        self._ledger = Ledger(self._store, self._release)
        self.node.snapshots.threshold = 60
        remembered = recall(self.node, self._store, self._store.doubt)
        remembered.pins = tuple(sorted(self.orders.pins))
        self.node.start(remembered, self.now_s)
        self.witness = Witness(self.node, self.seen)
        self.greeted: set[NodeId] = set()
        self.orders.pending = []
        self._is_prompt = True
        self._running: dict[int, RenderTask] = {}
        self.begun: set[JobId] = set()
        self.is_over = False
        self._soon: list[Any] = []
        self.answers: dict[int, Answer] = {}
        self.hear(Discovered(APPS))

    def hear(self, event: Any) -> None:
        """Something happened."""
        self.node.handle(event, self.now_s)

    def turn(self) -> None:
        """End the turn, and carry out what the node wants as the daemon does."""
        effects = self.node.settle(self.now_s)
        self.witness.look(effects, self.now_s)
        self.greeted -= set(effects.hang_ups)
        for node, raw in effects.sends:
            message = decode_message(raw)
            if isinstance(message, VectorAsk):
                self.questions[node] = message.token
            elif isinstance(message, LeaseAsk):
                self.wishes[node] = message
            elif isinstance(message, KeepAsk):
                self.keep_asks.setdefault(node, []).append(message)
        self.is_over |= effects.is_over
        had_error = bool(self._ledger.error)
        self._ledger.take(effects, self.now_s)
        if self._ledger.error:
            assert self._ledger.error == "no room on the disk"
            if not had_error:
                self._soon.append(inputs.DiskRefused(self._ledger.error, self._ledger.waiting()))
        if self._ledger.retry(self.now_s):
            self._soon.append(inputs.DiskRecovered(self._ledger.dropped))
        soon, self._soon = self._soon, []
        for event in soon:
            self.hear(event)
        if self._is_prompt and self.orders.pending:
            orders, self.orders.pending = self.orders.pending, []
            for order in orders:
                self._end(order, True)
            self.turn()

    def dawdle(self, is_prompt: bool) -> None:
        """From now on threads, the disk and the join socket end what they are told at once, or only when asked to."""
        self._is_prompt = is_prompt

    def _release(self, effects: Effects) -> None:
        for start in effects.starts:
            assert start.slot not in self._running
            self._running[start.slot] = start.task
            self.begun.add(start.task.job)
        self.orders.take(effects)
        self.answers |= {answer.id: answer for answer in effects.answers}

    def wait(self, seconds: float) -> None:
        """Time passes, and the node is told once."""
        self.now_s += seconds
        self.hear(inputs.Tick())

    def stop(self) -> None:
        """The program is asked to end."""
        self.hear(inputs.StopAsked())

    def runner(self, which: int, event: Any) -> None:
        """The runner says something of an attempt that runs."""
        slots = sorted(self._running)
        if slots:
            slot = slots[which % len(slots)]
            task = self._running[slot]
            if isinstance(event, (AttemptStarted, AttemptProgressed)):
                self.hear(inputs.RunnerSaid(_of(event, task)))
            else:
                self._ends(slot, event)

    def _ends(self, slot: int, event: Any) -> None:
        task = self._running.pop(slot)
        said = _of(event, task)
        is_rendered = isinstance(said, AttemptRendered)
        if task.frames or not is_rendered:
            self.orders.ended(task, is_rendered=is_rendered)
        self.hear(inputs.RunnerSaid(said))

    def told(self, event: Any) -> None:
        """Something arrives that perhaps nobody waits for."""
        said = getattr(event, "event", None)
        if said is not None and not isinstance(said, (AttemptStarted, AttemptProgressed)):
            for slot in [slot for slot, task in self._running.items() if task.attempt == said.attempt]:
                self._ends(slot, said)
                return
        self.orders.heard(event)
        self.hear(event)

    def answer(self, which: int, is_well: bool) -> None:
        """A thread, the disk or the join socket ends what it was told to do."""
        orders = self.orders.pending
        if orders:
            self._end(orders.pop(which % len(orders)), is_well)

    def says(self, which: int, said: Any) -> None:
        """Packing, a fetch or a delivery gets on, or ends in its own way."""
        event = self.orders.say(which, said)
        if event is not None:
            self.hear(event)

    def _end(self, order: Any, is_well: bool) -> None:
        if isinstance(order, ReadRows):
            rows = self._store.read(*order.key, order.first, order.last, order.limit_bytes)
            self.hear(inputs.RowsRead(order.node, tuple(rows)))
        elif isinstance(order, str):
            self.told(inputs.RunnerSaid(AttemptStopped(order)))
        else:
            self.token = order.token if isinstance(order, OpenJoin) else self.token
            self.hear(self.orders.answer(order, "" if is_well else "it cannot be"))

    def disk(self, is_full: bool) -> None:
        """The disk has no room, or has room again."""
        self._disk.full = is_full

    def restart(self, is_clean: bool, has_lost_pins: bool) -> None:
        """The program ends, in good order or by a crash, and starts again with what the disk holds.

        The store may have lost its book, which says what must be kept; then it keeps everything for a while.
        """
        self.turn()
        if has_lost_pins:
            self.orders.pins.clear()
            self.orders.arrived.clear()
        if is_clean and not self._ledger.error:
            self._store.close()
        else:
            self._disk.crash()
        self._begin()

    def settle_down(self, is_enough: Callable[[], bool], seconds: float) -> None:
        """Let time pass, and whatever was begun end well, until it is enough or so much time has passed."""
        end_s = self.now_s + seconds
        while self.now_s < end_s and not is_enough():
            self.now_s += 1.0
            self.hear(inputs.Tick())
            self.turn()
            for _ in range(20):
                if not (self.orders.pending or self._running) or is_enough():
                    break
                orders, self.orders.pending = self.orders.pending, []
                for order in orders:
                    self._end(order, True)
                for slot in list(self._running):
                    self._ends(slot, AttemptRendered("", (), 2.0))
                self.turn()

    def what_the_disk_tells(self) -> tuple[object, str]:
        """The positions and the state that a start from the disk would begin with."""
        self._store.close()
        store = MemoryLog(self._disk)
        node = Node(self.node.core.identity, self.node.core.settings)
        recall(node, store, store.doubt)
        return node.core.book.vector, state_hash(node.core.farm)


def _of(event: Any, task: RenderTask) -> Any:
    """The event, told of that attempt; a result brings all its frames."""
    if isinstance(event, AttemptRendered) and not event.frames and task.output_pattern:
        names = [task.frame_name(frame) for frame in task.frames]
        frames = tuple(FrameFile(name, 10, name.encode().rjust(32)[-32:]) for name in names)
        return AttemptRendered(task.attempt, frames, event.render_s)
    return type(event)(task.attempt, *(getattr(event, name) for name in event.__slots__[1:]))
