"""Run Maya's Render, then give its images their names: `python -I -S maya_render.py ORDER.json`.

Maya puts layers, cameras and passes into directories of its own choice and numbers names in the way of the scene.
Whatever it wrote for a frame of the order lies afterwards under that frame's name in the order's directory.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_NUMBERS = re.compile(r"-?\d+")


def mark(event: str, **values: Any) -> None:
    """Print one line for the reader on the other side of the pipe."""
    sys.stdout.write("\nPEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def candidates(directory: Path, prefix: str, extension: str) -> dict[int, Path]:
    """Frame number -> the image of it that fits best: named like the prefix, and in the fewest directories."""
    found: dict[int, tuple[tuple[bool, int, str], Path]] = {}
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        stem, ending = path.stem, path.suffix
        if ending[1:].isdigit():  # name.ext.0001
            number, (stem, ending) = int(ending[1:]), (Path(stem).stem, Path(stem).suffix)
        else:
            numbers = _NUMBERS.findall(stem)
            if not numbers:
                continue
            cut = stem.rindex(numbers[-1])
            number, stem = int(numbers[-1]), stem[:cut]
            if number < 0 and stem and stem[-1:] not in "._-":
                number = -number  # name-0001: the line joins, it is no minus
        if ending.lower() != extension:
            continue
        rank = (stem.rstrip("._-") != prefix, len(path.parts), str(path))
        if number not in found or rank < found[number][0]:
            found[number] = (rank, path)
    return {number: path for number, (_, path) in found.items()}


def lone_image(directory: Path, prefix: str, extension: str) -> Path | None:
    """The image without a number that a scene of one frame writes; None where there is none, or where two might be."""
    found = [path for path in sorted(directory.rglob(f"{prefix}.*")) if path.suffix.lower() == extension]
    plain = [path for path in found if path.stem == prefix and path.is_file()]
    return plain[0] if len(plain) == 1 else None


def give_names(order: dict[str, Any]) -> None:
    """Move each frame's image to its place; a frame without an image is left to whoever looks for it."""
    directory = Path(order["directory"])
    extension = Path(order["frames"][0][1]).suffix.lower()
    images = candidates(directory, order["prefix"], extension)
    if len(order["frames"]) == 1 and (lone := lone_image(directory, order["prefix"], extension)):
        images.setdefault(order["frames"][0][0], lone)
    for frame, name in order["frames"]:
        place = directory / name
        image = place if place.is_file() else images.get(frame)
        if image is not None:
            if image != place:
                image.replace(place)
            mark("written", frame=frame, path=str(place))


def project_of(scene: Path) -> Path:
    """The nearest folder above the scene that describes a project, else the scene's own."""
    return next((place for place in scene.parents if (place / "workspace.mel").is_file()), scene.parent)


def main() -> int:
    """Run the order; gives Render's exit code, 128 and more for a signal."""
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    *argv, scene = order["argv"]
    if not order["has_project"]:
        argv += ["-proj", str(project_of(Path(scene)))]
    code = subprocess.run([*argv, scene], stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - no shell
    give_names(order)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
