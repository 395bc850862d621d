"""After Effects' project files as parts within parts: binary (.aep) and XML (.aepx); the same project with other paths.

A binary project is one big-endian RIFF ("RIFX", form "Egg!") and some XML after it. Each file stands in a part `alas`
as JSON with a `fullpath`; in XML in an element `fileReference`. The layout is told by lottie-docs, py_aep and
boltframe's aftereffects-aep-parser; projects that py_aep wrote were read here, none of After Effects' own.
"""

from __future__ import annotations

import html
import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from peerfarm.errors import AppFailed

_HEAD = struct.Struct(">4sI")
_MAX_DEPTH = 200
_OPAQUE_LISTS = frozenset({b"btdk"})
"""Lists that hold no chunks, but text documents in a format of their own."""
_REFERENCE = re.compile(rb"<fileReference\b[^<>]*>")
_ATTRIBUTE = re.compile(rb'\b(fullpath|platform)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One chunk of a project, or one list of them."""

    kind: str
    """A list's own name, e.g. `Item`, else the chunk's; without blanks, as XML has it."""
    data: bytes = b""
    """Empty for a list."""
    parts: tuple[Part, ...] = ()

    def all(self, kind: str) -> Iterator[Part]:
        """The parts of that kind directly in this one."""
        return (part for part in self.parts if part.kind == kind)

    def first(self, kind: str) -> Part | None:
        """The first of them."""
        return next(self.all(kind), None)

    def text(self) -> str:
        """What the part says; damaged letters are replaced."""
        return self.data.decode("utf-8", "replace").rstrip("\0")

    def link(self) -> dict[str, Any]:
        """The file that a part `alas` names; empty when it is no such thing."""
        return _linked(self.data) or {}


def read_project(project: bytes) -> Part:
    """The whole project as one part without a kind.

    Raises:
        AppFailed: The bytes are no After Effects project, or a damaged one.
    """
    if _is_xml(project):
        try:
            root = ET.fromstring(project)  # noqa: S314 - the artist's own file; expat bounds what entities grow to
        except ET.ParseError as error:
            raise AppFailed(f"the project file is damaged: {error}", "Save it again and send it again.") from None
        return Part("", b"", tuple(_element(one, 0) for one in root))
    return Part("", b"", _parts(project, 12, _end(project), 0))


def relinked(project: bytes, translate: Callable[[str], str | None]) -> bytes:
    """The project with each footage path replaced by what `translate` says; None leaves a path as it is.

    Raises:
        AppFailed: The bytes are no After Effects project.
    """
    if _is_xml(project):
        return _REFERENCE.sub(lambda found: _reference(found[0], translate), project)
    end = _end(project)
    body = _list(project, 12, end, translate, 0)
    return _HEAD.pack(b"RIFX", len(body) + 4) + b"Egg!" + body + project[end:]


def _is_xml(project: bytes) -> bool:
    return b"<AfterEffectsProject" in project[:1000]


def _end(project: bytes) -> int:
    if len(project) < _HEAD.size + 4 or project[:4] != b"RIFX" or project[8:12] != b"Egg!":
        raise AppFailed("this is no After Effects project (.aep, .aepx)", "Save it in After Effects and send it again.")
    (_, size) = _HEAD.unpack_from(project)
    return min(len(project), _HEAD.size + int(size))


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of each chunk; refuses what runs over its list."""
    while end - start >= _HEAD.size:
        kind, size = _HEAD.unpack_from(data, start)
        first = start + _HEAD.size
        if size > end - first:
            raise AppFailed("the project file is damaged: a part of it is cut off", "Save it again and send it again.")
        yield kind, first, first + size
        start = first + size + size % 2


def _is_list(data: bytes, kind: bytes, first: int, last: int, depth: int) -> bool:
    return kind == b"LIST" and last - first >= 4 and data[first : first + 4] not in _OPAQUE_LISTS and depth < _MAX_DEPTH


def _parts(data: bytes, start: int, end: int, depth: int) -> tuple[Part, ...]:
    parts: list[Part] = []
    for kind, first, last in _chunks(data, start, end):
        if _is_list(data, kind, first, last, depth):
            name = data[first : first + 4].decode("latin-1").strip()
            parts.append(Part(name, b"", _parts(data, first + 4, last, depth + 1)))
        else:
            parts.append(Part(kind.decode("latin-1").strip(), data[first:last]))
    return tuple(parts)


def _list(data: bytes, start: int, end: int, translate: Callable[[str], str | None], depth: int) -> bytes:
    parts: list[bytes] = []
    for kind, first, last in _chunks(data, start, end):
        inner = data[first:last]
        if _is_list(data, kind, first, last, depth):
            inner = inner[:4] + _list(data, first + 4, last, translate, depth + 1)
        elif kind == b"alas":
            inner = _alias(inner, translate)
        parts.append(_HEAD.pack(kind, len(inner)) + inner + b"\0" * (len(inner) % 2))
    return b"".join(parts)


def _linked(raw: bytes) -> dict[str, Any] | None:
    try:
        link = json.loads(raw.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return None
    return link if isinstance(link, dict) else None


def _alias(raw: bytes, translate: Callable[[str], str | None]) -> bytes:
    """A link's JSON with another path; bytes that are none stay as they are."""
    link = _linked(raw)
    path = link.get("fullpath") if link else None
    here = translate(path) if isinstance(path, str) else None
    if link is None or here is None or here == path:
        return raw
    windows = _is_windows(here)
    is_numbered = isinstance(link.get("platform"), int)
    named = "Win" if windows else "MacPOSIX"
    link |= {"fullpath": here, "platform": (1 if windows else 2) if is_numbered else named}
    return json.dumps(link, sort_keys=True, separators=(",", ":")).encode()  # spelled as After Effects does


def _reference(element: bytes, translate: Callable[[str], str | None]) -> bytes:
    """The same for an element of XML."""
    said = {name: html.unescape(value.decode("utf-8", "replace")) for name, value in _ATTRIBUTE.findall(element)}
    here = translate(said[b"fullpath"]) if b"fullpath" in said else None
    if here is None:
        return element
    named = {b"fullpath": here, b"platform": "Win" if _is_windows(here) else "MacPOSIX"}
    return _ATTRIBUTE.sub(lambda found: b'%s="%s"' % (found[1], html.escape(named[found[1]]).encode()), element)


def _is_windows(path: str) -> bool:
    return path[1:2] == ":" or path.startswith("\\\\")


def _element(element: ET.Element, depth: int) -> Part:
    """An element as the chunk or list that it stands for."""
    kind = element.tag.rpartition("}")[2]
    if kind == "string":
        return Part("Utf8", (element.text or "").encode())
    if kind == "fileReference":
        link: dict[str, Any] = {name: _number(value) for name, value in element.attrib.items()}
        link["target_is_folder"] = link.get("target_is_folder") == 1
        return Part("alas", json.dumps(link).encode())
    data = element.get("bdata")
    if data is not None:
        try:
            return Part(kind, bytes.fromhex(data))
        except ValueError:
            return Part(kind)
    inner = tuple(_element(one, depth + 1) for one in element) if depth < _MAX_DEPTH else ()
    return Part(kind, b"", inner)


def _number(text: str) -> str | int:
    return int(text) if re.fullmatch(r"\d{1,6}", text) else text
