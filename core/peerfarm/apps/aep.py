"""After Effects' project file as far as footage goes: which files it names, and the same project with other paths.

A project is one big-endian RIFF ("RIFX", form "Egg!") and some XML after it. Each file that footage comes from stands
in a chunk `alas` as JSON with a `fullpath`, or in older projects in others that are left alone. The layout is told by
the projects lottie-docs and aftereffects-aep-parser; no project of After Effects' own was at hand.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from peerfarm.errors import AppFailed

_HEAD = struct.Struct(">4sI")
_MAX_DEPTH = 200
_OPAQUE_LISTS = frozenset({b"btdk"})
"""Lists that hold no chunks, but text documents in a format of their own."""


@dataclass(frozen=True, slots=True)
class Footage:
    """One source that a project names."""

    path: str
    """As the system that saved the project writes it."""
    is_directory: bool
    """True for image sequences: their files lie in it."""


def footage(project: bytes) -> tuple[Footage, ...]:
    """The files and directories that footage comes from, each once, in the order of the project.

    Raises:
        AppFailed: The bytes are no After Effects project.
    """
    found: dict[str, Footage] = {}

    def note(link: dict[str, object]) -> None:
        path = link.get("fullpath")
        if isinstance(path, str) and path:
            found.setdefault(path, Footage(path, link.get("target_is_folder") is True))

    _mapped(project, note)
    return tuple(found.values())


def relinked(project: bytes, translate: Callable[[str], str | None]) -> bytes:
    """The project with each footage path replaced by what `translate` says; None leaves a path as it is.

    Raises:
        AppFailed: The bytes are no After Effects project.
    """

    def change(link: dict[str, object]) -> None:
        path = link.get("fullpath")
        here = translate(path) if isinstance(path, str) else None
        if here is not None:
            link["fullpath"] = here
            link["platform"] = "Win" if here[1:2] == ":" or here.startswith("\\\\") else "MacPOSIX"

    return _mapped(project, change)


def _mapped(project: bytes, visit: Callable[[dict[str, object]], None]) -> bytes:
    if len(project) < _HEAD.size + 4 or project[:4] != b"RIFX" or project[8:12] != b"Egg!":
        raise AppFailed(
            "this is no After Effects project (.aep)", "Projects saved as .aepx are not understood: save as .aep."
        )
    (_, size) = _HEAD.unpack_from(project)
    end = min(len(project), _HEAD.size + size)
    body = _list(project, 12, end, visit, 0)
    return _HEAD.pack(b"RIFX", len(body) + 4) + b"Egg!" + body + project[end:]


def _list(data: bytes, start: int, end: int, visit: Callable[[dict[str, object]], None], depth: int) -> bytes:
    parts: list[bytes] = []
    for kind, first, last in _chunks(data, start, end):
        inner = data[first:last]
        if kind == b"LIST" and inner[:4] not in _OPAQUE_LISTS and len(inner) >= 4 and depth < _MAX_DEPTH:
            inner = inner[:4] + _list(data, first + 4, last, visit, depth + 1)
        elif kind == b"alas":
            inner = _link(inner, visit)
        parts.append(_HEAD.pack(kind, len(inner)) + inner + b"\0" * (len(inner) % 2))
    return b"".join(parts)


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of each chunk; refuses what runs over its list."""
    while end - start >= _HEAD.size:
        kind, size = _HEAD.unpack_from(data, start)
        first = start + _HEAD.size
        if size > end - first:
            raise AppFailed("the project file is damaged: a part of it is cut off", "Save it again and send it again.")
        yield kind, first, first + size
        start = first + size + size % 2


def _link(raw: bytes, visit: Callable[[dict[str, object]], None]) -> bytes:
    """A link's JSON after the visit; bytes that are none stay as they are."""
    try:
        link = json.loads(raw.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return raw
    if not isinstance(link, dict):
        return raw
    before = dict(link)
    visit(link)
    return raw if link == before else json.dumps(link, ensure_ascii=False, separators=(",", ":")).encode()
