"""The render queue of an After Effects project, read from the file: items, their frames and where these go.

Offsets are those that py_aep tells; what it wrote was read here, nothing of After Effects' own. `skipFrames` of an item
is in no file: After Effects forgets it when the project is closed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from peerfarm.apps.aep import Part, read_project
from peerfarm.errors import AppFailed

_QUEUED = 2
_ROW = struct.Struct(">8xIi4xiIiI8xHH")
"""Of an item's settings: composition, status, start and duration of a custom time span, a frame rate of its own."""
_RATE_CHOSEN_AT, _SPAN_AT = 2144, 2148
_LENGTH_OF_COMP, _WORK_AREA = 0, 1
_COMP = struct.Struct(">28xiIIIII88xHH12xHH4xiI")
"""Of a composition: work area, duration, size, frame rate, the time that its first frame shows."""
_TO_THE_END = 0xFFFFFFFF
_FORMAT_AT = 26
_EXTENSIONS = {
    "TIF": "tif",
    "png!": "png",
    "JPEG": "jpg",
    "oEXR": "exr",
    "8BPS": "psd",
    "sDPX": "dpx",
    "TPIC": "tga",
    "SGI": "sgi",
    "IFF": "iff",
    "RHDR": "hdr",
    "MooV": "mov",
    "H264": "mp4",
    ".AVI": "avi",
}
_TEMPLATE = re.compile(r"\[([A-Za-z]+)\]")
_NUMBER = re.compile(r"\[(#+)\]")
_ODD = "its layout is not known"


@dataclass(frozen=True, slots=True)
class Comp:
    """A composition, as far as rendering goes."""

    name: str
    rate: float
    shown_s: float
    """Time that its first frame shows."""
    duration_s: float
    work_start_s: float
    work_duration_s: float
    width: int
    height: int


def queue_said(project: bytes) -> dict[str, Any]:
    """What `inspect` answers: `items`, each with its place in the queue from 1, and the version that saved the project.

    An item whose output is not chosen, or has a name that only After Effects can fill in, has an empty pattern.

    Raises:
        AppFailed: The bytes are no project, or its render queue cannot be read.
    """
    root = read_project(project)
    try:
        items = list(_items(root))
    except (struct.error, ZeroDivisionError, OverflowError):
        raise AppFailed(
            f"the project's render queue cannot be read: {_ODD}", "Give --item, --frames and --output."
        ) from None
    warnings = [
        f"item {item['item']} ({item['comp']}) has {item['outputs']} outputs, and only the first is rendered"
        for item in items
        if item["is_queued"] and item["outputs"] > 1
    ]
    return {"items": items, "version": _version(root.first("head")), "warnings": warnings}


def _version(head: Part | None) -> str:
    """The major version of After Effects that saved the project; empty when it is not told."""
    if head is None or len(head.data) < 8:
        return ""
    (word,) = struct.unpack_from(">I", head.data, 4)
    major = (word >> 26 & 0x1F) << 3 | word >> 19 & 0x07
    return str(major) if 9 <= major <= 99 else ""


def _items(root: Part) -> Iterator[dict[str, Any]]:
    queue = root.first("LRdr")
    rows, outputs = queue and queue.first("list"), queue and queue.first("LItm")
    head, settings = rows and rows.first("lhd3"), rows and rows.first("ldat")
    if head is None or outputs is None:
        return
    count, size = struct.unpack_from(">10xH6xH", head.data)
    modules = list(outputs.all("LOm"))
    if count and (settings is None or len(settings.data) < count * size or len(modules) != count):
        raise AppFailed(f"the project's render queue cannot be read: {_ODD}", "Give --item, --frames and --output.")
    comps, starts_at_one = dict(_comps(root)), _starts_at_one(root.first("nnhd"))
    for at in range(count):
        assert settings is not None
        row = settings.data[at * size : (at + 1) * size]
        comp = comps.get(_ROW.unpack_from(row)[0])
        if comp is not None:
            yield {"item": at + 1, **_item(row, comp, modules[at], starts_at_one)}


def _item(row: bytes, comp: Comp, modules: Part, starts_at_one: int) -> dict[str, Any]:
    _, status, start, start_by, duration, duration_by, whole, part = _ROW.unpack_from(row)
    (is_own_rate,) = struct.unpack_from(">H", row, _RATE_CHOSEN_AT)
    (span,) = struct.unpack_from(">H", row, _SPAN_AT)
    rate = whole + part / 65536 if is_own_rate and whole else comp.rate
    if span == _LENGTH_OF_COMP:
        start_s, duration_s = 0.0, comp.duration_s
    elif span == _WORK_AREA or not (start_by and duration_by):
        start_s, duration_s = comp.work_start_s, comp.work_duration_s
    else:
        start_s, duration_s = start / start_by, duration / duration_by
    first = round((start_s + comp.shown_s) * rate) + starts_at_one
    outputs = sum(1 for _ in modules.all("Roou"))
    directory, pattern = _output(modules, comp)
    return {
        "comp": comp.name,
        "is_queued": status == _QUEUED,
        "frame_start": first,
        "frame_end": first + max(1, round(duration_s * rate)) - 1,
        "frame_step": 1,
        "output_dir": directory,
        "output_pattern": pattern,
        "outputs": outputs,
    }


def _output(modules: Part, comp: Comp) -> tuple[str, str]:
    """Folder and file name of the first output, `#` for the frame's digits; empty where they are not chosen."""
    link: dict[str, Any] = {}
    words: list[str] = []
    extension = ""
    for at, part in enumerate(modules.parts):
        if part.kind == "Roou":
            if at and extension:
                break
            code = part.data[_FORMAT_AT : _FORMAT_AT + 4].decode("latin-1").strip()
            extension = _EXTENSIONS.get(code, code)
        elif part.kind == "Als2":
            found = part.first("alas")
            link = found.link() if found else {}
        elif part.kind == "Utf8":
            words.append(part.text())
    path = str(link.get("fullpath") or "")
    name = words[-1] if words else ""
    if link.get("target_is_folder") is not True:
        cut = max(path.rfind("/"), path.rfind("\\"))
        path, name = path[: max(cut, 0)], path[cut + 1 :]
    known = {"compName": comp.name, "width": str(comp.width), "height": str(comp.height)}
    known |= {"fileExtension": extension, "fileextension": extension}
    name = _TEMPLATE.sub(lambda word: known.get(word[1], word[0]), name)
    shown = _NUMBER.sub(lambda run: run[1], name, count=1)
    return (path, "" if _TEMPLATE.search(shown) else shown) if path and name else ("", "")


def _comps(part: Part) -> Iterator[tuple[int, Comp]]:
    """Every composition by its id, in folders too."""
    for inner in part.parts:
        about, settings, name = inner.first("idta"), inner.first("cdta"), inner.first("Utf8")
        if inner.kind == "Item" and about and settings and name:
            (number,) = struct.unpack_from(">16xI", about.data)
            yield number, _comp(name.text(), settings.data)
        if inner.kind in {"Fold", "Item", "Sfdr"}:
            yield from _comps(inner)


def _comp(name: str, data: bytes) -> Comp:
    start, start_by, end, end_by, length, by, width, height, whole, part, shown, shown_by = _COMP.unpack_from(data)
    duration = length / by
    start_s = start / start_by
    end_s = duration if end == _TO_THE_END else end / end_by
    return Comp(name, whole + part / 65536, shown / shown_by, duration, start_s, end_s - start_s, width, height)


def _starts_at_one(settings: Part | None) -> int:
    """1 in projects that count frames from 1."""
    return settings.data[20] % 2 if settings is not None and len(settings.data) > 20 else 0
