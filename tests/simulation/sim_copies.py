"""P6 and P14 where files travel: two disks before done, no copy let go too early, no render without its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgpack

from peerfarm.model.blob import BlobId
from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import RenderTask
from peerfarm.node import Node
from peerfarm.policy.liveness import PeerState
from peerfarm.state.actions import TaskRendered
from peerfarm.state.farm import EMPTY_STEP, Farm, JobState, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import canonical, published_bits, spec_of, submitter_of

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World

KEEP_ASK, KEEP_TOLD = 20, 21
SILENCE_S = 55.0
"""Whoever was asked for a copy so long ago may have been given up."""
UNKNOWN = "unknown-lease"
EVERY_S = 1.0


@dataclass(slots=True)
class _Result:
    """One attempt's frames, and the machines that said that they hold them durably."""

    job: JobId
    step: int
    task: int
    lease: ActionId
    blobs: frozenset[BlobId]
    holders: dict[NodeId, None] = field(default_factory=dict)


class CopyWatch:
    """Sees who said that it holds what, and whether it does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._results: dict[str, _Result] = {}
        self._asked_s: dict[tuple[str, NodeId], float] = {}
        self._refused: set[tuple[str, NodeId]] = set()
        self.spoilt: set[str] = set()
        """Attempts whose frames were damaged on their worker's disk."""

    def begin(self) -> None:
        """Look at everything now and then."""
        self.look()
        self._world.after(EVERY_S, self.begin)

    # What is said

    def sends(self, shell: SimNode, target: NodeId, raw: bytes) -> None:
        """A worker asks for a copy, or a keeper answers."""
        if raw[1] == KEEP_ASK:
            _, lease, job, step, task, frames = msgpack.unpackb(raw, use_list=False)
            self._asked_s.setdefault((attempt_label(lease), target), self._world.now_s)
            self._result(lease, job, step, task, frames)
        elif raw[1] == KEEP_TOLD:
            _, lease, is_kept, reason = msgpack.unpackb(raw, use_list=False)
            label = attempt_label(lease)
            result = self._results.get(label)
            if result is None:
                return
            if is_kept:
                is_held = shell.blobs.has(result.blobs) and result.blobs <= shell.blobs.pinned()
                self._world.check("P6", is_held, f"{shell.name} says that it keeps {label}, and does not")
                result.holders[shell.id] = None
            elif reason != UNKNOWN:
                self._refused.add((label, shell.id))

    def _result(
        self, lease: ActionId, job: JobId, step: int, task: int, frames: Iterable[tuple[str, int, bytes]]
    ) -> _Result:
        blobs = frozenset(BlobId(digest) for _, _, digest in frames)
        return self._results.setdefault(attempt_label(lease), _Result(job, step, task, lease, blobs))

    def recorded(self, shell: SimNode, node: Node, body: TaskRendered) -> None:
        """A task becomes done: its worker holds the frames, and so does another node, unless none would."""
        world = self._world
        state = get_job(node.core.farm, body.job)
        spec = spec_of(state) if state is not None else None
        if spec is None or spec.files is not FilesMode.PEERS or not body.frames:
            return
        label = attempt_label(body.lease)
        result = self._result(body.lease, body.job, body.step, body.task, body.frames)
        if label in self.spoilt:
            return
        world.check("P6", shell.blobs.has(result.blobs), f"{shell.name} records {label}, and does not hold it")
        result.holders[shell.id] = None
        if len(result.holders) > 1:
            world.count("results with two copies")
            return
        world.count("results with one copy")
        for peer in node.presence.alive():
            if peer.state is not PeerState.LIVE or not peer.has_greeted:
                continue
            asked_s = self._asked_s.get((label, peer.node), world.now_s)
            is_excused = (label, peer.node) in self._refused or world.now_s - asked_s >= SILENCE_S
            world.check("P6", is_excused, f"{shell.name} records {label} without a copy on {peer.node}, which is live")

    def starts(self, shell: SimNode, task: RenderTask) -> None:
        """A renderer starts: what its scene needs is on this machine."""
        if task.manifest is not None:
            is_here = self._world.files.has_scene(shell, task.manifest.id)
            self._world.check("P14", is_here, f"{shell.name} starts {task.attempt} without the job's files")

    # What is held

    def look(self) -> None:
        """Whoever said that it holds a result holds it until it is in place, as far as it knows."""
        world = self._world
        for label, result in self._results.items():
            if label in self.spoilt:
                continue
            for holder in result.holders:
                shell = world.nodes[holder]
                if shell.node is None or holder in world.lost_disks or shell.node.core.is_stopping:
                    continue
                if self._is_needed(shell.node.core.farm, result):
                    is_held = shell.blobs.has(result.blobs) and result.blobs <= shell.blobs.pinned()
                    world.check("P6", is_held, f"{shell.name} let go of {label}, which is not in place")

    def _is_needed(self, farm: Farm, result: _Result) -> bool:
        state = get_job(farm, result.job)
        if state is None or state.submitted is None or state.archived or state.deleted:
            return False
        step = state.steps.get(result.step, EMPTY_STEP)
        attempt = next((a for a in get_record(step, result.task) if a[0] == result.lease), None)
        if attempt is None or attempt[1] is None or generation_of(step, result.task) > attempt[1][1]:
            return False
        if not step.done >> result.task & 1:
            return not attempt[3] and not attempt[4]
        best = canonical(step, result.task)
        is_best = best is not None and best[0] == result.lease
        return is_best and not published_bits(step, 1 << result.task)

    def check_orphan(self, job: JobId, lease: ActionId) -> None:
        """The frames of a job whose submitter is gone for good can be read, while one that held them has its disk."""
        world = self._world
        result = self._results.get(attempt_label(lease))
        if result is None or attempt_label(lease) in self.spoilt:
            return
        sound = [world.nodes[node] for node in result.holders if node not in world.lost_disks]
        if sound:
            is_read = any(shell.blobs.has(result.blobs) for shell in sound)
            world.check("P6", is_read, f"job {job}: nobody can read {lease} any more")


def is_orphan(world: World, state: JobState, spec: JobSpec) -> bool:
    """Whether the only node that would put the frames in place is gone for good."""
    submitter = submitter_of(state)
    if spec.files is not FilesMode.PEERS or submitter is None:
        return False
    return world.nodes[submitter] not in world.up()
