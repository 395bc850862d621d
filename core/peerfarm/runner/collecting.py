"""Which files a step needs: its app is asked where scenes name further files, else they are the ones it names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peerfarm.apps.base import COLLECTED, App, CollectingApp, MentioningApp, collecting, mentioning, readable
from peerfarm.apps.blender import blend_version
from peerfarm.errors import RequestRefused
from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.manifest import MAX_FILES
from peerfarm.model.mergedfiles import merged
from peerfarm.model.render import Capability
from peerfarm.runner.process import ask_program
from peerfarm.runner.reading import first_bytes, read_scene
from peerfarm.runner.workplace import Workplace, make_empty

COLLECT_LIMIT_S = 600.0
"""Opening a very large scene from a slow disk."""
_ANSWER_BYTES = 4 << 20
_WHY = "the step"
_HINT = "Put the scene on shared storage and submit it with --files shared."


def collect(
    app: App,
    params: Mapping[str, Any],
    system: str,
    found: tuple[Capability, ...],
    place: Workplace,
    name: str,
    is_cancelled: Callable[[], bool],
) -> Collected | None:
    """Everything that a step with these checked parameters needs; None when it needs no files at all.

    Args:
        system: Of this machine, as manifests write it.
        name: Of the work directory, unlike that of any other call.
        is_cancelled: Asked several times a second.

    Raises:
        RequestRefused: The scene cannot be looked into; says why, and what to do.
        AppFailed: The application says that the scene is not right.
    """
    read, asked = readable(app), collecting(app)
    if read is not None:
        project, is_listed = str(params.get("project") or ""), bool(params.get("listed"))
        return read_scene(read, str(params["scene"]), project, system, is_listed, is_cancelled)
    if asked is None:
        paths = tuple(dict.fromkeys(path for path in app.paths(params) if path))
        loose = mentioning(app)
        if loose is None:
            return named_files(paths, system, is_cancelled) if paths else None
        brought = loose.brings(params)
        named = [named_files(brought, system, is_cancelled)] if brought else []
        rest = tuple(path for path in paths if path not in brought)
        if rest:
            named.append(_mentioned(loose, rest, system, tuple(one.executable for one in found)))
        return merged(tuple(named)) if named else None
    capability = _fitting(app.name, str(params["scene"]), found)
    work = place.work_directory(name)
    make_empty(work)
    try:
        return _asked(asked, params, capability, place, work, is_cancelled)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _asked(
    app: CollectingApp,
    params: Mapping[str, Any],
    capability: Capability,
    place: Workplace,
    work: Path,
    is_cancelled: Callable[[], bool],
) -> Collected:
    command = app.collect(capability, params, str(work))
    for file, text in command.files.items():
        (work / file).write_text(text, "utf-8")
    code, output = ask_program(
        command.argv,
        str(work),
        {**place.environment, **command.environment},
        work.name,
        limit_s=COLLECT_LIMIT_S,
        limit_bytes=_ANSWER_BYTES,
        is_cancelled=lambda: place.is_closing or is_cancelled(),
    )
    if is_cancelled():
        raise RequestRefused("looking into the scene was cancelled")
    if place.is_closing:
        raise RequestRefused("this node is ending", "Submit again when it runs.")
    if code is None:
        raise RequestRefused(f"{app.name} did not list the scene's files within {COLLECT_LIMIT_S:g} s", _HINT)
    listed = work / COLLECTED
    return app.collected(output, listed.read_text("utf-8", "replace") if listed.is_file() else "")


def _fitting(app: str, scene: str, found: tuple[Capability, ...]) -> Capability:
    """The installation of the version that wrote the scene, else the newest."""
    try:
        head = first_bytes(scene)
    except FileNotFoundError:
        raise RequestRefused(f"there is no file {scene} on this machine", "Check the path.") from None
    except OSError as error:
        raise RequestRefused(f"{scene} cannot be read: {error.strerror or error}", "Check its permissions.") from error
    version = (blend_version(head) or "") if app == "blender" else ""
    installed = [capability for capability in found if capability.app == app]
    if not installed:
        raise RequestRefused(
            f"no {app} was found on this machine to list the scene's files",
            f"Install it, or set `{app}` in peerfarm.yaml to its executable; or submit with --files shared.",
        )
    return next((one for one in installed if (one.version + ".").startswith(version + ".")), installed[0])


def named_files(paths: tuple[str, ...], system: str, is_cancelled: Callable[[], bool]) -> Collected:
    """The files of this list, and all that lies in directories that it names; absolute paths, at least one.

    Raises:
        RequestRefused: It was cancelled, or a directory holds too many files.
    """
    files: list[NamedFile] = []
    missing: list[MissingFile] = []
    warnings: list[str] = []
    for path in paths:
        if Path(path).is_dir():
            files += _below(path, warnings, is_cancelled)
        elif Path(path).is_file():
            files.append(NamedFile(path, _WHY))
        else:
            missing.append(MissingFile(path, _WHY))
    if not files:
        return Collected(str(Path(paths[0]).parent), system, (), tuple(missing), tuple(warnings))
    if files[0].root:
        at = NamedFile(files[0].path, _WHY, root=files[0].root)
        return collected(files[0].path, [at, *files[1:]], system, missing, warnings)
    return collected(files[0].path, files[1:], system, missing, warnings)


def _mentioned(app: MentioningApp, paths: tuple[str, ...], system: str, programs: tuple[str, ...]) -> Collected:
    """The plain files among what a step's parameters mention; the rest stays as it is written, and is warned of."""
    files: list[str] = []
    warnings: list[str] = []
    for path in paths:
        if not (app.may_bring(path) and app.may_bring(os.path.realpath(path))) or path in programs:
            continue
        place = Path(path)
        if place.is_file() and os.access(place, os.R_OK):
            files.append(path)
        else:
            kind = "a folder" if place.is_dir() else "no file that can be read here"
            warnings.append(
                f"{path} is {kind}: it does not come along unless `brings` names it; the program gets the path as it is"
            )
    if not files:
        return Collected(str(Path(paths[0]).parent), system, (), (), tuple(warnings))
    return collected(files[0], [NamedFile(path, _WHY) for path in files[1:]], system, (), warnings)


def _below(directory: str, warnings: list[str], is_cancelled: Callable[[], bool]) -> list[NamedFile]:
    """All files of a directory. Links are followed as far as they stay in it, links to directories not at all."""
    real = os.path.realpath(directory)
    files = []
    for folder, folders, names in os.walk(directory, onerror=_refuse_folder):
        if is_cancelled():
            raise RequestRefused("looking for the step's files was cancelled")
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(folder, name)
            fault = _fault(path, real)
            if fault:
                warnings.append(f"{path} {fault}, and is left out")
            else:
                files.append(NamedFile(str(path), _WHY, root=directory))
        if len(files) > MAX_FILES:
            raise RequestRefused(f"{directory} holds more than {MAX_FILES} files", _HINT)
    return files


def _fault(path: Path, real: str) -> str:
    """Why something in the directory `real` cannot be brought along with it; empty when it can."""
    if path.is_symlink():
        if not Path(os.path.realpath(path)).is_relative_to(real):
            return "is a link that leads out of the directory"
        if path.is_dir():
            return "is a link to a directory"
        if not path.exists():
            return "is a link that leads nowhere"
    return "" if path.is_file() else "is no plain file"


def _refuse_folder(error: OSError) -> None:
    raise RequestRefused(
        f"the directory {error.filename} cannot be looked into: {error.strerror or error}",
        "Correct its permissions, or take it out of what the step names.",
    )
