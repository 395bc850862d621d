"""The interface that every application implements. Nothing here runs anything or touches a disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from peerfarm.model.collected import Collected
from peerfarm.model.pathmap import AS_WRITTEN, PathMap
from peerfarm.model.render import Capability, FailReason, RenderTask


@dataclass(frozen=True, slots=True)
class Candidate:
    """An executable that may be the application, and how to ask it."""

    path: str
    """Absolute, or a bare name to look up on PATH; may hold `*` for a directory level."""
    version_argv: tuple[str, ...] = ()
    """Arguments that make it print its version and capabilities; empty: nothing to ask."""
    may_be_silent: bool = False
    """It is this application by its path alone, and need not answer."""


PICTURE = "picture.png"
"""A small PNG of an attempt's last frame, which a renderer may leave in its work directory."""


@dataclass(frozen=True, slots=True)
class Places:
    """Directories that the runner prepared for one attempt; absolute paths."""

    work: str
    """Private and empty; the process starts here. Removed after the attempt."""
    frames: str
    """Where the frames must be written under their plain names; empty when the step writes none."""
    inputs: str
    """Canonical outputs of the steps depended on lie here, one directory a step; empty when none."""
    paths: PathMap = AS_WRITTEN
    """Where paths of the step's parameters, and of the scene itself, are found on this machine, when elsewhere."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start."""

    argv: tuple[str, ...]
    """No shell; argv[0] is absolute."""
    environment: Mapping[str, str]
    """Added to the node's own, cleaned, environment."""
    files: Mapping[str, str]
    """Name -> text, written into `Places.work` before the start."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the chunk is; only grows."""

    fraction: float
    frame: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class FrameAnnounced:
    """The renderer says that it wrote a frame."""

    frame: int
    path: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """A line that means failure whatever the exit code says."""

    message: str
    reason: FailReason = FailReason.APP_FAILED
    stop: bool = False
    """True: the process will not end by itself; stop it now."""


LineEvent = Progress | FrameAnnounced | Fatal


class LineReader(Protocol):
    """Reads one attempt's output, line by line."""

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height that the renderer announced for its images; zeros when it said nothing."""

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        """What the line says; empty for most lines. Never raises, whatever the line holds."""

    def judge(self, exit_code: int) -> Fatal | None:
        """After the last line: why the run failed, in words for the artist; None when it succeeded."""


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file that must be there after a successful run."""

    name: str
    """Plain file name in `Places.frames`."""
    frame: int
    width: int = 0
    """Pixels; 0 when not known: then `LineReader.dimensions` decides, if it is known."""
    height: int = 0
    is_image: bool = True
    """False: only existence and size > 0 are checked."""


class App(Protocol):
    """One application."""

    name: str

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Give the parameters complete with defaults, or raise InvalidJob naming the field and what to do.

        Refuses unknown fields (with the nearest name), wrong types, and values that start with `-`.
        """

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The files and directories that the parameters name: each must lie under the node's `roots`."""

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:
        """Where the application may be on `system` ("Linux", "Darwin", "Windows"), best first."""

    def identify(self, path: str, output: str) -> Capability | None:
        """What the executable at `path` is, from what it printed; None when it is not this application."""

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:
        """Whether this installation can run a task with these checked parameters and this wanted version."""

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        """The process that renders the task's frames into `places.frames`.

        Raises AppFailed when the task's values do not fit together, e.g. a file name that no image format has.
        """

    def reader(self, task: RenderTask) -> LineReader:
        """A fresh reader for one attempt."""

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        """The files that must exist afterwards."""


@runtime_checkable
class CollectingApp(Protocol):
    """An application whose scenes name further files; the others need the files of `App.paths` alone."""

    name: str

    def collect(self, found: Capability, params: Mapping[str, Any], work: str) -> Command:
        """The process that lists all files that a step with these checked parameters needs.

        Args:
            work: Private directory, absolute; the process starts there and writes its list to `COLLECTED` in it.
        """

    def collected(self, output: str, listed: str) -> Collected:
        """What the process found.

        Args:
            output: What it printed.
            listed: The text of `COLLECTED`; empty when there is no such file.

        Raises:
            AppFailed: The scene could not be looked into; the sentence says why.
        """


@runtime_checkable
class RewritingApp(Protocol):
    """An application whose scenes name files by paths that stand in the scene, and that no option can redirect."""

    rewritten_suffixes: tuple[str, ...]
    """Which files of a job are scenes: endings of their names, lower case, with the dot."""

    def rewritten(self, content: bytes, paths: PathMap) -> bytes:
        """The scene with the paths that `paths` knows replaced; the same bytes when it names none of them.

        Raises:
            AppFailed: The bytes are no scene of this application, or a damaged one.
        """


ANY_NUMBER = "\0"
"""In the name of a `NamedPath`: any run of digits, as in sequences and UDIM tiles."""
ANY_NAME = "\1"
"""As the name of a `NamedPath`: every file of the folder."""


@dataclass(frozen=True, slots=True)
class NamedPath:
    """A path as it stands in a scene."""

    path: str
    """Absolute, or relative to the project or the scene; its name may hold `ANY_NUMBER`."""
    why: str
    """Who needs it, in words for the artist: `file 'wood'`."""
    is_certain: bool = True
    """False: it goes along where it is there, and nobody misses it."""
    is_scene: bool = False
    """It may name further files itself."""
    beside: str = ""
    """Where it is looked for when it is not at `path`: relative to the scene's folder, with slashes."""


@runtime_checkable
class ReadableApp(Protocol):
    """An application whose scenes can be read without it, as far as the files go that they name."""

    read_suffixes: tuple[str, ...]
    """Endings of scenes that can be read, lower case, with the dot; others go alone."""
    guessed_suffixes: tuple[str, ...]
    """Those of them whose files are found by what looks like a path, so that nobody knows what is missing."""

    def named(self, content: bytes) -> tuple[NamedPath, ...]:
        """The files that the scene names itself, each once; those that they name in turn are not among them.

        Raises:
            AppFailed: The bytes are no scene of this application, or a damaged one.
        """


@runtime_checkable
class SayingApp(Protocol):
    """An application whose scenes tell, without it, how they are to be rendered."""

    def said(self, content: bytes) -> dict[str, Any]:
        """What `inspect` answers for a scene.

        Raises:
            AppFailed: The bytes are no scene of this application, or a damaged one.
        """


@runtime_checkable
class MentioningApp(Protocol):
    """An application whose `paths` are what its parameters mention: perhaps files to read, perhaps anything else."""

    name: str

    def brings(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Files and folders that belong to the job, because its author said so."""

    def may_bring(self, path: str) -> bool:
        """Whether a file of that path may belong to the job; not what every system has of its own."""

    def is_everywhere(self, path: str) -> bool:
        """Whether each machine has its own there, which any job may name: programs and what belongs to them."""


COLLECTED = "collected.json"
"""Name of the list that `CollectingApp.collect` writes."""


def collecting(app: App) -> CollectingApp | None:
    """The app, when its scenes name further files."""
    return app if isinstance(app, CollectingApp) else None


def mentioning(app: App) -> MentioningApp | None:
    """The app, when its parameters merely mention paths."""
    return app if isinstance(app, MentioningApp) else None


def rewriting(app: App) -> RewritingApp | None:
    """The app, when paths in its scenes are replaced in a checkout."""
    return app if isinstance(app, RewritingApp) else None


def readable(app: App) -> ReadableApp | None:
    """The app, when its scenes can be read without it."""
    return app if isinstance(app, ReadableApp) else None


def saying(app: App | None) -> SayingApp | None:
    """The app, when its scenes tell without it how they are to be rendered."""
    return app if isinstance(app, SayingApp) else None
