"""What Blender's error messages mean, in words for the artist. The texts were recorded in `tests/vectors/blender`."""

from __future__ import annotations

import re

from peerfarm.apps.base import Fatal
from peerfarm.model.render import FailReason

_MEANINGS: tuple[tuple[re.Pattern[str], str, FailReason], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning, reason)
    for pattern, meaning, reason in (
        (
            r"out of (?:gpu |device |host )?memory|bad_alloc|malloc returns null|failed to allocate",
            "the scene needs more memory than this machine has to give: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"without OpenImageDenoise",
            "this Blender was built without the denoiser OpenImageDenoise: set denoise to false, or require its tag",
            FailReason.APP_NOT_FOUND,
        ),
        (
            r"(?:cuda|optix|hip|metal|oneapi)\b.*error|no compatible gpus? found|gpu.*(?:lost|hung)",
            "the graphics card failed: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"cannot render, no camera|the scene has no camera",
            "the scene has no camera: add one, or name one of its cameras",
            FailReason.APP_FAILED,
        ),
        (
            r"not a blend file|file format is not supported",
            "the scene file is damaged, is no .blend file, or was saved by a newer Blender than this one: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"cannot read file|no such file or directory",
            "this machine does not see a file: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"no space left|disk full|disk quota",
            "the disk is full: {line}",
            FailReason.DISK_FULL,
        ),
        (
            r"cannot save|cannot open file for writing|render error .*save",
            "Blender could not write a frame: {line}",
            FailReason.APP_FAILED,
        ),
        (
            r"unrecognized engine|engine .*not found|no such render engine",
            "this Blender does not have the scene's render engine: {line}",
            FailReason.APP_NOT_FOUND,
        ),
    )
)


def explain(message: str) -> Fatal | None:
    """What a message of Blender means for the artist; None when it is none that we know."""
    line = message.strip().removeprefix("Error:").strip()
    for pattern, meaning, reason in _MEANINGS:
        if pattern.search(line):
            return Fatal(meaning.format(line=line[:300]), reason)
    return None
