"""File Output nodes of the open scene: they write beside the frames, wherever they say, on whichever machine renders.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy


def file_outputs(scene: Any) -> Iterator[Any]:
    """The nodes that write files when the scene is rendered, within groups too."""
    if not scene.render.use_compositing:
        return
    if hasattr(scene, "compositing_node_group"):  # from 5.0 on
        trees = [scene.compositing_node_group]
    else:
        trees = [scene.node_tree if scene.use_nodes else None]
    seen = {None}
    while trees:
        tree = trees.pop()
        if tree in seen:
            continue
        seen.add(tree)
        for node in tree.nodes:
            if node.mute:
                continue
            if node.type == "OUTPUT_FILE":
                yield node
            elif node.type == "GROUP":
                trees.append(node.node_tree)


def count_file_outputs() -> int:
    """How many there are in all scenes of the file."""
    return sum(1 for scene in bpy.data.scenes for _ in file_outputs(scene))


def silence_file_outputs() -> None:
    """Let them write nothing: their folders are the artist's, and may be anything on this machine."""
    for scene in bpy.data.scenes:
        for node in list(file_outputs(scene)):
            node.mute = True
