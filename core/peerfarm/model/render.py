"""What passes between the node's brain and the process runner: tasks to render and how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from peerfarm.model.blob import BlobRef
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode


class FailReason(StrEnum):
    """Why an attempt failed; travels in TaskFailed."""

    APP_NOT_FOUND = "app-not-found"
    """The application or the version that the task asks for is not installed here."""
    APP_FAILED = "app-failed"
    """The process ended with an error, or its log holds a fatal message."""
    TIMED_OUT = "timed-out"
    STALLED = "stalled"
    """No progress for longer than the stall limit."""
    OUTPUT_MISSING = "output-missing"
    """Success was reported but a frame is missing, truncated, unreadable or of the wrong size."""
    NOT_ALLOWED = "not-allowed"
    """This node's settings forbid it: a path outside `roots`, a command that is not listed."""
    DISK_FULL = "disk-full"
    FILES_MISSING = "files-missing"
    """The job's files, or what an earlier step rendered, could not be fetched from any node."""
    FILES_USELESS = "files-useless"
    """The list of the job's files is forged or broken, lacks what a task names, names what the worker's system cannot
    hold, or no member has them."""
    STORE_REFUSED = "store-refused"
    """The worker's own store could not take the frames, or not read what it holds; the lease goes back."""
    INTERNAL = "internal"
    """The runner itself raised; a bug of ours, with its message."""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """One verified file of an attempt."""

    name: str
    """Plain file name, no directory."""
    size_bytes: int
    sha256: bytes
    """32 bytes: of the content; in jobs whose files travel between nodes its blob id, see model/blob.py."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """Frames of one attempt of an earlier step, for the steps that depend on it."""

    step_name: str
    output_dir: str
    """Of the earlier step; the attempt's own frames lie below it."""
    attempt: str
    names: tuple[str, ...]
    frames: tuple[FrameFile, ...] = ()
    """In jobs whose files travel between nodes: what to fetch, in the order of `names`."""
    holders: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderTask:
    """All that a runner must know to run one attempt."""

    attempt: str
    """`attempt_label` of the lease; unique for ever, names directories and the log."""
    job: JobId
    job_name: str
    step: int
    step_name: str
    task: int
    app: str
    params: Mapping[str, Any]
    frames: tuple[int, ...]
    """Empty for a step without frames."""
    output_dir: str
    """Where the artist wants the frames; empty when the step writes none."""
    output_pattern: str
    version: str = ""
    """Wanted application version, see Requirements.version."""
    time_limit_s: float = 0.0
    stall_limit_s: float = 600.0
    worker_name: str = ""
    """Of this node; for the log's header."""
    inputs: tuple[StepInput, ...] = ()
    """Laid out as `inputs/STEP/NAME` in the attempt's work directory."""
    files: FilesMode = FilesMode.SHARED
    manifest: BlobRef | None = None
    """PEERS: the root of the job's files; None when it needs none."""

    def frame_name(self, frame: int) -> str:
        """The file name of a frame under `output_pattern`."""
        return frame_name(self.output_pattern, frame)


def frame_name(pattern: str, frame: int) -> str:
    """Replace the pattern's run of `#` by the frame number, zero padded; a minus stands before the padding.

    A pattern without one names the only file of its step, a movie for example.
    """
    start = pattern.find("#")
    if start < 0:
        return pattern
    stop = start
    while stop < len(pattern) and pattern[stop] == "#":
        stop += 1
    sign = "-" if frame < 0 else ""
    return f"{pattern[:start]}{sign}{abs(frame):0{stop - start}d}{pattern[stop:]}"


@dataclass(frozen=True, slots=True)
class Capability:
    """One application as found on this machine."""

    app: str
    version: str
    """`major.minor.patch` as far as known; empty for built-in apps."""
    executable: str
    tags: tuple[str, ...] = ()
    """What this installation can do beyond rendering: `denoiser`."""


# What a runner tells the node. Each names the attempt.


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """The renderer's process runs."""

    attempt: str
    pid: int


@dataclass(frozen=True, slots=True)
class AttemptProgressed:
    """The renderer moved on; sent at most a few times a second."""

    attempt: str
    fraction: float
    """0 to 1 over the whole chunk."""
    frame: int | None = None
    """The frame being worked on, where known."""
    text: str = ""
    """A short line for people."""


@dataclass(frozen=True, slots=True)
class AttemptRendered:
    """Every frame is verified and durable in the attempt's own directory."""

    attempt: str
    frames: tuple[FrameFile, ...]
    render_s: float
    """Wall time of the process."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt gave no full set of frames."""

    attempt: str
    reason: FailReason
    message: str
    """One or two sentences for the artist: what went wrong and what to do."""
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    render_s: float = 0.0
    lost_inputs: tuple[str, ...] = ()
    """Attempts of earlier steps whose frames nobody holds who can be reached, this node included."""
    lacking: tuple[NodeId, ...] = ()
    """Who answered that it does not hold them."""


@dataclass(frozen=True, slots=True)
class AttemptStopped:
    """The attempt was stopped on the node's order; nothing was kept."""

    attempt: str


RunnerEvent = AttemptStarted | AttemptProgressed | AttemptRendered | AttemptFailed | AttemptStopped


# Publishing: moving an attempt's frames under their final names.


@dataclass(frozen=True, slots=True)
class PublishOrder:
    """Bring an attempt's frames under their final names in the output folder."""

    attempt: str
    job: JobId
    step: int
    task: int
    output_dir: str
    frames: tuple[FrameFile, ...]
    files: FilesMode = FilesMode.SHARED
    holders: tuple[NodeId, ...] = ()
    """PEERS: who is expected to hold the frames."""
    is_overwriting: bool = True
    """Whether a file may be replaced that stands there and is none of this job's."""
    is_asked_here: bool = False
    """PEERS: a user of this machine named the directory just now; else it must have been named at the submission."""
    former: tuple[bytes, ...] = ()
    """Blob ids of this task's other results, which may be replaced."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """How a publish order ended."""

    attempt: str
    job: JobId
    step: int
    task: int
    error: str = ""
    """Empty when every frame is in place with its hash; else a sentence."""
    is_lost: bool = False
    """The attempt's own frames are gone or damaged: only another render helps."""
    lacking: tuple[NodeId, ...] = ()
    """PEERS: who answered that it does not hold what is missing."""
    is_missing: bool = False
    """PEERS: nobody who can be reached holds what is missing, this node included."""


# What else the runner answers.


@dataclass(frozen=True, slots=True)
class Discovered:
    """The applications on this machine are known."""

    capabilities: tuple[Capability, ...]
    problems: tuple[str, ...] = ()
    """Sentences about what was found but cannot be used."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A scene was looked into for a local user."""

    request: str
    facts: Mapping[str, Any] | None
    """None when it failed."""
    error: str = ""
    hint: str = ""
