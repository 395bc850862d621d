"""What the runner needs of the node's files where nodes share no storage; the daemon gives it, the runner asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from peerfarm.errors import RenderError
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.pathmap import PathMap
from peerfarm.model.render import FrameFile


@dataclass(frozen=True, slots=True)
class Errand:
    """How a long piece of work is stopped and watched."""

    is_stopped: Callable[[], bool] = lambda: False
    """Asked several times a second; the work then ends with `FilesStopped`."""
    moved: Callable[[str], None] = lambda _: None
    """Told, in a few words, whenever something was done, and now and then while others are waited for."""


class FilesStopped(Exception):
    """The work was stopped as `Errand.is_stopped` asked for; it is no failure."""


class FilesLacking(RenderError):
    """Nobody who could be asked holds what is missing.

    Attributes:
        lacking: The nodes that answered so.
        is_missing: Everybody who can be reached was asked; False where it was never asked for, or may come yet.
        missing: Of frames that were wanted: the blobs that are not here now.
        inputs: The attempts of earlier steps that these are frames of, where they were wanted as inputs.
    """

    def __init__(
        self, message: str, hint: str = "", lacking: tuple[NodeId, ...] = (), *, is_missing: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.lacking = lacking
        self.is_missing = is_missing
        self.missing: frozenset[bytes] = frozenset()
        self.inputs: tuple[str, ...] = ()


class FilesUseless(RenderError):
    """The list of the job's files is forged or broken, or names files that this system cannot hold."""


def ref_of(frame: FrameFile) -> BlobRef:
    """The blob that a frame is, in a job whose files travel between nodes."""
    return BlobRef(BlobId(frame.sha256), frame.size_bytes)


class Files(Protocol):
    """Blobs of this node and of its peers. Every method may be called from any thread, and may take minutes.

    All raise RenderError for what the artist can be told, StoreError when the disk refuses, DiskFull when there is no
    room, and FilesStopped.
    """

    def check_out(self, root: BlobRef, directory: Path, errand: Errand) -> PathMap:
        """Lay the files of a manifest out in a directory that is not there yet, and say what lies where.

        What is missing is fetched first. When it fails, the directory is not there.
        """

    def bring(
        self, frames: Sequence[FrameFile], holders: Sequence[NodeId], errand: Errand
    ) -> AbstractContextManager[None]:
        """Have these frames in the own store, fetched from whoever holds them; within the `with` they stay there."""

    def place(self, frame: FrameFile, target: Path, errand: Errand) -> None:
        """Let a frame that is in the own store appear under this path, for reading alone."""

    def copy_out(self, frame: FrameFile, target: Path, errand: Errand) -> None:
        """Write a copy, verified and synced, that belongs to the user; `target` does not exist yet.

        Raises:
            OSError: The user's disk refuses; there is no `target` then.
        """

    def id_of(self, path: Path, errand: Errand) -> bytes:
        """The blob id of a user's plain file, never followed through a link. Raises OSError when it cannot be read."""

    def may_deliver(self, job: JobId, directory: str) -> bool:
        """Whether a user of this machine named that directory for the frames of that job."""

    def take_in(self, pin: str, paths: Sequence[Path]) -> tuple[BlobRef, ...]:
        """Move finished files into the own store, durably, and keep them from eviction under `pin`: all or none."""
