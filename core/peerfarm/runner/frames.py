"""An attempt's own frames: where they are written, whether they are all there and whole, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from peerfarm.apps.base import ExpectedFile
from peerfarm.apps.images import check_image
from peerfarm.errors import OutputMissing
from peerfarm.model.render import FailReason, FrameFile, RenderTask
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.paths import check_path, is_label, name_fault

OWN = ".peerfarm"
"""Directory in an output folder that holds the attempts' own frames."""
_SLACK_NS = 2_000_000_000
"""The coarsest clock of a file system that is still in use: FAT's two seconds."""
_AGAIN = "The attempt will be tried again; if it fails everywhere, look at its log."


@dataclass(frozen=True, slots=True)
class FramesPlace:
    """Where one attempt writes its frames."""

    path: Path
    born_ns: int
    """The directory's own time stamp, by the clock of the server that holds it: frames must not be older."""


def own_directory(output: str, job: str, attempt: str) -> Path:
    """OUTPUT/.peerfarm/JOB/ATTEMPT; names that could lead elsewhere are refused."""
    if not (is_label(job) and is_label(attempt)):
        raise AttemptError(FailReason.NOT_ALLOWED, f"{job!r} and {attempt!r} are no names of a job and an attempt")
    return Path(output) / OWN / job / attempt


def prepare(task: RenderTask, roots: tuple[str, ...]) -> FramesPlace:
    """Make the attempt's directory, empty, and its parents as far as they lie below a root that exists.

    Raises:
        AttemptError: The output directory is outside the roots, or its root is not there.
        OSError: It cannot be written.
    """
    output = check_path(task.output_dir, roots, task.worker_name)
    if not any(Path(output).is_relative_to(real) and Path(real).is_dir() for real in map(os.path.realpath, roots)):
        message = f"the directory in `roots` that holds {task.output_dir} is not there on {task.worker_name}"
        raise AttemptError(FailReason.NOT_ALLOWED, message, "Is the shared disk mounted?")
    directory = own_directory(output, task.job, task.attempt)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir()
    except (FileExistsError, NotADirectoryError) as error:
        message = f"the output directory {task.output_dir} cannot be used: {error.filename} is a file"
        raise AttemptError(FailReason.NOT_ALLOWED, message, "Choose another output directory.") from error
    check_path(str(directory), roots, task.worker_name)  # .peerfarm itself may be a link to somewhere else
    return FramesPlace(directory, directory.stat().st_mtime_ns)


def verify(place: FramesPlace, expected: Iterable[ExpectedFile], dimensions: tuple[int, int]) -> tuple[FrameFile, ...]:
    """Make sure that every expected file is whole, new and of the right size, and durable; give their hashes.

    Args:
        dimensions: What the renderer announced; zeros when it said nothing.

    Raises:
        OutputMissing: The first file that is not as it should be.
    """
    frames = tuple(_verify_one(place, file, dimensions) for file in expected)
    if frames:
        sync_directory(place.path)
        sync_directory(place.path.parent)
    return frames


def _verify_one(place: FramesPlace, file: ExpectedFile, dimensions: tuple[int, int]) -> FrameFile:
    fault = name_fault(file.name)
    if fault:
        raise OutputMissing(f"the frame name {file.name!r} {fault}", "Correct the output pattern.")
    path = place.path / file.name
    try:
        opened = open_plain(path)
    except FileNotFoundError:
        raise _missing(place.path, file) from None
    except OSError as error:
        raise OutputMissing(f"the frame {file.name} cannot be read: {error.strerror}", _AGAIN) from error
    with opened as stream:
        descriptor = stream.fileno()
        status = os.fstat(descriptor)
        if status.st_size == 0:
            raise OutputMissing(f"the frame {file.name} is empty", _AGAIN)
        if status.st_mtime_ns < place.born_ns - _SLACK_NS:
            raise OutputMissing(f"the file {file.name} is older than the render", "The renderer did not write it anew.")
        if file.is_image:
            info = check_image(stream, status.st_size, file.name)
            _check_dimensions(file, (info.width, info.height), dimensions)
        os.fsync(descriptor)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").digest()
        if os.fstat(descriptor).st_size != status.st_size:
            raise OutputMissing(f"the frame {file.name} was still being written after the renderer ended", _AGAIN)
    return FrameFile(file.name, status.st_size, digest)


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file for reading and syncing; refuses links, pipes and all else that a renderer may put there.

    Raises:
        OSError: There is none, it may not be read, or it is not plain.
    """
    # Windows syncs only what is open for writing. O_NONBLOCK: opening a pipe must not wait for its writer.
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) if sys.platform == "win32" else _PLAIN
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _missing(directory: Path, file: ExpectedFile) -> OutputMissing:
    there = sorted(entry.name for entry in directory.iterdir())
    stem = file.name.rpartition(".")[0]
    alike = [name for name in there if name.startswith(stem + ".")]
    message = f"the renderer reported success, but the frame {file.name} is missing"
    if alike:
        return OutputMissing(
            f"{message}; it wrote {alike[0]} instead",
            "The output pattern's extension does not fit the file format that the scene or the step asks for.",
        )
    listed = f"; it wrote {', '.join(there[:5])}" if there else "; it wrote nothing"
    return OutputMissing(message + listed, _AGAIN)


def _check_dimensions(file: ExpectedFile, actual: tuple[int, int], announced: tuple[int, int]) -> None:
    wanted = (file.width or announced[0], file.height or announced[1])
    if all(wanted) and all(actual) and wanted != actual:
        was = f"{actual[0]}x{actual[1]}"
        raise OutputMissing(f"the frame {file.name} is {was}, and {wanted[0]}x{wanted[1]} was asked for", _AGAIN)


def sync_directory(directory: Path) -> None:
    """Make new names in a directory durable; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(directory: str | Path) -> int | None:
    """Room left for this account where `directory` lies; None when the system does not say."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None
