"""Simulated renderers, and the storage that all nodes see. A renderer works, fails, hangs, or lies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from peerfarm.model.blob import BlobId
from peerfarm.model.files import FetchEnded
from peerfarm.model.ids import NodeId
from peerfarm.model.job import FilesMode
from peerfarm.model.render import (
    AttemptFailed,
    AttemptProgressed,
    AttemptRendered,
    AttemptStarted,
    AttemptStopped,
    FailReason,
    FrameFile,
    PublishOrder,
    PublishResult,
    RenderTask,
    RunnerEvent,
)
from peerfarm.node import inputs as i

if TYPE_CHECKING:
    from sim_node import SimNode
    from sim_world import World


@dataclass(slots=True)
class Storage:
    """Attempts' own frames, and what was published. A frame's bytes name the attempt that made it."""

    attempts: dict[str, dict[str, bytes]] = field(default_factory=dict)
    published: dict[tuple[str, str], bytes] = field(default_factory=dict)
    writers: dict[tuple[str, str], NodeId] = field(default_factory=dict)
    """Who brought a published file in place."""
    is_refusing: bool = False

    def keep(self, task: RenderTask) -> tuple[FrameFile, ...]:
        """An attempt's frames are verified and durable."""
        names = [task.frame_name(frame) for frame in task.frames] if task.output_pattern else []
        frames = {name: f"{task.attempt} {name}".encode() for name in names}
        self.attempts[task.attempt] = frames
        return tuple(FrameFile(name, len(data), hashlib.sha256(data).digest()) for name, data in frames.items())

    def spoil(self, attempt: str) -> None:
        """Damage a frame that was verified before."""
        frames = self.attempts[attempt]
        for name in frames:
            frames[name] = b"damaged"
            return

    def publish(self, order: PublishOrder, writer: NodeId) -> PublishResult:
        """Bring frames in place whole, or say why not."""
        if self.is_refusing:
            return PublishResult(order.attempt, order.job, order.step, order.task, "the output folder refuses")
        own = self.attempts.get(order.attempt, {})
        for frame in order.frames:
            final = self.published.get((order.output_dir, frame.name))
            if final is not None and hashlib.sha256(final).digest() == frame.sha256:
                continue
            data = own.get(frame.name)
            if data is None or hashlib.sha256(data).digest() != frame.sha256:
                return PublishResult(order.attempt, order.job, order.step, order.task, "damaged", is_lost=True)
            self.published[order.output_dir, frame.name] = data
            self.writers[order.output_dir, frame.name] = writer
        return PublishResult(order.attempt, order.job, order.step, order.task)


@dataclass(slots=True)
class Render:
    """One that runs."""

    task: RenderTask
    slot: int
    started_s: float
    is_over: bool = False


class Renderer:
    """The processes of one node in one start of it."""

    def __init__(self, world: World, owner: SimNode) -> None:
        self._world = world
        self._owner = owner
        self.running: dict[str, Render] = {}
        self.is_stuck = False
        """Progress stops and nothing is ever reported, not even by the stall limit."""

    def start(self, slot: int, task: RenderTask) -> None:
        """Run an attempt."""
        world = self._world
        busy = [render.task.attempt for render in self.running.values() if render.slot == slot]
        world.check("P7", not busy, f"slot {slot} of {self._owner.name} runs {busy} and shall run {task.attempt}")
        render = Render(task, slot, world.now_s)
        self.running[task.attempt] = render
        self._say(AttemptStarted(task.attempt, 1))
        if self.is_stuck:
            return
        plan = world.plan
        duration_s = plan.render_s(task.job_name, world.rng)
        roll = world.rng.random()
        if roll < plan.hang:
            world.fire("renderer hangs", task.attempt)
            duration_s += task.stall_limit_s
            ending: RunnerEvent | None = AttemptFailed(task.attempt, FailReason.STALLED, "no progress")
        elif roll < plan.hang + plan.crash:
            world.fire("renderer crashes", task.attempt)
            ending = AttemptFailed(task.attempt, FailReason.APP_FAILED, "it crashed", 139, ("Segmentation fault",))
        elif roll < plan.hang + plan.crash + plan.lie:
            world.fire("renderer lies", task.attempt)
            ending = AttemptFailed(task.attempt, FailReason.OUTPUT_MISSING, "exit code 0 without frames", 0)
        elif self._owner.name in plan.broken:
            world.fire("worker is broken", task.attempt)
            ending = AttemptFailed(task.attempt, FailReason.APP_NOT_FOUND, "no such application here")
        else:
            ending = None
            if duration_s > 1.0:
                world.after(duration_s / 2, self._progress, render)
        if not any(given.frames for given in task.inputs):
            world.after(duration_s, self._finish, render, ending)
            return
        frames = [frame for given in task.inputs for frame in given.frames]
        holders = [node for given in task.inputs for node in given.holders]

        def brought(told: FetchEnded) -> None:
            if not told.error:
                world.after(duration_s, self._finish, render, ending)
                return
            world.check("P6", not world.plan.is_calm, f"{task.attempt} cannot read what an earlier step rendered")
            here = self._owner.blobs.blobs
            lost = tuple(
                given.attempt
                for given in task.inputs
                if told.is_missing and any(BlobId(frame.sha256) not in here for frame in given.frames)
            )
            failed = AttemptFailed(
                task.attempt, FailReason.FILES_MISSING, told.error, lost_inputs=lost, lacking=told.lacking
            )
            self._finish(render, failed)

        world.files.bring(self._owner, f"inputs/{task.attempt}", frames, holders, brought)

    def _say(self, event: RunnerEvent) -> None:
        self._owner.take(i.RunnerSaid(event))

    def _is_frozen(self) -> bool:
        return self._owner.is_suspended

    def _progress(self, render: Render) -> None:
        if not render.is_over and not self._is_frozen() and not self.is_stuck:
            self._say(AttemptProgressed(render.task.attempt, 0.5, None))

    def _finish(self, render: Render, ending: RunnerEvent | None) -> None:
        if render.is_over or self.is_stuck:
            return
        if self._is_frozen():
            self._world.after(1.0, self._finish, render, ending)
            return
        render.is_over = True
        del self.running[render.task.attempt]
        if ending is None:
            world = self._world
            if render.task.files is FilesMode.PEERS and self._owner.blobs.is_full:
                self._say(AttemptFailed(render.task.attempt, FailReason.STORE_REFUSED, "the store is full"))
                return
            frames = world.storage.keep(render.task)
            if render.task.files is FilesMode.PEERS:
                world.files.take_in(self._owner, render.task, frames)
            if frames and world.rng.random() < world.plan.spoil:
                world.fire("frames spoilt", render.task.attempt)
                if render.task.files is FilesMode.PEERS:
                    self._owner.blobs.blobs.pop(BlobId(frames[0].sha256), None)
                    world.copies.spoilt.add(render.task.attempt)
                else:
                    world.storage.spoil(render.task.attempt)
            ending = AttemptRendered(render.task.attempt, frames, world.now_s - render.started_s)
        self._say(ending)

    def stop(self, attempt: str) -> None:
        """End an attempt, after a notice period."""
        if attempt in self.running:
            self._world.after(self._world.rng.random() * 0.3, self._stopped, attempt)

    def _stopped(self, attempt: str) -> None:
        render = self.running.get(attempt)
        if render is None or render.is_over:
            return
        if self._is_frozen():
            self._world.after(1.0, self._stopped, attempt)
            return
        render.is_over = True
        del self.running[attempt]
        self._say(AttemptStopped(attempt))

    def kill(self) -> None:
        """The node's process died, and its renderers with it."""
        for render in self.running.values():
            render.is_over = True
        self.running.clear()

    def publish(self, order: PublishOrder) -> None:
        """Copy an attempt's frames under their final names, a moment later."""
        self._world.after(0.005 + self._world.rng.random() * 0.05, self._published, order, self._owner.life)

    def _published(self, order: PublishOrder, life: int) -> None:
        if self._owner.life != life or self._owner.node is None:
            return
        if self._is_frozen():
            self._world.after(1.0, self._published, order, life)
            return
        if order.files is FilesMode.PEERS:
            self._world.files.deliver(self._owner, order)
            return
        self._world.watch.publishes(self._owner, order)
        self._owner.take(i.Published(self._world.storage.publish(order, self._owner.id)))
