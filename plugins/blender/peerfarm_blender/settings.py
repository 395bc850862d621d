# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the open scene: what the panel says, what the scene says, which files it names."""

from __future__ import annotations

import os
from typing import Any

import bpy

from .job import Settings, scene_frames

_LIKELY = 935790
"""A frame number that no name holds by chance, to find where Blender 5 puts it."""


def read(scene: Any) -> Settings:
    """All that decides the job, taken at this moment."""
    wishes, render = scene.peerfarm, scene.render
    file = bpy.data.filepath
    running, saved = tuple(bpy.app.version[:2]), tuple(bpy.data.version[:2])
    needs_copy = bool(bpy.data.is_dirty) or saved != running
    version = running if needs_copy else saved
    cameras = sorted(thing.name for thing in scene.objects if thing.type == "CAMERA" and thing.peerfarm_render)
    layers = [layer.name for layer in scene.view_layers if layer.peerfarm_render]
    return Settings(
        scene_file=file,
        scene_name=scene.name,
        version=f"{version[0]}.{version[1]}",
        needs_copy=needs_copy,
        name=_name(file, scene),
        frames=_frames(scene),
        chunk=wishes.chunk,
        priority=wishes.priority,
        pool=wishes.pool.strip(),
        output=output_path(scene),
        file_format=render.image_settings.file_format,
        engine=render.engine,
        camera=scene.camera.name if scene.camera else "",
        cameras=tuple(cameras) if wishes.cameras == "CHOSEN" else None,
        view_layers=tuple(layers) if wishes.view_layers == "CHOSEN" else None,
        layers_in_use=sum(1 for layer in scene.view_layers if layer.use),
        uses_sequencer=bool(render.use_sequencer and _has_strips(scene)),
        uses_denoiser=_denoises(scene),
        has_split_views=bool(render.use_multiview and render.views_format == "INDIVIDUAL"),
        file_output_nodes=_file_output_nodes(scene),
        unsaved_images=tuple(image.name for image in bpy.data.images if _is_painted(image)),
        named_files=tuple(_named_files()),
        wishes_any_version=wishes.any_version,
    )


def output_path(scene: Any) -> str:
    """Where the frames go, absolute; a name after the last separator begins the files' names."""
    written = scene.peerfarm.output or scene.render.filepath
    if bpy.app.version >= (5, 0, 0) and "{" in written and not scene.peerfarm.output:
        written = _without_templates(scene, written)
    path = bpy.path.abspath(written)
    is_directory = path.endswith(("/", "\\"))
    path = os.path.normpath(path) if path else ""
    return os.path.join(path, "") if is_directory else path


def _without_templates(scene: Any, written: str) -> str:
    """The path with what Blender 5 fills in, e.g. `{blend_name}`; as written when it cannot be filled in."""
    filled = str(scene.render.frame_path(frame=_LIKELY))
    digits = max(6, written.rpartition("/")[2].count("#"))
    number = f"{_LIKELY:0{digits}d}"
    if number not in filled:
        return written
    padding = "#" * (written.rpartition("/")[2].count("#") or 4)
    head, _, tail = filled.rpartition(number)
    return head + padding + tail


def _frames(scene: Any) -> str:
    wishes = scene.peerfarm
    if wishes.frames_from == "CURRENT":
        return str(scene.frame_current)
    if wishes.frames_from == "CUSTOM":
        return str(wishes.frames.strip())
    return scene_frames(scene.frame_start, scene.frame_end, scene.frame_step)


def _name(file: str, scene: Any) -> str:
    stem = os.path.splitext(os.path.basename(file))[0] or "untitled"
    return stem if len(bpy.data.scenes) == 1 else f"{stem} {scene.name}"


def _has_strips(scene: Any) -> bool:
    """Whether the sequencer makes a picture; an editor alone, which a look at it leaves behind, makes none."""
    editor = scene.sequence_editor
    return editor is not None and len(editor.strips if hasattr(editor, "strips") else editor.sequences) > 0  # 4.4


def _denoises(scene: Any) -> bool:
    if scene.render.engine != "CYCLES" or not hasattr(scene, "cycles"):
        return False
    # Empty where this very Blender was built without: its renderer would fail on the scene.
    return bool(scene.cycles.use_denoising and scene.cycles.denoiser in {"OPENIMAGEDENOISE", ""})


def _tree(scene: Any) -> Any:
    if hasattr(scene, "compositing_node_group"):  # from 5.0 on
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _file_output_nodes(scene: Any) -> int:
    tree = _tree(scene) if scene.render.use_compositing else None
    return sum(1 for node in tree.nodes if node.type == "OUTPUT_FILE" and not node.mute) if tree else 0


def _is_painted(image: Any) -> bool:
    return bool(image.is_dirty and image.users and image.source in {"FILE", "TILED", "GENERATED"})


def _named_files() -> list[str]:
    """Single files that the scene cannot do without; sequences, tiles and caches are the node's to look for."""
    data = bpy.data
    images = [image for image in data.images if image.source in {"FILE", "MOVIE"}]
    things = [*images, *data.fonts, *data.movieclips, *data.volumes, *data.cache_files]
    named = [thing for thing in things if thing.users - thing.use_fake_user > 0 and not _is_many(thing)]
    found = set()
    for thing in (*data.libraries, *named):
        if thing.filepath and thing.filepath != "<builtin>" and not getattr(thing, "packed_file", None):
            path = os.path.normpath(bpy.path.abspath(thing.filepath, library=thing.library))
            if "/datafiles/assets/" not in path.replace("\\", "/"):
                found.add(path)
    return sorted(found)


def _is_many(thing: Any) -> bool:
    return bool(getattr(thing, "is_sequence", False) or getattr(thing, "source", "") == "SEQUENCE")
