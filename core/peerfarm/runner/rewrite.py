"""Scenes in a checkout name files as the artist's machine has them: here they get the paths of this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from peerfarm.apps.base import App, rewriting
from peerfarm.model.pathmap import PathMap
from peerfarm.model.render import FailReason
from peerfarm.runner.failures import AttemptError
from peerfarm.runner.files import Errand, FilesStopped

MAX_SCENE_BYTES = 2 * 1024**3
"""A larger scene is refused: it is read into memory as a whole."""


def rewrite_scenes(app: App, checkout: Path, paths: PathMap, errand: Errand) -> None:
    """Replace each scene in the checkout that names files by absolute paths; the store's own copy stays as it is.

    Raises:
        AttemptError: A scene is too large to be read.
        AppFailed: A scene is damaged.
        FilesStopped: As `errand` asked for.
    """
    rewriter = rewriting(app)
    if rewriter is None or not checkout.is_dir():
        return
    for directory, _, names in os.walk(checkout):
        for name in names:
            if errand.is_stopped():
                raise FilesStopped
            if name.lower().endswith(rewriter.rewritten_suffixes):
                _rewrite(rewriter.rewritten, Path(directory, name), paths)


def _rewrite(rewritten: Callable[[bytes, PathMap], bytes], scene: Path, paths: PathMap) -> None:
    if scene.stat().st_size > MAX_SCENE_BYTES:
        raise AttemptError(
            FailReason.APP_FAILED,
            f"{scene.name} is larger than {MAX_SCENE_BYTES // 1024**3} GB, and its paths cannot be replaced",
            "Split the scene, or use paths relative to it.",
        )
    before = scene.read_bytes()
    after = rewritten(before, paths)
    if after != before:
        scene.unlink()  # it may be a link to the store's copy
        scene.write_bytes(after)
