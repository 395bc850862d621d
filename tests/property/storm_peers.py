"""The peers in a storm: they greet, say anything, act, work for this node's jobs and keep its frames."""

from __future__ import annotations

from collections.abc import Iterable

import msgpack
from storm_farm import FARM, JOBS, LOGS, OAK, THEIRS, Act, boot_of
from storm_machine import Machine

from peerfarm.model.ids import LogId, NodeId, node_id_of
from peerfarm.node import inputs
from peerfarm.protocol.messages import (
    About,
    Beat,
    Greeting,
    KeepAsk,
    KeepMoved,
    KeepTold,
    LeaseAsk,
    Message,
    Pull,
    SnapshotGot,
    VectorAsk,
    VectorTell,
    Whereabouts,
    encode_message,
)
from peerfarm.state.actions import MemberAdded, TaskFailed, TaskLeased, TaskRendered, encode_action
from peerfarm.state.payloads import Frame

LONG = "\U0001d11e" * 200
THEIR_FRAMES: tuple[Frame, ...] = (("f_0001.png", 10, b"f" * 32),)


class Peers(Machine):
    """A node and those who are linked to it."""

    def __init__(self) -> None:
        super().__init__()
        self._seqs: dict[tuple[NodeId, LogId], int] = {}
        self._wishes = 0

    def link(self, peer: NodeId, is_up: bool) -> None:
        """A connection stands, or closed."""
        self.greeted.discard(peer)
        self.hear(inputs.LinkUp(peer) if is_up else inputs.LinkDown(peer))

    def greet(self, peer: NodeId) -> None:
        """A peer opens its side, unless it has."""
        if peer not in self.greeted:
            self.greeted.add(peer)
            self.hear(inputs.LinkUp(peer))
            self.hear(inputs.Received(peer, encode_message(Greeting(1, FARM, boot_of(peer)))))
            about = About("peer", "1", True, 1, 1, (), (), (("ocean", "", ()),), 100, 4, ("127.0.0.1:2",))
            self.hear(inputs.Received(peer, encode_message(about)))

    def sends(self, peer: NodeId, message: Message | bytes) -> None:
        """A greeted peer sends a message, or bytes that may be none."""
        self.greet(peer)
        if getattr(message, "boot", "") == THEIRS:
            message = message._replace(boot=boot_of(peer))
        if isinstance(message, VectorTell) and not message.token:
            message = message._replace(token=self.questions.get(peer, 0))
        self.hear(inputs.Received(peer, message if isinstance(message, bytes) else encode_message(message)))

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

    def agrees(self, peer: NodeId, is_same: bool) -> None:
        """A peer's heartbeat says that it holds what this node holds, and that it makes the same of it or not."""
        core = self.node.core
        told = core.hash.of(core.farm) if is_same else "another"
        self.sends(peer, Beat(THEIRS, core.book.digest(), told, 1, 0, ()))

    def catches_up(self, peer: NodeId, is_from_start: bool) -> None:
        """A peer asks what there is, pulls everything, and takes every part of a snapshot."""
        self.sends(peer, VectorAsk(1))
        first = 1 if is_from_start else 5
        positions = self.node.core.book.vector.items()
        self.sends(peer, Pull(tuple((*key, min(first, position.seq), position.seq) for key, position in positions)))
        for number in range(6):
            self.sends(peer, SnapshotGot(number))

    def not_admitted(self, _: bool) -> None:
        """A member's door stayed shut."""
        self.hear(inputs.NotAdmitted())

    def crowd(self, peer: NodeId) -> None:
        """A peer adds two hundred members, and says that they have as many and as long addresses as can be."""
        keys = [f"{number:0>40}" for number in range(200)]
        self.acts(peer, [Act(peer, 0, 1, MemberAdded(node_id_of(key), key, "m" * 100)) for key in keys])
        addresses = tuple(f"{number}{LONG}"[:200] for number in range(8))
        for start in range(0, len(keys), 50):
            places = tuple((node_id_of(key), addresses) for key in keys[start : start + 50])
            self.sends(peer, Whereabouts(places))

    # Work

    def grants(self, peer: NodeId, step: int, task: int, generation: int) -> None:
        """A peer grants what this node last asked it for: perhaps a task that there is not."""
        wish = self.wishes.get(peer)
        if wish is not None:
            lease = TaskLeased(wish.job, step, task, generation, 1, OAK, wish.boot, wish.request)
            self.acts(peer, [Act(peer, 0, 1, lease)])

    def works(self, peer: NodeId, which: int, does: str) -> None:
        """A peer asks for a task of this node's, wants its frames kept, or ends one of its leases."""
        open_leases = [lease for of_job in self.node.dispatch.open.values() for lease in of_job.values()]
        theirs = [lease for lease in open_leases if lease.worker == peer]
        if does == "ask" or not theirs:
            self._wishes += 1
            self.sends(peer, LeaseAsk(THEIRS, self._wishes, JOBS[which % 3]))
            return
        job, step, task, lease, *_ = theirs[which % len(theirs)]
        if does == "keep":
            self.sends(peer, KeepAsk(lease, job, step, task, THEIR_FRAMES))
        elif does == "render":
            self.acts(peer, [Act(peer, 0, 1, TaskRendered(job, step, task, lease, THEIR_FRAMES, 5))])
        else:
            self.acts(peer, [Act(peer, 0, 1, TaskFailed(job, step, task, lease, "app-failed", 1, "no", (), 5))])

    def keeps(self, peer: NodeId, which: int, reason: str) -> None:
        """A peer keeps frames that it was asked to keep, or says why it does not."""
        asked = self.keep_asks.get(peer, [])
        if asked:
            self.sends(peer, KeepTold(asked[-1 - which % len(asked)].lease, not reason, reason))

    def keeps_on(self, peer: NodeId, thousandths: int) -> None:
        """A peer gets on with the last copy that it was asked for."""
        asked = self.keep_asks.get(peer, [])
        if asked:
            self.sends(peer, KeepMoved(asked[-1].lease, thousandths))
