"""Which files a scene needs, read from its text and those of the scenes that it refers to."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from peerfarm.apps.base import ANY_NAME, ANY_NUMBER, NamedPath, ReadableApp
from peerfarm.errors import RequestRefused
from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.manifest import MAX_FILES

MAX_SCENE_BYTES = 2 * 1024**3
"""A larger text is not read."""
PROJECT_FILE = "workspace.mel"
_TEXTURES = "sourceimages"
"""What Maya calls a project's folder for textures, unless its owner says otherwise."""
NESTED = 64
"""References within references; deeper ones are taken for a ring with a new name on each turn."""


def read_scene(
    app: ReadableApp, scene: str, project: str, system: str, is_listed: bool, is_cancelled: Callable[[], bool]
) -> Collected:
    """Everything that the scene names, as far as its text tells.

    Args:
        project: The directory that relative paths begin at; empty to look for one above the scene.
        is_listed: Whoever submits lists the files himself, and the scene is not read.

    Raises:
        RequestRefused: It was cancelled, or a scene cannot be read.
        AppFailed: The scene is damaged.
    """
    root = project or project_above(scene)
    reading = _Reading(app, root, is_cancelled)
    if is_listed:
        if not Path(scene).is_file():
            reading.missing.append(MissingFile(scene, "the scene"))
    else:
        reading.read(scene, 0)
    inside = root if root and Path(scene).is_relative_to(root) else ""
    named = [NamedFile(scene, "the scene", root=inside), *reading.files]
    return collected(scene, named, system, reading.missing, reading.warnings)


def project_above(scene: str) -> str:
    """The nearest directory above the scene that holds a project's description; empty when none does."""
    return next((str(place) for place in Path(scene).parents if (place / PROJECT_FILE).is_file()), "")


class _Reading:
    def __init__(self, app: ReadableApp, project: str, is_cancelled: Callable[[], bool]) -> None:
        self.files: list[NamedFile] = []
        self.missing: list[MissingFile] = []
        self.warnings: list[str] = []
        self._app = app
        self._project = project
        self._is_cancelled = is_cancelled
        self._seen: set[str] = set()
        if project and (Path(project) / PROJECT_FILE).is_file():
            self.files.append(NamedFile(str(Path(project) / PROJECT_FILE), "the project"))

    def read(self, scene: str, depth: int) -> None:
        if scene in self._seen or depth > NESTED:
            return
        self._seen.add(scene)
        if not Path(scene).is_file():
            self.missing.append(MissingFile(scene, "the scene"))
            return
        if not scene.lower().endswith(self._app.read_suffixes):
            self.warnings.append(
                f"{Path(scene).name} is no text, and what it needs besides itself was not looked for: "
                "send it from within the application, or save it as text"
            )
            return
        if scene.lower().endswith(self._app.guessed_suffixes):
            self.warnings.append(
                f"{Path(scene).name} is no text: files that it names were looked for in its bytes, and what is missing "
                "is not told; send it from within the application, or save it as text, to be sure"
            )
        for named in self._app.named(content_of(scene)):
            if self._is_cancelled():
                raise RequestRefused("looking into the scene was cancelled")
            found = list(self._found(named, scene))
            if not found and named.is_certain:
                told = named.path.replace(ANY_NUMBER, "#").replace(ANY_NAME, "*")
                self.missing.append(MissingFile(told, named.why))
            for path, is_relative in found:
                self.files.append(NamedFile(path, named.why, anchor=scene if is_relative else ""))
                if named.is_scene:
                    self.read(path, depth + 1)
            if len(self.files) > MAX_FILES:
                raise RequestRefused(f"the scene names more than {MAX_FILES} files", "Submit it with --files shared.")

    def _found(self, named: NamedPath, scene: str) -> Iterator[tuple[str, bool]]:
        """The files on this disk that a path stands for, at the first place where there are any.

        With each: whether its place is one that the scene names relative to itself.
        """
        folder, is_relative = str(Path(scene).parent), not _is_absolute(named.path)
        places = [(place, is_relative) for place in places_of(named.path.replace("\\", "/"), self._project, folder)]
        if named.beside:
            places.append((os.path.normpath(os.path.join(folder, named.beside)), True))  # noqa: PTH118 - as below
        for place, is_beside in places:
            files = [(path, is_beside) for path in _expanded(place) if Path(path).is_file()]
            if files:
                yield from files
                return


def places_of(path: str, project: str, beside: str) -> Iterator[str]:
    """Where a path that stands in a scene of the folder `beside` may lead to on this disk, best first.

    Maya looks for what is nowhere else under its name alone among the project's textures.
    """
    if "$" in path:
        path = os.path.expandvars(path)
    if _is_absolute(path):
        yield os.path.normpath(path)
        head, slashes, rest = path[1:].partition("//")  # Maya writes PROJECT//PLACE-IN-PROJECT
        if slashes and head and project:
            yield os.path.normpath(os.path.join(project, rest))  # noqa: PTH118 - `..` is cut as text
    else:
        for start in (project, beside):
            if start:
                yield os.path.normpath(os.path.join(start, path))  # noqa: PTH118 - as above
    if project:
        yield os.path.join(project, _TEXTURES, path.rpartition("/")[2])  # noqa: PTH118 - a text as the others


def _expanded(path: str) -> Iterator[str]:
    folder, name = os.path.split(path)
    if ANY_NUMBER not in name and name != ANY_NAME:
        if ANY_NUMBER not in folder:
            yield path
        return
    pattern = re.compile(".*" if name == ANY_NAME else r"-?\d+".join(map(re.escape, name.split(ANY_NUMBER))))
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names alone
    except (OSError, ValueError):  # ValueError: letters that no file system has
        return
    yield from (os.path.join(folder, one) for one in names if pattern.fullmatch(one))  # noqa: PTH118 - names alone


def content_of(scene: str) -> bytes:
    """A scene's bytes.

    Raises:
        RequestRefused: It is too large, or cannot be read.
    """
    try:
        if Path(scene).stat().st_size > MAX_SCENE_BYTES:
            hint = "Send it from within the application, or with --files shared."
            raise RequestRefused(f"{scene} is larger than {MAX_SCENE_BYTES // 1024**3} GB, and is not read", hint)
        return Path(scene).read_bytes()
    except OSError as error:
        raise RequestRefused(f"{scene} cannot be read: {error.strerror or error}", "Check its permissions.") from error


def first_bytes(path: str, count: int = 32) -> bytes:
    """The beginning of a scene; a pipe's writer is never waited for."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RequestRefused(f"{path} is no plain file", "Give the scene's own file.")
        return os.read(descriptor, count)
    finally:
        os.close(descriptor)


def _is_absolute(path: str) -> bool:
    return Path(path).is_absolute()
