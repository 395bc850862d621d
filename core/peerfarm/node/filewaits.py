"""Why a job whose files travel does not get on, in words: who has what is missing, and where that node is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from peerfarm.model.frames import count_frames, task_count, task_frames
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode, JobSpec
from peerfarm.model.pathmap import split_path
from peerfarm.model.render import frame_name
from peerfarm.node.core import Core
from peerfarm.node.presence import Presence
from peerfarm.node.scenes import Scenes
from peerfarm.node.stuckfiles import StuckFiles
from peerfarm.policy.liveness import counts_as_alive
from peerfarm.state.farm import EMPTY_STEP, JobState, StepState
from peerfarm.state.selectors import (
    canonical,
    full_mask,
    live_members,
    published_bits,
    submitter_of,
    tasks_in,
    unpublished_bits,
)

MAX_MISSING = 20
"""Frames that one step names; the rest is counted."""
MAX_NAMED = 3
MAX_LOOKED_AT = 1000
"""Tasks whose holders are looked up for one answer."""


@dataclass(slots=True)
class FileWaits:
    """Reads everything, changes nothing."""

    core: Core
    presence: Presence
    scenes: Scenes
    peers: StuckFiles

    def away(self, node: NodeId) -> str:
        """What people call a member that is not here; empty for one that is, and for one that left for ever."""
        peer = self.presence.peers.get(node)
        return self.presence.name_of(node) if peer is not None and not counts_as_alive(peer.state) else ""

    def _off(self, node: NodeId) -> str:
        """`elm (off for 12 min)`."""
        peer = self.presence.peers.get(node)
        heard_s = peer.signs.heard_s if peer is not None else None
        since = f" for {_roughly(self.core.now_s - heard_s)}" if heard_s is not None else ""
        return f"{self.presence.name_of(node)} (off{since})"

    def for_scene(self, job: JobId, state: JobState, spec: JobSpec) -> str:
        """Why no worker has the job's files yet; empty while they are on their way, or when they are here."""
        if spec.files is not FilesMode.PEERS or not spec.manifest:
            return ""
        row = self.scenes.row(job)
        submitter = submitter_of(state)
        start = f"waits for files of {_scene_name(spec)}: "
        if row is not None and row["error"]:
            return f"{start}{row['error']}" + self._who_has(job, submitter)
        if row is not None or submitter is None or self.scenes.is_ready(job, spec) or self._is_moving(job):
            return ""
        if submitter != self.core.node and submitter not in live_members(self.core.farm):
            return start + "their submitter left the farm for ever"
        if self.away(submitter):
            return f"{start}{self._off(submitter)} has them"
        words = self._peers_words(job)
        return start + words if words else ""

    def _who_has(self, job: JobId, submitter: NodeId | None) -> str:
        """What to add where this node could not fetch a job's files because nobody who is here has them."""
        if not self.scenes.is_missing(job):
            return ""
        if submitter is not None and self.away(submitter):
            return f"; {self._off(submitter)} does"
        if self.scenes.is_lost(job):
            return ", and no other member does: submit the job again"
        others = [self._off(node) for node in self.presence.peers if self.away(node)]
        return f"; perhaps {' or '.join(others[:MAX_NAMED])} does" if others else ""

    def _peers_words(self, job: JobId) -> str:
        """What peers say that keeps the job's files from them."""
        stuck = self.stuck(job)
        told = [f"{one['name']}: {one['error']}" for one in stuck[:MAX_NAMED]]
        more = [f"and {len(stuck) - MAX_NAMED} more"] if len(stuck) > MAX_NAMED else []
        return "; ".join(told + more)

    def stuck(self, job: JobId) -> list[dict[str, Any]]:
        """The nodes that cannot have the job's files, and why; this one first."""
        row = self.scenes.row(job)
        rows = [(self.core.node, row["error"])] if row is not None and row["error"] else []
        rows += [(node, why) for node, (_, _, why) in self.peers.of_peers(job)]
        return [{"node": node, "name": self.presence.name_of(node), "error": why} for node, why in rows]

    def _is_moving(self, job: JobId) -> bool:
        """Whether a peer that is here fetches the job's files, and has some."""
        beats = (peer.beat.fetching for peer in self.presence.alive() if peer.beat is not None)
        return any(job == told and thousandths for rows in beats for told, thousandths in rows)

    def for_frames(self, job: JobId, state: JobState, spec: JobSpec) -> str:
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
        fate = " to be back" if peer is not None else ", which left the farm for ever"
        return f"frames wait for {name}{fate}; `peerfarm fetch {job} DIR` brings them elsewhere"

    def missing(self, state: JobState, spec: JobSpec, number: int, stuck: int) -> dict[str, Any]:
        """The frames of a step that are not in the output folder, those that are rendered also apart.

        Args:
            stuck: Tasks whose frames could not be put in place at the last try.
        """
        known = state.steps.get(number, EMPTY_STEP)
        bits = full_mask(spec, number) & ~(published_bits(known) & known.done)
        rendered = bits & known.done
        return {
            "count": _frame_count(spec, number, bits),
            "names": _names(spec, number, bits),
            "directory": spec.steps[number].output_dir,
            "rendered": {
                "count": _frame_count(spec, number, rendered),
                "names": _names(spec, number, rendered),
                "waits_for": self._waits_for(state, known, rendered, stuck),
            },
        }

    def _waits_for(self, state: JobState, step: StepState, rendered: int, stuck: int) -> list[str]:
        """Who must be back before these frames can be put in place: the submitter, or who holds them."""
        submitter = submitter_of(state)
        if submitter is not None and submitter != self.core.node:
            away = self.away(submitter) if rendered else ""
            return [away] if away else []
        holders: dict[NodeId, None] = {}
        for task in islice(tasks_in(rendered & stuck), MAX_LOOKED_AT):
            attempt = canonical(step, task)
            if attempt is not None:
                holders[attempt[1][2]] = None
        return sorted(name for node in holders if (name := self.away(node)))


def _scene_name(spec: JobSpec) -> str:
    """The scene's file name, else the job's name."""
    scene = next((step.params["scene"] for step in spec.steps if isinstance(step.params.get("scene"), str)), "")
    parts = split_path(scene) if scene else None
    return parts[-1] if parts else spec.name


def _roughly(seconds: float) -> str:
    """A time in the unit in which people would tell it."""
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"


def _names(spec: JobSpec, number: int, bits: int) -> list[str]:
    names: list[str] = []
    step = spec.steps[number]
    for task in tasks_in(bits):
        if len(names) >= MAX_MISSING:
            break
        names += [frame_name(step.output_pattern, frame) for frame in task_frames(step, task)]
    return names[:MAX_MISSING]


def _frame_count(spec: JobSpec, number: int, bits: int) -> int:
    step = spec.steps[number]
    count, last = count_frames(step.frames), task_count(step) - 1
    size = min(step.chunk_size, count)
    return bits.bit_count() * size - (size * (last + 1) - count if bits >> max(last, 0) & 1 and count else 0)
