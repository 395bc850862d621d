"""The state as plain values for plug-ins and the command line; the shapes of the local protocol's answers."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from peerfarm.model.frames import count_frames, format_frames, task_count, task_frames
from peerfarm.model.ids import ActionId, JobId, NodeId, attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.dispatch import Dispatch
from peerfarm.node.fileviews import FileViews
from peerfarm.node.fitness import unfit_reason
from peerfarm.node.presence import Presence
from peerfarm.node.publishing import Publishing
from peerfarm.node.replication import Replication
from peerfarm.node.work import Work
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import About
from peerfarm.state.farm import EMPTY_STEP, JobState, StepState, get_job, get_record
from peerfarm.state.join import generation_of
from peerfarm.state.selectors import (
    StepBits,
    job_status,
    published_bits,
    register,
    spec_of,
    step_bits,
    submitter_of,
    tasks_in,
    unpublished_bits,
)

MAX_TASK_ROWS = 10_000
"""Tasks that one answer shows: more would keep the node from its peers for too long, and outgrow the answer."""
WANTED_COPIES = 2
"""A job is safe against the loss of any two disks once two other nodes hold it."""


class Views:
    """Reads everything, changes nothing."""

    def __init__(
        self,
        core: Core,
        presence: Presence,
        replication: Replication,
        dispatch: Dispatch,
        work: Work,
        publishing: Publishing,
        files: FileViews,
    ) -> None:
        self._core = core
        self._presence = presence
        self._replication = replication
        self._dispatch = dispatch
        self._work = work
        self._publishing = publishing
        self.files = files

    # Nodes

    def nodes(self) -> list[dict[str, Any]]:
        """This node first, then every other member by name."""
        rows = [self.node_row(node) for node in self._presence.peers]
        return [self.node_row(self._core.node), *sorted(rows, key=lambda row: (row["name"], row["id"]))]

    def node_row(self, node: NodeId) -> dict[str, Any]:
        """One node as this one sees it."""
        core = self._core
        peer = self._presence.peers.get(node)
        about = self._presence.own_about() if peer is None else peer.about
        running = self._work.running() if peer is None else (peer.beat.running if peer.beat else ())
        beat = peer.beat if peer is not None else None
        return {
            "id": node,
            "name": self._presence.name_of(node),
            "state": str(PeerState.LIVE if peer is None else peer.state),
            "is_self": peer is None,
            **_about_row(about),
            "busy": len(running),
            "load": self._presence.load_percent if peer is None else (beat.load_percent if beat else None),
            "address": " ".join((about.addresses if about else ()) or (peer.addresses if peer is not None else ())),
            "state_hash": core.hash.of(core.farm) if peer is None else (beat.state_hash if beat else ""),
            "vector_hash": core.book.digest().hex() if peer is None else (beat.digest.hex() if beat else ""),
            "fetching": self.files.fetching(node),
            "tasks": [row for lease, thousandths, _ in running if (row := self._running_row(lease, thousandths))],
        }

    def at_work(self) -> dict[str, Any]:
        """How many live nodes render now, and how many have each application: for panels that cannot take all rows."""
        live: list[tuple[About | None, int]] = [(self._presence.own_about(), len(self._work.running()))]
        live += [
            (peer.about, len(peer.beat.running) if peer.beat else 0)
            for peer in self._presence.peers.values()
            if peer.state is PeerState.LIVE
        ]
        apps = Counter(app for about, _ in live if about for app in {app for app, _, _ in about.apps})
        return {"rendering": sum(1 for _, busy in live if busy), "apps": dict(apps)}

    def _running_row(self, lease: ActionId, thousandths: int) -> dict[str, Any] | None:
        for job, leases in self._dispatch.open.items():
            entry = leases.get(lease)
            if entry is not None:
                spec = self._spec(job)
                return {
                    "job": job,
                    "job_name": spec.name if spec else "",
                    "step": entry.step,
                    "task": entry.task,
                    "frames": self._frames(spec, entry.step, entry.task),
                    "progress": thousandths / 1000,
                }
        return None

    def slots(self) -> list[dict[str, Any]]:
        """What each slot of this node does."""
        rows: list[dict[str, Any]] = []
        for slot in self._work.slots:
            attempt = slot.current
            if attempt is None:
                rows.append({"slot": slot.number, "job": None})
                continue
            spec = self._spec(attempt.job)
            rows.append(
                {
                    "slot": slot.number,
                    "job": attempt.job,
                    "job_name": spec.name if spec else "",
                    "step": attempt.step,
                    "task": attempt.task,
                    "frames": self._frames(spec, attempt.step, attempt.task),
                    "progress": attempt.thousandths / 1000,
                    "attempt": attempt_label(attempt.lease),
                    "app": spec.steps[attempt.step].app if spec else "",
                    "text": attempt.text,
                }
            )
        return rows

    # Jobs

    def summary(self, job: JobId, state: JobState) -> dict[str, Any] | None:
        """A job in one row; None while its submission has not arrived."""
        spec = spec_of(state)
        submitter = submitter_of(state)
        if spec is None or submitter is None or state.submitted is None:
            return None
        steps = [step_bits(state, spec, number) for number in range(len(spec.steps))]
        tasks = {name: sum(bits[place].bit_count() for bits in steps) for place, name in enumerate(StepBits._fields)}
        total = sum(tasks.values())
        progress = tasks["done"] + sum(self._progress(job, number, bits.leased) for number, bits in enumerate(steps))
        dispatcher = self._dispatch.dispatcher_of(job)
        undelivered = self._publishing.errors.get(job) or self.files.waits.for_frames(job, state, spec)
        waits = undelivered or self._why_ready(job, state, spec, tasks)
        is_waiting = not tasks["leased"] and (bool(waits) or self.files.is_fetched(job))
        return {
            "id": job,
            "name": spec.name,
            "user": spec.user,
            "status": str(job_status(state, spec)),
            "priority": register(state, "priority"),
            "pool": register(state, "pool"),
            "paused": register(state, "paused"),
            "tasks": {"total": total, **tasks},
            "frames": self._frame_counts(spec, steps),
            "published": self._published(state, spec),
            "is_published": not any(unpublished_bits(state, spec, number) for number in range(len(spec.steps))),
            "progress": progress / total if total else 1.0,
            "dispatcher": self._presence.name_of(dispatcher) if dispatcher is not None else None,
            "submitter": self._presence.name_of(submitter),
            **self._held(state),
            "files": str(spec.files),
            "output": next((step.output_dir for step in reversed(spec.steps) if step.output_dir), ""),
            "submitted_ms": spec.submitted_ms,
            "eta_s": None if is_waiting else self._eta_s(job, state, tasks, self.files.frames(job, spec)),
            "error": undelivered or _failure(state) or waits,
            "waits": waits,
        }

    def _progress(self, job: JobId, number: int, leased: int) -> float:
        total = 0.0
        for entry in self._dispatch.open.get(job, {}).values():
            if entry.step == number and leased >> entry.task & 1:
                total += self._thousandths(entry.lease, entry.worker) / 1000
        return total

    def _thousandths(self, lease: ActionId, worker: NodeId) -> int:
        if worker == self._core.node:
            attempt = self._work.attempts.get(attempt_label(lease))
            waiting = self.files.copies.thousandths(attempt_label(lease))
            return attempt.thousandths if attempt is not None else waiting or 0
        peer = self._presence.peers.get(worker)
        known = peer.progress_s.get(lease) if peer is not None else None
        return known[0] if known is not None else 0

    def _frame_counts(self, spec: JobSpec, steps: list[StepBits]) -> dict[str, int]:
        done = 0
        total = 0
        for step, bits in zip(spec.steps, steps, strict=True):
            count = count_frames(step.frames)
            total += count
            finished = bits.done.bit_count()
            last = task_count(step) - 1
            is_last_done = bits.done >> last & 1 if last >= 0 else 0
            size = min(step.chunk_size, count)
            done += finished * size - (is_last_done * (size * (last + 1) - count) if count else 0)
        return {"total": total, "done": done}

    def _published(self, state: JobState, spec: JobSpec) -> int:
        return sum(
            (published_bits(state.steps[number]) & state.steps[number].done).bit_count()
            for number in range(len(spec.steps))
            if number in state.steps
        )

    def _held(self, state: JobState) -> dict[str, Any]:
        assert state.submitted is not None
        node, log, seq = state.submitted[0]
        if node != self._core.node:
            return {"held_by": None, "held_of": None}
        held = sum(1 for peer in self._presence.peers if self._replication.link(peer).held.get(log, 0) >= seq)
        wanted = min(WANTED_COPIES, len(self._presence.peers))
        return {"held_by": min(held, wanted), "held_of": wanted}

    def _eta_s(self, job: JobId, state: JobState, tasks: dict[str, int], coming: dict[str, Any] | None) -> float | None:
        """Seconds until the rest is rendered, and here where the frames come here; None when nobody knows.

        Args:
            coming: The frames that are on their way to this node, as FileViews tells them.
        """
        waiting = self.files.copies.counts(job)["waiting"]  # they are rendered
        home_s = coming["left_s"] if coming is not None else None
        leased = max(0, tasks["leased"] - waiting - (coming["rendered"] if coming is not None else 0))
        left = leased + tasks["ready"] + tasks["blocked"]
        if not left:
            return float(home_s) if home_s is not None else None
        if not tasks["done"]:
            return None
        spent_ms = seen = 0
        for step in state.steps.values():
            for task in list(tasks_in(step.done))[-8:]:
                for attempt in get_record(step, task):
                    if attempt[2] is not None:
                        spent_ms += attempt[2][2]
                        seen += 1
        if not seen:
            return None
        return max(round(left * spent_ms / seen / 1000 / max(1, leased), 1), float(home_s or 0))

    def _why_ready(self, job: JobId, state: JobState, spec: JobSpec, tasks: dict[str, int]) -> str:
        """Why no worker takes what is ready; empty when one does, or can."""
        if not tasks["ready"] or tasks["leased"] or register(state, "paused"):
            return ""
        pool = register(state, "pool")
        reasons = []
        for row in (self._core.node, *(peer.node for peer in self._presence.alive())):
            worker = self._presence.worker(row)
            if worker is None:
                continue
            why = [
                unfit_reason(worker, spec, spec.steps[number], pool)
                for number in range(len(spec.steps))
                if step_bits(state, spec, number).ready
            ]
            if not all(why):
                return self.files.waits.for_scene(job, state, spec)
            reasons.append(f"{worker.name}: {why[0]}")
        return "no worker can take it: " + "; ".join(reasons[:5]) if reasons else "no worker is there"

    def job(self, job: JobId, state: JobState) -> dict[str, Any] | None:
        """A job with its steps, tasks and attempts."""
        summary = self.summary(job, state)
        spec = spec_of(state)
        if summary is None or spec is None:
            return None
        steps = []
        room = MAX_TASK_ROWS
        for number, step in enumerate(spec.steps):
            known = state.steps.get(number, EMPTY_STEP)
            bits = step_bits(state, spec, number)
            shown = _telling_tasks(bits, task_count(step), room)
            room -= len(shown)
            mask = (1 << shown[-1] + 1) - 1 if shown else 0
            bits = StepBits(*(tasks & mask for tasks in bits))  # looking at one bit costs as much as there are
            steps.append(
                {
                    "name": step.name,
                    "app": step.app,
                    "depends_on": [spec.steps[dependency.step].name for dependency in step.depends_on],
                    "task_count": task_count(step),
                    "missing": self.files.missing(job, state, spec, number),
                    "tasks": [self._task_row(spec, known, bits, number, task) for task in shown],
                }
            )
        return {**summary, "file_transfer": self.files.job(job, spec), "steps": steps}

    def _task_row(self, spec: JobSpec, step: StepState, bits: StepBits, number: int, task: int) -> dict[str, Any]:
        status = next(name for name, tasks in zip(StepBits._fields, bits, strict=True) if tasks >> task & 1)
        generation = generation_of(step, task)
        attempts = [
            self._attempt_row(attempt)
            for attempt in get_record(step, task)
            if attempt[1] is not None and attempt[1][1] == generation
        ]
        attempts.sort(key=lambda row: row["number"])
        running = [row for row in attempts if row["outcome"] == "running"]
        return {
            "task": task,
            "frames": self._frames(spec, number, task),
            "status": status,
            "worker": attempts[-1]["worker"] if attempts else None,
            "progress": 1.0 if status == "done" else (running[-1]["progress"] if running else 0.0),
            "attempts": attempts,
        }

    def _attempt_row(self, attempt: Any) -> dict[str, Any]:
        lease, (number, _generation, worker, _boot, _request), rendered, failed, returned, requeued = attempt
        row: dict[str, Any] = {
            "attempt": attempt_label(lease),
            "number": number,
            "worker": self._presence.name_of(worker),
            "outcome": "running",
            "reason": "",
            "message": "",
            "render_s": None,
            "progress": 0.0,
        }
        if rendered is not None:
            row.update(outcome="rendered", render_s=rendered[2] / 1000, progress=1.0)
        elif failed is not None:
            row.update(outcome="failed", reason=failed[1], message=failed[3], render_s=failed[5] / 1000)
            row["exit_code"] = failed[2]
            row["last_lines"] = list(failed[4])
        elif requeued is not None:
            row.update(outcome="requeued", reason=requeued[1])
        elif returned is not None:
            row.update(outcome="returned", reason=returned[1])
        else:
            row["progress"] = self._thousandths(lease, worker) / 1000
        return row

    def _spec(self, job: JobId) -> JobSpec | None:
        state = get_job(self._core.farm, job)
        return spec_of(state) if state is not None else None

    def _frames(self, spec: JobSpec | None, number: int, task: int) -> str:
        if spec is None or number >= len(spec.steps) or not spec.steps[number].frames:
            return ""
        return format_frames(task_frames(spec.steps[number], task))


def _failure(state: JobState) -> str:
    """How a task that is not done failed; empty when none did."""
    for step in state.steps.values():
        for task in tasks_in(step.troubled & ~step.done):
            for attempt in reversed(get_record(step, task)):
                if attempt[3] is not None:
                    return str(attempt[3][3])
    return ""


def _telling_tasks(bits: StepBits, count: int, room: int) -> list[int]:
    """As many tasks as there is room for: all, else what failed or runs and then the first ones; in order."""
    if count <= room:
        return list(range(count))
    chosen = set(islice(tasks_in(bits.failed | bits.leased), room))
    chosen.update(islice((task for task in range(count) if task not in chosen), room - len(chosen)))
    return sorted(chosen)


def _about_row(about: About | None) -> dict[str, Any]:
    if about is None:
        return {"render": None, "slots": None, "apps": [], "pools": [], "tags": [], "version": ""}
    return {
        "render": about.is_rendering,
        "slots": about.slots,
        "apps": [{"app": app, "version": version, "tags": list(tags)} for app, version, tags in about.apps],
        "pools": list(about.pools),
        "tags": list(about.tags),
        "version": about.version,
    }
