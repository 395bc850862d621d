"""Which files the footage of an After Effects project comes from, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from peerfarm.apps.aep import Part, read_project
from peerfarm.apps.base import ANY_NAME, ANY_NUMBER, NamedPath

_RENDER_QUEUE = "LRdr"
"""What is named there is where frames go, and no footage."""


@dataclass(frozen=True, slots=True)
class Footage:
    """One source that a project names."""

    path: str
    """As the system that saved the project writes it; of an image sequence the folder."""
    is_directory: bool = False
    """True for image sequences: their files lie in it."""
    names: tuple[str, ...] = ()
    """The files of a sequence where the project lists them; they may hold `ANY_NUMBER`."""
    beside: str = ""
    """The same place seen from the project's own folder, where After Effects looks next; empty when it says none."""


def footage(project: bytes) -> tuple[Footage, ...]:
    """The files and directories that footage comes from, each once, in the order of the project.

    Raises:
        AppFailed: The bytes are no After Effects project.
    """
    return tuple(dict.fromkeys(_below(read_project(project))))


def named_footage(project: bytes) -> tuple[NamedPath, ...]:
    """The same as `ReadableApp.named` wants it.

    Raises:
        AppFailed: The bytes are no After Effects project.
    """
    return tuple(dict.fromkeys(path for one in footage(project) for path in _named(one)))


def _named(one: Footage) -> Iterator[NamedPath]:
    if not one.is_directory:
        yield NamedPath(one.path, "footage", beside=one.beside)
        return
    slash = "\\" if "\\" in one.path else "/"
    for name in one.names or (ANY_NAME,):
        beside = f"{one.beside}/{name}" if one.beside else ""
        yield NamedPath(one.path.rstrip("\\/") + slash + name, "an image sequence", beside=beside)


def _below(part: Part) -> Iterator[Footage]:
    for at, inner in enumerate(part.parts):
        if inner.kind == _RENDER_QUEUE:
            continue
        link = inner.first("alas") if inner.kind == "Als2" else None
        if link is None:
            if inner.kind == "alas":
                yield from _source(inner, ())
            yield from _below(inner)
        else:
            yield from _source(link, part.parts[at + 1 :])


def _source(alias: Part, beside: tuple[Part, ...]) -> Iterator[Footage]:
    link = alias.link()
    path = link.get("fullpath")
    if not isinstance(path, str) or not path:
        return
    is_directory = link.get("target_is_folder") is True
    names = _names(beside) if is_directory else ()
    yield Footage(path, is_directory, names, _relative(path, is_directory, link))


def _names(after: tuple[Part, ...]) -> tuple[str, ...]:
    """The files of a sequence, by what stands after its folder: their list, or what is around the number."""
    if after and after[0].kind == "StVc":
        return tuple(one.text() for one in after[0].all("Utf8") if _is_plain(one.text()))
    if len(after) >= 2 and after[0].kind == after[1].kind == "Utf8":
        name = after[0].text() + ANY_NUMBER + after[1].text()
        return (name,) if _is_plain(name) else ()
    return ()


def _is_plain(name: str) -> bool:
    return name not in {"", ".", "..", ANY_NUMBER} and not re.search(r"[\\/]", name)


def _relative(path: str, is_directory: bool, link: dict[str, object]) -> str:
    """The last parts of the path, so many folders above the project; a folder counts one more than it has."""
    up, parts = link.get("ascendcount_base"), link.get("ascendcount_target")
    if not isinstance(up, int) or not isinstance(parts, int) or not 0 < up < 64 or not 0 < parts < 64:
        return ""
    last = re.split(r"[\\/]+", path.rstrip("\\/"))[-(parts - is_directory) or 64 :]
    return "../" * (up - 1) + "/".join(last) if parts > is_directory and last[0] else ""
