"""One real node on a clock that the test turns by hand; what it wants done is kept for the test to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peerfarm.config import SharedRoot
from peerfarm.errors import PeerfarmError
from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.render import (
    AttemptFailed,
    AttemptRendered,
    Capability,
    Discovered,
    FailReason,
    FrameFile,
    PublishResult,
    RenderTask,
)
from peerfarm.node import Node, inputs
from peerfarm.node.core import Core, NodeSettings
from peerfarm.node.effects import Effects
from peerfarm.protocol.messages import Message, decode_message, encode_message

CLIENT = 1


class Solo:
    """A node, alone unless the test plays its peers."""

    def __init__(
        self,
        *,
        slots: int = 1,
        is_rendering: bool = True,
        name: str = "oak",
        log: Sequence[bytes] = (),
        pins: tuple[str, ...] = (),
        boot: str = "bootboot",
    ) -> None:
        """Start the node; `log` is what its disk holds from before, `pins` what its store keeps."""
        self.key = name.ljust(40, "0")
        self.id = node_id_of(self.key)
        identity = inputs.Identity(self.id, self.key, name, BootId(boot), LogId("loglog22"), 1_000_000)
        shared = (SharedRoot(linux="/"),)  # so that nothing travels but what a test says
        settings = NodeSettings(name, is_rendering, slots, user="mia", memory_mb=8000, cores=4, shared=shared)
        self.node = Node(identity, settings)
        self.now_s = 100.0
        self.effects: list[Effects] = []
        self.starts: list[RenderTask] = []
        self._count = 0
        for raw in log:
            self.node.core.replay(raw)
        self.node.start(inputs.Remembered(pins=pins), self.now_s)
        if is_rendering:
            self.turn(
                Discovered((Capability("ocean", "", "/python"), Capability("command", "", "/bin/true", ("true",))))
            )

    def turn(self, *events: Any) -> Effects:
        """One turn of the loop in which these things happened."""
        for event in events:
            self.node.handle(event, self.now_s)
        effects = self.node.settle(self.now_s)
        self.effects.append(effects)
        self.starts += [order.task for order in effects.starts]
        return effects

    def wait(self, seconds: float) -> None:
        """Let time pass, with the ticks that the loop would give."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + 0.25)
            self.turn(inputs.Tick())

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A local request that is answered in the same turn; its error is raised."""
        self._count += 1
        job = JobId(f"job{'abcdefghijklmnopqrstuvwxyz'[self._count % 26] * 9}")
        minted = inputs.Minted(job, FarmId("farmfarmfarmfarm"), "t" * 32)
        effects = self.turn(inputs.LocalRequest(CLIENT, self._count, method, params, minted))
        checks = [inputs.PathsChecked(check.request, "") for check in effects.checks]
        if checks:
            effects = self.turn(*checks)
        (answer,) = [answer for answer in effects.answers if answer.id == self._count]
        if answer.error is not None:
            raise answer.error
        assert answer.result is not None
        return answer.result

    def refusal(self, method: str, **params: Any) -> PeerfarmError:
        """The error that a local request is answered with."""
        try:
            answer = self.ask(method, **params)
        except PeerfarmError as error:
            return error
        raise AssertionError(f"{method} was not refused but answered {answer}")

    def found(self) -> None:
        """Found a farm."""
        self.ask("init", name="studio")

    def submit(self, **fields: Any) -> str:
        """Submit a job of two ocean frames in two tasks unless told otherwise; its id."""
        job = {"name": "sea", "app": "ocean", "frames": "1-2", "chunk": 1, "output": "/out/sea_####.png", **fields}
        return str(self.ask("submit", job=job)["job"])

    def render(self, task: RenderTask, render_s: float = 2.0) -> Effects:
        """The runner finished an attempt with all its frames."""
        frames = tuple(FrameFile(task.frame_name(frame), 10, bytes(32)) for frame in task.frames)
        return self.turn(inputs.RunnerSaid(AttemptRendered(task.attempt, frames, render_s)))

    def fail(self, task: RenderTask, reason: FailReason = FailReason.APP_FAILED, message: str = "it broke") -> Effects:
        """The runner says that an attempt failed."""
        return self.turn(inputs.RunnerSaid(AttemptFailed(task.attempt, reason, message, 1, ("last words",), 1.0)))

    def publish_all(self) -> None:
        """Every publish order succeeds at once."""
        for _ in range(50):
            orders = self.effects[-1].publishes
            if not orders:
                return
            self.turn(*(inputs.Published(PublishResult(o.attempt, o.job, o.step, o.task)) for o in orders))

    def hear(self, peer: NodeId, message: Message) -> Effects:
        """A peer says something."""
        return self.turn(inputs.Received(peer, encode_message(message)))

    def said(self, peer: NodeId, kind: type[Any]) -> list[Any]:
        """All messages of a kind that were sent to a peer."""
        sent = [raw for effects in self.effects for node, raw in (*effects.beats, *effects.sends) if node == peer]
        return [message for raw in sent if isinstance(message := decode_message(raw), kind)]


def mentions(part: Any, name: str, path: str = "node", seen: set[int] | None = None) -> list[str]:
    """Where a node's parts hold that name, beside the replicated state and what is on its way out."""
    seen = set() if seen is None else seen
    if isinstance(part, str):
        return [path] if part == name else []
    if id(part) in seen or isinstance(part, (Core, Effects, int, float, bytes)) or callable(part):
        return []
    seen.add(id(part))
    if isinstance(part, dict):
        inner = [*part.keys(), *part.values()]
    elif isinstance(part, (list, tuple, set, frozenset)):
        inner = list(part)
    else:
        slots = [slot for kind in type(part).__mro__ for slot in getattr(kind, "__slots__", ())]
        fields = {**getattr(part, "__dict__", {}), **{slot: getattr(part, slot, None) for slot in slots}}
        return [found for key, value in fields.items() for found in mentions(value, name, f"{path}.{key}", seen)]
    return [found for value in inner for found in mentions(value, name, path, seen)]
