"""One real node on a clock turned by hand, with the real ledger on a disk in memory, and peers, users and renderers.

Each deed is a method. Deeds that need something that is not there, such as a renderer to report on, do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgpack
from storm_witness import Witness

from peerfarm.config import SharedRoot
from peerfarm.daemon.ledger import Ledger, recall
from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
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
from peerfarm.node.effects import (
    Answer,
    AskJoin,
    CheckPaths,
    Effects,
    Inspect,
    OpenJoin,
    ReadLog,
    ReadRows,
)
from peerfarm.protocol.jsonrpc import Request, decode_request, encode_request
from peerfarm.protocol.localmethods import check_request
from peerfarm.protocol.messages import (
    About,
    Beat,
    Greeting,
    JoinAsk,
    JoinTell,
    LeaseAsk,
    Message,
    Pull,
    SnapshotGot,
    VectorAsk,
    VectorTell,
    Whereabouts,
    decode_message,
    encode_message,
)
from peerfarm.state.actions import Body, JobSubmitted, MemberAdded, TaskLeased, encode_action
from peerfarm.state.entities import state_hash
from peerfarm.store.memory import MemoryDisk, MemoryLog

FARM = FarmId("f" * 16)
OAK_KEY, ASH_KEY, ELM_KEY, YEW_KEY = (name.ljust(40, "0") for name in ("oak", "ash", "elm", "yew"))
OAK, ASH, ELM, YEW = map(node_id_of, (OAK_KEY, ASH_KEY, ELM_KEY, YEW_KEY))
"""This node, two other members, and one that only actions of a storm may add."""
PEERS = (ASH, ELM)
BOOT = BootId("bootboot")
LOGS = {OAK: LogId("loglog22"), ASH: LogId("ashlog22"), ELM: LogId("elmlog22"), YEW: LogId("yewlog22")}
ASHS_JOB = JobId("p" * 12)
JOBS = tuple(JobId(letter * 12) for letter in "abcdef")
APPS = (Capability("ocean", "", "/python"), Capability("command", "", "/bin/true", ("true",)))
THEIRS = "theirs"
"""In a message: the boot id or the token that would be right. A vector with token 0 answers the last question."""
LONG = "\U0001d11e" * 200
PATIENCE_S = 100.0
"""Longer than every limit after which a request is answered that nothing else answers."""


class Act(NamedTuple):
    """An action that a peer sends, written by itself or, so it says, by another."""

    author: NodeId
    skipped: int
    """Seqs of the author's log that are left out before it."""
    lamport: int
    body: Body
    farm: FarmId = FARM


class Storm:
    """A node of two slots, in a farm with two others."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._disk = MemoryDisk()
        self._starts = 0
        self._asked = 0
        self._jobs = 0
        self._clients = [1, 2, 3]
        self._token = ""
        self._questions: dict[NodeId, int] = {}
        self._wishes: dict[NodeId, LeaseAsk] = {}
        self._seqs: dict[tuple[NodeId, LogId], int] = {}
        self.farm = FARM
        self._begin()

    def found(self, ashs_job: bytes, *first_jobs: dict[str, Any]) -> None:
        """Found a farm, let both peers in, one of which submits a job at once, and submit others."""
        self.result_of("init", name="studio")
        for node, key, name in ((ASH, ASH_KEY, "ash"), (ELM, ELM_KEY, "elm")):
            self.node.core.record(MemberAdded(node, key, name))
        self.turn()
        for node in PEERS:
            self.greet(node)
        self.turn()
        for peer in PEERS:  # what it holds: nothing, so that this node may give out tasks at once
            self.sends(peer, VectorTell(0, ()))
        self.acts(ASH, [Act(ASH, 0, 1, JobSubmitted(ASHS_JOB, ashs_job))])
        self.turn()
        for job in first_jobs:
            self.result_of("submit", job=job)

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
        self._greeted: set[NodeId] = set()
        self._orders: list[Any] = []
        self._is_prompt = True
        self._running: dict[int, RenderTask] = {}
        self.begun: set[JobId] = set()
        self.is_over = False
        self._soon: list[Any] = []
        self.answers: dict[int, Answer] = {}
        self.hear(Discovered(APPS))

    # Turns

    def hear(self, event: Any) -> None:
        """Something happened."""
        self.node.handle(event, self.now_s)

    def turn(self) -> None:
        """End the turn, and carry out what the node wants as the daemon does."""
        effects = self.node.settle(self.now_s)
        self.witness.look(effects, self.now_s)
        self._greeted -= set(effects.hang_ups)
        for node, raw in effects.sends:
            message = decode_message(raw)
            if isinstance(message, VectorAsk):
                self._questions[node] = message.token
            elif isinstance(message, LeaseAsk):
                self._wishes[node] = message
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
        if self._is_prompt and self._orders:
            orders, self._orders = self._orders, []
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
        self._orders += [*effects.checks, *effects.inspections, *effects.log_reads, *effects.reads]
        self._orders += [*effects.publishes, *(join for join in effects.joins if not hasattr(join, "ticket"))]
        self._orders += effects.stops
        self.answers |= {answer.id: answer for answer in effects.answers}

    def wait(self, seconds: float) -> None:
        """Time passes, and the node is told once."""
        self.now_s += seconds
        self.hear(inputs.Tick())

    # Peers

    def link(self, peer: NodeId, is_up: bool) -> None:
        """A connection stands, or closed."""
        self._greeted.discard(peer)
        self.hear(inputs.LinkUp(peer) if is_up else inputs.LinkDown(peer))

    def greet(self, peer: NodeId) -> None:
        """A peer opens its side, unless it has."""
        if peer not in self._greeted:
            self._greeted.add(peer)
            self.hear(inputs.LinkUp(peer))
            self.hear(inputs.Received(peer, encode_message(Greeting(1, FARM, _boot_of(peer)))))
            about = About("peer", "1", True, 1, 1, (), (), (("ocean", "", ()),), 100, 4, ("127.0.0.1:2",))
            self.hear(inputs.Received(peer, encode_message(about)))

    def sends(self, peer: NodeId, message: Message | bytes) -> None:
        """A greeted peer sends a message, or bytes that may be none."""
        self.greet(peer)
        if getattr(message, "boot", "") == THEIRS:
            message = message._replace(boot=_boot_of(peer))
        if isinstance(message, VectorTell) and not message.token:
            message = message._replace(token=self._questions.get(peer, 0))
        self.hear(inputs.Received(peer, message if isinstance(message, bytes) else encode_message(message)))

    def agrees(self, peer: NodeId, is_same: bool) -> None:
        """A peer's heartbeat says that it holds what this node holds, and that it makes the same of it or not."""
        core = self.node.core
        told = core.hash.of(core.farm) if is_same else "another"
        self.sends(peer, Beat(THEIRS, core.book.digest(), told, 1, 0, ()))

    def grants(self, peer: NodeId, step: int, task: int, generation: int) -> None:
        """A peer grants what this node last asked it for: perhaps a task that there is not."""
        wish = self._wishes.get(peer)
        if wish is not None:
            lease = TaskLeased(wish.job, step, task, generation, 1, OAK, wish.boot, wish.request)
            self.acts(peer, [Act(peer, 0, 1, lease)])

    def catches_up(self, peer: NodeId, is_from_start: bool) -> None:
        """A peer asks what there is, pulls everything, and takes every part of a snapshot."""
        self.sends(peer, VectorAsk(1))
        first = 1 if is_from_start else 5
        positions = self.node.core.book.vector.items()
        self.sends(peer, Pull(tuple((*key, min(first, position.seq), position.seq) for key, position in positions)))
        for number in range(6):
            self.sends(peer, SnapshotGot(number))

    def says_all(self, peer: NodeId, parts: Iterable[Message]) -> None:
        """A greeted peer sends several messages."""
        for part in parts:
            self.sends(peer, part)

    def acts(self, peer: NodeId, acts: Iterable[Act]) -> None:
        """A greeted peer sends actions."""
        raws = []
        for author, skipped, lamport, body, farm in acts:
            key = (author, LOGS[author])
            seq = max(self._seqs.get(key, 0), self.node.core.book.seq_of(key)) + 1
            if not skipped:
                self._seqs[key] = seq
            raws.append(encode_action(farm, (*key, min(seq + skipped, (1 << 53) - 1)), lamport, 5, body))
        self.sends(peer, msgpack.packb((5, raws)))

    def not_admitted(self, _: bool) -> None:
        """A member's door stayed shut."""
        self.hear(inputs.NotAdmitted())

    def knocks(self, said: Message | bytes) -> None:
        """Somebody says something at the join socket, perhaps with the token of the last invitation."""
        if isinstance(said, JoinAsk) and said.token == THEIRS:
            said = said._replace(token=self._token)
        self.hear(inputs.JoinAsked(1, said if isinstance(said, bytes) else encode_message(said), self._mint()))

    # Users

    def _mint(self) -> inputs.Minted:
        job = JOBS[self._jobs] if self._jobs < len(JOBS) else JobId(f"{self._jobs:z>12}".translate(_LETTERS))
        return inputs.Minted(job, FARM, f"{self._asked:t>32}")

    def ask(self, client: int, method: str, params: dict[str, Any]) -> int:
        """A local user asks through the gateway's door, which refuses what the method table does not allow."""
        self._asked += 1
        line = encode_request(Request(self._asked, method, params))
        try:
            request = decode_request(line)
            check_request(request)
        except PeerProtocolError:
            return 0
        if method == "submit":
            self._jobs += 1
        self.witness.asked(self._clients[client], request.id, method)
        event = inputs.LocalRequest(self._clients[client], request.id, method, request.params, self._mint())
        self.hear(event)
        return self._asked

    def leaves(self, client: int) -> None:
        """A local connection closes; the next one there has another number."""
        self.witness.client_gone(self._clients[client])
        self.hear(inputs.ClientGone(self._clients[client]))
        self._clients[client] = max(self._clients) + 1

    # Runner, threads and disk

    def stop(self) -> None:
        """The program is asked to end."""
        self.hear(inputs.StopAsked())

    def crowd(self, peer: NodeId) -> None:
        """A peer adds two hundred members, and says that they have as many and as long addresses as can be."""
        keys = [f"{number:0>40}" for number in range(200)]
        self.acts(peer, [Act(peer, 0, 1, MemberAdded(node_id_of(key), key, "m" * 100)) for key in keys])
        addresses = tuple(f"{number}{LONG}"[:200] for number in range(8))
        for start in range(0, len(keys), 50):
            places = tuple((node_id_of(key), addresses) for key in keys[start : start + 50])
            self.sends(peer, Whereabouts(places))

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
        if self._orders:
            self._end(self._orders.pop(which % len(self._orders)), is_well)

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
                self._token = order.token
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

    # After the storm

    def calm_down(self) -> None:
        """The disk has room, the peers are gone, and time passes until all is settled.

        What renderers and most threads began ends well; what is waited for within a limit never comes.
        """
        self._disk.full = False
        self.dawdle(False)
        self.ask(0, "inspect", {"app": "ocean", "path": "/scene"})
        self.ask(1, "submit", {"job": {"app": "ocean", "frames": "1", "output": "/out/late_####.png"}})
        self.turn()
        self._orders = [order for order in self._orders if not isinstance(order, (CheckPaths, Inspect, ReadLog))]
        self.hear(Discovered(APPS))
        for peer in list(self.node.presence.peers):
            self.link(peer, True)
            self.link(peer, False)
        self._settle_down(lambda: False, PATIENCE_S)

    def _settle_down(self, is_enough: Any, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s and not is_enough():
            self.now_s += 1.0
            self.hear(inputs.Tick())
            self.turn()
            for _ in range(20):
                if not (self._orders or self._running) or is_enough():
                    break
                for order in self._orders[:]:
                    self._orders.remove(order)
                    self._end(order, True)
                for slot in list(self._running):
                    task = self._running.pop(slot)
                    self.hear(inputs.RunnerSaid(_of(AttemptRendered("", (), 2.0), task)))
                self.turn()

    def looks_around(self) -> None:
        """A user asks for everything that can be seen; nothing of it is refused but logs that are not there."""
        for method in ("hello", "status", "nodes", "apps", "config"):
            self.result_of(
                method, **({"token": "", "client": "", "version": "", "protocol": 1} if method == "hello" else {})
            )
        self.result_of("jobs", all=True)
        for row in self.result_of("jobs")["jobs"]:
            self.result_of("job", job=row["id"])
            self.ask(0, "log", {"job": row["id"]})
        self._settle_down(lambda: not self.witness.unanswered, PATIENCE_S)

    def does_a_fresh_job(self) -> bool:
        """Whether a job that is submitted now begins, though nobody else is there."""
        for row in self.result_of("jobs")["jobs"]:
            if row["status"] in {"active", "ready", "paused"}:
                self.result_of("cancel", job=row["id"])
        self._jobs += len(JOBS)
        before = self.begun.copy()
        job = {"name": "fresh", "app": "ocean", "frames": "1-2", "output": "/out/f_####.png", "priority": 100}
        self.ask(0, "submit", {"job": job})
        fresh = self._mint().job
        self._settle_down(lambda: fresh in self.begun, PATIENCE_S)
        return fresh in self.begun - before

    def result_of(self, method: str, **params: Any) -> dict[str, Any]:
        """What the node answers at once; its refusal is raised."""
        number = self.ask(0, method, params)
        self.turn()
        answer = self.answers[number]
        if answer.error is not None:
            raise answer.error
        assert answer.result is not None
        return answer.result

    def what_the_disk_tells(self) -> tuple[object, str]:
        """The positions and the state that a start from the disk would begin with."""
        self._store.close()
        store = MemoryLog(self._disk)
        node = Node(self.node.core.identity, self.node.core.settings)
        recall(node, store, store.doubt)
        return node.core.book.vector, state_hash(node.core.farm)


_LETTERS = str.maketrans("0189", "klmn")


def _boot_of(peer: NodeId) -> BootId:
    return BootId(f"boot{peer[:4]}")


def _of(event: Any, task: RenderTask) -> Any:
    """The event, told of that attempt; a result brings all its frames."""
    if isinstance(event, AttemptRendered) and not event.frames and task.output_dir:
        frames = tuple(FrameFile(task.frame_name(frame), 10, bytes(32)) for frame in task.frames)
        return AttemptRendered(task.attempt, frames, event.render_s)
    return type(event)(task.attempt, *(getattr(event, name) for name in event.__slots__[1:]))
