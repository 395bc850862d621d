# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the add-on's classes, menus and timer known to Blender, and takes them back."""

from __future__ import annotations

import bpy

from . import farm_panel, operators, panel, properties, state

_CLASSES = (*operators.CLASSES, *panel.CLASSES, *farm_panel.CLASSES)


def register() -> None:
    """Everything, the timer last."""
    properties.register(state.fraction_of)
    for each in _CLASSES:
        bpy.utils.register_class(each)
    bpy.types.TOPBAR_MT_render.append(operators.draw_menu)
    state.register(panel.pop_up)


def unregister() -> None:
    """In the opposite order."""
    state.unregister()
    bpy.types.TOPBAR_MT_render.remove(operators.draw_menu)
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)
    properties.unregister()
