"""Puts plug-ins in place, remembers what it wrote, and takes back exactly that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import peerfarm
from peerfarm.cli.pluginplaces import ADD_ON, FORMER_ADD_ON, Place
from peerfarm.errors import PeerfarmError

_SKIPPED = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache"})
PANEL = "peerfarm.jsx"
MODULE = "peerfarm.mod"


def source() -> Path:
    """The folder `plugins` of this installation: in a checkout, or in an installed package.

    Raises:
        PeerfarmError: There is none.
    """
    package = Path(peerfarm.__file__).resolve().parent
    for folder in (package / "_share/plugins", package.parents[1] / "plugins"):
        if (folder / "blender").is_dir():
            return folder
    raise PeerfarmError("this installation of peerfarm has no plug-ins", "Install peerfarm again.")


def contents(place: Place, plugins: Path) -> dict[Path, bytes]:
    """The files of a plug-in where they belong, and what is in them."""
    if place.app == "maya":
        text = (plugins / "maya/peerfarm.mod.template").read_text("utf-8")
        filled = text.replace("@VERSION@", peerfarm.__version__).replace("@PATH@", str(plugins / "maya"))
        return {place.directory / MODULE: filled.encode()}
    if place.app == "aftereffects":
        return {place.directory / PANEL: (plugins / "aftereffects" / PANEL).read_bytes()}
    root = plugins / "blender" / ADD_ON
    return {place.directory / path.relative_to(root): path.read_bytes() for path in _files(root)}


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            if not name.endswith(".pyc"):
                yield Path(folder, name)


@dataclass(slots=True)
class Record:
    """Which files were written, and what was in them; a file that changed since is the user's."""

    path: Path
    written: dict[str, str] = field(default_factory=dict)
    """Absolute path -> SHA-256 of what was written."""
    versions: dict[str, str] = field(default_factory=dict)
    """Folder of a plug-in -> the version of peerfarm that wrote it."""
    coming: dict[str, str] = field(default_factory=dict)
    """As `written`, of an installation that has begun: when it breaks off, files are the old ones or these."""
    folders: list[str] = field(default_factory=list)
    """Folders that were made for plug-ins, the outer ones first; they go when they are empty again."""

    def load(self) -> Record:
        """Read it; what cannot be read counts as nothing written."""
        try:
            told = json.loads(self.path.read_text("utf-8"))
            self.written = {str(path): str(digest) for path, digest in told["written"].items()}
            self.versions = {str(folder): str(version) for folder, version in told.get("versions", {}).items()}
            self.coming = {str(path): str(digest) for path, digest in told.get("coming", {}).items()}
            self.folders = [str(folder) for folder in told.get("folders", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.written, self.versions, self.coming, self.folders = {}, {}, {}, []
        return self

    def save(self) -> None:
        """Write it in one step. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {"written": self.written, "versions": self.versions, "coming": self.coming, "folders": self.folders}
        _write(self.path, (json.dumps(told, indent=1) + "\n").encode())

    def is_own(self, path: Path) -> bool:
        """Whether the file is still as it was written here."""
        known = {self.written.get(str(path)), self.coming.get(str(path))} - {None}
        return bool(known) and path.is_file() and not path.is_symlink() and _digest(path.read_bytes()) in known


def install(place: Place, plugins: Path, record: Record) -> list[str]:
    """Write a plug-in's files; the paths of the user's own files that were left alone.

    A file of an older version that the new one has not is removed. When it breaks off, it can be done again or taken
    back, for what is to be written is recorded first.

    Raises:
        OSError: A folder or file cannot be written.
    """
    wanted = contents(place, plugins)
    if place.app == "blender" and place.directory.is_symlink():  # a developer's own: never write into its target
        return [str(place.directory)]
    kept = [str(path) for path in wanted if os.path.lexists(path) and not _may_replace(path, wanted[path], record)]
    if kept:
        return kept
    record.coming |= {str(path): _digest(content) for path, content in wanted.items()}
    record.folders += [folder for folder in _missing_folders(wanted) if folder not in record.folders]
    record.save()
    for path in _below(place, record):
        if path not in wanted and record.is_own(path):
            path.unlink()
            record.written.pop(str(path), None)
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        record.written[str(path)] = record.coming.pop(str(path))
    _remove_empty(place)
    record.versions.pop(str(place.directory.with_name(FORMER_ADD_ON)), None)
    record.versions[str(place.directory)] = peerfarm.__version__
    record.save()
    return []


def uninstall(place: Place, record: Record) -> tuple[list[str], list[str]]:
    """Take back what was written; (removed, kept because the user changed it).

    Raises:
        OSError: A file cannot be removed; those before it are.
    """
    removed, kept = [], []
    try:
        for path in _below(place, record):
            if os.path.lexists(path) and not record.is_own(path):
                kept.append(str(path))
                continue
            if os.path.lexists(path):
                path.unlink()
                removed.append(str(path))
            _draft(path).unlink(missing_ok=True)
            record.written.pop(str(path), None)
            record.coming.pop(str(path), None)
        _remove_empty(place)
        _remove_made(place, record)
        if not kept:
            record.versions.pop(str(place.directory), None)
    finally:
        record.save()
    return removed, kept


def _missing_folders(wanted: Iterable[Path]) -> list[str]:
    """Folders that have to be made, the outer ones first."""
    missing = {folder for path in wanted for folder in path.parents if not folder.exists()}
    return [str(folder) for folder in sorted(missing, key=lambda folder: len(folder.parts))]


def _remove_made(place: Place, record: Record) -> None:
    """The folders around it that were made for it, where nothing is left in them."""
    for name in reversed(record.folders.copy()):
        folder = Path(name)
        if not place.directory.is_relative_to(folder) and not folder.is_relative_to(place.directory):
            continue
        if folder.is_dir() and any(folder.iterdir()):
            continue
        if folder.is_dir():
            folder.rmdir()
        record.folders.remove(name)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.peerfarm-draft")


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all. Raises OSError."""
    draft = _draft(path)
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def state(place: Place, plugins: Path, record: Record) -> str:
    """`none`, `current`, `old` (of another version), or `changed` by the user."""
    wanted = contents(place, plugins)
    there = [path for path in wanted if path.is_file()]
    if not there and not _below(place, record):
        return "none"
    if len(there) == len(wanted) and all(path.read_bytes() == content for path, content in wanted.items()):
        return "current"
    return "old" if all(record.is_own(path) for path in there) else "changed"


def _may_replace(path: Path, content: bytes, record: Record) -> bool:
    if path.is_symlink():
        return False
    return record.is_own(path) or (path.is_file() and path.read_bytes() == content)


def former_places(app: str, found: list[Place], record: Record) -> list[Place]:
    """Where a plug-in was written once and is not looked for any more: an application moved or went."""
    known = {str(place.directory) for place in found}
    places = []
    for name in record.versions:
        folder = Path(name)
        if name in known or name in {str(Path(one).with_name(FORMER_ADD_ON)) for one in known}:
            continue
        names = {MODULE: "maya", PANEL: "aftereffects"}
        kinds = [kind for file, kind in names.items() if str(folder / file) in record.written]
        if app == (kinds[0] if kinds else "blender"):
            places.append(Place(app, "", folder, is_former=True))
    return places


def _below(place: Place, record: Record) -> list[Path]:
    """What was written for this place."""
    own = {place.directory / MODULE, place.directory / PANEL}
    found = [Path(path) for path in {**record.written, **record.coming}]
    if place.app == "blender":
        return [path for path in found if any(map(path.is_relative_to, _add_ons(place)))]
    return [path for path in found if path in own]


def _add_ons(place: Place) -> tuple[Path, Path]:
    """The add-on's folder, and the one it had under its former name."""
    return place.directory, place.directory.with_name(FORMER_ADD_ON)


def _remove_empty(place: Place) -> None:
    """The add-on's own folders, where nothing of anybody is left in them; compiled leftovers count as nothing."""
    for root in _add_ons(place) if place.app == "blender" else ():
        for folder, _, names in os.walk(root, topdown=False):
            if Path(folder).name == "__pycache__":
                for name in names:
                    Path(folder, name).unlink()
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
