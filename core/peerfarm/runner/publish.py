"""Bringing an attempt's frames under their final names: whole or not at all, as often as it is asked for."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from peerfarm.errors import PeerfarmError
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult
from peerfarm.runner.failures import explain, no_room_for
from peerfarm.runner.frames import open_plain, own_directory, sync_directory
from peerfarm.runner.paths import check_path, name_fault

_NO_CLONE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY})

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.EIO})
"""What says that the attempt's own copy is lost; anything else may be better at the next try."""


class _Lost(Exception):
    """The attempt's own copy is gone or damaged."""


def publish(
    order: PublishOrder, roots: tuple[str, ...], node: str, moved: Callable[[], None] = lambda: None
) -> PublishResult:
    """Carry a publish order out; never raises. Calls `moved` after each frame.

    Every frame is copied to a temporary name in the output folder, the copy is compared with the recorded hash, synced,
    and only then renamed: nobody sees a half-written frame, and a crash at any point leaves at most a temporary file.
    A file that stands there with the recorded hash is left alone, any other is replaced.

    It is a copy, not a hard link: an artist who touches up a published frame in place must not change the attempt's
    own copy with it, from which the farm publishes again. The copy is made by `copy_file_range`: file systems that
    can share blocks (btrfs, xfs) take no room for it, NFS 4.2 copies on the server.
    """
    error, is_lost = "", False
    try:
        output = Path(check_path(order.output_dir, roots, node))
        source = Path(check_path(str(own_directory(str(output), order.job, order.attempt)), roots, node))
        is_changed = False
        for place, frame in enumerate(order.frames):
            try:
                is_changed |= _publish_one(source, output, frame, order.attempt)
            except OSError as refused:
                raise no_room_for(order.frames[place:], output, refused, comes_later=True) from refused
            moved()
        if is_changed:
            sync_directory(output)
    except _Lost as lost:
        error, is_lost = str(lost), True
    except (PeerfarmError, OSError) as refused:
        error = explain(refused)[1]
    except Exception as bug:  # noqa: BLE001 - a bug here must become a result, or the job would wait for ever
        error = explain(bug)[1]
    return PublishResult(order.attempt, order.job, order.step, order.task, error, is_lost)


def _publish_one(source: Path, output: Path, frame: FrameFile, attempt: str) -> bool:
    """Publish one frame; whether anything had to be changed."""
    fault = name_fault(frame.name)
    if fault:
        raise PeerfarmError(f"the frame name {frame.name!r} {fault}")
    final = output / frame.name
    if _is_there(final, frame):
        return False
    draft = output / f".{frame.name}.{attempt}.tmp"
    draft.unlink(missing_ok=True)  # of a publisher that died
    try:
        _copy(source / frame.name, draft, frame)
        draft.replace(final)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    return True


def _is_there(final: Path, frame: FrameFile) -> bool:
    try:
        status = final.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != frame.size_bytes:
            return False
        with final.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest() == frame.sha256
    except OSError:
        return False


def _copy(source: Path, draft: Path, frame: FrameFile) -> None:
    """Make a synced copy whose hash is the recorded one, with the source's access rights."""
    try:
        original = open_plain(source)
    except OSError as error:
        if error.errno in _GONE:
            raise _Lost(f"the attempt's own copy of {frame.name} is gone: {source}") from None
        raise
    with original:
        status = os.fstat(original.fileno())
        if status.st_size != frame.size_bytes:
            raise _Lost(f"the attempt's own copy of {frame.name} has {status.st_size} bytes, not {frame.size_bytes}")
        try:
            with draft.open("x+b") as copy:
                _pour(original, copy)
                copy.flush()
                if sys.platform != "win32":
                    os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode) & 0o777)
                copy.seek(0)
                digest = hashlib.file_digest(copy, "sha256").digest()
                if digest != frame.sha256:
                    raise _Lost(f"the attempt's own copy of {frame.name} is damaged: {source}")
                os.fsync(copy.fileno())
        except OSError as error:
            if error.filename is None:
                error.filename = str(draft.parent / frame.name)
            raise


def _pour(original: BinaryIO, copy: BinaryIO) -> None:
    """Copy all bytes, sharing blocks where the file system can."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(original.fileno(), copy.fileno(), 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
            original.seek(0)
            copy.seek(0)
        else:
            if copy.seek(0, os.SEEK_END) == os.fstat(original.fileno()).st_size:
                return
            original.seek(0)
            copy.seek(0)
    shutil.copyfileobj(original, copy, 1 << 20)
