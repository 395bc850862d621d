"""Runs inside a Blender or its `bpy` module: the add-on on, used, off, and on again; prints what stays behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, sys.argv[-1])
import peerfarm_blender


def classes() -> set[str]:
    """All that add-ons can add."""
    return {*dir(bpy.types), *dir(bpy.types.Scene), *dir(bpy.types.Object), *dir(bpy.types.WindowManager)}


before = classes()
seen = []
for _ in range(2):
    peerfarm_blender.register()
    from peerfarm_blender import settings

    scene = bpy.context.scene
    scene.peerfarm.frames_from, scene.peerfarm.frames = "CUSTOM", "1-3"
    scene.peerfarm.cameras, scene.camera.peerfarm_render = "CHOSEN", True
    scene.peerfarm.view_layers, scene.view_layers[0].peerfarm_render = "CHOSEN", True
    read = settings.read(scene)
    from blender_seen import seen as drawn

    assert "[peerfarm.send]" in drawn()
    seen.append([read.version, read.frames, read.cameras, read.view_layers, hasattr(bpy.types, "PEERFARM_PT_send")])
    peerfarm_blender.unregister()
sys.stdout.write("\nFOUND " + json.dumps({"seen": seen, "left": sorted(classes() - before)}) + "\n")
