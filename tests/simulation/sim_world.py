"""A simulated farm: machines, a network between them, storage that all see, and people who ask for things."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim_clock import Clock
from sim_copies import CopyWatch, is_orphan
from sim_files import SimFiles
from sim_network import Network
from sim_node import SimNode
from sim_render import Storage
from sim_watch import Watch

from peerfarm.model.ids import FarmId, JobId, NodeId, attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.node import inputs as i
from peerfarm.node.core import NodeSettings
from peerfarm.state.farm import JobState, get_job, get_record
from peerfarm.state.selectors import (
    JobStatus,
    canonical,
    job_status,
    live_members,
    spec_of,
    tasks_in,
    unpublished_bits,
)

OVER = {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED}


@dataclass(slots=True)
class Plan:
    """What the renderers of a run do, and what the run may expect."""

    is_calm: bool = True
    """No faults at all: every property holds strictly."""
    hang: float = 0.0
    crash: float = 0.0
    lie: float = 0.0
    spoil: float = 0.0
    broken: frozenset[str] = frozenset()
    """Workers that lack the application though they say that they have it."""
    snapshot_actions: int = 50_000
    has_files: bool = False
    """Jobs' files travel between the nodes, which see no common storage."""
    spoil_block: float = 0.0
    """Share of blobs that arrive damaged."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Name of a job -> seconds of one render."""

    def render_s(self, name: str, rng: random.Random) -> float:
        """How long one render takes."""
        return self.seconds.get(name, 1.0) * rng.uniform(0.7, 1.4)


@dataclass(slots=True)
class JobNote:
    """A job that some node took."""

    submitter: NodeId
    log: str
    seq: int
    held_by_s: float | None = None
    """Since when two other nodes hold it durably, as the submitter was told."""


class World(Clock):
    """Everything of one run."""

    def __init__(self, seed: int | str, plan: Plan | None = None, *, is_traced: bool = False) -> None:
        super().__init__(seed, is_traced)
        self.plan = plan or Plan()
        self.nodes: dict[NodeId, SimNode] = {}
        self.names: dict[str, SimNode] = {}
        self.tickets: dict[int, SimNode] = {}
        self.network = Network(self)
        self.storage = Storage()
        self.files = SimFiles(self)
        self.copies = CopyWatch(self)
        self.watch = Watch(self)
        self.jobs: dict[JobId, JobNote] = {}
        self.lost_disks: dict[NodeId, None] = {}
        """Nodes that are gone, or whose disk was emptied or put back at some time."""
        self.labels: dict[str, JobId] = {}
        self.removed: dict[NodeId, None] = {}
        self._calls: dict[tuple[NodeId, int], Callable[[Any], None]] = {}
        self._trouble_s: dict[object, float] = {}

    # Machines

    def add(self, name: str, *, slots: int = 1, is_rendering: bool = True) -> SimNode:
        """A machine that belongs to no farm yet."""
        settings = NodeSettings(
            name, is_rendering, slots, memory_mb=1000, cores=4, addresses=(f"{name}:1",), version="1"
        )
        shell = SimNode(self, name, settings)
        self.nodes[shell.id] = self.names[name] = shell
        shell.boot()
        return shell

    def minted(self) -> i.Minted:
        """Ids for one request."""
        return i.Minted(JobId(self.mint(12)), FarmId(self.mint(16)), self.mint(32))

    def up(self) -> list[SimNode]:
        """Machines whose node runs and that belong to the farm."""
        return [node for node in self.nodes.values() if node.node is not None and node.is_in_farm]

    def impair(self, *what: object) -> None:
        """A node, or a pair of nodes, is in trouble now."""
        for thing in what:
            self._trouble_s[thing] = self.now_s

    def leave(self, node: NodeId) -> None:
        """Somebody knows that a member was removed."""
        self.nodes[node].is_in_farm = False
        self.removed[node] = None
        self.lost_disks[node] = None

    def since_trouble_s(self, what: object) -> float:
        """How long ago the last trouble was; 0 while it lasts."""
        if isinstance(what, tuple):
            one, other = what
            pairs = (what, (other, one))
            if any(pair in self.network.blocked or pair in self.network.trouble for pair in pairs):
                return 0.0
            return min(self.now_s - self._trouble_s.get(pair, -1e9) for pair in pairs)
        node = self.nodes.get(what)  # type: ignore[call-overload]
        if node is None or node.node is None or node.is_paused:
            return 0.0
        return self.now_s - self._trouble_s.get(what, -1e9)

    # People

    def call(self, shell: SimNode, then: Callable[[Any], None] | None, method: str, **params: Any) -> None:
        """A local user asks; `then` gets the result or the error."""
        if shell.node is None:
            return
        number = shell.ask(method, **params)
        if then is not None:
            self._calls[shell.id, number] = then

    def answered(self, shell: SimNode, number: int, answer: Any) -> None:
        """A node answered its local user."""
        then = self._calls.pop((shell.id, number), None)
        if then is not None:
            then(answer)

    def found(self, shell: SimNode) -> None:
        """The first node makes the farm."""
        self.call(shell, None, "init", name="farm")

    def join(self, shell: SimNode, inviter: SimNode, *, is_repeated: bool = True) -> None:
        """A newcomer is let in; tried again until it works."""

        def invited(answer: Any) -> None:
            if isinstance(answer, Mapping):
                self.call(shell, None, "join", join=answer["join"])

        if shell.node is None or shell.node.core.farm.created is None:
            if inviter.node is not None and shell.node is not None:
                self.call(inviter, invited, "invite")
            if is_repeated:
                self.after(11.0, self.join, shell, inviter)

    def submit(self, shell: SimNode, job: Mapping[str, Any], seconds: float = 1.0, label: str = "") -> None:
        """A local user submits a job."""

        def taken(answer: Any) -> None:
            if not isinstance(answer, Mapping):
                return
            identity = JobId(answer["job"])
            if shell.node is not None:
                state = get_job(shell.node.core.farm, identity)
                if state is not None and state.submitted is not None:
                    node, log, seq = state.submitted[0]
                    self.jobs[identity] = JobNote(node, log, seq)
            self.labels[label or identity] = identity

        self.plan.seconds[job["name"]] = seconds
        self.call(shell, taken, "submit", job={"files": "shared", **job})

    def note_holders(self) -> None:
        """See which jobs two other nodes hold."""
        for note in self.jobs.values():
            node = self.nodes[note.submitter].node
            if note.held_by_s is None and node is not None:
                links = node.replication.links.values()
                if sum(1 for link in links if link.held.get(note.log, 0) >= note.seq) >= 2:  # type: ignore[call-overload]
                    note.held_by_s = self.now_s

    # Ends

    def unsettled(self) -> str:
        """What is not over yet; empty when all members agree and nothing is left to do."""
        up = self.up()
        if not up:
            return ""
        nodes = [shell.node for shell in up if shell.node is not None]
        first = nodes[0].core
        for node in nodes:
            if node.core.book.digest() != first.book.digest():
                return "vectors differ"
            if node.work.attempts or node.core.disk_error:
                return "attempts run" if node.work.attempts else "a disk refuses"
        for bucket in first.farm.jobs:
            for job, state in bucket.items():
                spec = spec_of(state)
                if spec is None:
                    continue
                status = job_status(state, spec)
                if status not in OVER and not self.files.scene_is_gone(spec.manifest):
                    return f"job {job} is {status}"
                if is_orphan(self, state, spec):
                    continue
                if any(unpublished_bits(state, spec, number) for number in range(len(spec.steps))):
                    return f"job {job} is not published"
                if not self._is_canonical(state, spec):
                    return f"job {job} is published from other attempts"
        return ""

    def _is_canonical(self, state: JobState, spec: JobSpec) -> bool:
        """Whether what was published is of the attempts that count."""
        for number, step in state.steps.items():
            place = spec.steps[number].output_dir
            for task in tasks_in(step.done if place else 0):
                attempt = canonical(step, task)
                for name, _, digest in attempt[2][1] if attempt is not None else ():
                    data = self.storage.published.get((place, name), b"")
                    is_right = hashlib.sha256(data).digest() == digest
                    if not is_right and not self.is_beyond(state, number, task, (place, name)):
                        return False
        return True

    def is_beyond(self, state: JobState, number: int, task: int, place: tuple[str, str]) -> bool:
        """Whether a file was written by who is no member any more, or by who lost all memory of it with its disk."""
        writer = self.storage.writers.get(place)
        if writer in self.removed:
            self.count("files that a removed node wrote over")
            return True
        attempt = self.storage.published.get(place, b"").decode().partition(" ")[0]
        record = get_record(state.steps[number], task)
        is_known = any(attempt_label(a[0]) == attempt and a[2] is not None for a in record)
        if not is_known and writer in self.watch.charges.rolled_back:
            self.count("files of attempts that a lost disk forgot")
            return True
        return False

    def members(self, shell: SimNode) -> list[NodeId]:
        """Whom a node holds for members."""
        return sorted(live_members(shell.node.core.farm)) if shell.node is not None else []

    def settle(self, limit_s: float) -> None:
        """Let the farm come to rest once faults are over; P1 and P5 when it does not."""
        until_s = self.now_s + limit_s
        reason = self.unsettled()
        equal_s: float | None = None
        while reason and self.now_s < until_s:
            self.run(self.now_s + 1.0)
            reason = self.unsettled()
            if equal_s is None and reason != "vectors differ":
                equal_s = self.now_s
        name = "P1" if reason == "vectors differ" else "P9" if "other attempts" in reason else "P5"
        self.check(name, not reason, f"{limit_s:g} s after the last fault: {reason}")

    def count(self, name: str, amount: float = 1) -> None:
        """A figure grows."""
        self.figures[name] = self.figures.get(name, 0) + amount
