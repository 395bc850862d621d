"""What users see of files that travel: the store, who fetches what, how far it is, and which results have one copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerfarm.model.files import FetchEnded, StoreTold
from peerfarm.model.frames import task_frames
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.node.copies import Copies
from peerfarm.node.core import Core
from peerfarm.node.filewaits import FileWaits
from peerfarm.node.homecoming import Homecoming
from peerfarm.node.pace import Pace, left_s
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.node.scenes import Scenes
from peerfarm.node.stuckfiles import StuckFiles
from peerfarm.policy.liveness import PeerState
from peerfarm.state.farm import JobState, get_job
from peerfarm.state.selectors import spec_of, unpublished_bits

DISK_TRIES = 3
"""At so many refusals of the own disk in a row, somebody should look at it."""
DISK_ALARM = "files that others send cannot be kept on this node's disk"
"""Stands until one can."""


@dataclass(slots=True)
class FileViews:
    """Reads everything, changes nothing but what was told of the store and of peers' fetches."""

    core: Core
    presence: Presence
    scenes: Scenes
    copies: Copies
    peers: StuckFiles
    home: Homecoming
    stuck: Callable[[JobId, int], int] = lambda _job, _step: 0
    """The tasks of a step whose frames could not be put in place at the last try."""
    waits: FileWaits = field(init=False)
    _store: StoreTold | None = field(default=None)
    _paces: dict[NodeId, dict[JobId, Pace]] = field(default_factory=dict)
    """How fast peers' fetches move, in thousandths a second."""
    _disk_errors: int = 0

    def __post_init__(self) -> None:
        self.waits = FileWaits(self.core, self.presence, self.scenes, self.peers)
        self.presence.on_gone.append(self._on_gone)

    # What is told

    def on_store_told(self, told: StoreTold) -> None:
        """The store said how full it is."""
        self._store = told

    def on_beat(self, peer: Peer) -> None:
        """A peer said how far its fetches are."""
        told = peer.beat.fetching if peer.beat is not None else ()
        former = self._paces.pop(peer.node, {})
        if told:
            paces = self._paces[peer.node] = {job: former.get(job, Pace()) for job, _ in told}
            for job, thousandths in told:
                paces[job].note(self.core.mono_s, thousandths)

    def _on_gone(self, node: NodeId, _state: PeerState) -> None:
        self._paces.pop(node, None)

    def on_fetch_ended(self, event: FetchEnded) -> None:
        """A disk that refuses again and again is an alarm, until it takes something."""
        if not event.error:
            self._disk_errors = 0
            self.core.calm(DISK_ALARM)
        elif event.is_disk_error:
            self._disk_errors += 1
            if self._disk_errors == DISK_TRIES:
                self.core.alarm(f"{DISK_ALARM}: {event.error}")

    # What is shown

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
            how_far = self._own(job) if peer is None else self._peers(node, job, thousandths)
            name = spec.name if spec else ""
            rows.append({"job": job, "job_name": name, "progress": thousandths / 1000, **how_far})
        return rows

    def _own(self, job: JobId) -> dict[str, Any]:
        row = self.scenes.row(job) or {}
        return {name: row.get(name) for name in ("done_bytes", "total_bytes", "rate_bytes_s", "left_s")}

    def _peers(self, node: NodeId, job: JobId, thousandths: int) -> dict[str, Any]:
        """A peer tells its progress alone; bytes follow from it where the size of the job's files is known here."""
        pace = self._paces.get(node, {}).get(job)
        rate = pace.rate if pace is not None else 0.0
        total_bytes = self.scenes.size_bytes(job) or None
        return {
            "done_bytes": total_bytes * thousandths // 1000 if total_bytes else None,
            "total_bytes": total_bytes,
            "rate_bytes_s": round(total_bytes * rate / 1000) if total_bytes else None,
            "left_s": left_s(1000 - thousandths, rate),
        }

    def is_fetched(self, job: JobId) -> bool:
        """Whether some node that is here fetches the job's files now."""
        beats = (peer.beat.fetching for peer in self.presence.alive() if peer.beat is not None)
        return any(job == told for rows in (self.scenes.told(), *beats) for told, _ in rows)

    def job(self, job: JobId, spec: JobSpec) -> dict[str, Any]:
        """How a job's files reach the workers, and how far they are."""
        if spec.files is not FilesMode.PEERS:
            return {"mode": str(spec.files)}
        nodes = []
        for node in (self.core.node, *(peer.node for peer in self.presence.alive())):
            for row in self.fetching(node):
                if row.pop("job") == job:
                    del row["job_name"]
                    nodes.append({"node": node, "name": self.presence.name_of(node), **row})
        return {
            "mode": str(spec.files),
            "manifest": spec.manifest,
            "manifest_bytes": spec.manifest_bytes,
            "size_bytes": self.scenes.size_bytes(job) or None,
            "fetching": nodes,
            "here": self.scenes.row(job),
            "stuck": self.waits.stuck(job),
            "frames": self.frames(job, spec),
            "copies": self.copies.counts(job),
            "single": self._single(job, spec),
        }

    def frames(self, job: JobId, spec: JobSpec) -> dict[str, Any] | None:
        """How far the job's frames are on their way to this node; None when none is."""
        state = get_job(self.core.farm, job)
        return self.home.row(job, state, spec) if state is not None else None

    def _single(self, job: JobId, spec: JobSpec) -> dict[str, Any] | None:
        """Frames of which this node alone has a copy; None when there are none."""
        state = get_job(self.core.farm, job)
        left = [unpublished_bits(state, spec, number) for number in range(len(spec.steps))] if state is not None else []
        places = [(number, task) for number, task in self.copies.singles(job) if left[number] >> task & 1]
        frames = sum(len(task_frames(spec.steps[number], task)) or 1 for number, task in places)
        return {"name": self.core.settings.name, "frames": frames} if frames else None

    def missing(self, job: JobId, state: JobState, spec: JobSpec, number: int) -> dict[str, Any] | None:
        """The frames of a step that are not in the output folder; None for jobs on shared storage."""
        if spec.files is not FilesMode.PEERS or not spec.steps[number].output_dir:
            return None
        return self.waits.missing(state, spec, number, self.stuck(job, number))
