"""Small pictures of frames that lie on this machine, made by a process of its own, with bounds on time and memory."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from peerfarm.apps.base import PICTURE
from peerfarm.errors import PeerfarmError
from peerfarm.model.job import FilesMode
from peerfarm.model.preview import Previewed, PreviewOrder
from peerfarm.model.render import FrameFile, PublishOrder
from peerfarm.runner.failures import explain
from peerfarm.runner.files import Errand
from peerfarm.runner.frames import own_directory
from peerfarm.runner.paths import check_path, is_label, name_fault
from peerfarm.runner.process import ask_program
from peerfarm.runner.sharedpaths import path_here, paths_here
from peerfarm.runner.workplace import Workplace, make_empty

LIMIT_S = 20.0
_ANSWER_BYTES = 4 << 20
_REMEMBERED = 64
_PICTURE_BYTES = 1 << 20
_PROGRAM = str(Path(__file__).parent.parent / "renderers" / "thumbnail.py")
_ANSWER = "PICTURE "
NOT_HERE = "the last frames of this job do not lie on this machine"


class _Found(NamedTuple):
    """A frame that lies here."""

    frame: FrameFile
    path: Path
    shown: str
    """What the user may open; empty for a file of the store."""


@dataclass(slots=True)
class Previews:
    """Makes one picture at a time; remembers the last few."""

    place: Workplace
    _made: OrderedDict[tuple[str, int, int], dict[str, Any]] = field(default_factory=OrderedDict)
    """(path or content, when it was changed, size) -> what the program printed."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, order: PreviewOrder) -> Previewed:
        """Carry an order out; never raises."""
        work = self.place.work_directory("previews")
        try:
            make_empty(work)
            found = next((one for result in order.results if (one := self._find(result, work))), None)
            told = self._picture(found, order.size, work) if found is not None else {"reason": NOT_HERE}
            if "reason" in told and (left := self._left(order, found)) is not None:
                told, found = self._picture(left, order.size, work), left
            if found is None or "reason" in told:
                return Previewed(order.request, reason=str(told["reason"]))
            return Previewed(
                order.request, found.frame.name, found.shown, int(told["width"]), int(told["height"]), str(told["png"])
            )
        except Exception as error:  # noqa: BLE001 - also a bug must become an answer, or the panel would wait
            return Previewed(order.request, reason=explain(error)[1])
        finally:
            with suppress(OSError):
                make_empty(work)

    def _find(self, result: PublishOrder, work: Path) -> _Found | None:
        """The last frame of a result that lies here: in the output folder, in the attempt's own, or in the store."""
        frame = result.frames[-1]
        if name_fault(frame.name):
            return None
        for folder, is_final in self._folders(result):
            path = folder / frame.name
            if _is_plain(path, frame.size_bytes):
                return _Found(frame, path, str(path) if is_final else "")
        if result.files is FilesMode.PEERS and self.place.files is not None:
            copy = work / f"frame{Path(frame.name).suffix}"
            with suppress(PeerfarmError):  # it is not in the store
                self.place.files.place(frame, copy, Errand(lambda: self.place.is_closing))
                return _Found(frame, copy, "")
        return None

    def _left(self, order: PreviewOrder, found: _Found | None) -> _Found | None:
        """The picture that a renderer on this machine left of a frame that cannot be read, or that lies elsewhere."""
        for result in order.results:
            frame = result.frames[-1]
            is_wanted = found is None or found.frame == frame
            path = self.place.attempts / result.attempt / PICTURE
            if is_wanted and is_label(result.attempt) and _is_plain(path):
                return _Found(frame, path, found.shown if found is not None else "")
        return None

    def _folders(self, result: PublishOrder) -> list[tuple[Path, bool]]:
        """Where the frame may lie, and whether that is its final place; only what a user of this machine allowed."""
        settings, files = self.place.settings, self.place.files
        if result.files is FilesMode.PEERS:
            is_own = files is not None and files.may_deliver(result.job, result.output_dir)
            return [(Path(result.output_dir), True)] if is_own else []
        output = path_here(result.output_dir, paths_here(settings))
        try:
            own = own_directory(output, result.job, result.attempt)
            return [(Path(check_path(str(path), settings.roots)), path is not own) for path in (Path(output), own)]
        except PeerfarmError:
            return []

    def _picture(self, found: _Found, size: int, work: Path) -> dict[str, Any]:
        key = self._key(found, size)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        # Not -I: `pip install --user` puts OpenImageIO where an isolated Python does not look.
        argv = [sys.executable, "-E", "-P", _PROGRAM, str(found.path), str(size)]
        code, printed = ask_program(
            argv,
            str(work),
            self.place.environment,
            f"preview-{os.getpid()}",
            limit_s=LIMIT_S,
            limit_bytes=_ANSWER_BYTES,
            is_cancelled=lambda: self.place.is_closing,
        )
        if code is None:
            return {"reason": f"making a picture of {found.frame.name} took too long"}
        told = _answer(printed)
        if told is None:
            why = f"its reader ended with code {code}, as of damaged files"
            return {"reason": f"no picture of {found.frame.name} could be made: {why}"}
        with self._lock:
            self._made[key] = told
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return told

    def _key(self, found: _Found, size: int) -> tuple[str, int, int]:
        if not found.shown and found.path.name != PICTURE:
            return found.frame.sha256.hex(), 0, size
        return str(found.path), found.path.stat().st_mtime_ns, size


def _answer(printed: str) -> dict[str, Any] | None:
    """What the program said; None where it died before."""
    line = next((line for line in printed.splitlines() if line.startswith(_ANSWER)), "")
    with suppress(ValueError):
        told = json.loads(line.removeprefix(_ANSWER))
        if isinstance(told, dict) and ("reason" in told or {"width", "height", "png"} <= told.keys()):
            return told
    return None


def keep_picture(work: Path, attempt: Path) -> None:
    """Keep the small picture that a renderer left in its work directory, beside the attempt's log."""
    picture = work / PICTURE
    if _is_plain(picture) and picture.stat().st_size <= _PICTURE_BYTES:
        with suppress(OSError):
            picture.replace(attempt / PICTURE)


def _is_plain(path: Path, size_bytes: int | None = None) -> bool:
    """Whether a plain file, of that size, lies there: of another size it is not the task's result."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and size_bytes in {None, status.st_size}
