"""One real node in a storm: its machine, its peers and its users. Each deed of a storm is a method.

Deeds that need something that is not there, such as a renderer to report on, do nothing.
"""

from __future__ import annotations

from typing import Any

from storm_acts import SWELL, TIDE
from storm_farm import ASH, ASH_KEY, ASHS_FILM, ASHS_JOB, ELM, ELM_KEY, FARM, JOBS, PEERS, THEIRS, Act
from storm_machine import APPS
from storm_peers import Peers
from storm_requests import CHAIN, FILM, SEA

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import JobId, attempt_label
from peerfarm.model.job import FilesMode
from peerfarm.model.preview import PreviewOrder
from peerfarm.model.render import AttemptRendered, Discovered
from peerfarm.node import inputs
from peerfarm.node.effects import CheckPaths, Inspect, ReadLog
from peerfarm.protocol.jsonrpc import Request, decode_request, encode_request
from peerfarm.protocol.localmethods import check_request
from peerfarm.protocol.messages import JoinAsk, Message, VectorTell, encode_message
from peerfarm.state.actions import JobSubmitted, MemberAdded
from peerfarm.state.farm import all_jobs
from peerfarm.state.selectors import canonical, spec_of, tasks_in, unpublished_bits

PATIENCE_S = 100.0
"""Longer than every limit after which a request is answered that nothing else answers."""
_LETTERS = str.maketrans("0189", "klmn")


class Storm(Peers):
    """A node of two slots without a farm, until it founds one with two others."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._jobs = 0
        self._clients = [1, 2, 3]

    def found(self) -> None:
        """Found a farm, let both peers in, one of which takes a task, and submit jobs."""
        self.result_of("init", name="studio")
        for node, key, name in ((ASH, ASH_KEY, "ash"), (ELM, ELM_KEY, "elm")):
            self.node.core.record(MemberAdded(node, key, name))
        self.turn()
        for node in PEERS:
            self.greet(node)
        self.turn()
        for peer in PEERS:  # what it holds: nothing, so that this node may give out tasks at once
            self.sends(peer, VectorTell(0, ()))
        self.result_of("submit", job=FILM)
        for job in (SEA, CHAIN):
            self.result_of("submit", job=job)
        self.works(ELM, 0, "ask")
        self.turn()

    def begins(self, is_prompt: bool) -> None:
        """A peer submits its jobs, another wants its frames kept, and so does this node, which has rendered some.

        From now on threads, the disk and the transfers are prompt, or wait to be asked.
        """
        self.dawdle(is_prompt)
        self.works(ELM, 0, "keep")
        self.runner(0, AttemptRendered("", (), 2.0))
        self.acts(ASH, [Act(ASH, 0, 1, JobSubmitted(ASHS_JOB, SWELL)), Act(ASH, 0, 1, JobSubmitted(ASHS_FILM, TIDE))])

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
        minted = self._mint()
        if method == "submit":
            self._jobs += 1
        self.witness.asked(self._clients[client], request.id, method)
        event = inputs.LocalRequest(self._clients[client], request.id, method, request.params, minted)
        self.hear(event)
        return self._asked

    def knocks(self, said: Message | bytes) -> None:
        """Somebody says something at the join socket, perhaps with the token of the last invitation."""
        if isinstance(said, JoinAsk) and said.token == THEIRS:
            said = said._replace(token=self.token)
        self.hear(inputs.JoinAsked(1, said if isinstance(said, bytes) else encode_message(said), self._mint()))

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
        never = (CheckPaths, Inspect, ReadLog, PreviewOrder)
        self.orders.pending = [order for order in self.orders.pending if not isinstance(order, never)]
        self.hear(Discovered(APPS))
        self.hear(inputs.Load(0, 1 << 40))
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

    def does_a_fresh_job(self, files: str = "shared") -> bool:
        """Whether a job that is submitted now begins, though nobody else is there."""
        for row in self.result_of("jobs")["jobs"]:
            if row["status"] in {"active", "ready", "paused"}:
                self.result_of("cancel", job=row["id"])
        self._jobs += len(JOBS)
        before = self.begun.copy()
        job = {"name": "fresh", "app": "ocean", "frames": "1-2", "output": "/out/f_####.png", "priority": 100}
        fresh = self._mint().job
        self.ask(0, "submit", {"job": {**job, "files": files}})
        self.settle_down(lambda: fresh in self.begun, PATIENCE_S)
        return fresh in self.begun - before

    def lost_pins(self) -> list[str]:
        """Pins of frames that were here once and that nobody put in place yet, and that the store may lose."""
        needed = []
        for job, state in all_jobs(self.node.core.farm):
            spec = spec_of(state)
            if spec is None or spec.files is not FilesMode.PEERS or state.archived or state.deleted:
                continue
            for number, step in state.steps.items():
                if number >= len(spec.steps):
                    continue
                for task in tasks_in(unpublished_bits(state, spec, number)):
                    attempt = canonical(step, task)
                    assert attempt is not None
                    needed += [f"{kind}/{job}/{attempt_label(attempt[0])}" for kind in ("result", "keep")]
        return [key for key in needed if key in self.orders.arrived and key not in self.orders.pins]

    def needless_pins(self) -> list[str]:
        """Pins that the store keeps and that the node does not know of, so that it will never let them go."""
        return sorted(key for key in self.orders.pins if not self.node.pins.has(key))

    def result_of(self, method: str, **params: Any) -> dict[str, Any]:
        """What the node answers at once; its refusal is raised."""
        number = self.ask(0, method, params)
        self.turn()
        answer = self.answers[number]
        if answer.error is not None:
            raise answer.error
        assert answer.result is not None
        return answer.result
