"""The thread that moves blobs: a mesh of its own beside the node's, and the swarm's decisions carried out."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq

from peerfarm.config import Settings
from peerfarm.daemon.attendance import Attendance
from peerfarm.daemon.fetches import Fetches, Tell
from peerfarm.daemon.inbox import Inbox
from peerfarm.daemon.outgoing import Outgoing
from peerfarm.daemon.peers import PENALTY_S, Dialling
from peerfarm.daemon.storework import StoreWork
from peerfarm.errors import ConfigError
from peerfarm.mesh import NOT_KNOWN, KeyPair, LinkDown, LinkUp, MeshEvent, Received, Refused, Traffic, ZmqMesh
from peerfarm.model.blob import BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder
from peerfarm.model.ids import NodeId
from peerfarm.store.blobs import BlobStore
from peerfarm.swarm import Swarm, events
from peerfarm.swarm.patience import PATIENCE_S

SEEK_S = 1.0
"""Between two looks at links while somebody is to be reached who is not."""
REST_S = 60.0
"""The same else: what happens to a link wakes the thread by itself."""
MESSAGES_A_TURN = 128
"""At most 128 MiB, whoever sends them."""
CLOSE_LIMIT_S = 3.0
LINGER_S = 0.2
FAULT_PAUSE_S = 0.1
MEGABYTE = 1_000_000

_logger = logging.getLogger(__name__)


class Transfers:
    """Fetches blobs for this node and serves its own to peers. Nothing runs before `open`.

    Args:
        tell_alarm: Called from the thread with a sentence for `status`.
        tell_calm: The same with how alarms begin whose cause is gone.
        tell_stranger: The same with a key or an address, and a reason, of who knocked and was not let in.
        patience_s: How long a fetch waits for somebody who holds what is missing.
    """

    def __init__(
        self,
        keys: KeyPair,
        store: BlobStore,
        settings: Settings,
        tell_alarm: Callable[[str], None],
        patience_s: float = PATIENCE_S,
        tell_calm: Callable[[str], None] = lambda _: None,
        tell_stranger: Callable[[str, str], None] = lambda _key, _reason: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._tell_alarm = tell_alarm
        self._tell_calm = tell_calm
        self._tell_stranger = tell_stranger
        self._mesh = ZmqMesh(keys)
        self._swarm = Swarm(int.from_bytes(os.urandom(8)), patience_s)
        self._swarm.handle(events.Limits(upload_limit(settings, is_artist_here=True)), 0.0)
        self._outgoing = Outgoing(self._mesh)
        self._dialling = Dialling(self._mesh)
        self._members: dict[NodeId, str] = {}
        self._shut_out: dict[NodeId, float] = {}
        """Who broke the protocol, and until when nothing is heard from it."""
        self._work = StoreWork(store, self._do, self._happened)
        self._fetches = Fetches(store, self._swarm, self._work, self._do)
        self._attendance = Attendance(lambda is_here: self._do(lambda: self._limit(is_artist_here=is_here)))
        self._is_busy_limit_set = bool(settings.upload_busy_mb_s)
        self._commands = Inbox()
        self._lock = threading.Lock()
        self._is_closing = False
        self._poller = zmq.Poller()
        self._polled: list[tuple[Any, int]] = []
        self._thread: threading.Thread | None = None
        self._next_tick_s = 0.0
        self._wake_s = 0.0

    @property
    def traffic(self) -> Traffic:
        """What was sent and received since the start, before encryption."""
        return self._mesh.traffic

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
        self._do(lambda: self._allow(known))

    def reach(self, places: Mapping[NodeId, tuple[str, ...]]) -> None:
        """Keep links to these members, at these addresses, and to nobody else whom this node dialled."""
        wanted = dict(places)
        self._do(lambda: self._reach(wanted))

    def release(self, keys: Sequence[str]) -> None:
        """Let pins go: no fetch that was ordered before pins them again. And those that the disk did not let go."""
        gone = tuple(keys)

        def release() -> None:
            self._fetches.release(gone)
            self._work.release(gone, self._tell_alarm, self._tell_calm)

        self._do(release)

    def keep_quota(self) -> None:
        """Have the store within its quota again: it was lowered, or frames went past it, or pins were let go."""
        self._do(lambda: self._work.keep_quota(self._tell_alarm))

    @property
    def has_unreleased(self) -> bool:
        """Whether the disk did not let pins go."""
        return self._work.has_unreleased

    # From any thread

    def fetch(self, order: FetchOrder, tell: Tell) -> None:
        """Bring blobs here; `tell` hears of progress and of the end, from the transfer thread or from this one."""
        if not self._do(lambda: self._fetches.begin(order, tell)):
            tell(FetchEnded(order.key, "this node is ending"))

    def stop_fetch(self, key: str) -> None:
        """Give a fetch up; nothing more is told of it, and what arrived stays."""
        self._do(lambda: self._fetches.stop(key))

    def came(self, refs: tuple[BlobRef, ...]) -> None:
        """The store holds these since now: whoever looked for them is told."""
        self._do(lambda: self._work.look([ref.id for ref in refs]))

    def close(self) -> None:
        """End: peers are no longer served, and whoever waits for a fetch hears so. Takes CLOSE_LIMIT_S at most."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
            self._commands.wake()
        give_up_s = time.monotonic() + CLOSE_LIMIT_S
        if self._thread is None:
            self._end()
        else:
            self._thread.join(CLOSE_LIMIT_S)
        has_ended = self._thread is None or not self._thread.is_alive()
        if has_ended:
            self._commands.close()
        self._work.close()
        if not (self._work.join(max(0.0, give_up_s - time.monotonic())) and has_ended):
            _logger.warning("the transfers still wait for the disk; they are left to themselves")

    def _do(self, command: Callable[[], None]) -> bool:
        """Have the thread do something; False when it ends, and does nothing more."""
        with self._lock:
            if not self._is_closing:
                self._commands.put(command)
            return not self._is_closing

    # The thread

    def _run(self) -> None:
        while not self._is_closing:
            try:
                self._turn()
            except Exception:  # a bug here must not end all transfers; the next turn may do better
                _logger.exception("a turn of the transfers failed")
                time.sleep(FAULT_PAUSE_S)
        self._end()

    def _end(self) -> None:
        for command in self._commands.drain():
            command()  # what was ordered in the last moment is to be told of its end too
        self._fetches.abandon()
        self._mesh.close(LINGER_S)

    def _turn(self) -> None:
        now_s = time.monotonic()
        due_s = min(self._next_tick_s, self._wake_s, self._next_look_s())
        self._watch()
        ready = dict(self._poller.poll(int(max(0.0, due_s - now_s) * 1000 + 0.999)))
        now_s = time.monotonic()
        if self._commands.fileno() in ready:
            for command in self._commands.drain():
                command()
        for event in self._mesh.receive(ready, MESSAGES_A_TURN):
            self._take(event, now_s)
        if now_s >= self._next_tick_s:
            self._tick(now_s)
        if now_s >= self._next_look_s():
            self._attendance.look(self.traffic.bytes_out, now_s)
        for gone in self._store.take_gone():
            self._swarm.handle(events.Gone(gone.id), now_s)
            self._work.look([gone.id])  # it may have come again meanwhile
        self._settle()

    def _next_look_s(self) -> float:
        """When to see whether the artist is there; what she does matters only while something is sent."""
        return self._attendance.due_s(self.traffic.bytes_out) if self._is_busy_limit_set else math.inf

    def _take(self, event: MeshEvent, now_s: float) -> None:
        if isinstance(event, Received):
            self._swarm.handle(events.Heard(event.node, event.data), now_s)
        elif isinstance(event, LinkUp):
            self._dialling.linked.add(event.node)
            self._swarm.handle(events.PeerUp(event.node), now_s)
        elif isinstance(event, LinkDown):
            self._dialling.linked.discard(event.node)
            self._outgoing.forget(event.node)
            self._swarm.handle(events.PeerDown(event.node), now_s)
            self._next_tick_s = now_s
        elif isinstance(event, Refused):
            self._refused(event)

    def _refused(self, event: Refused) -> None:
        """Tell of strangers; what members are refused for was told already, here or by the node's own mesh."""
        if event.reason != NOT_KNOWN and event.key_or_address not in self._members.values():
            self._tell_stranger(event.key_or_address, event.reason)

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
        for node in [node for node, until_s in self._shut_out.items() if until_s <= now_s]:
            del self._shut_out[node]
            self._let_in()
        self._mesh.tick(now_s)
        self._dialling.tick(now_s)
        self._next_tick_s = min(
            now_s + (SEEK_S if self._dialling.is_seeking else REST_S), *self._shut_out.values(), math.inf
        )

    def _settle(self) -> None:
        """Carry out what the swarm wants; the store's part is answered later."""
        now_s = time.monotonic()
        effects = self._swarm.settle(now_s)
        self._wake_s = now_s + effects.wake_s
        for node, raw in effects.sends:
            self._outgoing.send(node, raw)
        for busy in self._outgoing.push():
            self._swarm.handle(busy, now_s)
            self._wake_s = now_s
        for node, reason in effects.drops:
            self._shut(node, reason, now_s)
        for alarm in effects.alarms:
            self._tell_alarm(f"{alarm.node}: {alarm.reason}")
        self._fetches.hear(effects)
        if effects.looks:
            self._work.look(effects.looks)
        if effects.reads or effects.list_reads:
            self._work.read(effects.reads, effects.list_reads)
        if effects.writes:
            self._work.write(effects.writes)

    def _happened(self, told: Sequence[events.Event]) -> None:
        """The store answered."""
        now_s = time.monotonic()
        for event in told:
            if isinstance(event, events.Gone) and self._store.has(event.id):
                self._work.look([event.id])  # it came while the look was on its way
            else:
                self._swarm.handle(event, now_s)

    # What is done in it

    def _allow(self, members: dict[NodeId, str]) -> None:
        self._members = members
        self._let_in()

    def _let_in(self) -> None:
        self._mesh.allow({node: key for node, key in self._members.items() if node not in self._shut_out})

    def _shut(self, node: NodeId, reason: str, now_s: float) -> None:
        """Cut off for a while who broke the protocol, whichever side dialled."""
        _logger.warning("%s broke the protocol of transfers: %s", node, reason)
        self._dialling.punish(node, now_s)
        self._shut_out[node] = now_s + PENALTY_S
        self._let_in()
        self._next_tick_s = now_s

    def _reach(self, places: Mapping[NodeId, tuple[str, ...]]) -> None:
        now_s = time.monotonic()
        self._dialling.keep(set(places))
        for node, addresses in places.items():
            self._dialling.want(node, addresses, now_s)
        self._next_tick_s = now_s

    def _limit(self, *, is_artist_here: bool) -> None:
        self._swarm.handle(events.Limits(upload_limit(self._settings, is_artist_here)), time.monotonic())


def upload_limit(settings: Settings, is_artist_here: bool) -> int:
    """Bytes a second that may be sent; 0 for no limit."""
    limits = [settings.upload_mb_s, settings.upload_busy_mb_s if is_artist_here else 0.0]
    return int(min((limit for limit in limits if limit), default=0.0) * MEGABYTE)
