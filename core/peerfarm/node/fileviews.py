"""What users see of files that travel: the store, who fetches what, which frames are not in place yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peerfarm.model.files import StoreTold
from peerfarm.model.frames import count_frames, task_count, task_frames
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.render import frame_name
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.node.scenes import Scenes
from peerfarm.policy.liveness import counts_as_alive
from peerfarm.state.farm import EMPTY_STEP, JobState, get_job
from peerfarm.state.selectors import full_mask, published_bits, spec_of, submitter_of, tasks_in, unpublished_bits

MAX_MISSING = 20
"""Frames that one step names; the rest is counted."""


@dataclass(slots=True)
class FileViews:
    """Reads everything, changes nothing but what the store told of itself."""

    core: Core
    presence: Presence
    scenes: Scenes
    copies: Copies
    _store: StoreTold | None = field(default=None)

    def on_store_told(self, told: StoreTold) -> None:
        """The store said how full it is."""
        self._store = told

    def store_row(self) -> dict[str, int] | None:
        """How full this node's store is; None before it said so."""
        told = self._store
        if told is None:
            return None
        return {"used_bytes": told.used_bytes, "pinned_bytes": told.pinned_bytes, "quota_bytes": told.quota_bytes}

    def fetching(self, node: NodeId) -> list[dict[str, Any]]:
        """Whose files a node fetches."""
        peer = self.presence.peers.get(node)
        told = self.scenes.told() if peer is None else (peer.beat.fetching if peer.beat is not None else ())
        rows = []
        for job, thousandths in told:
            state = get_job(self.core.farm, job)
            spec = spec_of(state) if state is not None else None
            rows.append({"job": job, "job_name": spec.name if spec else "", "progress": thousandths / 1000})
        return rows

    def job(self, job: JobId, spec: JobSpec) -> dict[str, Any]:
        """How a job's files reach the workers, and how far they are."""
        if spec.files is not FilesMode.PEERS:
            return {"mode": str(spec.files)}
        nodes = [
            {"node": node, "name": self.presence.name_of(node), "progress": row["progress"]}
            for node in (self.core.node, *(peer.node for peer in self.presence.alive()))
            for row in self.fetching(node)
            if row["job"] == job
        ]
        return {
            "mode": str(spec.files),
            "manifest": spec.manifest,
            "manifest_bytes": spec.manifest_bytes,
            "fetching": nodes,
            "here": self.scenes.row(job),
            "copies": self.copies.counts(job),
        }

    def missing(self, state: JobState, spec: JobSpec, number: int) -> dict[str, Any] | None:
        """The frames of a step that are not in the output folder; None for jobs on shared storage."""
        step = spec.steps[number]
        if spec.files is not FilesMode.PEERS or not step.output_dir:
            return None
        known = state.steps.get(number, EMPTY_STEP)
        bits = full_mask(spec, number) & ~(published_bits(known) & known.done)
        names: list[str] = []
        for task in tasks_in(bits):
            if len(names) >= MAX_MISSING:
                break
            names += [frame_name(step.output_pattern, frame) for frame in task_frames(step, task)]
        return {"count": _frame_count(spec, number, bits), "names": names[:MAX_MISSING]}

    def waiting(self, state: JobState, spec: JobSpec) -> str:
        """Why frames that are done are not in the output folder yet; empty when nothing stands in the way."""
        submitter = submitter_of(state)
        if spec.files is not FilesMode.PEERS or submitter is None or submitter == self.core.node:
            return ""
        peer = self.presence.peers.get(submitter)
        if peer is not None and counts_as_alive(peer.state):
            return ""
        if not any(unpublished_bits(state, spec, number) for number in range(len(spec.steps))):
            return ""
        name = self.presence.name_of(submitter)
        fate = "to be back" if peer is not None else ", which left the farm for ever"
        return f"frames wait for {name} {fate}; `peerfarm fetch JOB DIR` brings them elsewhere".replace(" ,", ",")


def _frame_count(spec: JobSpec, number: int, bits: int) -> int:
    step = spec.steps[number]
    count, last = count_frames(step.frames), task_count(step) - 1
    size = min(step.chunk_size, count)
    return bits.bit_count() * size - (size * (last + 1) - count if bits >> max(last, 0) & 1 and count else 0)
