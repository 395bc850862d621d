"""A job as typed values: job > step > task. Built by `jobfile`, carried in the JobSubmitted action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_STEPS = 64
MAX_TASKS_PER_STEP = 1 << 20
MAX_FILES_PER_TASK = 500
"""So that a task's result fits one action of 64 KiB."""
MAX_FRAMES_PER_STEP = 10_000_000
MAX_PRIORITY = 100
JOB_VERSION = 1
"""Of the job specification; a node dispatches and renders only the versions that it knows."""

FrameRange = tuple[int, int, int]
"""(first, last, step), inclusive; step >= 1 and last >= first, last is reached exactly."""


class DependencyKind(StrEnum):
    """What of the other step must be done."""

    STEP = "step"
    """All of it."""
    FRAMES = "frames"
    """The tasks that hold this task's frames, shifted by each offset; frames that the other step lacks are ignored."""
    TASKS = "tasks"
    """The listed task indices."""


class RunWhen(StrEnum):
    """When a step with dependencies may run."""

    ON_SUCCESS = "on_success"
    """Once what it depends on is done."""
    ALWAYS = "always"
    """Once what it depends on is done, failed for good or cancelled: clean-up."""


class FilesMode(StrEnum):
    """How scenes and outputs reach the workers."""

    SHARED = "shared"
    """Every node sees the same paths."""
    PEERS = "peers"
    """The submitter's files travel from node to node, and the frames back to her."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One step waits for another, earlier one."""

    step: int
    """Index of the step waited for; always less than the own index."""
    kind: DependencyKind = DependencyKind.STEP
    offsets: tuple[int, ...] = (0,)
    """FRAMES only: frame f waits for frames f + offset."""
    tasks: tuple[int, ...] = ()
    """TASKS only."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a worker must have to take a step's tasks; an empty one asks for nothing."""

    version: str = ""
    """Application version as `major.minor` (Blender) or `major` (Maya); empty for any."""
    memory_mb: int = 0
    cores: int = 0
    tags: tuple[str, ...] = ()
    """All of them must be among the worker's tags or the application's capabilities (`denoiser`, `gpu`)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Tasks of one kind over one range of frames."""

    name: str
    app: str
    params: Mapping[str, Any]
    """Typed by the app; checked at submission by its `check_params`."""
    frames: tuple[FrameRange, ...]
    """Empty for a step without frames: one task. The order is the order of rendering; no frame twice."""
    chunk_size: int = 1
    output_dir: str = ""
    """Absolute; empty when the step writes no frames."""
    output_pattern: str = ""
    """File name with one run of `#`, e.g. `beauty_####.png`; a frame number replaces it, zero padded, minus kept."""
    depends_on: tuple[Dependency, ...] = ()
    run: RunWhen = RunWhen.ON_SUCCESS
    tries: int = 3
    time_limit_s: float = 0.0
    """Longest run of one attempt; 0 for none."""
    stall_limit_s: float = 600.0
    """Longest time without progress or output of one attempt; 0 for none."""
    requires: Requirements = field(default_factory=Requirements)


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What was submitted; never changes. Priority, pause and pool start here and live on in registers."""

    name: str
    user: str
    steps: tuple[Step, ...]
    priority: int = 50
    """0 to 100, higher first."""
    pool: str = ""
    """Only workers of this pool; empty for any."""
    workers: tuple[str, ...] = ()
    """Only workers with these node names or ids; empty for any."""
    paused: bool = False
    files: FilesMode = FilesMode.SHARED
    manifest: str = ""
    """PEERS only: the root of the job's files, 64 hexadecimal digits; empty when it needs none."""
    manifest_bytes: int = 0
    """Length of the encoded manifest that the root names."""
    overwrite: bool = False
    """Whether files that stand in the output folder already, and are not this job's, may be replaced."""
    submitted_ms: int = 0
    """Wall clock of the submitting node, for people only."""
    version: int = JOB_VERSION
