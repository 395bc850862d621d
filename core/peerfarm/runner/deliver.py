"""Bringing frames from the store, and from other nodes' stores, into the artist's own output folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from peerfarm.errors import PeerfarmError
from peerfarm.model.render import FrameFile, PublishOrder, PublishResult
from peerfarm.runner.failures import explain, no_room_for
from peerfarm.runner.files import Errand, Files, FilesLacking, FilesStopped
from peerfarm.runner.frames import sync_directory
from peerfarm.runner.naming import name_new
from peerfarm.runner.paths import is_label, name_fault

_SHOWN = 3


class _Wanted(NamedTuple):
    """A frame that is to be put in place, and the file that it replaces."""

    frame: FrameFile
    draft: Path
    former: os.stat_result | None


class _InTheWay(PeerfarmError):
    """Something stands where a frame belongs, and must not be touched."""


def deliver(
    order: PublishOrder, files: Files, is_stopped: Callable[[], bool], moved: Callable[[], None] = lambda: None
) -> PublishResult:
    """Carry a publish order out in a job whose files travel between nodes; never raises.

    A file that stands there with the frame's content is left alone. Another one is replaced only when it is an older
    result of the same task, or when the order says so: it may be the artist's own. One file in the way keeps no other
    frame from its place. Nobody sees a half-written frame: it is written and synced under a temporary name first.

    Args:
        is_stopped: Asked several times a second; once it says so, the rest is left, and soon.
    """
    result = PublishResult(order.attempt, order.job, order.step, order.task)
    errand = Errand(is_stopped, lambda _: moved())
    try:
        output = _folder(order, files)
        wanted, problems = _look(output, order, files, errand)
        if wanted:
            with files.bring([one.frame for one in wanted], order.holders, errand):
                _make(output, is_asked_here=order.is_asked_here)
                for place, one in enumerate(wanted):
                    try:
                        problems += _put(output, one, order, files, errand)
                    except OSError as refused:
                        left = [other.frame for other in wanted[place:]]
                        raise no_room_for(left, output, refused, comes_later=not order.is_asked_here) from refused
                    moved()
            sync_directory(output)
    except FilesLacking as error:
        return replace(result, error=explain(error)[1], lacking=error.lacking, is_missing=error.is_missing)
    except FilesStopped:
        return replace(result, error="it was stopped before all frames were in place")
    except Exception as error:  # noqa: BLE001 - also a bug must become a result, or the job would wait for ever
        return replace(result, error=explain(error)[1])
    return replace(result, error=_told(problems)) if problems else result


def _folder(order: PublishOrder, files: Files) -> Path:
    if not (is_label(order.job) and is_label(order.attempt)):
        raise PeerfarmError(f"{order.job!r} and {order.attempt!r} are no names of a job and an attempt")
    for frame in order.frames:
        if fault := name_fault(frame.name):
            raise PeerfarmError(f"the frame name {frame.name!r} {fault}")
    if not order.is_asked_here and not files.may_deliver(order.job, order.output_dir):
        raise PeerfarmError(
            f"nobody named {order.output_dir} on this machine as the output of job {order.job}",
            f"Take the frames with `peerfarm fetch {order.job} DIRECTORY`.",
        )
    output = Path(order.output_dir)
    if not output.is_absolute():
        raise PeerfarmError(f"the folder {output} is none of this system", "Name one from its root on.")
    return output


def _make(output: Path, *, is_asked_here: bool) -> None:
    """Make the folder again if somebody removed it. Where also the one above is gone, a disk is not mounted."""
    try:
        output.mkdir(parents=is_asked_here, exist_ok=True)
    except FileNotFoundError:
        raise PeerfarmError(
            f"the output folder {output} is gone, and the one that held it", "Is its disk mounted?"
        ) from None
    except (FileExistsError, NotADirectoryError):
        _check_place(output)
        raise


def _check_place(output: Path) -> None:
    """Refuse a folder that can never be one, before anything is fetched for it."""
    for place in (output, *output.parents):
        if os.path.lexists(place):
            if not place.is_dir():
                kind = "a link that leads nowhere" if place.is_symlink() and not place.exists() else "a file"
                what = f"is {kind}" if place == output else f"cannot be made: {place} is {kind}"
                raise PeerfarmError(f"the output folder {output} {what}", "Choose another, or move it away.")
            return


def _look(output: Path, order: PublishOrder, files: Files, errand: Errand) -> tuple[list[_Wanted], list[_InTheWay]]:
    """What is to be put in place, and what is in the way."""
    wanted: list[_Wanted] = []
    problems: list[_InTheWay] = []
    _check_place(output)
    for number, frame in enumerate(order.frames):
        if errand.is_stopped():
            raise FilesStopped
        final = output / frame.name
        try:
            former = _former(final)
            if former is None or not _is_in_place(final, frame, order, files.id_of(final, errand)):
                wanted.append(_Wanted(frame, output / f".{order.attempt}.{number}.tmp", former))
        except _InTheWay as error:
            problems.append(error)
    return wanted, problems


def _is_in_place(final: Path, frame: FrameFile, order: PublishOrder, found: bytes) -> bool:
    if found != frame.sha256 and not order.is_overwriting and found not in order.former:
        raise _InTheWay(f"{final} exists already and is not of this job")
    return found == frame.sha256


def _former(final: Path) -> os.stat_result | None:
    """The plain file that stands there."""
    try:
        status = final.lstat()
    except (FileNotFoundError, NotADirectoryError):  # what is wrong with the folder is told when it is made
        return None
    if not stat.S_ISREG(status.st_mode):
        raise _InTheWay(f"{final} is no plain file, so the frame cannot be put there", "Move it away.")
    return status


def _put(output: Path, wanted: _Wanted, order: PublishOrder, files: Files, errand: Errand) -> list[_InTheWay]:
    """Write a frame and give it its name; what hinders that, if it is another file."""
    frame, draft, former = wanted
    final = output / frame.name
    draft.unlink(missing_ok=True)  # of a node that died
    try:
        files.copy_out(frame, draft, errand)
        if former is None and not order.is_overwriting:
            _name_new(draft, final)
        else:
            _replace(draft, final, None if order.is_overwriting else former)
    except _InTheWay as error:
        return [error]
    except OSError as error:
        error.filename = error.filename or str(final)
        raise
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return []


def _replace(draft: Path, final: Path, former: os.stat_result | None) -> None:
    """Put a draft in place of a plain file; of that one alone which was looked at before, if it is given."""
    there = _former(final)
    if former is not None and not _is_same_file(former, there):
        raise _InTheWay(f"{final} was changed while the frame was fetched")
    draft.replace(final)


def _name_new(draft: Path, final: Path) -> None:
    """Give a draft its name unless something has it since the frames were asked for."""
    try:
        name_new(draft, final)
    except FileExistsError:
        raise _InTheWay(f"{final} came to be while the frame was fetched") from None


def _is_same_file(one: os.stat_result, other: os.stat_result | None) -> bool:
    if other is None:
        return False
    return (one.st_ino, one.st_dev, one.st_size, one.st_mtime_ns) == (
        other.st_ino,
        other.st_dev,
        other.st_size,
        other.st_mtime_ns,
    )


def _told(problems: list[_InTheWay]) -> str:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    hint = "Move it away, or take the frames by `peerfarm fetch` with --overwrite."
    hint = problems[0].hint if all(problem.hint for problem in problems) else hint  # else some may be written over
    return f"{'; '.join(map(str, problems[:_SHOWN]))}{more}. {hint}"
