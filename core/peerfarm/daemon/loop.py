"""One loop thread: collect what happened, let the node decide, carry out the effects in their order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import zmq

from peerfarm.daemon.filework import FilesAlarm, FilesStranger, FileWork
from peerfarm.daemon.inbox import Inbox
from peerfarm.daemon.joining import Joining
from peerfarm.daemon.journal import write_events
from peerfarm.daemon.ledger import Ledger
from peerfarm.daemon.lifeline import Lifeline
from peerfarm.daemon.machine import load_percent
from peerfarm.daemon.minting import mint
from peerfarm.daemon.orders import RunnerOrders
from peerfarm.daemon.peers import Dialling
from peerfarm.daemon.ports import TRANSFER_AFTER, listen_where_it_was
from peerfarm.errors import StoreError
from peerfarm.gateway.server import ClientGone as LocalGone
from peerfarm.gateway.server import Gateway
from peerfarm.mesh import (
    NOT_KNOWN,
    JoinAnswered,
    JoinAsked,
    JoinFailed,
    LinkDown,
    LinkUp,
    Mesh,
    MeshEvent,
    PeerKeyChanged,
    Received,
    Refused,
)
from peerfarm.model.files import FetchEnded, FetchProgressed, Packed, PackProgressed, StoreTold
from peerfarm.model.ids import NodeId, parse_attempt_label
from peerfarm.model.preview import Previewed
from peerfarm.model.render import Discovered, Inspected, PublishResult
from peerfarm.node import Node, inputs
from peerfarm.node.effects import Effects, ReadRows, StartRender
from peerfarm.runner import ProcessRunner
from peerfarm.store import LogStore

MESH_TICK_S = 1.0
MESH_TICK_SEEKING_S = 0.5
"""While a member is sought that has no link."""
MESH_TICK_EARLY_S = 0.5
"""A turn that happens anyway ticks the mesh so much earlier: an idle node then wakes up less often."""
LOAD_EVERY_S = 5.0
CHECKPOINT_EVERY_S = 60.0
TIDY_EVERY_S = 86_400.0
GOODBYE_S = 0.5
LAST_WORDS_S = 0.5
"""Between a member's removal and the end of its links: time for it to be told."""


FILE_NEWS = (FetchProgressed, FetchEnded, PackProgressed, Packed, StoreTold)


class Loop:
    """Owns the poller and the clock; everything of the node happens in the thread that calls `run`."""

    def __init__(
        self,
        node: Node,
        mesh: Mesh,
        gateway: Gateway,
        store: LogStore,
        runner: ProcessRunner,
        files: FileWork,
        *,
        listen: tuple[str, int],
        join_port: int,
        transfer_port: int,
        seeds: tuple[str, ...],
        advertise: tuple[str, ...],
        inbox: Inbox,
        lifeline: Lifeline,
        save_root: Callable[[str], None],
        free_bytes: Callable[[], int | None],
    ) -> None:
        self._node = node
        self._mesh = mesh
        self._gateway = gateway
        self._store = store
        self._files = files
        self._listen = listen
        self._transfer_port = transfer_port
        self._advertise = advertise
        self._inbox = inbox
        self._save_root = save_root
        self._free_bytes = free_bytes
        self._lifeline = lifeline
        node.requests.traffic = lambda: {**asdict(mesh.traffic), **files.traffic}
        self._ledger = Ledger(store, self._release)
        self._seeds = seeds
        self._dialling = Dialling(mesh, seeds)
        self._joining = Joining(
            mesh, listen[0], join_port, advertise, self._soon, node.requests.membership.join_request
        )
        self._pending: list[Any] = []
        self._orders = RunnerOrders(runner, node.core.settings.name, self._soon, inbox.put)
        self._is_open = False
        self._members: dict[NodeId, str] = {}
        self._allowed: dict[NodeId, str] = {}
        self._cut_s = math.inf
        self._watched: list[tuple[Any, int]] = []
        self._poller = zmq.Poller()
        self._next_mesh_s = self._next_load_s = self._next_checkpoint_s = 0.0
        self._next_tick_s = 0.0
        self._runner = runner
        self._next_tidy_s = 0.0
        self._goodbye_s: float | None = None
        self.is_stop_asked = False

    def run(self) -> None:
        """Until the node is over."""
        while self._goodbye_s is None or time.monotonic() < self._goodbye_s:
            self.turn()
            if self._goodbye_s is not None and not self._pending:
                break

    def turn(self) -> None:
        """Wait for something to happen, and do all that follows from it."""
        now_s = time.monotonic()
        due_s = min(self._next_tick_s, self._next_mesh_s, self._ledger.due_s)
        wait_s = 0.0 if self._pending else max(0.0, due_s - now_s)
        self._watch()
        ready = dict(self._poller.poll(int(wait_s * 1000 + 0.999)))
        now_s = time.monotonic()
        self._collect(ready, now_s)
        effects = self._node.settle(now_s)
        had_error = bool(self._ledger.error)
        self._before_commit(effects)
        self._ledger.take(effects, now_s)
        if self._ledger.error and not had_error:
            self._soon(inputs.DiskRefused(self._ledger.error, self._ledger.waiting()))
        if self._ledger.retry(now_s):
            self._soon(inputs.DiskRecovered(self._ledger.dropped))
        self._gateway.flush()
        # The earliest wish stands: turns in quick succession must not put a tick off.
        self._next_tick_s = min(self._next_tick_s, self._node.next_s(time.monotonic()))

    def _look_after_store(self) -> None:
        try:
            self._store.checkpoint()
            told = self._store.look_after()
        except StoreError as error:
            told = f"{error}. {error.hint}"
        if told:
            self._node.core.alarm(told)

    def _soon(self, event: Any) -> None:
        self._pending.append(event)

    def _watch(self) -> None:
        wanted = [(self._inbox.fileno(), zmq.POLLIN), *self._gateway.pollables()]
        wanted += [(socket, zmq.POLLIN) for socket in self._mesh.pollables()]
        if wanted != self._watched:
            for place, _ in self._watched:
                self._poller.unregister(place)
            for place, events in wanted:
                self._poller.register(place, events)
            self._watched = wanted

    def _collect(self, ready: Mapping[Any, int], now_s: float) -> None:
        handle = self._node.handle
        pending, self._pending = self._pending, []
        for event in pending:
            handle(event, now_s)
        is_mesh_due = now_s >= self._next_mesh_s - MESH_TICK_EARLY_S
        inbox = self._inbox.fileno()
        if is_mesh_due or any(not isinstance(place, int) for place in ready):
            for mesh_event in self._mesh.receive(ready):
                self._take_mesh(mesh_event, now_s)
        if is_mesh_due or any(isinstance(place, int) and place != inbox for place in ready):
            self._take_local(now_s)
        if inbox in ready:
            for event in self._inbox.drain():
                self._take_inbox(event, now_s)
        if self.is_stop_asked:
            self.is_stop_asked = False
            handle(inputs.StopAsked(), now_s)
        if is_mesh_due:
            self._next_mesh_s = now_s + (MESH_TICK_SEEKING_S if self._dialling.is_seeking else MESH_TICK_S)
            self._mesh.tick(now_s)
            self._files.tick(now_s, self._node.jobs_with_files)
            self._files.reach(self._fetch_places())
            self._gateway.tick(now_s)
            self._dialling.tick(now_s)
        if now_s >= self._cut_s:
            self._cut_removed()
        if now_s >= self._next_load_s:
            self._next_load_s = now_s + LOAD_EVERY_S
            handle(inputs.Load(load_percent(self._node.core.settings.cores), self._free_bytes()), now_s)
        if now_s >= self._next_checkpoint_s:
            self._next_checkpoint_s = now_s + CHECKPOINT_EVERY_S
            self._look_after_store()
        if now_s >= self._next_tidy_s:
            self._next_tidy_s = now_s + TIDY_EVERY_S
            self._runner.tidy()
        if now_s >= min(self._next_tick_s, self._node.presence.next_s):
            self._next_tick_s = math.inf
            handle(inputs.Tick(), now_s)

    def _take_local(self, now_s: float) -> None:
        for request in self._gateway.receive():
            if isinstance(request, LocalGone):
                event: inputs.Input = inputs.ClientGone(request.client)
            else:
                event = inputs.LocalRequest(request.client, request.id, request.method, request.params, mint())
            self._node.handle(event, now_s)

    def _take_mesh(self, event: MeshEvent, now_s: float) -> None:
        node = self._node
        if isinstance(event, Received):
            node.handle(inputs.Received(event.node, event.data), now_s)
        elif isinstance(event, LinkUp):
            self._dialling.linked.add(event.node)
            node.handle(inputs.LinkUp(event.node), now_s)
        elif isinstance(event, LinkDown):
            self._dialling.linked.discard(event.node)
            node.handle(inputs.LinkDown(event.node), now_s)
        elif isinstance(event, JoinAsked):
            node.handle(inputs.JoinAsked(event.ticket, event.data, mint()), now_s)
        elif isinstance(event, JoinAnswered):
            self._joining.answered(event.data)
        elif isinstance(event, JoinFailed):
            self._joining.failed(event.reason)
        elif isinstance(event, Refused):
            node.core.tell("stranger", key=event.key_or_address, reason=event.reason)
            if event.reason == NOT_KNOWN:
                node.handle(inputs.NotAdmitted(), now_s)
        elif isinstance(event, PeerKeyChanged):
            if event.address in self._seeds:
                return  # a seed is tried for every member, and holds the key of one
            name = node.presence.name_of(event.node)
            node.core.alarm(f"what answers at {event.address} is not {name}: its key changed; nothing was sent to it")

    def _take_inbox(self, event: Any, now_s: float) -> None:
        if isinstance(event, PublishResult):
            self._node.handle(inputs.Published(event), now_s)
        elif isinstance(event, FilesAlarm):
            (self._node.core.calm if event.is_over else self._node.core.alarm)(event.text)
        elif isinstance(event, FilesStranger):
            self._node.core.tell("stranger", key=event.key, reason=event.reason)
        elif isinstance(event, (inputs.PathsChecked, Inspected, Previewed, *FILE_NEWS)):
            self._node.handle(event, now_s)
        elif isinstance(event, Discovered):
            self._orders.capabilities = event.capabilities
            self._node.handle(event, now_s)
        else:
            self._node.handle(inputs.RunnerSaid(event), now_s)

    # Effects, in their order

    def _before_commit(self, effects: Effects) -> None:
        """What claims nothing about the log and must not wait for the disk."""
        now_s = time.monotonic()
        if effects.members is not None:
            self._admit(effects.members, now_s)
            effects.members = None
            self._lifeline.keep(self._node)
        elif "addresses" in effects.facts:
            self._lifeline.keep(self._node)
        self._open_mesh()
        for dial in effects.dials:
            self._dialling.want(dial.node, dial.addresses, now_s)
        if effects.dials:
            self._dialling.tick(now_s)
        for node, raw in effects.beats:
            self._mesh.send(node, raw)
        for node in effects.hang_ups:
            self._dialling.punish(node, now_s)
        if not self._ledger.error:
            effects.starts = [start for start in effects.starts if not self._is_started_early(start, effects)]
        if effects.is_over and self._goodbye_s is None:
            self._goodbye_s = now_s + GOODBYE_S

    def _is_started_early(self, order: StartRender, effects: Effects) -> bool:
        """Start what was leased ahead while this thread waits for the disk, if the lease lies there already."""
        lease = parse_attempt_label(order.task.attempt)
        if lease is None or self._ledger.is_waiting(lease) or any(row[:3] == lease for row in effects.rows):
            return False
        self._orders.start(order.slot, order.task)
        return True

    def _admit(self, members: dict[NodeId, str], now_s: float) -> None:
        """Let newcomers in at once; who was removed is cut off a moment later, when it has heard so."""
        self._members, self._cut_s = members, now_s + LAST_WORDS_S
        self._allowed = {**self._allowed, **members}
        self._mesh.allow(self._allowed)
        self._files.allow(self._allowed)

    def _cut_removed(self) -> None:
        self._cut_s = math.inf
        self._allowed = dict(self._members)
        self._mesh.allow(self._allowed)
        self._files.allow(self._allowed)
        self._dialling.keep(set(self._allowed))

    def _release(self, effects: Effects) -> None:
        for node, raw in effects.sends:
            self._mesh.send(node, raw)
        for read in effects.reads:
            self._read_rows(read)
        created = self._node.core.farm.created
        for order in effects.joins:
            self._joining.carry_out(order, created[2] if created is not None else "")
        if effects.is_join_closed:
            self._joining.close()
        if effects.root:
            self._save_root(effects.root)
        self._files.carry_out(effects)
        self._orders.carry_out(effects)
        self._tell_locals(effects)

    def _tell_locals(self, effects: Effects) -> None:
        for answer in effects.answers:
            if answer.error is not None:
                self._gateway.refuse(answer.client, answer.id, answer.error)
            else:
                self._gateway.answer(answer.client, answer.id, answer.result or {})
        for client, event in effects.private:
            self._gateway.push(client, event)
        write_events(effects.events)
        for event in effects.events:
            for client in self._node.requests.listeners:
                self._gateway.push(client, event)

    def _read_rows(self, read: ReadRows) -> None:
        try:
            node, log = read.key
            raws = self._store.read(node, log, read.first, read.last, read.limit_bytes)
        except StoreError as error:
            self._node.core.alarm(str(error))
            return
        self._soon(inputs.RowsRead(read.node, tuple(raws)))

    def _open_mesh(self) -> None:
        """Nothing is bound outside loopback before this node belongs to a farm."""
        if self._is_open or self._node.core.farm_id is None:
            return
        self._is_open = True
        host, wanted = self._listen
        if not host:
            self._files.open("", 0)
            return
        port = listen_where_it_was(self._store, "port", lambda at: self._mesh.open(host, at), wanted)
        transfer_port = listen_where_it_was(
            self._store,
            "transfer_port",
            lambda at: self._files.open(host, at),
            self._transfer_port,
            port + TRANSFER_AFTER,
        )
        addresses = self._advertise or self._mesh.addresses()
        core = self._node.core
        core.settings = replace(core.settings, addresses=addresses, port=port, transfer_port=transfer_port)
        self._node.presence.announce()

    def _fetch_places(self) -> dict[NodeId, tuple[str, ...]]:
        """Where peers serve files, while any job's files travel between nodes."""
        if not self._node.are_files_travelling:
            return {}
        places = {}
        for peer in self._node.presence.peers.values():
            port = peer.about.transfer_port if peer.about is not None else 0
            if port and peer.addresses:
                hosts = dict.fromkeys(address.rpartition(":")[0] for address in peer.addresses)
                places[peer.node] = tuple(f"{host}:{port}" for host in hosts)
        return places
