"""Who is there: greetings, goodbyes, heartbeats, and this node's own view of every member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from peerfarm.model.ids import FarmId, JobId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION
from peerfarm.model.worker import AppTold, WorkerView
from peerfarm.node.core import Core
from peerfarm.node.effects import Dial
from peerfarm.node.peer import Peer
from peerfarm.policy.liveness import BEAT_S, DEAD_AFTER_LINK_LOSS_S, PeerState, Signs, counts_as_alive, judge
from peerfarm.protocol.messages import (
    MAX_TOLD_ADDRESSES,
    PROTOCOL_VERSION,
    About,
    Beat,
    Goodbye,
    Greeting,
    RunningAttempt,
    Whereabouts,
    encode_message,
)
from peerfarm.state.actions import Action, MemberAdded, MemberRemoved
from peerfarm.state.farm import Farm
from peerfarm.state.reduce import REDUCER_VERSION
from peerfarm.state.selectors import live_members

MAX_ADDRESSES = 8
IN_STEP_S = 0.25
"""A beat heard so shortly before the own one is due is answered by it at once. So all nodes fall into step, as
fireflies do, and one that has nothing to do wakes up once a second and not once for each peer."""
MAX_PLACES = 64
"""Members whose addresses go in one message, which has room for as many and as long ones as they may have."""
GREET_EVERY_BEATS = 10
"""A greeting that got lost is made good by the next; a repeated one changes nothing."""


class Presence:
    """Keeps the peers' states right and tells when one comes alive, restarts or dies."""

    def __init__(self, core: Core, running: Callable[[], tuple[RunningAttempt, ...]]) -> None:
        self._core = core
        self._running = running
        self.peers: dict[NodeId, Peer] = {}
        self.apps: tuple[AppTold, ...] = ()
        self.load_percent = 0
        self.fetching: Callable[[], tuple[tuple[JobId, int], ...]] = tuple
        """(job, thousandths) of the files that this node fetches."""
        self._next_beat_s = 0.0
        self._next_death_s = math.inf
        self._beats = 0
        self._addresses: dict[NodeId, tuple[str, ...]] = {}
        self.sponsors: dict[NodeId, tuple[str, str]] = {}
        self.on_alive: list[Callable[[NodeId], None]] = []
        """A peer became live, or greeted with a new boot."""
        self.on_gone: list[Callable[[NodeId, PeerState], None]] = []
        """A peer was declared dead, or left."""
        core.observers.append(self._on_action)
        core.refreshers.append(self._sync_members)

    def start(self, addresses: Mapping[NodeId, tuple[str, ...]]) -> None:
        """Begin with the remembered peers."""
        self._addresses.update(addresses)
        self._sync_members()

    def _on_action(self, action: Action, _before: Farm) -> None:
        if isinstance(action.body, (MemberAdded, MemberRemoved)):
            self._sync_members()

    def sponsored(self, farm: FarmId, members: Iterable[tuple[NodeId, str, str, tuple[str, ...]]]) -> None:
        """A farm let this node in: its members are dialled until their log has told who they are."""
        self._core.expect_farm(farm)
        self.sponsors = {node: (key, name) for node, key, name, _ in members if node_id_of(key) == node}
        lines = [farm, *(f"{node} {key} {' '.join(name.split())}" for node, (key, name) in self.sponsors.items())]
        self._core.effects.facts["joining"] = "\n".join(lines).encode()
        for node, _, _, addresses in members:
            self.learn_addresses(node, addresses)
        self._sync_members()

    def remember_sponsors(self, fact: bytes) -> None:
        """Go on joining after a restart."""
        farm, *lines = fact.decode().split("\n")
        self._core.expect_farm(FarmId(farm))
        for line in lines:
            node, key, name = line.split(" ", 2)
            self.sponsors[NodeId(node)] = (key, name)

    def _sync_members(self) -> None:
        told = self._core.farm.members
        self.sponsors = {node: told_of for node, told_of in self.sponsors.items() if node not in told}
        members = self.sponsors | live_members(self._core.farm)
        for node in [node for node in self._addresses if node in told and node not in members]:
            del self._addresses[node]  # it never comes back
        for node in members:
            if node != self._core.node and node not in self.peers:
                peer = Peer(node, Signs(self._core.now_s), addresses=self._addresses.get(node, ()))
                self.peers[node] = peer
                self._core.effects.dials.append(Dial(node, peer.addresses))
        for node in [node for node in self.peers if node not in members]:
            del self.peers[node]
            for observer in self.on_gone:
                observer(node, PeerState.DEAD)
        if not self.peers:
            self._core.is_shut_out = False  # nobody is left who could refuse it
        self._core.effects.members = {node: key for node, (key, _) in members.items() if node != self._core.node}

    @property
    def addresses(self) -> Mapping[NodeId, tuple[str, ...]]:
        """Where members can be dialled, as far as this node ever heard."""
        return self._addresses

    def learn_addresses(self, node: NodeId, addresses: tuple[str, ...]) -> None:
        """Remember where a member can be dialled (the Known Worker List), and pass it on."""
        addresses = _usable(addresses)
        if not addresses or self._addresses.get(node) == addresses:
            return
        self._keep_addresses(node, addresses)
        self._save_addresses()
        raw = encode_message(Whereabouts(((node, addresses),)))
        told = [peer.node for peer in self.peers.values() if peer.has_link and peer.node != node]
        self._core.effects.beats.extend((other, raw) for other in told)

    def told_whereabouts(self, _peer: Peer, message: Whereabouts) -> None:
        """Hearsay of where others are: kept beside what they said themselves, which goes first."""
        is_news = False
        for node, addresses in message.places:
            peer = self.peers.get(node)
            if peer is not None and not peer.has_greeted:
                known = self._addresses.get(node, ())
                merged = tuple(dict.fromkeys((*known, *_usable(addresses))))[:MAX_ADDRESSES]
                if merged != known:
                    self._keep_addresses(node, merged)
                    is_news = True
        if is_news:
            self._save_addresses()

    def _keep_addresses(self, node: NodeId, addresses: tuple[str, ...]) -> None:
        self._addresses[node] = addresses
        peer = self.peers.get(node)
        if peer is not None:
            peer.addresses = addresses
            self._core.effects.dials.append(Dial(node, addresses))

    def _save_addresses(self) -> None:
        text = "\n".join(f"{known} {' '.join(where)}" for known, where in sorted(self._addresses.items()))
        self._core.effects.facts["addresses"] = text.encode()

    def link_up(self, node: NodeId) -> None:
        """A connection to a peer stands: greet it."""
        peer = self.peers.get(node)
        if peer is None:
            return
        peer.has_link = True
        peer.has_greeted = False
        peer.signs.lost_s = None
        self._core.is_shut_out = False
        self._greet(node)

    def _greet(self, node: NodeId) -> None:
        farm = self._core.farm_id or ""
        greeting = Greeting(PROTOCOL_VERSION, farm, self._core.identity.boot)
        self._core.effects.beats.append((node, encode_message(greeting)))
        self._core.effects.beats.append((node, encode_message(self.own_about())))

    def not_admitted(self) -> None:
        """A member did not let this node in; while no other does, the farm seems to have removed it."""
        if self._core.is_shut_out or not self.peers or any(peer.has_link for peer in self.peers.values()):
            return
        self._core.is_shut_out = True
        self._core.alarm(
            "the farm no longer lets this node in: was it removed? It takes no work and no jobs; to join again, move "
            "its home away and use a new invitation"
        )

    def link_down(self, node: NodeId) -> None:
        """The connection closed: the peer is suspect from now on."""
        peer = self.peers.get(node)
        if peer is not None:
            peer.has_link = False
            peer.has_greeted = False
            peer.signs.lost_s = self._core.now_s
            self._next_death_s = min(self._next_death_s, self._core.mono_s + DEAD_AFTER_LINK_LOSS_S)
            self._judge(peer)

    def greeted(self, peer: Peer, message: Greeting) -> bool:
        """A peer opened its side; whether it can be worked with."""
        speaks = f"node {self.name_of(peer.node)} speaks protocol version "
        if message.version != PROTOCOL_VERSION:
            self._core.alarm(
                f"{speaks}{message.version}, this node {PROTOCOL_VERSION}: bring both to the same release of peerfarm"
            )
            return False
        if self._core.farm_id is not None and message.farm and message.farm != self._core.farm_id:
            self._core.alarm(f"node {self.name_of(peer.node)} belongs to another farm")
            return False
        self._core.calm(speaks)
        if message.boot in peer.former_boots:
            self._core.alarm(
                f"two programs with the key of {self.name_of(peer.node)} run at once: was its home copied to another "
                "machine? Stop one of them, and let the other machine join with a home of its own"
            )
        if peer.boot and peer.boot != message.boot:
            peer.former_boots = (*peer.former_boots[-MAX_ADDRESSES:], peer.boot)
        is_repeated = peer.has_greeted and peer.boot == message.boot
        if peer.boot != message.boot:
            peer.progress_s.clear()
        peer.boot = message.boot
        peer.has_greeted = True
        peer.has_link = True
        peer.signs.has_left = False
        was_alive = counts_as_alive(peer.state) and peer.state is not PeerState.UNKNOWN
        self.heard(peer)
        if not is_repeated:
            places = tuple((node, where) for node, where in sorted(self._addresses.items()) if node != peer.node)
            for start in range(0, len(places), MAX_PLACES):
                told = Whereabouts(places[start : start + MAX_PLACES])
                self._core.effects.beats.append((peer.node, encode_message(told)))
            if was_alive:  # else `heard` has told already
                for observer in self.on_alive:
                    observer(peer.node)
        return True

    def heard(self, peer: Peer) -> None:
        """Anything arrived from a peer."""
        peer.signs.heard_s = self._core.now_s
        peer.signs.lost_s = None
        if peer.state is not PeerState.LIVE:
            self._judge(peer)

    def told_about(self, peer: Peer, message: About) -> None:
        """What a peer is."""
        peer.about = message
        self.learn_addresses(peer.node, message.addresses)

    def beaten(self, peer: Peer, message: Beat) -> None:
        """A heartbeat arrived: note how far its attempts are."""
        peer.beat = message
        now_s = self._core.now_s
        progress = {}
        for lease, thousandths, _ in message.running:
            known = peer.progress_s.get(lease)
            progress[lease] = (thousandths, now_s) if known is None or known[0] != thousandths else known
        peer.progress_s = progress
        if self._next_beat_s - self._core.mono_s < IN_STEP_S:
            self._next_beat_s = self._core.mono_s

    def left(self, peer: Peer, message: Goodbye) -> None:
        """A peer said goodbye."""
        if message.boot == peer.boot:
            peer.signs.has_left = True
            self._judge(peer)

    def tick(self) -> None:
        """Judge everybody, and beat when it is time."""
        if self._core.mono_s >= self._next_death_s:
            self._next_death_s = math.inf
        for peer in list(self.peers.values()):
            self._judge(peer)
        if self._core.mono_s >= self._next_beat_s:
            self._next_beat_s = self._core.mono_s + BEAT_S
            self.beat()

    @property
    def next_s(self) -> float:
        """When the next heartbeat is due, or a peer whose link broke will be dead; monotonic."""
        return min(self._next_beat_s, self._next_death_s)

    def beat(self) -> None:
        """Tell every linked peer that this node lives."""
        core = self._core
        is_fine = not core.disk_error
        raw = encode_message(
            Beat(
                core.identity.boot,
                core.book.digest() if is_fine else b"",
                core.hash.of(core.farm) if is_fine else "",
                REDUCER_VERSION,
                self.load_percent,
                self._running(),
                self.fetching(),
            )
        )
        linked = [peer.node for peer in self.peers.values() if peer.has_link]
        self._beats += 1
        for node in linked:
            if not self.peers[node].has_greeted or self._beats % GREET_EVERY_BEATS == 0:
                self._greet(node)
        if is_fine and linked:
            core.effects.must_sync = True  # the digest tells of rows of earlier turns too
        queue = core.effects.sends if is_fine else core.effects.beats
        queue.extend((node, raw) for node in linked)

    def announce(self) -> None:
        """Tell every linked peer what this node is now."""
        raw = encode_message(self.own_about())
        self._core.effects.beats.extend((peer.node, raw) for peer in self.peers.values() if peer.has_link)

    def say_goodbye(self) -> None:
        """This node ends: its last word, after the tasks that it gives back, so that nobody requeues these."""
        effects = self._core.effects
        raw = encode_message(Goodbye(self._core.identity.boot))
        queue = effects.beats if self._core.disk_error else effects.sends
        queue.extend((peer.node, raw) for peer in self.peers.values() if peer.has_link)
        effects.must_sync = True  # peers' rows of a moment ago wait for a commit, and no later one comes

    def own_about(self) -> About:
        """What this node is."""
        mine = self._core.settings
        return About(
            mine.name,
            mine.version,
            mine.is_rendering,
            mine.slots if mine.is_rendering else 0,
            JOB_VERSION,
            mine.pools,
            mine.tags,
            self.apps if mine.is_rendering else (),
            mine.memory_mb,
            mine.cores,
            mine.addresses[:MAX_TOLD_ADDRESSES],
            mine.transfer_port,
        )

    def _judge(self, peer: Peer) -> None:
        before = peer.state
        peer.state = judge(peer.signs, self._core.now_s)
        if peer.state is before:
            return
        if before in {PeerState.DEAD, PeerState.LEFT, PeerState.UNKNOWN} and peer.state is PeerState.LIVE:
            self._core.tell("node/live", node=peer.node, name=self.name_of(peer.node))
            for observer in self.on_alive:
                observer(peer.node)
        elif counts_as_alive(before) and not counts_as_alive(peer.state):
            self._core.tell("node/dead", node=peer.node, name=self.name_of(peer.node), state=str(peer.state))
            for gone in self.on_gone:
                gone(peer.node, peer.state)

    def alive(self) -> list[Peer]:
        """Members that count as alive, without this node."""
        return [peer for peer in self.peers.values() if counts_as_alive(peer.state)]

    def candidates(self, job_version: int, submitter: NodeId) -> list[NodeId]:
        """Who may dispatch jobs of that version: this node and every peer that counts as alive and can.

        A central server is left out unless the job was submitted to it: who dispatches also publishes, and only a node
        that renders is sure to see the output folder.
        """
        peers = [
            peer.node
            for peer in self.alive()
            if peer.about is None
            or (peer.about.job_version >= job_version and (peer.about.is_rendering or peer.node == submitter))
        ]
        is_able = self._core.settings.is_rendering or self._core.node == submitter
        return [self._core.node, *peers] if is_able and job_version <= JOB_VERSION else peers

    def worker(self, node: NodeId) -> WorkerView | None:
        """A node as a worker; None when nothing is known of it."""
        peer = self.peers.get(node)
        about = self.own_about() if node == self._core.node else peer.about if peer is not None else None
        if about is None:
            return None
        return WorkerView(
            node, about.name, about.is_rendering, about.pools, about.tags, about.apps, about.memory_mb, about.cores
        )

    def name_of(self, node: NodeId) -> str:
        """What people call a node; its id when no name is known."""
        if node == self._core.node:
            return self._core.settings.name
        peer = self.peers.get(node)
        if peer is not None and peer.about is not None and peer.about.name:
            return peer.about.name
        member = self._core.farm.members.get(node)
        return member.added[2] if member is not None and member.added is not None else str(node)


def _usable(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Those that can be kept as a word in a line, as every address can."""
    return tuple(address for address in addresses if address and address.isprintable() and " " not in address)
