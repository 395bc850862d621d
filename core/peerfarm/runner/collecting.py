"""Which files a step needs: its app is asked where scenes name further files, else they are the ones it names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peerfarm.apps.base import COLLECTED, App, collecting
from peerfarm.apps.blender import blend_version
from peerfarm.errors import RequestRefused
from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.render import Capability
from peerfarm.runner.discovery import first_bytes
from peerfarm.runner.process import ask_program
from peerfarm.runner.workplace import Workplace, make_empty

COLLECT_LIMIT_S = 600.0
"""Opening a very large scene from a slow disk."""
_ANSWER_BYTES = 4 << 20


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

    Raises:
        RequestRefused: The scene cannot be looked into; says why, and what to do.
        AppFailed: The application says that the scene is not right.
    """
    paths = tuple(path for path in app.paths(params) if path)
    if not paths:
        return None
    asked = collecting(app)
    if asked is None:
        named = [NamedFile(path, "the step") for path in paths[1:]]
        missing = [MissingFile(path, "the step") for path in paths if not Path(path).is_file()]
        return collected(paths[0], named, system, missing)
    capability = _fitting(app.name, str(params["scene"]), found)
    work = place.work_directory(name)
    make_empty(work)
    try:
        command = asked.collect(capability, params, str(work))
        for file, text in command.files.items():
            (work / file).write_text(text, "utf-8")
        code, output = ask_program(
            command.argv,
            str(work),
            {**place.environment, **command.environment},
            name,
            limit_s=COLLECT_LIMIT_S,
            limit_bytes=_ANSWER_BYTES,
            is_cancelled=lambda: place.is_closing or is_cancelled(),
        )
        if is_cancelled():
            raise RequestRefused("looking into the scene was cancelled")
        if code is None:
            raise RequestRefused(
                f"{app.name} did not list the scene's files within {COLLECT_LIMIT_S:g} s",
                "Put the scene on shared storage and submit it with --files shared.",
            )
        listed = work / COLLECTED
        return asked.collected(output, listed.read_text("utf-8") if listed.is_file() else "")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fitting(app: str, scene: str, found: tuple[Capability, ...]) -> Capability:
    """The installation of the version that wrote the scene, else the newest."""
    version = (blend_version(first_bytes(scene)) or "") if app == "blender" else ""
    installed = [capability for capability in found if capability.app == app]
    if not installed:
        raise RequestRefused(
            f"no {app} was found on this machine to list the scene's files",
            f"Install it, or set `{app}` in peerfarm.yaml to its executable; or submit with --files shared.",
        )
    return next((one for one in installed if (one.version + ".").startswith(version + ".")), installed[0])
