"""Follows the demo's job: shows what each node does, kills the one that was named, tells what becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from peerfarm.cli import text
from peerfarm.cli.demo_nodes import Farm, FarmNode
from peerfarm.cli.demo_stage import Stage
from peerfarm.errors import NotRunning, PeerfarmError
from peerfarm.model.frames import parse_frames

LOOK_EVERY_S = 0.15
_BAR = 20
_STYLES = {"rendering": "cyan", "killed": "red", "gone": "red", "waiting": "dim", "no render": "dim"}


@dataclass(slots=True)
class Watch:
    """One job, watched until it is over."""

    farm: Farm
    stage: Stage
    submitter: FarmNode
    kill: str
    """`worker`, `submitter`, `server` or `none`."""
    server: FarmNode | None
    job: str
    started_s: float
    """When the job was submitted, monotonic."""
    killed: FarmNode | None = None
    view: dict[str, Any] = field(default_factory=dict)
    """The job as last seen, as the method `job` gives it."""
    over_s: float | None = None
    """When the last frame was seen under its final name; None while the job goes on."""
    _speaker: FarmNode | None = None
    _dispatcher: str = ""
    _told: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)

    def follow(self, limit_s: float) -> bool:
        """Watch until the job is over; False when it was not within `limit_s` seconds."""
        self._speaker = self.submitter
        while True:
            try:
                self._look()
            except NotRunning:
                self._change_speaker()
            if self.is_over:
                self.over_s = time.monotonic()
                self.stage.clear()
                return True
            if time.monotonic() - self.started_s > limit_s:
                self.stage.clear()
                return False
            time.sleep(LOOK_EVERY_S)

    @property
    def is_over(self) -> bool:
        """Whether all frames are published, or the job ended without them."""
        if not self.view:
            return False
        status = self.view["status"]
        return status in ("failed", "cancelled") or (status == "done" and bool(self.view["is_published"]))

    def _look(self) -> None:
        assert self._speaker is not None, "there is a speaker from the beginning"
        self.view = self._speaker.call("job", job=self.job)
        self._tell_news()
        victim = self._victim()
        if victim is not None:
            self._shoot(victim)
        self._show()

    def _change_speaker(self) -> None:
        living = [node for node in self.farm.living if node is not self.server]
        if not living:
            raise PeerfarmError("no node is left", "Run the demo again with --keep and look into the nodes' logs.")
        self._speaker = living[0]
        self.stage.say(f"From here on {self._speaker} is asked how the job goes: every node knows it.")

    # The kill

    def _victim(self) -> FarmNode | None:
        if self.killed is not None or self.kill == "none" or self.view["status"] == "done":
            return None
        running = {attempt["worker"] for _, attempt in self._running()}
        if self.kill == "server":
            return self.server if running else None
        if not self.view["frames"]["done"]:
            return None
        if self.kill == "submitter":
            return self.submitter
        others = [node for node in self.farm.living if node is not self.submitter]
        return next((node for node in others if node.name in running), None)

    def _shoot(self, victim: FarmNode) -> None:
        victim.kill()
        self.killed = victim
        victim.clear_leftovers()  # a machine that loses power takes its renderer with it
        held = [task for task, attempt in self._running() if attempt["worker"] == victim.name]
        frames = ", ".join(task["frames"] for task in held)
        count = sum(count_of(task["frames"]) for task in held)
        if victim is self.server:
            words = f"{victim} was killed: the others joined through it, and nobody needs it to go on."
        elif held:
            who = f"{victim}, which took the job," if victim is self.submitter else str(victim)
            lost = f"its {text.count(count, 'frame')} {'go' if count > 1 else 'goes'} to others as soon as they miss it"
            words = f"{who} was killed while it rendered {frames}: {lost}."
        else:
            words = f"{victim} was killed."
        self.stage.say(words, "red")

    # What is told

    def _running(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The tasks under way, each with its running attempt."""
        return [(task, a) for task in self._tasks() for a in task["attempts"] if a["outcome"] == "running"]

    def _tasks(self) -> list[dict[str, Any]]:
        return [task for step in self.view["steps"] for task in step["tasks"]]

    def _tell_news(self) -> None:
        for node in self.farm.nodes:
            if not node.is_running and node is not self.killed and node.name not in self._gone:
                self._gone.add(node.name)
                self.stage.say(f"{node} ended by itself: {node.last_words() or 'it said nothing'}", "red")
        dispatcher = self.view["dispatcher"] or ""
        if dispatcher and dispatcher != self._dispatcher:
            if self._dispatcher and self.killed is not None and self._dispatcher == self.killed.name:
                self.stage.say(f"{dispatcher} noticed, and now gives out the job's tasks.")
            self._dispatcher = dispatcher
        for task in self._tasks():
            self._tell_task(task)

    def _tell_task(self, task: dict[str, Any]) -> None:
        lost: dict[str, Any] | None = None
        for attempt in task["attempts"]:
            label = attempt["attempt"]
            if attempt["outcome"] == "failed" and label not in self._told:
                self._told.add(label)
                self.stage.say(f"{_of(task)} failed on {attempt['worker']}: {attempt['message']}", "yellow")
            if lost is not None and label not in self._told:
                self._told.add(label)
                words = f"{_of(task)}, which {lost['worker']} held, now rendered by {attempt['worker']}."
                self.stage.say(words, "yellow")
            lost = attempt if attempt["outcome"] == "requeued" else None

    # What is shown

    def _show(self) -> None:
        done = frames_by_worker(self.view)
        frames = self.view["frames"]
        rows = [self._node_row(node, done.get(node.name, 0)) for node in self.farm.nodes]
        spent = text.duration(time.monotonic() - self.started_s)
        fraction = frames["done"] / frames["total"]
        bar = text.bar(fraction, _BAR, self.stage.marks)
        rows.append((f"  {'all':<8} {'':<10} {bar} {frames['done']:>3} of {frames['total']} frames, {spent}", "bold"))
        lost = self.killed.name if self.killed else ""
        parts = [f"{task['frames']} on {a['worker']}" for task, a in self._running() if a["worker"] != lost]
        busy = f"; rendering {', '.join(parts)}" if parts else ""
        self.stage.show(rows, f"  {frames['done']} of {frames['total']} frames after {spent}{busy}")

    def _node_row(self, node: FarmNode, done: int) -> tuple[str, str]:
        state, fraction, frames = self._doing(node)
        bar = text.bar(fraction, _BAR, self.stage.marks) if frames else " " * _BAR
        words = f"frames {frames}" if frames else ""
        return f"  {node.name:<8} {state:<10} {bar} {done:>3} done  {words}", _STYLES.get(state, "")

    def _doing(self, node: FarmNode) -> tuple[str, float, str]:
        """A node's state in a word, its progress and its frames; asked of itself, for others hear once a second."""
        if node is self.killed:
            return "killed", 0.0, ""
        try:
            status = node.call("status")
        except PeerfarmError:
            return "gone", 0.0, ""
        if not status["node"]["render"]:
            return "no render", 0.0, ""
        busy = [slot for slot in status["slots"] if slot["job"]]
        if not busy:
            return "waiting", 0.0, ""
        return "rendering", sum(slot["progress"] for slot in busy) / len(busy), ", ".join(s["frames"] for s in busy)


def count_of(frames: str) -> int:
    """How many frames an expression names."""
    return sum((last - first) // step + 1 for first, last, step in parse_frames(frames)) if frames else 0


def frames_by_worker(view: dict[str, Any]) -> dict[str, int]:
    """Worker -> frames of the job that are done and that it rendered."""
    counts: dict[str, int] = {}
    for step in view["steps"]:
        for task in step["tasks"]:
            rendered = next((a for a in task["attempts"] if a["outcome"] == "rendered"), None)
            if task["status"] == "done" and rendered is not None:
                counts[rendered["worker"]] = counts.get(rendered["worker"], 0) + count_of(task["frames"])
    return counts


def _of(task: dict[str, Any]) -> str:
    return f"Frames {task['frames']}" if count_of(task["frames"]) > 1 else f"Frame {task['frames']}"
