"""A shell around the real node: what `daemon.loop` does with sockets, threads and a disk, on the virtual clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgpack
from sim_files import BlobDisk
from sim_render import Renderer

from peerfarm.daemon.ledger import Ledger, recall
from peerfarm.errors import StoreError
from peerfarm.model.ids import ActionId, BootId, LogId, NodeId, node_id_of
from peerfarm.model.render import Capability, Discovered
from peerfarm.node import Node
from peerfarm.node import inputs as i
from peerfarm.node.core import NodeSettings
from peerfarm.node.effects import AnswerJoin, AskJoin, Effects, OpenJoin
from peerfarm.state.logbook import LogKey
from peerfarm.store import MemoryDisk, open_memory_store

if TYPE_CHECKING:
    from sim_world import World

TICK = i.Tick()
FOUND = Discovered((Capability("ocean", "", ""),))
ACTIONS_CODE = 5


class PowerCut(BaseException):
    """Raised inside a commit or between commit and sending: the node is gone."""


class SimNode:
    """One machine: a disk that outlives its node, a clock of its own, and a node that comes and goes."""

    def __init__(self, world: World, name: str, settings: NodeSettings) -> None:
        self.world = world
        self.name = name
        self.key = (name + world.mint(40))[:40]
        self.id: NodeId = node_id_of(self.key)
        self.settings = settings
        self.disk = MemoryDisk()
        self.blobs = BlobDisk()
        self.node: Node | None = None
        self.life = 0
        self.allowed: dict[NodeId, str] = {}
        self.is_paused = False
        self.is_suspended = False
        """Paused together with its renderers and its clock."""
        self.lag_s = 0.0
        """Of its loop, as under full load."""
        self.cut_power: str = ""
        """`before commit` or `before sending`: what its next commit dies of."""
        self.resumed_s = -1e9
        self.is_in_farm = True
        self.is_kept = False
        """Faults may end it for a while, never for good."""
        self.answers: dict[int, Any] = {}
        self.renderer = Renderer(world, self)
        self._start_clock()
        self._inbox: list[Any] = []
        self._is_turn_planned = False
        self._next_tick_s = 0.0
        self._timer_s = 0.0
        self._requests = 0
        self.ledger: Ledger | None = None
        self.store: Any = None
        self._cut: dict[LogKey, int] = {}

    def _start_clock(self) -> None:
        self.clock_s = self.world.rng.uniform(0, 1e6)

    def mono_s(self) -> float:
        """This machine's monotonic clock; it agrees with no other machine's."""
        return self.world.now_s + self.clock_s

    @property
    def cut_at(self) -> dict[LogKey, int]:
        """Where the logs on its disk begin."""
        return self.node.replication.cut if self.node is not None and self.node.replication.cut else self._cut

    def is_durable(self, action: ActionId) -> bool:
        """Whether an action would outlive a power cut now."""
        image = self.disk._durable or self.disk._seen
        return action[2] in image.logs.get(action[:2], ()) or action[2] <= self.cut_at.get(action[:2], 0)

    # Coming and going

    def boot(self) -> None:
        """Start a node on this disk."""
        if self.node is not None:
            return
        world = self.world
        self.life += 1
        self.is_paused = self.is_suspended = False
        self.cut_power = ""
        self.store, doubt = open_memory_store(self.disk)
        identity = i.Identity(
            self.id,
            self.key,
            self.name,
            BootId(world.mint(8)),
            LogId(world.mint(8)),
            int(world.rng.uniform(-1e12, 2e12)),
        )
        node = Node(identity, self.settings)
        node.snapshots.threshold = world.plan.snapshot_actions
        remembered = replace(recall(node, self.store, doubt), pins=tuple(sorted(self.blobs.pins)))
        self._cut = dict(remembered.cut)
        world.tell(f"{self.name} boots {identity.boot}, doubt {doubt.value}, {len(node.core.book.vector)} logs")
        self.ledger = Ledger(self.store, self._release)
        self.renderer = Renderer(world, self)
        self.node = node
        self._inbox = []
        world.watch.booted(self, node)
        node.start(remembered, self.mono_s())
        self.take(FOUND)
        self._next_tick_s = self._timer_s = self.world.now_s
        world.after(0.0, self._timer, self.life)
        world.network.rebooted(self.id)
        world.network.look()

    def is_awake(self, life: int) -> bool:
        """Whether that start of its node still runs, and is not paused."""
        return self.node is not None and self.life == life and not self.is_paused

    def crash(self, *, is_power: bool = False) -> None:
        """The process is killed, or the machine loses its power and tells nobody."""
        if self.node is None:
            return
        self.world.tell(f"{self.name} {'loses power' if is_power else 'is killed'}")
        self.disk.crash()
        self._vanish()
        if is_power:
            for one, other in [key for key in self.world.network.links if self.id in key]:
                self.world.network.close_later(one, other)
        else:
            self.world.network.close_all(self.id)

    def _vanish(self) -> None:
        self.world.watch.vanished(self)
        self.renderer.kill()
        self.node = None
        self.ledger = None
        self._inbox = []
        self.life += 1

    def stop(self) -> None:
        """Ask the node to end in order."""
        self.take(i.StopAsked())

    def _close(self, life: int) -> None:
        if self.life == life and self.node is not None:
            self.world.tell(f"{self.name} ended in order")
            self.store.close()
            self._vanish()
            self.world.network.close_all(self.id)

    def pause(self, duration_s: float, *, is_suspended: bool) -> None:
        """Nothing of the node runs for a while; suspended, its clock and its renderers stand still too."""
        if self.node is None or self.is_paused:
            return
        self.is_paused, self.is_suspended = True, is_suspended
        for one, other in [key for key in self.world.network.links if self.id in key]:
            self.world.network.close_later(one, other)
        self.world.after(duration_s, self._resume, self.life, duration_s)

    def _resume(self, life: int, duration_s: float) -> None:
        if self.life != life:
            return
        if self.is_suspended:
            self.clock_s -= duration_s
        self.is_paused = self.is_suspended = False
        self.resumed_s = self.world.now_s
        self.world.tell(f"{self.name} goes on")
        self.world.impair(self.id)
        self._plan_turn()

    def jump_wall_clock(self, ms: int) -> None:
        """The wall clock is set."""
        if self.node is not None:
            core = self.node.core
            core.identity = replace(core.identity, wall_ms=core.identity.wall_ms + ms)

    # Turns

    def take(self, event: Any) -> None:
        """Something happens to the node; it takes note at its next turn."""
        self._inbox.append(event)
        self._plan_turn()

    def _plan_turn(self) -> None:
        if not self._is_turn_planned:
            self._is_turn_planned = True
            self.world.after(0.0001 + self.lag_s * self.world.rng.random(), self._turn)

    def _timer(self, life: int) -> None:
        if self.life != life or self.node is None:
            return
        if self.world.now_s >= self._next_tick_s and not self._is_turn_planned:
            self._plan_turn()
        self.world.at(max(self._next_tick_s, self.world.now_s + 0.05), self._timer, life)

    def _turn(self) -> None:
        self._is_turn_planned = False
        if self.node is None or self.is_paused:
            return
        node, mono_s, world = self.node, self.mono_s(), self.world
        events, self._inbox = self._inbox, []
        for event in events:
            node.handle(event, mono_s)
        if world.now_s >= self._next_tick_s:
            node.handle(TICK, mono_s)
        effects = node.settle(mono_s)
        try:
            self._carry_out(effects, mono_s)
        except PowerCut:
            self.crash(is_power=True)
            return
        except StoreError as error:
            world.tell(f"{self.name} ends: {error}")
            self.crash()
            return
        self._next_tick_s = world.now_s + node.next_s(mono_s) - mono_s
        world.watch.turned(self, node)

    def _carry_out(self, effects: Effects, mono_s: float) -> None:
        network, ledger = self.world.network, self.ledger
        assert ledger is not None
        if effects.members is not None:
            self._allow(effects.members)
            effects.members = None
        for node, raw in effects.beats:
            network.carry(self, node, raw)
        for node in effects.hang_ups:
            network.hang_up(self.id, node)
        if effects.is_over:
            self.world.after(0.05, self._close, self.life)
        if self.cut_power == "before commit" and effects.must_sync:
            self.world.fire("power lost before commit", self.name)
            raise PowerCut
        had_error = bool(ledger.error)
        ledger.take(effects, mono_s)
        if ledger.error and not had_error:
            self.take(i.DiskRefused(ledger.error, ledger.waiting()))
        if ledger.retry(mono_s):
            self.take(i.DiskRecovered(ledger.dropped))

    def _allow(self, members: dict[NodeId, str]) -> None:
        for gone in [node for node in self.allowed if node not in members]:
            self.world.network.close(self.id, gone)
        self.allowed = dict(members)
        self.world.network.look()

    def _release(self, effects: Effects) -> None:
        world = self.world
        if self.cut_power == "before sending" and effects.rows:
            world.fire("power lost before sending", self.name)
            raise PowerCut
        for node, raw in effects.sends:
            world.watch.sends(self, node, raw)
            world.copies.sends(self, node, raw)
            world.network.carry(self, node, raw)
        for read in effects.reads:
            raws = self.store.read(*read.key, read.first, read.last, read.limit_bytes)
            self.take(i.RowsRead(read.node, tuple(raws)))
        for order in effects.joins:
            self._join(order)
        for start in effects.starts:
            world.watch.starts(self, start.task)
            world.copies.starts(self, start.task)
            self.renderer.start(start.slot, start.task)
        for attempt in effects.stops:
            self.renderer.stop(attempt)
        for order_to_publish in effects.publishes:
            self.renderer.publish(order_to_publish)
        for check in effects.checks:
            self.take(i.PathsChecked(check.request, ""))
        for log_read in effects.log_reads:
            self.take(i.LogRead(log_read.token, "a line\n", 0, 7, is_complete=True))
        world.files.carry_out(self, effects)
        for answer in effects.answers:
            self.answers[answer.id] = answer.error or answer.result
            world.answered(self, answer.id, answer.error or answer.result)

    # Joining and local requests

    def _join(self, order: OpenJoin | AnswerJoin | AskJoin) -> None:
        world = self.world
        if isinstance(order, OpenJoin):
            self.take(i.JoinOpened(f"{self.id}/{order.token}"))
        elif isinstance(order, AnswerJoin):
            asker = world.tickets.pop(order.ticket, None)
            if asker is not None and asker.node is not None:
                world.after(0.002, asker.take_if, asker.life, i.JoinAnswered(order.data))
        else:
            inviter, _, token = order.join_string.partition("/")
            target = world.nodes[NodeId(inviter)]
            if target.node is None or (self.id, target.id) in world.network.blocked or self.node is None:
                self.take(i.JoinAnswered(None, "nobody is there"))
                return
            ticket = len(world.tickets) + world.events
            world.tickets[ticket] = self
            world.after(10.0, self._give_up, ticket)
            asked = i.JoinAsked(ticket, self.node.requests.membership.join_request(token), world.minted())
            world.after(0.002, target.take_if, target.life, asked)

    def _give_up(self, ticket: int) -> None:
        if self.world.tickets.pop(ticket, None) is not None and self.node is not None:
            self.take(i.JoinAnswered(None, "no answer"))

    def take_if(self, life: int, event: Any) -> None:
        """The same as `take`, if the node is still that one."""
        if self.life == life and self.node is not None:
            self.take(event)

    def ask(self, method: str, **params: Any) -> int:
        """A local user asks for something; the answer appears under the number in `answers`."""
        self._requests += 1
        self.take(i.LocalRequest(1, self._requests, method, params, self.world.minted()))
        return self._requests

    def is_grant(self, data: bytes, worker: NodeId) -> bool:
        """Whether a message holds a lease for that worker."""
        if data[1] != ACTIONS_CODE or self.node is None:
            return False
        raws = msgpack.unpackb(data, use_list=False)[1]
        actions = (msgpack.unpackb(raw, use_list=False) for raw in raws)
        return any(action[7] == "task/leased" and action[8][5] == worker for action in actions)
