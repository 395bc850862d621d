# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender add-on of peerfarm: sends the open scene to the farm and shows the farm. Here it only registers."""

from __future__ import annotations

bl_info = {
    "name": "peerfarm",
    "author": "The peerfarm authors",
    "version": (0, 1, 0),
    "blender": (3, 3, 0),
    "location": "Properties > Output > peerfarm, and the Render menu",
    "description": "Render on each other's machines: send the scene to the farm, and watch it",
    "category": "Render",
}


def register() -> None:
    """Called by Blender when the add-on is switched on."""
    from . import registration  # noqa: PLC0415 - so that Blender can read bl_info without the rest

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is switched off."""
    from . import registration  # noqa: PLC0415 - as above

    registration.unregister()


def submit(*, anyway: bool = False, copy: bool = False) -> str:
    """Send the open scene from a script without a window and wait until the farm has it; gives the job's id.

    The job is the one that the button sends, with the settings that are in the scene; `bpy.ops.peerfarm.send()` does
    the same, whatever name Blender gives this module.

    Args:
        anyway: Send although a check asks for an answer, as the button Send Anyway does.
        copy: Send a copy of the scene as it is in memory: scripts change it without Blender's taking notice.

    Raises:
        Fault: It was not sent; it says why, and what to do.
    """
    from . import headless  # noqa: PLC0415 - as above

    return headless.submit(anyway=anyway, copy=copy)
