"""The thread that moves blobs: a mesh of its own beside the node's, the swarm's decisions, and the store."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from peerfarm.config import Settings
from peerfarm.daemon.attendance import is_attended
from peerfarm.daemon.fetches import Fetches, Tell
from peerfarm.daemon.inbox import Inbox
from peerfarm.daemon.outgoing import Outgoing
from peerfarm.daemon.peers import Dialling
from peerfarm.errors import ConfigError, PeerfarmError
from peerfarm.mesh import KeyPair, LinkDown, LinkUp, Received, ZmqMesh
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchOrder
from peerfarm.model.ids import NodeId
from peerfarm.store.blobs import BlobStore
from peerfarm.swarm import Swarm, events

TICK_S = 1.0
"""Between two looks at links while anybody is to be reached."""
REST_S = 60.0
"""The same while nobody is."""
ATTENDANCE_EVERY_S = 10.0
CLOSE_LIMIT_S = 3.0
MEGABYTE = 1_000_000

_logger = logging.getLogger(__name__)


class Transfers:
    """Fetches blobs for this node and serves its own to peers. Nothing runs before `open`.

    Args:
        tell_alarm: Called from the thread with a sentence for `status`.
    """

    def __init__(self, keys: KeyPair, store: BlobStore, settings: Settings, tell_alarm: Callable[[str], None]) -> None:
        self._store = store
        self._settings = settings
        self._tell_alarm = tell_alarm
        self._mesh = ZmqMesh(keys)
        self._swarm = Swarm(int.from_bytes(os.urandom(8)))
        self._outgoing = Outgoing(self._mesh)
        self._dialling = Dialling(self._mesh)
        self._fetches = Fetches(store, self._swarm)
        self._commands = Inbox()
        self._poller = zmq.Poller()
        self._polled: list[tuple[Any, int]] = []
        self._refs: dict[BlobId, BlobRef] = {}
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._next_tick_s = self._next_attendance_s = 0.0
        self._wake_s = 0.0
        self._sent_bytes = -1

    # From the loop's thread

    def open(self, host: str, port: int) -> int:
        """Listen for peers, begin, and return the port; 0 when `host` is empty: then this node only dials.

        Raises:
            ConfigError: The port is taken.
        """
        try:
            bound = self._mesh.open(host, port)
        except ConfigError as error:
            raise ConfigError(str(error), "Set another `transfer_port` in peerfarm.yaml, or 0.") from error
        self._thread = threading.Thread(target=self._run, name="peerfarm-transfers", daemon=True)
        self._thread.start()
        return bound

    def allow(self, members: Mapping[NodeId, str]) -> None:
        """Replace the list of who may fetch and be fetched from."""
        known = dict(members)
        self._do(lambda: self._mesh.allow(known))

    def reach(self, places: Mapping[NodeId, tuple[str, ...]]) -> None:
        """Keep links to these members, at these addresses, and to nobody else whom this node dialled."""
        wanted = dict(places)
        self._do(lambda: self._reach(wanted))

    # From any thread

    def fetch(self, order: FetchOrder, tell: Tell) -> None:
        """Bring blobs here; `tell` hears of progress and of the end, from the transfer thread."""
        self._do(lambda: self._fetches.begin(order, tell, time.monotonic()))

    def stop_fetch(self, key: str) -> None:
        """Give a fetch up; nothing more is told of it, and what arrived stays."""
        self._do(lambda: self._fetches.stop(key))

    def came(self, refs: tuple[BlobRef, ...]) -> None:
        """The store holds these since now: whoever looked for them is told."""
        self._do(lambda: self._show(refs))

    def close(self) -> None:
        """End; peers are no longer served."""
        self._is_closing = True
        self._commands.wake()
        if self._thread is not None:
            self._thread.join(CLOSE_LIMIT_S)
        else:
            self._mesh.close(0.0)
        self._fetches.abandon()

    def _do(self, command: Callable[[], None]) -> None:
        if not self._is_closing:
            self._commands.put(command)

    # The thread

    def _run(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except Exception:  # a bug here must not end all transfers; the next turn may do better
                _logger.exception("a turn of the transfers failed")
                time.sleep(0.1)
        self._mesh.close(0.2)

    def _turn(self) -> None:
        now_s = time.monotonic()
        wait_s = max(0.0, min(self._next_tick_s, self._wake_s) - now_s)
        self._watch()
        ready = dict(self._poller.poll(int(wait_s * 1000 + 0.999)))
        now_s = time.monotonic()
        for command in self._commands.drain():
            if command is not None:
                command()
        for event in self._mesh.receive(ready):
            if isinstance(event, Received):
                self._swarm.handle(events.Heard(event.node, event.data), now_s)
            elif isinstance(event, LinkUp):
                self._dialling.linked.add(event.node)
                self._swarm.handle(events.PeerUp(event.node), now_s)
            elif isinstance(event, LinkDown):
                self._dialling.linked.discard(event.node)
                self._outgoing.forget(event.node)
                self._swarm.handle(events.PeerDown(event.node), now_s)
        if now_s >= self._next_tick_s:
            self._tick(now_s)
        for gone in self._store.take_gone():
            self._swarm.handle(events.Gone(gone.id), now_s)
        for busy in self._outgoing.push():
            self._swarm.handle(busy, now_s)
        self._settle()

    def _watch(self) -> None:
        wanted: list[tuple[Any, int]] = [
            (self._commands.fileno(), zmq.POLLIN),
            *((socket, zmq.POLLIN) for socket in self._mesh.pollables()),
        ]
        if wanted != self._polled:
            for place, _ in self._polled:
                self._poller.unregister(place)
            for place, flags in wanted:
                self._poller.register(place, flags)
            self._polled = wanted

    def _tick(self, now_s: float) -> None:
        is_anybody = self._dialling.has_targets or bool(self._mesh.links())
        self._next_tick_s = now_s + (TICK_S if is_anybody else REST_S)
        self._mesh.tick(now_s)
        self._dialling.tick(now_s)
        self._swarm.handle(events.Tick(), now_s)
        if now_s >= self._next_attendance_s and self._sent_bytes != self._mesh.traffic.bytes_out:
            self._sent_bytes = self._mesh.traffic.bytes_out
            self._next_attendance_s = now_s + ATTENDANCE_EVERY_S
            self._swarm.handle(events.Limits(upload_limit(self._settings, is_attended())), now_s)

    def _settle(self) -> None:
        """Carry out what the swarm wants until it wants nothing more, or for a while."""
        for _ in range(64):
            now_s = time.monotonic()
            effects = self._swarm.settle(now_s)
            self._wake_s = now_s + effects.wake_s
            for node, raw in effects.sends:
                self._outgoing.send(node, raw)
            for busy in self._outgoing.push():
                self._swarm.handle(busy, now_s)
            for node, reason in effects.drops:
                _logger.warning("%s broke the protocol of transfers: %s", node, reason)
                self._dialling.punish(node, now_s)
            for alarm in effects.alarms:
                self._tell_alarm(f"{alarm.node}: {alarm.reason}")
            self._fetches.hear(effects, now_s)
            if not self._work(effects):
                return
        self._wake_s = time.monotonic()

    def _work(self, effects: events.SwarmEffects) -> bool:
        """Answer what the swarm asks of the store; whether it asked for anything."""
        for looked in effects.looks:
            self._look(looked)
        for read in effects.reads:
            data = self._read(read)
            self._swarm.handle(events.Read(read.id, read.block, data, read.node), time.monotonic())
        for ask in effects.list_reads:
            ref = self._refs.get(ask.id)
            blocks = self._store.block_list(ref) if ref is not None else None
            self._swarm.handle(events.ListRead(ask.id, blocks, ask.node), time.monotonic())
        self._fetches.write(effects.writes)
        return bool(effects.looks or effects.reads or effects.list_reads or effects.writes)

    def _look(self, id_: BlobId) -> None:
        ref = self._store.ref_of(id_)
        if ref is None:
            self._refs.pop(id_, None)
            self._swarm.handle(events.Gone(id_), time.monotonic())
        else:
            self._show((ref,))

    def _show(self, refs: tuple[BlobRef, ...]) -> None:
        for ref in refs:
            bitmap = self._store.bitmap(ref)
            if bitmap:
                self._refs[ref.id] = ref
                self._swarm.handle(events.Present(ref.id, bitmap, ref.size_bytes), time.monotonic())

    def _read(self, read: events.ReadBlock) -> bytes | None:
        ref = self._refs.get(read.id) or self._store.ref_of(read.id)
        try:
            return self._store.read_block(ref, read.block) if ref is not None else None
        except PeerfarmError as error:
            _logger.warning("a block could not be read for a peer: %s", error)
            return None

    def _reach(self, places: Mapping[NodeId, tuple[str, ...]]) -> None:
        now_s = time.monotonic()
        self._dialling.keep(set(places))
        for node, addresses in places.items():
            self._dialling.want(node, addresses, now_s)
        self._next_tick_s = now_s


def upload_limit(settings: Settings, is_artist_here: bool) -> int:
    """Bytes a second that may be sent; 0 for no limit."""
    limits = [settings.upload_mb_s, settings.upload_busy_mb_s if is_artist_here else 0.0]
    return int(min((limit for limit in limits if limit), default=0.0) * MEGABYTE)
