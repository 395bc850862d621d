"""Bringing frames from the store, and from other nodes' stores, into the artist's own output folder."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from peerfarm.errors import PeerfarmError
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult
from peerfarm.runner.failures import explain
from peerfarm.runner.files import Errand, Files, FilesLacking, FilesStopped
from peerfarm.runner.frames import sync_directory
from peerfarm.runner.paths import name_fault


def deliver(
    order: PublishOrder, files: Files, is_closing: Callable[[], bool], moved: Callable[[], None] = lambda: None
) -> PublishResult:
    """Carry a publish order out in a job whose files travel between nodes; never raises.

    A file that stands there with the frame's content is left alone. Another one is replaced only when it is an older
    result of the same task, or when the order says so: it may be the artist's own.
    """
    result = PublishResult(order.attempt, order.job, order.step, order.task)
    try:
        output = _folder(order, files)
        wanted = [frame for frame in order.frames if not _is_there(output, frame, order, files)]
        if not wanted:
            return result
        errand = Errand(is_closing, lambda _: moved())
        files.bring(f"result/{order.job}/{order.attempt}", wanted, order.holders, errand)
        output.mkdir(parents=True, exist_ok=True)
        for frame in wanted:
            _put(output, frame, order, files)
            moved()
        sync_directory(output)
    except FilesLacking as error:
        return replace(result, error=str(error), lacking=error.lacking)
    except FilesStopped:
        return replace(result, error="this node is ending; the frames are fetched at its next start")
    except Exception as error:  # noqa: BLE001 - also a bug must become a result, or the job would wait for ever
        return replace(result, error=explain(error)[1])
    return result


def _folder(order: PublishOrder, files: Files) -> Path:
    if not order.is_asked_here and not files.may_deliver(order.job, order.output_dir):
        raise PeerfarmError(
            f"nobody named {order.output_dir} on this machine as the output of job {order.job}",
            f"Take the frames with `peerfarm fetch {order.job} DIRECTORY`.",
        )
    return Path(order.output_dir)


def _is_there(output: Path, frame: FrameFile, order: PublishOrder, files: Files) -> bool:
    if fault := name_fault(frame.name):
        raise PeerfarmError(f"the frame name {frame.name!r} {fault}")
    final = output / frame.name
    try:
        status = final.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode):
        raise PeerfarmError(f"{final} is no plain file, so the frame cannot be put there", "Move it away.")
    if status.st_size == frame.size_bytes and files.is_same(frame, final):
        return True
    if order.is_overwriting or any(
        files.is_same(FrameFile(frame.name, status.st_size, former), final) for former in order.former
    ):
        return False
    raise PeerfarmError(
        f"{final} exists already and is not of this job",
        f"Move it away, or take the frames with `peerfarm fetch {order.job} --overwrite`.",
    )


def _put(output: Path, frame: FrameFile, order: PublishOrder, files: Files) -> None:
    draft = output / f".{frame.name}.{order.attempt}.tmp"
    draft.unlink(missing_ok=True)  # of a node that died
    try:
        files.copy_out(frame, draft)
        draft.replace(output / frame.name)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
