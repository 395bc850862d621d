# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist chooses in the panel, kept in the scene; and the bars of jobs for Blenders that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

BARS = 20
"""Jobs that can show a bar; as many as are asked for."""


class PEERFARM_PG_scene(bpy.types.PropertyGroup):
    """`scene.peerfarm`."""

    frames_from: EnumProperty(
        name="Frames",
        items=(
            ("SCENE", "Scene Range", "The scene's frame range"),
            ("CURRENT", "Current Frame", "The current frame only"),
            ("CUSTOM", "Custom", "Frames that you write down"),
        ),
        description="Which frames are rendered",
    )
    frames: StringProperty(
        name="Frames", default="1-10", description="Frames and ranges, e.g. 1-60 or 1-100x5,200 (every fifth, and 200)"
    )
    chunk: IntProperty(
        name="Frames per Task",
        default=1,
        min=1,
        max=500,
        description="Frames that a machine renders in one go: more where loading the scene takes longer than a frame",
    )
    priority: IntProperty(
        name="Priority", default=50, min=0, max=100, description="Jobs with a higher number are rendered first"
    )
    pool: StringProperty(name="Pool", description="Only machines of this pool render it; empty for all")
    output: StringProperty(
        name="Output", subtype="FILE_PATH", description="Where the frames go; empty for the scene's own output path"
    )
    cameras: EnumProperty(
        name="Cameras",
        items=(
            ("SCENE", "Scene's Camera", "The active camera, and those that markers bind"),
            ("CHOSEN", "Chosen", "Each ticked camera renders all frames, into files of its own"),
        ),
        description="Which cameras render",
    )
    view_layers: EnumProperty(
        name="View Layers",
        items=(
            ("TOGETHER", "In One Picture", "All layers that are used for rendering, as Render Animation does it"),
            ("CHOSEN", "Chosen", "Each ticked view layer is rendered alone, into files of its own"),
        ),
        description="Which view layers are rendered",
    )
    camera_shown: IntProperty(options={"HIDDEN", "SKIP_SAVE"})
    layer_shown: IntProperty(options={"HIDDEN", "SKIP_SAVE"})
    any_version: BoolProperty(
        name="Any Version", description="Machines with another version of Blender render too; pictures may differ"
    )


def _bar(number: int, fraction: Callable[[int], float]) -> Any:
    def get(_: Any) -> float:
        return 100.0 * fraction(number)

    def ignore(_: Any, __: float) -> None:
        """Dragging a bar changes nothing; without this Blender would draw it grey."""

    return FloatProperty(name="Progress", subtype="PERCENTAGE", min=0, max=100, precision=0, get=get, set=ignore)


def register(fraction: Callable[[int], float]) -> None:
    """Make the properties known; `fraction` gives how far the job of that row is, 0 to 1."""
    bpy.utils.register_class(PEERFARM_PG_scene)
    bpy.types.Scene.peerfarm = PointerProperty(type=PEERFARM_PG_scene)
    bpy.types.Object.peerfarm_render = BoolProperty(name="Render on the Farm", description="Renders on the farm")
    bpy.types.ViewLayer.peerfarm_render = BoolProperty(name="Render on the Farm", description="Rendered on the farm")
    for number in range(BARS + 1):
        setattr(bpy.types.WindowManager, f"peerfarm_bar_{number}", _bar(number, fraction))


def unregister() -> None:
    """Take them back; what artists chose stays in their scenes."""
    for number in range(BARS + 1):
        delattr(bpy.types.WindowManager, f"peerfarm_bar_{number}")
    del bpy.types.ViewLayer.peerfarm_render
    del bpy.types.Object.peerfarm_render
    del bpy.types.Scene.peerfarm
    bpy.utils.unregister_class(PEERFARM_PG_scene)
