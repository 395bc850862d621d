"""What the parts of a node share: the farm, its log, the time, and the effects of the turn under way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from peerfarm.config.settings import SharedRoot
from peerfarm.errors import RequestRefused
from peerfarm.model.ids import LOG_ID_LENGTH, ActionId, FarmId, LogId, NodeId, id_from_bytes
from peerfarm.node.effects import Effects
from peerfarm.node.inputs import Identity
from peerfarm.policy.liveness import AttentiveClock
from peerfarm.protocol.messages import Message, encode_message
from peerfarm.state.actions import MAX_LAMPORT, Action, Body, decode_action, encode_action
from peerfarm.state.entities import RunningHash
from peerfarm.state.farm import EMPTY_FARM, Farm
from peerfarm.state.logbook import NO_CHAIN, LogBook, LogKey, Position, Vector
from peerfarm.state.reduce import reduce
from peerfarm.state.selectors import latest_lamport, live_members

MAX_LEAP = 1 << 32
"""How far one action moves this node's own time, so that nobody can use up the time that is left with one action. As
many actions as a busy farm makes in years: an honest one never gets near."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What of the owner's settings the pure node needs."""

    name: str
    is_rendering: bool = True
    slots: int = 1
    pools: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    memory_mb: int = 0
    cores: int = 1
    addresses: tuple[str, ...] = ()
    version: str = ""
    user: str = ""
    """Whose jobs are submitted here when the submission does not say."""
    port: int = 0
    """Where this node listens for peers; 0 while it does not."""
    transfer_port: int = 0
    """Where this node serves files to peers; 0 while it serves none."""
    shared: tuple[SharedRoot, ...] = ()
    """Storage that machines of the farm share."""
    system: str = "linux"
    """Of this machine: "linux", "darwin" or "windows"."""


@dataclass(slots=True)
class Counters:
    """Things that should be rare, for `status` and the tests."""

    no_op_actions: int = 0
    refused_messages: int = 0
    diverged: int = 0
    forks: int = 0
    actions_sent: int = 0
    actions_received: int = 0
    duplicates_received: int = 0


class Core:
    """The state of a node and the one place where it changes."""

    def __init__(self, identity: Identity, settings: NodeSettings) -> None:
        self.identity = identity
        self.settings = settings
        self.farm: Farm = EMPTY_FARM
        self.book = LogBook()
        self.hash = RunningHash()
        self.clock = AttentiveClock()
        self.counters = Counters()
        self.now_s = 0.0
        """Attentive seconds; see AttentiveClock."""
        self.mono_s = 0.0
        self.lamport = 0
        self.own_log: LogId | None = None
        """None until the first own action of this start decides it."""
        self._given_up: set[LogId] = set()
        """Own logs that somebody else writes too."""
        self.disk_error = ""
        self.is_short_of_room = False
        """The disk takes what is written, but will soon be full: no new work."""
        self.not_durable: Mapping[LogKey, int] = {}
        """While the disk refuses: per log the first seq that is applied but not on disk."""
        self.is_stopping = False
        self.is_shut_out = False
        """Members refuse this node and none is linked: what it does alone would only get in the farm's way."""
        self.alarms: list[str] = []
        self.effects = Effects()
        self.choose_log: Callable[[], LogId] = lambda: identity.log
        self.observers: list[Callable[[Action, Farm], None]] = []
        """Called after each action that changed the farm, with the farm before it."""
        self.refreshers: list[Callable[[], None]] = []
        """Called when the farm was replaced as a whole: after a start or a snapshot."""
        self.relay: Callable[[Action], None] = lambda _action: None

    @property
    def node(self) -> NodeId:
        """This node's id."""
        return self.identity.node

    @property
    def farm_id(self) -> FarmId | None:
        """The farm this node belongs to; None before `init` or `join`."""
        return self.farm.created[1] if self.farm.created is not None else self._joining

    _joining: FarmId | None = None

    def expect_farm(self, farm: FarmId) -> None:
        """Accept this farm's actions from now on, though its creation has not arrived yet."""
        self._joining = farm

    def wall_ms(self) -> int:
        """The wall clock, for people only; kept in range, for a clock that is wrong must not stop a submission."""
        return min(max(self.identity.wall_ms + int(self.mono_s * 1000), 0), MAX_LAMPORT - 1)

    def record(self, body: Body, farm: FarmId | None = None) -> ActionId:
        """Write an own action: apply it, and let it be stored and sent with this turn's effects.

        Raises:
            RequestRefused: The disk accepts nothing, or this node belongs to no farm.
        """
        if self.disk_error:
            raise RequestRefused(f"the disk refuses: {self.disk_error}", "make room on the disk of this node")
        farm = farm or self.farm_id
        if farm is None:
            raise RequestRefused("this node belongs to no farm", "use `peerfarm init NAME` or `peerfarm join STRING`")
        if self.own_log is None or not self._can_write(self.own_log):
            self._open_log(self.choose_log())
        assert self.own_log is not None
        self.lamport = min(self.lamport + 1, MAX_LAMPORT - 1)
        action_id = (self.node, self.own_log, self.book.seq_of((self.node, self.own_log)) + 1)
        raw = encode_action(farm, action_id, self.lamport, self.wall_ms(), body)
        action = Action(farm, *action_id, self.lamport, self.wall_ms(), "", body, raw)
        self.book.offer(action)
        self.effects.rows.append((*action_id, raw))
        self.effects.must_sync = True
        self.relay(action)
        self._apply(action)
        return action_id

    def _can_write(self, log: LogId) -> bool:
        """Whether an action of that log can be this node's next: the log has one author, no gap and no end."""
        key = (self.node, log)
        is_ours = log not in self._given_up and key not in self.book.quarantined and not self.book.has_gap(key)
        return is_ours and self.book.seq_of(key) < MAX_LAMPORT - 1

    def _open_log(self, log: LogId) -> None:
        """Write that log from now on; where that cannot be, one that is named after this start's own."""
        number = 0
        while not self._can_write(log):
            number += 1
            digest = hashlib.sha256(f"{self.identity.log} {number}".encode()).digest()
            log = LogId(id_from_bytes(digest, LOG_ID_LENGTH))
        self.own_log = log
        self.effects.facts["own_log"] = log.encode()

    def accept(self, action: Action) -> int:
        """Take in a peer's action; how many actions became part of the state by it."""
        if (action.node, action.log) == (self.node, self.own_log) and self.book.seq_of(action.id[:2]) < action.seq:
            self._given_up.add(action.log)
            self.alarm(
                f"somebody else writes this node's log {action.log}, and it goes on in another: was its home copied to "
                "another machine? Stop one of the two, and let the other machine join with a home of its own"
            )
        ready = self.book.offer(action)
        self.take_in(ready)
        return len(ready)

    def take_in(self, ready: list[Action]) -> None:
        """Store, pass on and apply what is next in order in its log."""
        for entry in ready:
            self.effects.rows.append((entry.node, entry.log, entry.seq, entry.raw))
            self.relay(entry)
            self._apply(entry)

    def replay(self, raw: bytes) -> None:
        """Take in an action of the own store at start."""
        for entry in self.book.offer(decode_action(raw)):
            self._follow(entry.lamport)
            self.farm = reduce(self.farm, entry)

    def refresh(self, farm: Farm) -> None:
        """Put a farm in place that was joined from parts; everything derived from it is made anew."""
        self.farm = farm
        self._follow(latest_lamport(farm))
        for refresher in self.refreshers:
            refresher()

    def _follow(self, lamport: int) -> None:
        """Write later than what was seen, from now on."""
        self.lamport = max(self.lamport, min(lamport, self.lamport + MAX_LEAP))

    def _apply(self, action: Action) -> None:
        self._follow(action.lamport)
        before = self.farm
        self.farm = reduce(before, action)
        if self.farm is before:
            self.counters.no_op_actions += 1
            return
        for observer in self.observers:
            observer(action, before)

    @property
    def is_member(self) -> bool:
        """Whether this node belongs to the farm, as far as it knows."""
        return not self.is_shut_out and self.node in live_members(self.farm)

    def durable_seq(self, key: LogKey) -> int:
        """How far that log is held on this node's disk; what this turn adds counts, for it is committed first."""
        seq = self.book.seq_of(key)
        return min(seq, self.not_durable[key] - 1) if key in self.not_durable else seq

    def durable_vector(self) -> Vector:
        """The vector that may be told to others. A log cut short by a refusing disk comes without its digest."""
        if not self.not_durable:
            return self.book.vector
        vector = dict(self.book.vector)
        for key in self.not_durable:
            vector.pop(key, None)
            if self.durable_seq(key):
                vector[key] = Position(self.durable_seq(key), NO_CHAIN)
        return vector

    def send(self, node: NodeId, message: Message) -> None:
        """Send after this turn's commit; lost when there is no link, or when it has outgrown what a peer accepts."""
        try:
            self.effects.sends.append((node, encode_message(message)))
        except ValueError as error:  # what grows with the farm must not end a node
            self.alarm(f"{error}: it was not sent; report this with this node's log")

    def tell(self, kind: str, **fields: object) -> None:
        """Tell the subscribers at the local socket."""
        self.effects.events.append({"type": kind, **fields})

    def tell_client(self, client: int, kind: str, **fields: object) -> None:
        """Tell one local client, which began something that takes long."""
        self.effects.private.append((client, {"type": kind, **fields}))

    def calm(self, beginning: str) -> None:
        """The cause of the alarms that begin so is gone."""
        self.alarms[:] = [text for text in self.alarms if not text.startswith(beginning)]

    def alarm(self, text: str) -> None:
        """Something that must not happen happened: keep it for `status` and tell the subscribers."""
        if text not in self.alarms:
            self.alarms.append(text)
            del self.alarms[:-50]
            self.tell("alarm", text=text)
