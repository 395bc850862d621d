"""Behaves like Maya's Render; tests put it as `maya2025/bin/Render` beside a file `mode`.

Modes: ok, 206 (a renderer that is not installed), 210 (a fatal error), 211 (opened with errors, frames are fine),
211-short (and one frame is missing), licence (none to be had).
"""

from __future__ import annotations

import os
import re
import struct
import sys
import types
import zlib
from pathlib import Path

WITH_VALUE = {
    "-r",
    "-proj",
    "-s",
    "-e",
    "-b",
    "-pad",
    "-rd",
    "-im",
    "-of",
    "-cam",
    "-rl",
    "-x",
    "-y",
    "-fnc",
    "-ai:alf",
}
WITH_VALUE |= {"-ai:lve", "-ai:ltc"}


def png(width: int, height: int, shade: int) -> bytes:
    """A complete picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((shade, (3 * y) % 256, 90)) * width for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def understood(arguments: list[str]) -> tuple[dict[str, str], str] | None:
    """The options and the scene; None when Render would print its help."""
    options: dict[str, str] = {}
    rest = list(arguments)
    while len(rest) > 1:
        word = rest.pop(0)
        if word not in WITH_VALUE or not rest:
            return None
        options[word] = rest.pop(0)
    return (options, rest[0]) if rest else None


def lost_files(scene: Path) -> list[str]:
    """What the text scene names by absolute paths and is not there."""
    text = scene.read_text("utf-8", "replace")
    named = re.findall(
        r'^(?:file .*|\tsetAttr "\.(?:ftn|dso|fn)" -type "string" )"((?:[^"\\]|\\.)*)";$', text, re.MULTILINE
    )
    lost = []
    for raw in named:
        path = re.sub(r"\{\d+\}$", "", raw.replace('\\"', '"').replace("\\\\", "\\"))
        pattern = re.sub(r"<UDIM>|<f>|#+", "*", Path(path).name)
        if Path(path).is_absolute() and not list(Path(path).parent.glob(pattern)):
            lost.append(path)
    return lost


def mapped_paths(scene: Path) -> list[str]:
    """The absolute paths that a binary scene names, as `dirmap` turns them when Maya opens it.

    Maya runs every userSetup.py on its Python path before that.
    """
    rules: list[tuple[str, str]] = []

    def dirmap(*, enable: bool = False, mapDirectory: tuple[str, str] = ("", "")) -> None:
        if mapDirectory[0]:
            assert not any("\\" in path for path in mapDirectory), mapDirectory
            rules.append(mapDirectory)
        else:
            assert enable

    commands = types.ModuleType("maya.cmds")
    commands.dirmap = dirmap  # type: ignore[attr-defined]
    package = types.ModuleType("maya")
    package.cmds = commands  # type: ignore[attr-defined]
    sys.modules.update({"maya": package, "maya.cmds": commands})
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        script = Path(folder) / "userSetup.py"
        if folder and script.is_file():
            exec(compile(script.read_text("utf-8"), str(script), "exec"), {"__name__": "userSetup"})
    paths = [part.decode() for part in re.findall(rb"STR\0(/[^\0]+)\0", scene.read_bytes())]
    for there, here in rules:
        paths = [here + path[len(there) :] if path.startswith(there) else path for path in paths]
    return paths


def say(*lines: str) -> None:
    """As Maya does, at once."""
    for line in lines:
        print(line, flush=True)


def main() -> int:
    """Render; gives Render's exit code."""
    mode = (Path(sys.argv[0]).parent / "mode").read_text("utf-8").strip()
    if sys.argv[1:] == ["-listRenderers"]:
        say("Available renderers:", "  arnold  - Arnold renderer", "  file  - As in the file", "  sw  - Maya software")
        return 0
    given = understood(sys.argv[1:])
    if given is None or mode == "206":
        say("Error: line 1: Unknown renderer: arnold. Check that the renderer is installed.")
        return 206
    options, scene = given
    say('Starting "/usr/autodesk/maya2025/bin/maya"', f"File read in  0.12 seconds: {scene}")
    if not Path(scene).is_file() or not Path(options["-proj"]).is_dir():
        say(f"Error: Cannot load scene {scene}")
        return 210
    if scene.endswith(".ma") and (lost := lost_files(Path(scene))):
        say(*(f"Error: file not found: {path}" for path in lost))
        return 210
    if scene.endswith(".mb") and (gone := [path for path in mapped_paths(Path(scene)) if not Path(path).is_file()]):
        say(*(f"Error: file not found: {path}" for path in gone))
        return 210
    if mode == "licence":
        say(
            "00:00:00   90MB ERROR   | [license] FLEXlm error: -5,357",
            "[mtoa] aborting render because the abort_on_license_fail option was enabled",
        )
        return 0
    if mode == "210":
        say("Error: Cannot allocate memory for the depth buffer", "Maya exited with status 210")
        return 210
    if mode.startswith("211"):
        say(f"Error: file: {scene} line 14: The attribute 'persp.v' is locked", "Maya exited with status 211")
    first, last, step = (int(options[name]) for name in ("-s", "-e", "-b"))
    frames = list(range(first, last + 1, step))
    if mode == "211-short":
        frames = frames[:-1]
    # Several layers: Maya puts the images of each into a folder of its own
    folder = Path(options["-rd"]) / options.get("-rl", "masterLayer")
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        for percent in (5, 50, 100):
            say(f"00:00:01   640MB         |  {percent:3d}% done - 12 rays/pixel")
        path = folder / f"{options['-im']}.{frame:0{int(options['-pad'])}d}.png"
        path.write_bytes(png(int(options.get("-x", 64)), int(options.get("-y", 36)), (40 * frame) % 256))
        say(f"Finished Rendering {path}.")
    return 211 if mode.startswith("211") else 0


if __name__ == "__main__":
    sys.exit(main())
