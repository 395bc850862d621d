"""What earlier attempts left on this machine: processes of a node that died, old logs, frames of forgotten jobs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from peerfarm.runner.paths import is_label
from peerfarm.runner.process import kill_family
from peerfarm.runner.processtable import entry_of
from peerfarm.runner.starts import Unended
from peerfarm.runner.workplace import FRAMES_NOTE, LOG_NAME, Workplace

_DAY_S = 86400.0
_LOST = "# outcome     lost: the node ended while this ran; what was left of it was stopped at the node's next start\n"


def clean_leftovers(place: Workplace) -> int:
    """End the process trees that a dead node left, remove their unverified frames and all work directories.

    A process is ended only when its environment names an attempt that this node started and never ended, when it has
    the recorded pid and birth, or when it descends from one of those. Call it before anything is started.

    Returns:
        How many attempts were found unended.
    """
    unended = place.starts.unended()
    if unended:
        survivors = kill_family(lambda: _still_there(unended), [left.attempt for left in unended])
        for left in unended:
            _close(place, left.attempt)
            place.starts.ended(left.attempt, None, "lost" if not survivors else "survives")
    shutil.rmtree(place.work, ignore_errors=True)
    place.starts.rotate()
    place.quiet_logs.rotate()
    return len(unended)


def _still_there(unended: Iterable[Unended]) -> list[int]:
    """The pids that still belong to the recorded process, not to a stranger that got the same number."""
    found = []
    for left in unended:
        entry = entry_of(left.pid) if left.born else None
        if entry is not None and entry.born == left.born:
            found.append(left.pid)
    return found


def _close(place: Workplace, attempt: str) -> None:
    if not is_label(attempt):
        return
    directory = place.attempts / attempt
    _remove_frames(directory)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        with (directory / LOG_NAME).open("a", encoding="utf-8") as file:
            file.write(_LOST)
    except OSError:
        return  # the log says less; nothing depends on it


def _remove_frames(directory: Path) -> None:
    """Remove the frames that an attempt's note points to, and the note."""
    note = directory / FRAMES_NOTE
    try:
        frames = Path(json.loads(note.read_text("utf-8"))["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if frames.name == directory.name:  # the last part is the attempt's own name, whatever the note may say
        shutil.rmtree(frames, ignore_errors=True)
    note.unlink(missing_ok=True)


def forget(place: Workplace, attempts: Iterable[str]) -> None:
    """Remove the logs and own frames of some attempts."""
    for attempt in attempts:
        if is_label(attempt):
            _remove_frames(place.attempts / attempt)
            shutil.rmtree(place.attempts / attempt, ignore_errors=True)


def forget_jobs(place: Workplace, jobs: Iterable[str], moved: Callable[[], None] = lambda: None) -> None:
    """Remove this node's own frames of jobs that were archived or deleted; their logs go by age.

    Calls `moved` after each attempt.
    """
    gone = frozenset(jobs)
    for note in place.attempts.glob(f"*/{FRAMES_NOTE}"):
        moved()
        try:
            job = json.loads(note.read_text("utf-8"))["job"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if job in gone:
            _remove_frames(note.parent)


def prune(place: Workplace, keep_days: int, running: Iterable[str]) -> None:
    """Remove logs that were last written more than `keep_days` ago; 0 keeps all. Frames stay until their job goes."""
    if keep_days <= 0:
        return
    oldest_s = time.time() - keep_days * _DAY_S
    busy = frozenset(running)
    for directory in place.attempts.iterdir():
        log = directory / LOG_NAME
        if directory.name in busy or not log.is_file() or log.stat().st_mtime > oldest_s:
            continue
        log.unlink(missing_ok=True)
        if not (directory / FRAMES_NOTE).exists():
            shutil.rmtree(directory, ignore_errors=True)
