"""The files that a scene needs, as an application told them, and where each lies in a checkout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from peerfarm.model.filenames import normal_path
from peerfarm.model.pathmap import FOLDING_SYSTEMS, join_path, split_path, starts_with

OUTSIDE = "outside"
"""Directory of a checkout for the files that lie elsewhere on the submitter's machine."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as an application names it."""

    path: str
    """Absolute, as it stands on the disk."""
    why: str
    """Who needs it, in words for the artist: `image 'Wood'`."""
    anchor: str = ""
    """The file whose place it was named relative to, absolute; empty when it was named by an absolute path."""
    root: str = ""
    """The directory that was named, when the file was found below it; empty when the file itself was named."""


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """A file that the scene needs."""

    path: str
    """Absolute, as it stands on the disk."""
    why: str
    """Who needs it; the first of several."""
    root: str = ""
    """For a file that lies elsewhere: the directory from which on its place is kept; empty below the base."""
    within: str = ""
    """The directory that was named and in which it was found: it must still lead nowhere else when it is read."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A file that the scene names and that is not there."""

    path: str
    """Absolute, or as the scene writes it."""
    why: str


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a file lies, and where it belongs."""

    path: str
    """Absolute, on the submitter's machine."""
    place: str
    """Relative to the checkout, as manifests write it."""
    origin: str
    """Equal to `path` for a file that lies outside the base; else empty."""
    within: str = ""
    """As in CollectedFile."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Everything that a scene needs."""

    base: str
    """The deepest directory below which the scene lies, and all that is named relative to it."""
    system: str
    """Of this machine: "linux", "darwin" or "windows"; says how the paths are written."""
    files: tuple[CollectedFile, ...]
    """The scene first, then in the order in which they were named; none twice."""
    missing: tuple[MissingFile, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences about what may look different on another machine."""

    def places(self) -> tuple[FilePlace, ...]:
        """Every file's place in a checkout: as below the base, or `outside/N/…`.

        Files that name one another by relative paths share an N and keep their places to one another.
        """
        roots = sorted({file.root for file in self.files if file.root}, key=lambda root: len(split_path(root) or ()))
        numbers = {root: number for number, root in enumerate(roots)}
        found = []
        for file in self.files:
            parts, root = split_path(file.path) or (), split_path(file.root or self.base) or ()
            place = "/".join(parts[len(root) :])
            if file.root:
                place = f"{OUTSIDE}/{numbers[file.root]}/{place}"
            found.append(FilePlace(file.path, normal_path(place), file.path if file.root else "", file.within))
        return tuple(found)


def collected(
    scene: str,
    named: Sequence[NamedFile],
    system: str,
    missing: Iterable[MissingFile] = (),
    warnings: Iterable[str] = (),
) -> Collected:
    """Find the base, and a root for whatever lies outside it.

    Args:
        scene: Absolute path of the scene file.
        named: All other files, in any number of mentions; an anchor is the scene or one of these files.
    """
    folds = system in FOLDING_SYSTEMS
    leaders = _groups(scene, named)
    roots: dict[str, tuple[str, ...]] = {}
    for file in (NamedFile(scene, ""), *named):
        leader = _leader(leaders, file.path)
        root = (split_path(file.root) if file.root else None) or (split_path(file.path) or ("",))[:-1]
        roots[leader] = _common(roots[leader], root, folds) if leader in roots else root
    base = roots[_leader(leaders, scene)]
    outer: list[tuple[str, ...]] = []
    for root in sorted(roots.values(), key=len):
        if not any(starts_with(root, other, folds) for other in (base, *outer)):
            outer.append(root)
    within = {file.path: file.root for file in named if file.root}
    files: dict[str, CollectedFile] = {}
    for file in (NamedFile(scene, "the scene"), *named):
        if file.path not in files:
            parts = split_path(file.path) or ()
            found = next((root for root in (base, *outer) if starts_with(parts, root, folds)), base)
            root_path = "" if found == base else join_path(found[0], found[1:])
            files[file.path] = CollectedFile(file.path, file.why, root_path, within.get(file.path, ""))
    return Collected(
        join_path(base[0], base[1:]), system, tuple(files.values()), tuple(missing), tuple(dict.fromkeys(warnings))
    )


def _groups(scene: str, named: Sequence[NamedFile]) -> dict[str, str]:
    """Files that must keep their places to one another; each leads to another of its group, one to itself."""
    leaders = {scene: scene}
    for file in named:
        leaders.setdefault(file.path, file.path)
        if file.anchor:
            leaders.setdefault(file.anchor, file.anchor)
            leaders[_leader(leaders, file.path)] = _leader(leaders, file.anchor)
    return leaders


def _leader(leaders: dict[str, str], path: str) -> str:
    while leaders[path] != path:
        leaders[path] = leaders[leaders[path]]
        path = leaders[path]
    return path


def _common(one: tuple[str, ...], other: tuple[str, ...], folds: bool) -> tuple[str, ...]:
    length = min(len(one), len(other))
    while length and not starts_with(one[:length], other[:length], folds):
        length -= 1
    return one[:length]
