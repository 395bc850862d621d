# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way from the open scene to a job, for the button and for scripts: read, check, copy, build."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import bpy

from . import job, settings
from .client import Fault


class Draft:
    """One submission: what was read of the scene, and the copy that is sent in its place."""

    def __init__(self, scene: Any, *, copy: bool = False) -> None:
        """Read the scene.

        Args:
            copy: Send a copy of what is in memory, whether or not Blender knows of changes.
        """
        self.settings = settings.read(scene)
        self._wants_copy = copy
        self._copy = ""

    def again(self) -> Draft | None:
        """The same scene as it is now; None when it is no more."""
        scene = bpy.data.scenes.get(self.settings.scene_name)
        return Draft(scene, copy=self._wants_copy) if scene is not None else None

    def request(self, allowed: Collection[str] = ()) -> dict[str, Any]:
        """The parameters of `submit`; saves the copy where one is needed.

        Args:
            allowed: `allow_missing`, `overwrite`: what the artist said yes to.

        Raises:
            Fault: The copy could not be saved.
        """
        if (self._wants_copy or self.settings.needs_copy) and not self._copy:
            self._copy = _save_copy(self.settings.scene_file)
        allows = {field: True for field in ("allow_missing", "overwrite") if field in allowed}
        request: dict[str, Any] = {
            "job": job.build_job(self.settings, self._copy or self.settings.scene_file, **allows)
        }
        if "allow_missing" in allowed:
            request["allow_missing"] = True
        return request

    def sent(self, answer: dict[str, Any]) -> None:
        """The farm has the job. Where files travel, the node holds the copy's content already."""
        if "files" in answer:
            self.drop()

    def drop(self) -> None:
        """Remove the copy: the job did not come to be, or needs it no more."""
        if self._copy:
            with suppress(OSError):
                os.remove(self._copy)
            self._copy = ""


def _save_copy(scene_file: str) -> str:
    """Save what is in memory beside the scene, where relative paths still hold; gives its path."""
    stem = os.path.splitext(scene_file)[0]
    path = f"{stem}.peerfarm-{secrets.token_hex(4)}.blend"
    try:
        bpy.ops.wm.save_as_mainfile(filepath=path, copy=True, compress=False, check_existing=False)
    except RuntimeError as error:
        folder = os.path.dirname(scene_file)
        words = f"A copy of the scene could not be saved in {folder}: {str(error).strip()}"
        raise Fault(words, "Save the scene in a folder that you can write to, and send again.") from error
    return path
