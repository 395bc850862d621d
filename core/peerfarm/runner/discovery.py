"""Which applications this machine has, and what a scene says about itself: programs are asked, with a time limit."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peerfarm.apps.base import App, Candidate, saying
from peerfarm.apps.blender import blend_version
from peerfarm.apps.blender_scene import inspection, parse_inspection, submission_defaults
from peerfarm.apps.registry import APPS, built_in
from peerfarm.config import Settings
from peerfarm.errors import AppNotFound, PeerfarmError, RequestRefused
from peerfarm.model.render import Capability, Discovered, Inspected
from peerfarm.runner.failures import explain
from peerfarm.runner.mayascene import inspect_maya
from peerfarm.runner.paths import spelling_fault
from peerfarm.runner.process import ask_program
from peerfarm.runner.reading import content_of, first_bytes
from peerfarm.runner.workplace import Workplace, make_empty

_ASK_S = 60.0
"""The first start of a large application from a cold network disk."""
_INSPECT_S = 50.0
"""Less than the minute that a local user waits for the answer."""
_ANSWER_BYTES = 4 * 1024 * 1024


def discover(apps: Mapping[str, App], place: Workplace, moved: Callable[[], None] = lambda: None) -> Discovered:
    """Find what `apps` need on this machine; asks every candidate for its version, one after the other.

    Calls `moved` before each.
    """
    found: list[Capability] = []
    problems: list[str] = []
    for capability in built_in(sys.executable, place.settings.command.allow):
        if capability.app not in apps:
            continue
        if shutil.which(capability.executable):
            found.append(capability)
        else:
            name = capability.tags[0] if capability.tags else capability.app
            problems.append(f"the setting command.allow.{name} names {capability.executable}, which cannot be run")
    for app in apps.values():
        configured = _configured(app.name, place.settings)
        asked: set[str] = set()
        for candidate in app.candidates(platform.system(), configured):
            moved()
            paths = expand(candidate.path)
            if not paths and candidate.path in configured:
                problems.append(f"the setting {app.name} names {candidate.path}, which cannot be run")
            for path in paths:
                if os.path.realpath(path) in asked:
                    continue
                asked.add(os.path.realpath(path))
                moved()
                try:
                    found.append(_ask(app, candidate, path, place))
                except (PeerfarmError, OSError) as error:
                    problems.append(explain(error)[1])
    return Discovered(tuple(found), tuple(problems))


def _configured(app: str, settings: Settings) -> tuple[str, ...]:
    return {"blender": settings.blender, "maya": settings.maya, "aftereffects": settings.aftereffects}.get(app, ())


def expand(pattern: str) -> list[str]:
    """The executables that a candidate's path stands for, newest version first where it holds `*`.

    It may begin with a variable of the environment; one that is not set leaves a path that is not there.
    """
    pattern = os.path.expandvars(pattern) if pattern.startswith("$") else pattern
    if "*" in pattern:
        matches = sorted(glob.glob(pattern), key=_natural, reverse=True)  # noqa: PTH207 - the pattern is absolute
        return [path for path in matches if os.access(path, os.X_OK) and Path(path).is_file()]
    path = shutil.which(pattern)
    return [os.path.abspath(path)] if path else []  # noqa: PTH100 - a link like /usr/bin/blender keeps its name


def _natural(path: str) -> list[tuple[int, str]]:
    """Sorts 4.10 after 4.9."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", path)]


def _ask(app: App, candidate: Candidate, path: str, place: Workplace) -> Capability:
    output = ""
    if candidate.version_argv:
        work = place.work_directory("ask")
        make_empty(work)
        code, output = ask_program(
            (path, *candidate.version_argv),
            str(work),
            place.environment,
            f"ask-{os.getpid()}",
            limit_s=_ASK_S,
            limit_bytes=_ANSWER_BYTES,
            is_cancelled=lambda: place.is_closing,
        )
        if code is None and not candidate.may_be_silent:
            raise AppNotFound(f"{path} did not say its version within {_ASK_S:g} s", "Start it by hand and look why.")
    capability = app.identify(path, output)
    if capability is None:
        last = output.strip().splitlines()[-1][:200] if output.strip() else "it said nothing"
        raise AppNotFound(f"{path} does not answer like {app.name}: {last}", "Start it by hand and look why.")
    return capability


def inspect(request: str, app: str, path: str, found: tuple[Capability, ...], place: Workplace) -> Inspected:
    """What a scene says about itself, for the user of this machine; never raises."""
    try:
        return Inspected(request, _inspect(app, path, found, place))
    except FileNotFoundError:
        return Inspected(request, None, f"there is no file {path} on this machine", "Check the path.")
    except PeerfarmError as error:
        return Inspected(request, None, str(error), error.hint)
    except Exception as error:  # noqa: BLE001 - a bug here must become an answer, or the user would wait in vain
        return Inspected(request, None, explain(error)[1])


def _inspect(app: str, path: str, found: tuple[Capability, ...], place: Workplace) -> dict[str, Any]:
    told = saying(APPS.get(app))
    if told is None and app not in {"blender", "maya"}:
        raise RequestRefused(f"the app {app} has no scenes to look into", "Name the frames in the job.")
    if fault := spelling_fault(path, (path,)):
        raise RequestRefused(f"the path {path!r} {fault}", "Give the scene's full path.")
    if app == "maya":
        return inspect_maya(path, lambda: place.is_closing)
    if told is not None:
        first_bytes(path)  # refuses what is no plain file
        return told.said(content_of(path))
    version = blend_version(first_bytes(path)) or ""
    blenders = [capability for capability in found if capability.app == app]
    fitting = [blender for blender in blenders if (blender.version + ".").startswith(version + ".")]
    if not blenders:
        hint = "Install it, or set `blender` in peerfarm.yaml to its executable."
        raise RequestRefused("no Blender was found on this machine", hint)
    command = inspection((fitting or blenders)[0], path)
    work = place.work_directory("inspect")
    make_empty(work)
    for name, text in command.files.items():
        (work / name).write_text(text, "utf-8")
    code, output = ask_program(
        command.argv,
        str(work),
        {**place.environment, **command.environment},
        f"inspect-{os.getpid()}",
        limit_s=_INSPECT_S,
        limit_bytes=_ANSWER_BYTES,
        is_cancelled=lambda: place.is_closing,
    )
    if code is None:
        hint = "Give --frames and --output, so that the scene need not be asked."
        raise RequestRefused(f"Blender did not open the scene within {_INSPECT_S:g} s", hint)
    return submission_defaults(parse_inspection(output))
