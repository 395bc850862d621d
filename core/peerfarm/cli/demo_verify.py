"""Judges the demo by what lies on the disk: the frames themselves, and the runners' own logs of process starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.apps.images import ImageInfo, check_image
from peerfarm.cli.demo_nodes import FarmNode
from peerfarm.errors import OutputMissing

OWN = ".peerfarm"
"""Where attempts keep their own frames beside the published ones."""
STARTS = ("attempts", "starts.jsonl")
TELLING_S = 2.0
"""A result recorded so shortly before its node was killed may never have reached another node."""


@dataclass(frozen=True, slots=True)
class FramesFound:
    """What lies in the output directory."""

    valid: tuple[Path, ...]
    """Complete images of one size, in the order of their frames."""
    problems: tuple[str, ...]
    """A sentence for each frame that is missing or wrong, and for each file that nobody ordered."""


def check_frames(output: Path, names: Sequence[str]) -> FramesFound:
    """Look at every frame that was ordered, and for files that should not be there."""
    problems = []
    sizes: dict[Path, ImageInfo] = {}
    for name in names:
        path = output / name
        try:
            with path.open("rb") as stream:
                sizes[path] = check_image(stream, path.stat().st_size, name)
        except FileNotFoundError:
            problems.append(f"the frame {name} is missing")
        except (OSError, OutputMissing) as error:
            problems.append(str(error))
    usual = max(set(sizes.values()), key=list(sizes.values()).count, default=None)
    for path, info in list(sizes.items()):
        if usual is not None and info != usual:
            problems.append(f"the frame {path.name} is {info.width}x{info.height}, not {usual.width}x{usual.height}")
            del sizes[path]
    leftovers = [path.name for path in output.glob(".*") if path.name != OWN] if output.is_dir() else []
    problems += [f"{name} was left behind among the frames" for name in sorted(leftovers)]
    return FramesFound(tuple(sizes), tuple(problems))


@dataclass(slots=True)
class Start:
    """One process start, from a runner's log."""

    node: str
    attempt: str
    task: tuple[str, int, int]
    """Job, step, task."""
    started_ns: int
    ended_ns: int | None = None
    outcome: str = ""
    """`rendered`, `failed`, `stopped`, `lost`; empty while it runs, or when its node died first."""


def read_starts(nodes: Iterable[FarmNode], job: str) -> list[Start]:
    """Every process start of a job, earliest first; all clocks are this machine's monotonic one."""
    found = []
    for node in nodes:
        by_attempt: dict[str, Start] = {}
        for line in _lines(node.home.data.joinpath(*STARTS)):
            label = line["attempt"]
            if line["event"] == "start" and line["job"] == job:
                start = Start(node.name, label, (job, line["step"], line["task"]), line["mono_ns"])
                by_attempt[label] = start
                found.append(start)
            elif line["event"] == "end" and label in by_attempt:
                by_attempt[label].ended_ns, by_attempt[label].outcome = line["mono_ns"], line["outcome"]
    return sorted(found, key=lambda start: start.started_ns)


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # a line that a killed node could not finish
    return lines


def count_duplicates(starts: Iterable[Start], killed_ns: dict[str, int]) -> int:
    """How many starts of a task after its first have no cause.

    Each start gives at most one cause: it failed, was stopped, or its node was killed before its result was told.

    Args:
        starts: Earliest first.
        killed_ns: Node -> when it was killed, on the same clock.
    """
    causes: dict[tuple[str, int, int], list[Start]] = {}
    duplicates = 0
    for start in starts:
        earlier = causes.setdefault(start.task, [])
        cause = next((one for one in earlier if _explains(one, start, killed_ns.get(one.node))), None)
        if cause is not None:
            earlier.remove(cause)
        elif earlier:
            duplicates += 1
        earlier.append(start)
    return duplicates


def _explains(earlier: Start, later: Start, killed_ns: int | None) -> bool:
    if earlier.outcome in ("failed", "stopped"):
        return earlier.ended_ns is not None and earlier.ended_ns <= later.started_ns
    if killed_ns is None or killed_ns > later.started_ns:
        return False
    return earlier.ended_ns is None or earlier.ended_ns > killed_ns - int(TELLING_S * 1e9)
