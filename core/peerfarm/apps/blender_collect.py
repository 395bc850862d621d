"""Ask a .blend file for everything that it needs: textures, libraries, caches, fonts, and what of it is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from peerfarm.apps.base import COLLECTED, Command
from peerfarm.apps.blender_params import SAFE_START
from peerfarm.apps.blender_scene import unreadable
from peerfarm.apps.marks import parse_mark, text
from peerfarm.apps.programs import program_path
from peerfarm.errors import AppFailed
from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.manifest import SYSTEMS
from peerfarm.model.pathmap import join_path, split_path
from peerfarm.model.render import Capability

_NEWER_TOO = "newer-too"
"""Has our program list what it can of a scene that a newer Blender saved."""


def collection(found: Capability, params: Mapping[str, Any], work: str) -> Command:
    """The process that opens the scene and writes what `parse_collection` reads; see `CollectingApp.collect`."""
    argv = (found.executable, *SAFE_START, "-P", program_path("blender_collect.py"))
    options = (_NEWER_TOO,) if params.get("allow_missing") else ()
    return Command((*argv, "--", params["scene"], join_path(work, (COLLECTED,)), *options), {}, {})


def parse_collection(output: str, listed: str) -> Collected:
    """See `CollectingApp.collected`."""
    marks = [mark for line in output.splitlines() if (mark := parse_mark(line))]
    errors = [mark for mark in marks if mark["event"] == "error"]
    if errors and (saved_by := text(errors[0], "saved_by")):
        raise AppFailed(
            text(errors[0], "message"),
            f"Submit on a machine with Blender {saved_by}, or put the scene on shared storage and say --files shared; "
            "--allow-missing takes along what this Blender sees.",
        )
    if errors or not any(mark["event"] == "collected" for mark in marks):
        raise unreadable(output)
    try:
        whole = json.loads(listed)
        scene, system = _path(whole["scene"]), SYSTEMS[SYSTEMS.index(whole["system"])]
        named = [
            NamedFile(_path(path), str(why), _path(anchor) if anchor else "", _path(root) if root else "")
            for path, why, anchor, root in whole["files"]
        ]
        missing = [MissingFile(str(path), str(why)) for path, why in whole["missing"]]
        warnings = [str(warning) for warning in whole["warnings"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise AppFailed(
            "the list of the scene's files cannot be read", "Look whether the disk of the node's home is full."
        ) from error
    return collected(scene, named, system, missing, warnings)


def _path(value: object) -> str:
    if not isinstance(value, str) or split_path(value) is None:
        raise ValueError(value)
    return value
