"""What must hold at every moment: looked at after each turn, each action, each message and each start."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgpack
from sim_charges import Charges

from peerfarm.model.ids import ActionId, NodeId, parse_attempt_label
from peerfarm.model.render import PublishOrder, RenderTask
from peerfarm.node import Node
from peerfarm.policy.liveness import PeerState
from peerfarm.state.actions import Action, MemberRemoved, TaskLeased, TaskRendered
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, StepState, all_jobs, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.logbook import LogKey, Position
from peerfarm.state.selectors import cancelled_bits, is_open, tasks_in
from peerfarm.state.snapshot import encode_snapshot

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World

ACTIONS, VECTOR_TELL, HELD, BEAT = 5, 7, 11, 4
TOLD = {VECTOR_TELL: "vector", HELD: "acknowledgement", BEAT: "beat"}
EXCUSE_S = 25.0
"""A death is no mistake when one of the two was in trouble as recently as this."""


class Watch:
    """Sees everything and changes nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hash_of: dict[bytes, str] = {}
        """Digest of a vector -> hash of the state, over all nodes and all times."""
        self.exports: dict[bytes, tuple[bytes, ...]] | None = None
        """Digest of a vector -> the whole state as exported; None: the running hash is enough."""
        self.raws: dict[ActionId, bytes] = {}
        """Every action that was ever recorded."""
        self._identity: dict[bytes, ActionId] = {}
        self.told: dict[LogKey, int] = {}
        """How far each log was sent by its author."""
        self._seen: dict[NodeId, tuple[Farm, dict[LogKey, Position]]] = {}
        self.charges = Charges(world)
        self.started: dict[str, float] = {}
        self._sent: dict[tuple[int, NodeId], set[ActionId]] = {}
        self._held_when_alive: dict[tuple[NodeId, int, NodeId], dict[LogKey, Position]] = {}
        """(observer, its start, peer) -> what the peer held when it came alive to the observer."""

    # A node's life

    def booted(self, shell: SimNode, node: Node) -> None:
        """Watch this start of a node; what it had told must be in its own log."""
        self._world.impair(shell.id)
        for key, seq in self.told.items():
            if key[0] == shell.id:
                kept = node.core.book.seq_of(key)
                self._world.check(
                    "P3", kept >= seq, f"{shell.name} told of its log {key[1]} up to {seq}, and kept only {kept}"
                )
        self.check_gaps(shell)
        node.core.observers.append(lambda action, before: self._on_action(shell, node, action, before))
        node.core.refreshers.append(lambda: self._replaced(shell, node))
        node.presence.on_alive.append(lambda peer: self._alive(shell, peer))
        node.presence.on_gone.append(lambda peer, state: self._gone(shell, peer, state))
        self._seen.pop(shell.id, None)

    def check_gaps(self, shell: SimNode) -> None:
        """Each log on a disk is whole from where it was cut."""
        for key, rows in shell.disk.image().logs.items():
            seqs = [0, *sorted(rows)]
            gaps = [after - 1 for before, after in pairwise(seqs) if after != before + 1]
            cut = shell.cut_at.get(key, 0)
            self._world.check(
                "P3", all(gap <= cut for gap in gaps), f"{shell.name} lacks {gaps} of {key}, cut at {cut}"
            )

    def vanished(self, shell: SimNode) -> None:
        """What a dead node had recorded and not made durable never happened."""
        self._world.impair(shell.id)
        node = shell.node
        if node is None or node.core.own_log is None:
            return
        key = (shell.id, node.core.own_log)
        durable = max(shell.disk.image().logs.get(key, ()), default=0)
        seq = node.core.book.seq_of(key)
        while seq > max(durable, self.told.get(key, 0)) and (*key, seq) in self.raws:
            del self.raws[*key, seq]
            self.charges.forget((*key, seq))
            seq -= 1

    def rolled_back(self, shell: SimNode) -> None:
        """An old image was put on a node's disk, or an empty one: what it told may be gone there."""
        for key in [key for key in self.told if key[0] == shell.id]:
            del self.told[key]
        self.charges.rolled_back.append(shell.id)
        self._world.lost_disks[shell.id] = None

    def turned(self, shell: SimNode, node: Node) -> None:
        """Equal vectors must mean equal states, on all nodes and at all times."""
        core = node.core
        seen = self._seen.get(shell.id)
        if seen is not None and seen[0] is core.farm:
            return
        self._seen[shell.id] = (core.farm, dict(core.book.vector))
        if core.book.quarantined:
            return
        state = core.hash.of(core.farm)
        known = self._hash_of.setdefault(core.book.digest(), state)
        self._world.check("P1", state == known, f"{shell.name} has another state than somebody with the same actions")
        if self.exports is not None:
            export = tuple(encode_snapshot(core.farm))
            same = self.exports.setdefault(core.book.digest(), export)
            self._world.check("P1", export == same, f"{shell.name} exports another state")
            self._world.count("states exported")

    def _replaced(self, shell: SimNode, node: Node) -> None:
        """The farm was joined with a snapshot: nothing of one's own may be gone."""
        seen = self._seen.get(shell.id)
        if seen is None:
            return
        farm, vector = seen
        for key, position in vector.items():
            kept = node.core.book.seq_of(key)
            self._world.check("P2", kept >= position.seq, f"{shell.name} forgot {key} by joining a snapshot")
        for job, state in all_jobs(farm):
            self._world.check("P2", get_job(node.core.farm, job) is not None, f"{shell.name} forgot job {job}")
            self._check_monotone(shell, state, get_job(node.core.farm, job))

    # Messages

    def sends(self, shell: SimNode, target: NodeId, raw: bytes) -> None:
        """Only what is durable may be told."""
        kind = raw[1]
        if kind == ACTIONS:
            self._sends_actions(shell, target, raw)
        elif kind in TOLD and shell.ledger is not None and (kind != BEAT or msgpack.unpackb(raw)[2]):
            self._world.check("P3", not shell.ledger._rows, f"{shell.name} tells a {TOLD[kind]} that is not durable")

    def _sends_actions(self, shell: SimNode, target: NodeId, raw: bytes) -> None:
        epoch = self._world.network.epoch(shell.id, target)
        sent = self._sent.setdefault((epoch, target), set()) if epoch else set()
        for action in msgpack.unpackb(raw, use_list=False)[1]:
            identity = self._identity.get(action)
            if identity is None:
                parts = msgpack.unpackb(action, use_list=False)
                identity = self._identity[action] = (parts[2], parts[3], parts[4])
            self._world.count("actions sent")
            known = self.raws.setdefault(identity, action)
            self._world.check("P3", known == action, f"{shell.name} sends other content as {identity}")
            if identity in sent:
                self._world.count("actions sent twice")
                if self._world.plan.is_calm:
                    self._world.check("P11", False, f"{shell.name} sends {identity} twice over one connection")
            sent.add(identity)
            self._world.checked["P11"] = self._world.checked.get("P11", 0) + 1
            if identity[0] == shell.id:
                key = identity[:2]
                self.told[key] = max(self.told.get(key, 0), identity[2])
                rows = shell.is_durable(identity)
                self._world.check("P3", rows, f"{shell.name} sends {identity} before it is durable")

    # Actions

    def _on_action(self, shell: SimNode, node: Node, action: Action, before: Farm) -> None:
        if action.node == shell.id and action.log == node.core.own_log:
            self._recorded(shell, node, action, before)
        if isinstance(action.body, MemberRemoved) and action.body.node in self._world.nodes:
            self._world.leave(action.body.node)
        job = getattr(action.body, "job", None)
        if job is not None:
            state = get_job(before, job)
            if state is not None:
                self._check_monotone(shell, state, get_job(node.core.farm, job), getattr(action.body, "step", None))

    def _recorded(self, shell: SimNode, node: Node, action: Action, before: Farm) -> None:
        world = self._world
        known = self.raws.setdefault(action.id, action.raw)
        world.check("P3", known == action.raw, f"{shell.name} gives {action.id} to two actions")
        body = action.body
        world.tell(f"{shell.name} records {action.seq} {type(body).__name__} {_short(body)}")
        if isinstance(body, TaskLeased):
            state = get_job(before, body.job)
            step = state.steps.get(body.step, EMPTY_STEP) if state is not None else EMPTY_STEP
            record = [a for a in get_record(step, body.task) if a[1] is not None and a[1][1] == body.generation]
            for attempt in record:
                world.check("P7", not is_open(attempt), f"{shell.name} leases {body} over {attempt[0]}, still open")
            world.check("P7", not step.done >> body.task & 1, f"{shell.name} leases {body}, which is done")
            self.charges.granted(shell, action.id, body, {a[0] for a in record})
        elif isinstance(body, TaskRendered):
            kept = world.storage.attempts.get("-".join(map(str, body.lease)), {})
            names = {name for name, _, _ in body.frames}
            world.check("P6", names == set(kept), f"{shell.name} recorded {body.lease} before its frames were kept")
            world.copies.recorded(shell, node, body)

    def _check_monotone(self, shell: SimNode, old: JobState, new: JobState | None, only: int | None = None) -> None:
        if new is None or new.deleted or new.archived:
            return
        self._world.check("P8", not old.deleted and not old.archived, f"{shell.name} revived a job")
        for number in old.steps if only is None else (only,):
            before, after = old.steps.get(number, EMPTY_STEP), new.steps.get(number, EMPTY_STEP)
            if before is not after:
                self._check_step(shell, before, after)

    def _check_step(self, shell: SimNode, before: StepState, after: StepState) -> None:
        lost = before.done & ~after.done | cancelled_bits(before) & ~cancelled_bits(after)
        for task in tasks_in(lost):
            is_new = generation_of(after, task) > generation_of(before, task)
            self._world.check("P8", is_new, f"{shell.name}: task {task} left done or cancelled in its generation")
        self._world.checked["P8"] = self._world.checked.get("P8", 0) + 1

    # Work

    def starts(self, shell: SimNode, task: RenderTask) -> None:
        """A renderer starts: once for each lease, and only with the lease on the own disk."""
        world = self._world
        lease = parse_attempt_label(task.attempt)
        assert lease is not None
        world.tell(f"{shell.name} starts {task.job}/{task.step}/{task.task} as {task.attempt}")
        world.check("P7", task.attempt not in self.started, f"{task.attempt} is started a second time")
        world.check("P7", shell.is_durable(lease), f"{shell.name} starts {task.attempt} without its lease on disk")
        self.started[task.attempt] = world.now_s
        self.charges.started(lease)

    def publishes(self, shell: SimNode, order: PublishOrder) -> None:
        """Frames of a later generation are not replaced by older ones, by a node that hears everybody."""
        world = self._world
        others = [other for other in world.up() if other is not shell]
        is_apart = any(other.is_paused or world.since_trouble_s((shell.id, other.id)) < EXCUSE_S for other in others)
        if is_apart or self.charges.rolled_back or world.now_s - shell.resumed_s < EXCUSE_S:
            return
        generation = self.charges.generation_of(order.attempt)
        for frame in order.frames:
            there = world.storage.published.get((order.output_dir, frame.name), b"").decode().partition(" ")[0]
            is_newer = self.charges.generation_of(there) > generation
            if world.storage.writers.get((order.output_dir, frame.name)) in world.removed or shell.id in world.removed:
                continue
            world.check("P9", not is_newer, f"{shell.name} puts {order.attempt} in place of {there}, which is newer")

    # Liveness

    def _alive(self, shell: SimNode, peer: NodeId) -> None:
        node = self._world.nodes[peer].node
        held = dict(node.core.durable_vector()) if node is not None else {}
        self._held_when_alive[shell.id, shell.life, peer] = held

    def should_know(self, shell: SimNode, action: ActionId) -> str:
        """Who could have told a dispatcher of this action before it gave a lease; empty when nobody could."""
        assert shell.node is not None
        for peer in shell.node.presence.alive():
            held = self._held_when_alive.get((shell.id, shell.life, peer.node), {})
            if action[:2] in held and held[action[:2]].seq >= action[2]:
                return self._world.nodes[peer.node].name
        return ""

    def _gone(self, shell: SimNode, peer: NodeId, state: PeerState) -> None:
        world = self._world
        name = world.nodes[peer].name if peer in world.nodes else peer
        world.tell(f"{shell.name} holds {name} for {state}")
        self.charges.declared(shell.id, peer)
        if state is not PeerState.DEAD or shell.node is None or peer not in shell.node.presence.peers:
            return
        if shell.id in world.removed or peer in world.removed:
            return
        since_s = min(world.since_trouble_s(node) for node in (shell.id, peer, (shell.id, peer)))
        is_right = since_s < EXCUSE_S and not world.plan.is_calm
        world.check("P10", is_right, f"{shell.name} holds {name} for dead, and nothing is wrong with either")


def _short(body: Any) -> str:
    if body is None:
        return ""
    fields: Mapping[str, Any] = body._asdict()
    return " ".join(f"{name}={value}" for name, value in fields.items() if isinstance(value, (str, int, tuple)))[:160]
