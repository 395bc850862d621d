"""Hands the node's orders to the runner: attempts with the renderer they need, publishing, checks and logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peerfarm.apps.command import CommandApp, not_listed
from peerfarm.apps.registry import APPS
from peerfarm.model.render import AttemptFailed, Capability, FailReason, RenderTask
from peerfarm.node import inputs
from peerfarm.node.effects import Effects
from peerfarm.runner import ProcessRunner


class RunnerOrders:
    """Everything that a turn's effects ask of the runner.

    Args:
        name: This node's, for messages.
        soon: Takes an input for the next turn.
        say: Takes a runner's event for the inbox.
    """

    def __init__(
        self, runner: ProcessRunner, name: str, soon: Callable[[inputs.Input], None], say: Callable[[Any], None]
    ) -> None:
        self._runner = runner
        self._name = name
        self._soon = soon
        self._say = say
        self.capabilities: tuple[Capability, ...] = ()

    def carry_out(self, effects: Effects) -> None:
        """In the order of the effects' fields."""
        if effects.root:
            self._runner.allow_root(effects.root)
        for start in effects.starts:
            self.start(start.slot, start.task)
        if effects.forgotten:
            self._runner.forget_jobs(effects.forgotten)
        for attempt in effects.stops:
            self._runner.stop(attempt)
        for order_to_publish in effects.publishes:
            self._runner.publish(order_to_publish)
        for attempt in effects.publish_stops:
            self._runner.stop_publish(attempt)
        for inspection in effects.inspections:
            self._runner.inspect(inspection.request, inspection.app, inspection.path)
        for check in effects.checks:
            self._runner.check_paths(check.request, check.inputs, check.outputs)
        for preview in effects.previews:
            self._runner.preview(preview)
        for log_read in effects.log_reads:
            part = self._runner.read_log(log_read.attempt, log_read.offset, log_read.limit)
            if part is None:
                self._soon(inputs.LogRead(log_read.token, None))
            else:
                self._soon(inputs.LogRead(log_read.token, part.text, part.offset, part.next_offset, part.is_complete))

    def start(self, slot: int, task: RenderTask) -> None:
        """Start an attempt; without a renderer for it, it fails with a sentence."""
        capability = self._capability_for(task)
        if capability is None:
            if task.app == CommandApp.name:
                message = f"{self._name} may not run it: {not_listed(str(task.params.get('command', '')))}"
            else:
                message = f"{task.app} {task.version}".rstrip() + f" was not found on {self._name}"
            self._say(AttemptFailed(task.attempt, FailReason.APP_NOT_FOUND, message))
        else:
            self._runner.start(slot, task, capability)

    def _capability_for(self, task: RenderTask) -> Capability | None:
        app = APPS[task.app]
        fitting = [c for c in self.capabilities if c.app == task.app and app.suits(c, task.params, task.version)]
        return fitting[0] if fitting else None
