"""One real node in a storm: its machine, its peers and its users. Each deed of a storm is a method.

Deeds that need something that is not there, such as a renderer to report on, do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack
from storm_farm import ASH, ASH_KEY, ASHS_JOB, ELM, ELM_KEY, FARM, JOBS, LOGS, OAK, PEERS, THEIRS, Act, boot_of
from storm_machine import APPS, Machine

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import JobId, LogId, NodeId, node_id_of
from peerfarm.model.render import Discovered
from peerfarm.node import inputs
from peerfarm.node.effects import CheckPaths, Inspect, ReadLog
from peerfarm.protocol.jsonrpc import Request, decode_request, encode_request
from peerfarm.protocol.localmethods import check_request
from peerfarm.protocol.messages import (
    About,
    Beat,
    Greeting,
    JoinAsk,
    Message,
    Pull,
    SnapshotGot,
    VectorAsk,
    VectorTell,
    Whereabouts,
    encode_message,
)
from peerfarm.state.actions import JobSubmitted, MemberAdded, TaskLeased, encode_action

LONG = "\U0001d11e" * 200
PATIENCE_S = 100.0
"""Longer than every limit after which a request is answered that nothing else answers."""
_LETTERS = str.maketrans("0189", "klmn")


class Storm(Machine):
    """A node of two slots without a farm, until it founds one with two others."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._jobs = 0
        self._clients = [1, 2, 3]
        self._seqs: dict[tuple[NodeId, LogId], int] = {}

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

    # Peers

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

    def agrees(self, peer: NodeId, is_same: bool) -> None:
        """A peer's heartbeat says that it holds what this node holds, and that it makes the same of it or not."""
        core = self.node.core
        told = core.hash.of(core.farm) if is_same else "another"
        self.sends(peer, Beat(THEIRS, core.book.digest(), told, 1, 0, ()))

    def grants(self, peer: NodeId, step: int, task: int, generation: int) -> None:
        """A peer grants what this node last asked it for: perhaps a task that there is not."""
        wish = self.wishes.get(peer)
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
            said = said._replace(token=self.token)
        self.hear(inputs.JoinAsked(1, said if isinstance(said, bytes) else encode_message(said), self._mint()))

    def crowd(self, peer: NodeId) -> None:
        """A peer adds two hundred members, and says that they have as many and as long addresses as can be."""
        keys = [f"{number:0>40}" for number in range(200)]
        self.acts(peer, [Act(peer, 0, 1, MemberAdded(node_id_of(key), key, "m" * 100)) for key in keys])
        addresses = tuple(f"{number}{LONG}"[:200] for number in range(8))
        for start in range(0, len(keys), 50):
            places = tuple((node_id_of(key), addresses) for key in keys[start : start + 50])
            self.sends(peer, Whereabouts(places))

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
        self.orders = [order for order in self.orders if not isinstance(order, (CheckPaths, Inspect, ReadLog))]
        self.hear(Discovered(APPS))
        for peer in list(self.node.presence.peers):
            self.link(peer, True)
            self.link(peer, False)
        self.settle_down(lambda: False, PATIENCE_S)

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
        self.settle_down(lambda: not self.witness.unanswered, PATIENCE_S)

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
        self.settle_down(lambda: fresh in self.begun, PATIENCE_S)
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
