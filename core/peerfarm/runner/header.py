"""The words at the head and the foot of an attempt's log."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from peerfarm.model.render import AttemptFailed, AttemptRendered, AttemptStopped, Capability, RenderTask
from peerfarm.runner.quietlogs import TITLE

Ending = AttemptRendered | AttemptFailed | AttemptStopped
_FRAMES_SHOWN = 50


def title_lines(task: RenderTask, capability: Capability) -> list[str]:
    """What is known before anything is started."""
    frames = ",".join(map(str, task.frames[:_FRAMES_SHOWN])) or "none"
    more = f" and {len(task.frames) - _FRAMES_SHOWN} more" if len(task.frames) > _FRAMES_SHOWN else ""
    return [
        f"{TITLE}{task.attempt}",
        f"# worker      {_flat(task.worker_name)}",
        f"# job         {task.job} {_flat(task.job_name)}",
        f"# step        {task.step} {_flat(task.step_name)}",
        f"# task        {task.task}",
        f"# frames      {frames}{more}",
        f"# output      {_flat(task.output_dir) or 'none'}",
        f"# app         {capability.app} {capability.version or '(no version)'}",
    ]


def start_lines(
    argv: Sequence[str],
    directory: str,
    added: Mapping[str, str],
    dropped: Sequence[str],
    pid: int,
    wall_ms: int,
    label: str,
) -> list[str]:
    """What was started; the last line stands once for every process start, to be counted."""
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return [
        f"# command     {_flat(shlex.join(argv))}",
        f"# directory   {directory}",
        f"# added       {_flat(' '.join(f'{name}={value}' for name, value in sorted(added.items()))) or 'nothing'}",
        f"# left out    {' '.join(dropped) or 'nothing'}",
        f"PROCESS START {label} pid {pid} at {moment}",
    ]


def footer(ending: Ending, process_end: tuple[int | None, float] | None, survivors: int) -> str:
    """How it ended.

    Args:
        process_end: Exit code and wall time in seconds; None when no process was started.
        survivors: How many processes could not be ended.
    """
    lines = []
    if survivors:
        lines.append(f"# note        {survivors} processes could not be ended: the system does not let go of them")
    if process_end:
        code = "none" if process_end[0] is None else str(process_end[0])
        lines.append(f"PROCESS END exit code {code}, wall time {process_end[1]:.3f} s")
    detail = ""
    if isinstance(ending, AttemptRendered):
        detail = f", {len(ending.frames)} frames verified"
    elif isinstance(ending, AttemptFailed):
        detail = f" ({ending.reason}): {_flat(ending.message)}"
    return "\n".join([*lines, f"# outcome     {outcome_word(ending)}{detail}", ""])


def outcome_word(ending: Ending) -> str:
    """`rendered`, `failed` or `stopped`."""
    return type(ending).__name__.removeprefix("Attempt").lower()


def _flat(text: str) -> str:
    """One line, whatever a member wrote into a name: a log's lines cannot be forged through it."""
    return text if text.isprintable() else json.dumps(text)
