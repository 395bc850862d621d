"""A place of the open scene that names a file, and what its path means.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from peerfarm.renderers.blender_files import Disk, Found
else:
    from blender_files import Disk, Found

ESSENTIALS = "/datafiles/assets/"
"""Below Blender's own directory: node groups, brushes and the like that its scenes link to."""


@dataclass
class Reference:
    """One place that names a file, a sequence or a directory."""

    owner: str
    """Who names it, in words for the artist."""
    path: str
    """As the scene writes it; `//` means beside the scene, or beside the library."""
    library: Any
    """The bpy Library whose data names it; None for the scene's own."""
    expand: Callable[[Disk, str], Found]
    """Look up the files for an absolute path."""
    assign: Callable[[str], None]
    """Name another path instead, for the scene in memory."""
    is_directory: bool = False
    is_used: bool = True
    """False: nothing in the scene needs it, it is only kept."""
    is_seen: bool = True
    """False: it cannot change a frame, e.g. a sound."""
    may_be_absent: bool = False
    """True: nothing is wrong when no file is there; then it was never baked, and is simulated anew."""
    thing: Any = None
    """The datablock itself, for a library."""


def spelled(path: str) -> str:
    """A path of a scene with this system's separators, where it is relative; as Blender itself reads it."""
    return path.replace("\\", "/") if path.startswith("//") and os.sep == "/" else path


def anchor_of(reference: Reference) -> str:
    """The file that the reference's relative path is relative to."""
    library = reference.library
    return absolute(library.filepath, None) if library is not None else str(bpy.data.filepath)


def absolute(path: str, library: Any) -> str:
    """Where a path of the scene lies, as far as this system can say."""
    return str(os.path.normpath(bpy.path.abspath(spelled(path), library=library)))


def essential(path: str) -> str:
    """The file that this Blender brings along for a path into some Blender's own directory; empty for other paths."""
    slashed = path.replace("\\", "/")
    _, found, tail = slashed.rpartition(ESSENTIALS)
    own = bpy.utils.system_resource("DATAFILES")
    if found and own and Path(own, "assets", tail).is_file():
        return str(Path(own, "assets", tail))
    return ""


def told(kind: str, thing: Any, part: str = "") -> str:
    """A datablock in words for the artist, with the library that it comes from."""
    words = f"{kind} '{thing.name}'{part}"
    return f"{words} of {Path(spelled(thing.library.filepath)).name}" if thing.library else words
