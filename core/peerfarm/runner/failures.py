"""Why an attempt failed: the error that names the reason, and the words for every other error."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from peerfarm.errors import AppNotFound, AppTimedOut, DiskFull, OutputMissing, PeerfarmError, RenderError
from peerfarm.model.render import FailReason, FrameFile
from peerfarm.model.sizes import size_words
from peerfarm.runner.files import FilesLacking, FilesUseless

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_REASONS: tuple[tuple[type[PeerfarmError], FailReason], ...] = (
    (AppNotFound, FailReason.APP_NOT_FOUND),
    (AppTimedOut, FailReason.TIMED_OUT),
    (OutputMissing, FailReason.OUTPUT_MISSING),
    (FilesLacking, FailReason.FILES_MISSING),
    (FilesUseless, FailReason.FILES_USELESS),
    (DiskFull, FailReason.DISK_FULL),
)


class AttemptError(RenderError):
    """An attempt failed for a reason that the runner itself found.

    Attributes:
        reason: What travels to the other nodes.
    """

    def __init__(self, reason: FailReason, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


class Stopped(Exception):
    """The node ordered this attempt to stop; it is no failure."""


def sentence(error: PeerfarmError) -> str:
    """The message and what to do about it, as one text for the artist."""
    return f"{error}. {error.hint}" if error.hint else str(error)


def no_room_for(frames: Sequence[FrameFile], directory: Path, error: OSError, *, comes_later: bool) -> Exception:
    """What to raise when these frames could not all be put into a folder: how much room they need, if it is that.

    Args:
        comes_later: It is tried again without anybody's doing.
    """
    if error.errno not in FULL:
        return error
    size = size_words(sum(frame.size_bytes for frame in frames))
    what = frames[0].name if len(frames) == 1 else f"{len(frames)} frames from {frames[0].name} on"
    then = "what is missing comes by itself then" if comes_later else "then take the frames once more"
    return DiskFull(f"the disk of {directory} is full: {size} more are needed for {what}", f"Make room on it; {then}.")


def explain_os_error(error: OSError) -> tuple[FailReason, str]:
    """The reason and a sentence for what the system refused."""
    place = error.filename2 or error.filename
    where = f"{place}" if place else "a file"
    if error.errno in FULL:
        return FailReason.DISK_FULL, f"the disk is full: {where} cannot be written. Make room on it, then retry."
    if error.errno in _FORBIDDEN:
        message = f"{where} cannot be written or read here: {error.strerror}. Give the account of this node the right."
        return FailReason.NOT_ALLOWED, message
    return FailReason.INTERNAL, f"the system refused {where}: {error.strerror or error}"


def explain(error: Exception) -> tuple[FailReason, str]:
    """The reason and a sentence for any error at all; what nobody expected is INTERNAL, with its type."""
    if isinstance(error, AttemptError):
        return error.reason, sentence(error)
    if isinstance(error, PeerfarmError):
        for kind, reason in _REASONS:
            if isinstance(error, kind):
                return reason, sentence(error)
        return FailReason.APP_FAILED, sentence(error)
    if isinstance(error, OSError):
        return explain_os_error(error)
    return FailReason.INTERNAL, f"peerfarm's runner failed: {type(error).__name__}: {error}"
