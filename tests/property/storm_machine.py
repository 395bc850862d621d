"""The machine under a node: a clock turned by hand, the real ledger on a disk in memory, threads and a runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storm_farm import ASH, ASH_KEY, BOOT, FARM, LOGS, OAK, OAK_KEY
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
    Inspected,
    PublishOrder,
    PublishResult,
    RenderTask,
)
from peerfarm.node import Node, inputs
from peerfarm.node.core import NodeSettings
from peerfarm.node.effects import Answer, AskJoin, CheckPaths, Effects, Inspect, OpenJoin, ReadLog, ReadRows
from peerfarm.protocol.messages import JoinTell, LeaseAsk, VectorAsk, decode_message, encode_message
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
        self.node.start(recall(self.node, self._store, self._store.doubt), self.now_s)
        self.witness = Witness(self.node)
        self.greeted: set[NodeId] = set()
        self.orders: list[Any] = []
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
        if self._is_prompt and self.orders:
            orders, self.orders = self.orders, []
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
        self.orders += [*effects.checks, *effects.inspections, *effects.log_reads, *effects.reads]
        self.orders += [*effects.publishes, *(join for join in effects.joins if not hasattr(join, "ticket"))]
        self.orders += effects.stops
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
            if not isinstance(event, (AttemptStarted, AttemptProgressed)):
                del self._running[slot]
            self.hear(inputs.RunnerSaid(_of(event, task)))

    def told(self, event: Any) -> None:
        """Something arrives that perhaps nobody waits for."""
        said = getattr(event, "event", None)
        if said is not None and not isinstance(said, (AttemptStarted, AttemptProgressed)):
            self._running = {slot: task for slot, task in self._running.items() if task.attempt != said.attempt}
        self.hear(event)

    def answer(self, which: int, is_well: bool) -> None:
        """A thread, the disk or the join socket ends what it was told to do."""
        if self.orders:
            self._end(self.orders.pop(which % len(self.orders)), is_well)

    def _end(self, order: Any, is_well: bool) -> None:
        problem = "" if is_well else "it cannot be"
        match order:
            case CheckPaths():
                self.hear(inputs.PathsChecked(order.request, problem))
            case Inspect():
                self.hear(Inspected(order.request, {"frames": "1-3"} if is_well else None, problem))
            case ReadLog():
                self.hear(inputs.LogRead(order.token, "text" if is_well else None, order.offset, order.offset))
            case ReadRows():
                rows = self._store.read(*order.key, order.first, order.last, order.limit_bytes)
                self.hear(inputs.RowsRead(order.node, tuple(rows)))
            case PublishOrder():
                self.hear(
                    inputs.Published(
                        PublishResult(order.attempt, order.job, order.step, order.task, problem, is_lost=not is_well)
                    )
                )
            case OpenJoin():
                self.token = order.token
                self.hear(inputs.JoinOpened("peerfarm-join" if is_well else "", problem))
            case AskJoin():
                members = ((ASH, ASH_KEY, "ash", ()), (OAK, OAK_KEY, "oak", ()))
                welcome = encode_message(JoinTell("", FARM, "studio", members)) if is_well else None
                self.hear(inputs.JoinAnswered(welcome, problem))
            case str():
                for slot, task in list(self._running.items()):
                    if task.attempt == order:
                        del self._running[slot]
                self.hear(inputs.RunnerSaid(AttemptStopped(order)))

    def disk(self, is_full: bool) -> None:
        """The disk has no room, or has room again."""
        self._disk.full = is_full

    def restart(self, is_clean: bool) -> None:
        """The program ends, in good order or by a crash, and starts again with what the disk holds."""
        self.turn()
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
                if not (self.orders or self._running) or is_enough():
                    break
                for order in self.orders[:]:
                    self.orders.remove(order)
                    self._end(order, True)
                for slot in list(self._running):
                    task = self._running.pop(slot)
                    self.hear(inputs.RunnerSaid(_of(AttemptRendered("", (), 2.0), task)))
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
    if isinstance(event, AttemptRendered) and not event.frames and task.output_dir:
        frames = tuple(FrameFile(task.frame_name(frame), 10, bytes(32)) for frame in task.frames)
        return AttemptRendered(task.attempt, frames, event.render_s)
    return type(event)(task.attempt, *(getattr(event, name) for name in event.__slots__[1:]))
