"""Which files on the disk a path of a scene stands for: one, all of a sequence, all tiles, a directory of caches.

Runs in Blender's Python (3.10 and later) or any other, imports neither bpy nor anything of peerfarm.
"""

from __future__ import annotations

import gzip
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

MOST_FILES = 200_000
"""As many as a manifest holds."""
FLUID_PARTS = ("config", "data", "noise", "mesh", "particles", "guiding")
"""Where below a fluid's cache directory frames are kept; the directory itself may be the whole project's."""
BAKE_PARTS = ("meta", "blobs", "bdata")
"""Directories that hold a bake of geometry nodes; `bdata` up to Blender 4.0."""
OCEAN_PARTS = ("disp_", "foam_", "normal_", "spray_", "spray_inverse_")
_DIGITS = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_HEADER = re.compile(rb"BLENDER(?:[-_][vV](\d)(\d\d)|\d\d-\d\dv(\d\d)(\d\d))")
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass
class Found:
    """What one path of a scene stands for."""

    files: list[str] = field(default_factory=list)
    """Absolute, as they stand on the disk."""
    missing: list[str] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    """Numbers of a sequence that are not there, between others that are."""


class Disk:
    """Directories as they were when first looked at; each is read once."""

    def __init__(self) -> None:
        self._directories: dict[str, dict[str, bool]] = {}
        self._folded: dict[str, dict[str, str]] = {}

    def names(self, directory: str) -> dict[str, bool]:
        """Name -> whether it is a file; empty for what is no directory, or may not be read."""
        if directory not in self._directories:
            try:
                with os.scandir(directory) as entries:
                    self._directories[directory] = {entry.name: entry.is_file() for entry in entries}
            except (OSError, ValueError):
                self._directories[directory] = {}
        return self._directories[directory]

    def named(self, path: str) -> str:
        """The path as the disk spells it.

        A scene from Windows or macOS may write capitals and accents in another way than the disk. What cannot be found
        by any spelling stays as it is.
        """
        directory, name = os.path.split(path)
        if not name or not directory:
            return path
        directory = self.named(directory)
        if name not in self.names(directory):
            if directory not in self._folded:
                self._folded[directory] = {_fold(each): each for each in self.names(directory)}
            name = self._folded[directory].get(_fold(name), name)
        return os.path.join(directory, name)  # noqa: PTH118 - texts throughout: a sequence has thousands of them

    def is_file(self, path: str) -> bool:
        """Whether a file is there, followed through links."""
        directory, name = os.path.split(path)
        known = self.names(directory)
        return known[name] if name in known else not known and os.path.isfile(path)  # noqa: PTH113 - as above

    def below(self, directory: str) -> Iterator[str]:
        """All files below a directory; links to directories are not followed."""
        for place, directories, names in os.walk(directory):
            directories.sort()
            yield from (os.path.join(place, name) for name in sorted(names))  # noqa: PTH118 - as above


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def one_file(disk: Disk, path: str) -> Found:
    """The file itself."""
    path = disk.named(path)
    return Found([path]) if disk.is_file(path) else Found(missing=[path])


def several(disk: Disk, paths: Iterable[str]) -> Found:
    """Each of the files."""
    found = Found()
    for path in paths:
        one = one_file(disk, path)
        found.files += one.files
        found.missing += one.missing
    return found


def sequence(disk: Disk, path: str) -> Found:
    """All numbered siblings of one file of a sequence, as Blender counts: the last digits of the name are the number.

    Which of them a scene shows depends on offsets, drivers and auto-refresh; so all are taken.
    """
    directory, name = os.path.split(disk.named(path))
    stem, dot, extension = name.rpartition(".")
    parts = _DIGITS.fullmatch(stem if dot else name)
    if parts is None:
        return one_file(disk, path)
    head, number, tail = parts[1], parts[2], parts[3] + dot + extension
    pattern = re.compile(re.escape(_fold(head)) + r"(\d+)" + re.escape(_fold(tail)))
    numbers: dict[int, str] = {}
    for sibling, is_file in disk.names(directory).items():
        match = pattern.fullmatch(_fold(sibling)) if is_file else None
        if match and (len(match[1]) == len(number) or (len(match[1]) > len(number) and match[1][0] != "0")):
            is_exact = sibling.startswith(head) and sibling.endswith(tail)
            numbers[int(match[1])] = sibling if is_exact else numbers.get(int(match[1]), sibling)
    if not numbers:
        return Found(missing=[os.path.join(directory, name)])  # noqa: PTH118 - as above
    known = sorted(numbers)
    gaps: list[int] = []
    for before, after in pairwise(known):
        gaps += range(before + 1, min(after, before + 101))
    return Found([os.path.join(directory, numbers[each]) for each in known], gaps=gaps)  # noqa: PTH118 - as above


def tile_paths(path: str, tiles: Iterable[int]) -> list[str]:
    """The file of each tile: `<UDIM>` stands for 1001 and on, `<UVTILE>` for u1_v1 and on."""
    return [
        path.replace("<UDIM>", str(tile)).replace("<UVTILE>", f"u{(tile - 1001) % 10 + 1}_v{(tile - 1001) // 10 + 1}")
        for tile in tiles
    ]


def view_paths(path: str, suffixes: Iterable[str]) -> list[str]:
    """The file of each eye, for a stereo image that is kept in one file each: `sky_L.png` and `sky_R.png`."""
    suffixes = tuple(suffixes)
    stem, extension = os.path.splitext(path)  # noqa: PTH122 - as above
    for suffix in suffixes:
        if suffix and stem.endswith(suffix):
            return [stem.removesuffix(suffix) + each + extension for each in suffixes]
    return [path]


def fluid(disk: Disk, directory: str) -> Found:
    """The frames below a fluid's cache directory."""
    directory = disk.named(directory)
    files = [path for part in FLUID_PARTS for path in disk.below(os.path.join(directory, part))]  # noqa: PTH118 - as above
    return Found(files) if files else Found(missing=[directory])


def fluid_frames(found: Found) -> int:
    """How many frames of a fluid's data are there."""
    names = [Path(path).name for path in found.files if Path(path).parent.name == "data"]
    return len({match[2] for name in names if (match := _DIGITS.fullmatch(name.rpartition(".")[0]))})


def with_heads(disk: Disk, directory: str, heads: tuple[str, ...]) -> Found:
    """The files of a directory whose names begin with one of `heads`, e.g. those of an ocean or a particle cache."""
    directory = disk.named(directory)
    names = sorted(name for name, is_file in disk.names(directory).items() if is_file and name.startswith(heads))
    files = [os.path.join(directory, name) for name in names]  # noqa: PTH118 - as above
    return Found(files) if files else Found(missing=[directory])


def node_bake(disk: Disk, directory: str) -> Found:
    """What geometry nodes baked below a directory, of one bake or of all."""
    directory = disk.named(directory)
    files = [path for path in disk.below(directory) if Path(path).parent.name in BAKE_PARTS]
    return Found(files) if files else Found(missing=[directory])


def header_version(scene: str) -> tuple[int, int] | None:
    """The Blender that saved a scene, as its header says; None when it is compressed by zstd, or no scene at all."""
    with Path(scene).open("rb") as file:
        header = file.read(17)
    if header.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(scene, "rb") as file:
                header = file.read(17)
        except (EOFError, gzip.BadGzipFile):
            return None
    found = _HEADER.match(header)
    if not found:
        return None
    major, minor = (int(part) for part in found.groups() if part is not None)
    return major, minor


def is_scene(path: str) -> bool:
    """Whether a file may be a .blend file, by its first bytes."""
    with Path(path).open("rb") as file:
        first = file.read(7)
    return first == b"BLENDER" or first.startswith((b"\x1f\x8b", _ZSTD))
