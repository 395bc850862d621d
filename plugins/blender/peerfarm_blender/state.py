# SPDX-License-Identifier: GPL-3.0-or-later
"""The one session of this Blender, the timer that keeps it going, and the small pictures of jobs."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from typing import Any

import bpy
import bpy.utils.previews

from .session import JOBS, SHOWN_AT_FIRST, Session

EVERY_S = 0.2
_MOST_PICTURES = 40
SCROLLS = 60
"""Of 40 pixels each: more than the tab is high."""


class _State:
    """What must be one for all of the add-on's modules."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.pictures: Any = None
        self.tell: Callable[[Session], None] = lambda _: None
        self.has_complained = False
        self.scrolls = 0


_state = _State()


def session() -> Session:
    """The session; made when it is first asked for."""
    if _state.session is None:
        _state.session = Session()
    return _state.session


def fraction_of(row: int) -> float:
    """How far the job in that row of the panel is, 0 to 1."""
    return _state.session.fraction_of(row) if _state.session else 0.0


def picture_of(path: str) -> int:
    """The icon of a PNG that the timer has loaded; 0 when there is none yet."""
    found = _state.pictures.get(path) if path and _state.pictures is not None else None
    return int(found.icon_id) if found is not None else 0


def scroll_to_panel() -> None:
    """Once the Output tab is drawn, go to its end: there add-ons' panels are until someone drags them elsewhere."""
    _state.scrolls = 2  # a tab that was just opened has no height in the first turn


def register(tell: Callable[[Session], None]) -> None:
    """Begin; without a window there is nothing to show, so nothing runs.

    Args:
        tell: Says over the window what became of a submission.
    """
    if not bpy.app.background:
        _state.tell = tell
        _state.pictures = bpy.utils.previews.new()
        bpy.app.handlers.load_post.append(_file_opened)
        bpy.app.timers.register(_turn, first_interval=EVERY_S, persistent=True)


def unregister() -> None:
    """End, and leave no thread, timer or picture behind."""
    if bpy.app.timers.is_registered(_turn):
        bpy.app.timers.unregister(_turn)
    if _file_opened in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_file_opened)
    if _state.session is not None:
        _state.session.close()
    if _state.pictures is not None:
        bpy.utils.previews.remove(_state.pictures)
    _state.session = _state.pictures = None


@bpy.app.handlers.persistent
def _file_opened(*_: Any) -> None:
    if _state.session is not None:
        _state.session.file_opened()


def _turn() -> float:
    """The timer: what went wrong in it must not end it, nor fill the console."""
    try:
        turn(time.monotonic())
    except Exception:  # noqa: BLE001 - a bug of ours must neither stop the panel for good nor reach the artist
        if not _state.has_complained:
            _state.has_complained = True
            traceback.print_exc()
    return EVERY_S


def turn(now_s: float) -> None:
    """Take in what the node said and have the panel drawn anew where that changes it."""
    areas = _areas()
    if areas:
        session().open()
    if _state.scrolls:
        _state.scrolls -= 1
        _scroll_down(areas)
    if _state.session is None:
        return
    was_busy = _state.session.is_busy
    has_changed = _state.session.tick(now_s, is_seen=bool(areas))
    if was_busy and not _state.session.is_busy and (_state.session.is_told or not areas):
        _state.tell(_state.session)
    if has_changed or _load_a_picture():
        for area in areas:
            area.tag_redraw()


def _areas() -> list[Any]:
    """The Output properties that are on the screen."""
    return [
        area
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "PROPERTIES" and area.spaces.active.context == "OUTPUT"
    ]


def _scroll_down(areas: list[Any]) -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            region = next((one for one in area.regions if one.type == "WINDOW"), None)
            if area in areas and region is not None:
                with bpy.context.temp_override(window=window, area=area, region=region):
                    for _ in range(SCROLLS):
                        if "FINISHED" not in bpy.ops.view2d.scroll_down():
                            break


def _load_a_picture() -> bool:
    """At most one a turn, of the jobs that are shown."""
    assert _state.session is not None
    rows = _state.session.board.view.jobs[: max(SHOWN_AT_FIRST, min(JOBS, _state.session.shown_jobs))]
    wanted = [row.thumbnail for row in rows if row.thumbnail]
    for path in wanted:
        if path not in _state.pictures and os.path.isfile(path):
            if len(_state.pictures) >= _MOST_PICTURES:
                for old in [known for known in _state.pictures if known not in wanted]:
                    del _state.pictures[old]
            _state.pictures.load(path, path, "IMAGE")
            return True
    return False
