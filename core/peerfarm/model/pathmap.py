"""Directories that have one path where a job was made and another one here, and the files below them.

Nothing here looks at a disk. The standard library alone, Python 3.10 or later: Blender's own Python loads this file by
its path, to translate what a scene names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from peerfarm.model.manifest import Manifest

FOLDING_SYSTEMS = ("darwin", "windows")
"""Systems whose disks take `Wood.png` and `wood.PNG` for one file, as they come."""

_DRIVE = re.compile(r"([A-Za-z]):[\\/]*")
_SHARE = re.compile(r"\\\\([^\\/]+)[\\/]+([^\\/]+)[\\/]*")
_LONG = re.compile(r"\\\\\?\\(UNC\\)?", re.IGNORECASE)


class SharedPaths(Protocol):
    """Where each system sees one shared directory; empty where it does not. `config.SharedRoot` is one."""

    @property
    def linux(self) -> str:
        """Absolute, as Linux writes it."""

    @property
    def darwin(self) -> str:
        """Absolute, as macOS writes it."""

    @property
    def windows(self) -> str:
        r"""Absolute, as Windows writes it: with a drive letter or `\\server\share`."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """One directory, or one file, under its two paths."""

    there: str
    """Absolute, as it stands in the job or the scene."""
    here: str
    """Absolute, on this machine."""
    folds_case: bool = False
    """Whether `there` is also meant by a path in other capitals; always so for paths of Windows."""


@dataclass(frozen=True, slots=True)
class PathMap:
    """Rules of which the one with the longest matching path holds; separators of all systems are understood."""

    rules: tuple[PathRule, ...] = ()
    is_composed: bool = False
    """Whether names here are in Unicode NFC, as in a checkout, however they are written there."""

    def translate(self, path: str) -> str | None:
        """Where `path` lies here; None when no rule covers it, it is relative, or it climbs above its root."""
        parts = split_path(path)
        if parts is None:
            return None
        best: PathRule | None = None
        best_length = 0
        for rule in self.rules:
            prefix = split_path(rule.there)
            if prefix is not None and len(prefix) > best_length and starts_with(parts, prefix, rule.folds_case):
                best, best_length = rule, len(prefix)
        if best is None:
            return None
        rest = parts[best_length:]
        if self.is_composed:
            rest = tuple(unicodedata.normalize("NFC", part) for part in rest)
        if is_windows_path(best.here) and any(char in name for name in rest for char in "\\/:"):
            return None  # a name like `a\\..\\b` of Linux would be several on Windows
        return join_path(best.here, rest)

    def inverse(self) -> PathMap:
        """The map from here to there."""
        rules = (PathRule(rule.here, rule.there, is_windows_path(rule.here)) for rule in self.rules)
        return PathMap(tuple(rules))

    def as_json(self) -> dict[str, Any]:
        """What `read_map` reads, of lists, texts and truth values alone."""
        rows = [[rule.there, rule.here, rule.folds_case] for rule in self.rules]
        return {"rules": rows, "is_composed": self.is_composed}


AS_WRITTEN = PathMap()
"""Every path means here what it means there."""


def read_map(value: dict[str, Any]) -> PathMap:
    """The map that `as_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    rules = tuple(PathRule(str(there), str(here), bool(folds)) for there, here, folds in value["rules"])
    return PathMap(rules, bool(value["is_composed"]))


def shared_map(roots: Iterable[SharedPaths], system: str) -> PathMap:
    """How paths on shared storage, written on any system, are found on `system` ("linux", "darwin", "windows").

    A directory's path on `system` itself stands for itself, so that a longer rule of ours beats a shorter foreign one.
    """
    rules: dict[str, PathRule] = {}
    for root in roots:
        paths = {"linux": root.linux, "darwin": root.darwin, "windows": root.windows}
        here = paths[system]
        if here:
            rules[here] = PathRule(here, here, system in FOLDING_SYSTEMS)
            for other, there in paths.items():
                if there and there not in rules:
                    rules[there] = PathRule(there, here, other in FOLDING_SYSTEMS)
    return PathMap(tuple(rules.values()))


def checkout_map(manifest: Manifest, checkout: str) -> PathMap:
    """How the paths of the submitter's machine are found in a checkout of the job's files.

    Args:
        checkout: Absolute path of the directory that the files were laid out in, on this machine.
    """
    folds = manifest.system in FOLDING_SYSTEMS
    rules = {manifest.base: PathRule(manifest.base, checkout, folds)}
    for file in manifest.files:
        if file.origin:
            there, place = _outside_root(file.origin, file.path)
            rules.setdefault(there, PathRule(there, join_path(checkout, place), folds))
    return PathMap(tuple(rules.values()), is_composed=True)


def _outside_root(origin: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The outermost directory that `origin` and `outside/N/…` have both kept; the file itself when not even one."""
    there, place = split_path(origin) or (), tuple(path.split("/"))
    same = 0
    while same < min(len(there) - 1, len(place) - 2) and _key(there[-1 - same], False) == place[-1 - same]:
        same += 1
    if same == 0:
        return origin, place
    return join_path(there[0], there[1 : len(there) - same]), place[: len(place) - same]


def is_windows_path(path: str) -> bool:
    """Whether a path is absolute in the way of Windows."""
    return (_DRIVE.match(path) is not None and path[2:3] in {"\\", "/"}) or path.startswith("\\\\")


def split_path(path: str) -> tuple[str, ...] | None:
    r"""The root of an absolute path and the names below it, without `.` and `..`; None for any other path.

    The root is `/`, `C:\` or `\\server\share\`. A path that begins with `//` is none: Blender means "beside the scene".
    """
    if found := _LONG.match(path):
        path = ("\\\\" if found[1] else "") + path[found.end() :]
    if is_windows_path(path):
        found = _DRIVE.match(path) or _SHARE.match(path)
        if found is None:
            return None
        root = f"{found[1].upper()}:\\" if path[1] == ":" else f"\\\\{found[1]}\\{found[2]}\\"
        names = re.split(r"[\\/]+", path[found.end() :])
    elif path.startswith("/") and not path.startswith("//"):
        root, names = "/", path.split("/")
    else:
        return None
    parts = [root]
    for name in names:
        if name == ".." and len(parts) == 1:
            return None
        if name == "..":
            parts.pop()
        elif name not in {"", "."}:
            parts.append(name)
    return tuple(parts)


def join_path(directory: str, names: Iterable[str]) -> str:
    """The names below an absolute directory, with the directory's own separator."""
    is_windows = is_windows_path(directory)
    separator = "\\" if is_windows else "/"
    below = separator.join(names)
    return directory.rstrip("\\/" if is_windows else "/") + separator + below if below else directory


def starts_with(parts: tuple[str, ...], prefix: tuple[str, ...], folds_case: bool) -> bool:
    """Whether a split path lies at or below another one."""
    folds_case = folds_case or prefix[0] != "/"
    here = (_key(part, folds_case) for part in parts[: len(prefix)])
    return len(parts) >= len(prefix) and all(
        one == _key(other, folds_case) for one, other in zip(here, prefix, strict=True)
    )


def _key(part: str, folds_case: bool) -> str:
    part = unicodedata.normalize("NFC", part)
    return unicodedata.normalize("NFC", part.casefold()) if folds_case else part
