"""The files of jobs that this worker would render: fetched before a task is asked for, the best job's first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.delivery import is_lost
from peerfarm.node.jobindex import JobIndex
from peerfarm.node.pace import left_s
from peerfarm.node.pins import Pins, scene_key
from peerfarm.node.plaintext import plain
from peerfarm.node.presence import Presence
from peerfarm.policy.jobqueue import Rank
from peerfarm.protocol.filemessages import MAX_STUCK, MAX_WHY, StuckRow
from peerfarm.protocol.messages import MAX_FETCHING
from peerfarm.state.farm import JobState, get_job
from peerfarm.state.selectors import JobStatus, job_status, live_members, spec_of, submitter_of

MAX_AT_ONCE = 2
"""Jobs whose files are fetched at the same time: enough to fill the slots, few enough that the first is soon whole."""
AGAIN_S = 5.0
LONGEST_AGAIN_S = 60.0
"""A fetch that failed is ordered again after 5 s, 10 s, … up to this, and at once when a peer comes."""
LOST_TRIES = 3
"""After so many fetches in which every member said that it holds nothing of what is missing, the files are given up."""
TELL_EVERY_S = 0.5
"""Local subscribers hear of each job's files so often at most."""
_OVER = {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED}


def root_of(spec: JobSpec) -> BlobRef | None:
    """The manifest of a job's files; None when it needs none."""
    return BlobRef(BlobId(bytes.fromhex(spec.manifest)), spec.manifest_bytes) if spec.manifest else None


@dataclass(slots=True)
class _Scene:
    """One job's files, wished for or on their way."""

    is_under_way: bool = False
    failures: int = 0
    again_s: float = 0.0
    error: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    rate_bytes_s: float = 0.0
    is_missing: bool = False
    """Nobody who could be reached held what was missing, at the last try."""
    lacking: tuple[NodeId, ...] = ()
    """Who said so."""
    is_unusable: bool = False
    """The list of the files is forged or broken, or names what this system cannot hold."""
    told_s: float = -TELL_EVERY_S

    @property
    def thousandths(self) -> int:
        return min(1000, self.done_bytes * 1000 // self.total_bytes) if self.total_bytes else 0


@dataclass(slots=True)
class Scenes:
    """One node's scenes."""

    core: Core
    presence: Presence
    index: JobIndex
    pins: Pins
    on_ready: Callable[[JobId], None] = lambda _: None
    """A job's files are all here: its tasks can be asked for."""
    on_useless: Callable[[JobId], None] = lambda _: None
    """A job's files will never be of use here: its tasks can be asked for, to say so, when nobody else can use them."""
    _ready: set[JobId] = field(default_factory=set)
    _wished: dict[JobId, _Scene] = field(default_factory=dict)
    _sizes: dict[JobId, int] = field(default_factory=dict)
    """Bytes of a job's files, where this node packed or fetched them in this start."""
    _is_stale: bool = False

    def __post_init__(self) -> None:
        self.presence.on_alive.append(lambda _node: self._hurry())

    def is_ready(self, job: JobId, spec: JobSpec) -> bool:
        """Whether every file that the job brings along was seen to be here in this start."""
        return not spec.manifest or job in self._ready

    def wish(self, job: JobId) -> None:
        """This worker would take the job if it had its files."""
        if job not in self._wished:
            self._wished[job] = _Scene()
            self._is_stale = True

    def doubt(self, job: JobId) -> None:
        """A renderer found that some of the job's files are damaged or gone: look again before the next task."""
        self._ready.discard(job)

    @property
    def is_busy(self) -> bool:
        """Whether fetches are wanted or under way."""
        return bool(self._wished)

    def on_job_changed(self, job: JobId, state: JobState | None) -> None:
        """A job that is over needs no files here."""
        if state is None or state.archived is not None or state.deleted is not None:
            self._sizes.pop(job, None)
        if job not in self._wished and job not in self._ready:
            return
        spec = spec_of(state) if state is not None else None
        is_away = state is None or spec is None or state.archived is not None or state.deleted is not None
        if is_away or (state is not None and spec is not None and job_status(state, spec) in _OVER):
            self._ready.discard(job)
            self._forget(job)
        self._is_stale = True

    def _forget(self, job: JobId) -> None:
        scene = self._wished.pop(job, None)
        if scene is not None and scene.is_under_way:
            self._stop(job, "its files are needed here no more")

    def _stop(self, job: JobId, why: str) -> None:
        self.core.effects.fetch_stops.append(scene_key(job))
        self._tell_ended(job, why)

    def _tell_ended(self, job: JobId, error: str) -> None:
        self.core.tell("scene/ended", job=job, node=self.core.node, name=self.core.settings.name, error=error)

    def _hurry(self) -> None:
        """Somebody came who may hold what others did not."""
        for scene in self._wished.values():
            scene.again_s = 0.0
        self._is_stale = True

    # What follows

    def settle(self) -> None:
        """Order the fetches of the best jobs; one that never failed goes before a worse one that is under way."""
        if not self._is_stale or self.core.disk_error or self.core.is_stopping:
            return
        self._is_stale = False
        if not self.core.is_member:
            for job in list(self._wished):
                self._forget(job)
            return
        for rank, job in sorted(self._waiting()):
            busy = [other for other, scene in self._wished.items() if scene.is_under_way]
            if len(busy) >= MAX_AT_ONCE:
                worst = max(busy, key=self._place)
                if self._wished[job].failures or self._place(worst) <= (False, rank):
                    continue
                self._wished[worst].is_under_way = False
                self._stop(worst, "a job of higher priority goes first")
            self._order(job)

    def _waiting(self) -> list[tuple[Rank, JobId]]:
        now_s = self.core.mono_s
        return [
            (rank, job)
            for job, scene in self._wished.items()
            if not scene.is_under_way and now_s >= scene.again_s and (rank := self.index.queue.rank_of(job)) is not None
        ]

    def _place(self, job: JobId) -> tuple[bool, Rank]:
        """What has no ready task comes last."""
        rank = self.index.queue.rank_of(job)
        return rank is None, rank or (0, 0, job)

    def _order(self, job: JobId) -> None:
        state = get_job(self.core.farm, job)
        spec = spec_of(state) if state is not None else None
        root = root_of(spec) if spec is not None else None
        if state is None or root is None:
            return
        scene = self._wished[job]
        scene.is_under_way = True
        submitter = submitter_of(state)
        holders = (submitter,) if submitter is not None and submitter != self.core.node else ()
        key = scene_key(job)
        self.pins.note_scene(job)
        self.core.effects.fetches.append(FetchOrder(key, (root,), is_manifest=True, holders=holders, pin=key))

    def on_progressed(self, job: JobId, event: FetchProgressed) -> None:
        """A fetch moved on."""
        scene = self._wished.get(job)
        if scene is None:
            return
        if event.done_bytes > scene.done_bytes:
            scene.error = ""  # what was in its way is not any more
        scene.done_bytes, scene.total_bytes = event.done_bytes, event.total_bytes
        scene.rate_bytes_s = event.rate_bytes_s
        self._sizes[job] = event.total_bytes
        if self.core.mono_s - scene.told_s >= TELL_EVERY_S:
            scene.told_s = self.core.mono_s
            self.core.tell(
                "scene/progress",
                job=job,
                node=self.core.node,
                name=self.core.settings.name,
                done_bytes=event.done_bytes,
                total_bytes=event.total_bytes,
                rate_bytes_s=round(event.rate_bytes_s),
                left_s=_left_s(scene),
            )

    def on_ended(self, job: JobId, event: FetchEnded) -> None:
        """A fetch is over."""
        scene = self._wished.get(job)
        if scene is None or not scene.is_under_way:
            return
        self._is_stale = True
        scene.is_under_way = False
        self._tell_ended(job, event.error)
        if not event.error:
            del self._wished[job]
            self._ready.add(job)
            self.on_ready(job)
            return
        scene.failures += 1
        scene.error, scene.is_missing, scene.lacking = event.error, event.is_missing, event.lacking
        scene.is_unusable = event.is_unusable
        if self.is_useless(job):
            self.on_useless(job)
        scene.again_s = self.core.mono_s + min(AGAIN_S * 2 ** (min(scene.failures, 8) - 1), LONGEST_AGAIN_S)

    def learn_size(self, job: JobId, size_bytes: int) -> None:
        """So many bytes are a job's files."""
        self._sizes[job] = size_bytes

    def tick(self) -> None:
        """Try again what failed a while ago."""
        if any(not scene.is_under_way and scene.again_s <= self.core.mono_s for scene in self._wished.values()):
            self._is_stale = True

    # What is told of it

    def told(self) -> tuple[tuple[JobId, int], ...]:
        """For the heartbeat: (job, thousandths) of what is under way."""
        busy = [(job, scene.thousandths) for job, scene in self._wished.items() if scene.is_under_way]
        return tuple(busy[:MAX_FETCHING])

    def row(self, job: JobId) -> dict[str, Any] | None:
        """How far this node is with a job's files; None when it does not fetch them."""
        scene = self._wished.get(job)
        if scene is None:
            return None
        return {
            "is_under_way": scene.is_under_way,
            "done_bytes": scene.done_bytes,
            "total_bytes": scene.total_bytes,
            "rate_bytes_s": round(scene.rate_bytes_s),
            "left_s": _left_s(scene) if scene.is_under_way else None,
            "error": scene.error,
        }

    def is_missing(self, job: JobId) -> bool:
        """Whether nobody who is here has what this node misses of a job's files."""
        scene = self._wished.get(job)
        return scene is not None and scene.is_missing

    def is_lost(self, job: JobId) -> bool:
        """Whether every member said so: then nobody ever will."""
        scene = self._wished.get(job)
        return (
            scene is not None
            and scene.is_missing
            and is_lost(scene.lacking, self.core.node, live_members(self.core.farm))
        )

    def is_useless(self, job: JobId) -> bool:
        """Whether no further fetch can help: this node cannot use the list of the files, or no member holds them."""
        scene = self._wished.get(job)
        return scene is not None and (scene.is_unusable or (scene.failures >= LOST_TRIES and self.is_lost(job)))

    def why_useless(self, job: JobId) -> str:
        """Why so, as the job's tasks fail for it."""
        end = ": submit the job again" if self.is_lost(job) else ""
        return f"{self.core.settings.name} cannot use the job's files: {self._wished[job].error}{end}"

    def stuck(self) -> tuple[StuckRow, ...]:
        """For the peers: of which jobs this node cannot have the files, and why."""
        rows = [(job, self.is_useless(job), plain(scene.error, MAX_WHY)) for job, scene in self._wished.items()]
        return tuple(row for row in rows if row[2])[:MAX_STUCK]

    def size_bytes(self, job: JobId) -> int:
        """How much a job's files are together; 0 while this node does not know."""
        return self._sizes.get(job, 0)


def _left_s(scene: _Scene) -> int | None:
    """When the rest is here at the rate of now; None while that is not known."""
    return left_s(scene.total_bytes - scene.done_bytes, scene.rate_bytes_s)
