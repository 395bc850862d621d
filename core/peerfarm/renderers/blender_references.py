"""All places of the open scene that name a file, a sequence or a directory.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm. What a scene writes, as renders and
File Output nodes do, is not among them, nor what is packed into it, nor what every Blender brings along.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from peerfarm.renderers import blender_caches
    from peerfarm.renderers import blender_files as disk_files
    from peerfarm.renderers.blender_files import Disk, Found
    from peerfarm.renderers.blender_reference import Reference, told
else:
    import blender_caches
    import blender_files as disk_files
    from blender_files import Disk, Found
    from blender_reference import Reference, told


def references() -> Iterator[Reference]:
    """All that is not packed, libraries first."""
    for reference in _all():
        if reference.path and reference.path != "<builtin>":
            yield reference


def _all() -> Iterator[Reference]:
    yield from libraries()
    yield from _images()
    yield from _plain_files()
    yield from _nodes()
    yield from _strips()
    yield from blender_caches.caches()


def libraries() -> Iterator[Reference]:
    """Scene files that others link to; those that libraries link to themselves are among them."""
    for library in bpy.data.libraries:
        if not library.packed_file and not getattr(library, "is_archive", False):
            owner = f"library '{library.name}'" + (f" of {library.parent.name}" if library.parent else "")
            assign = partial(setattr, library, "filepath")
            # From 5.0 on, what a scene links to can be packed into it; then nothing is read from the library.
            is_used = bool(library.users_id) or not getattr(library, "archive_libraries", ())
            path, expand = library.filepath, disk_files.one_file
            yield Reference(owner, path, None, expand, assign, is_used=is_used, thing=library)


def _is_used(thing: Any) -> bool:
    return bool(thing.users - thing.use_fake_user > 0)


def _suffixes(thing: Any) -> tuple[str, ...]:
    """Endings of the file names of each eye, for stereo images that are kept in one file each."""
    if not (thing.use_multiview and thing.views_format == "INDIVIDUAL"):
        return ()
    return tuple(dict.fromkeys(view.file_suffix for scene in bpy.data.scenes for view in scene.render.views))


def _views(one: Callable[[Disk, str], Found], suffixes: tuple[str, ...], disk: Disk, path: str) -> Found:
    found = Found()
    for each in disk_files.view_paths(path, suffixes):
        part = one(disk, each)
        found.files += part.files
        found.missing += part.missing
        found.gaps += part.gaps
    return found


def _tiles(numbers: tuple[int, ...], disk: Disk, path: str) -> Found:
    return disk_files.several(disk, disk_files.tile_paths(path, numbers))


def _images() -> Iterator[Reference]:
    for image in bpy.data.images:
        if image.packed_file or len(image.packed_files) or image.source not in {"FILE", "SEQUENCE", "MOVIE", "TILED"}:
            continue
        expand = disk_files.one_file
        if image.source == "TILED":
            expand = partial(_tiles, tuple(tile.number for tile in image.tiles))
        elif image.source == "SEQUENCE":
            expand = disk_files.sequence
        if suffixes := _suffixes(image):
            expand = partial(_views, expand, suffixes)
        assign = partial(setattr, image, "filepath")
        yield Reference(told("image", image), image.filepath, image.library, expand, assign, is_used=_is_used(image))


def _plain_files() -> Iterator[Reference]:
    for font in bpy.data.fonts:
        if not font.packed_file:
            assign = partial(_replace_font, font)
            yield Reference(
                told("font", font), font.filepath, font.library, disk_files.one_file, assign, is_used=_is_used(font)
            )
    for sound in bpy.data.sounds:
        if not sound.packed_file:
            assign = partial(setattr, sound, "filepath")
            owner = told("sound", sound)
            yield Reference(owner, sound.filepath, sound.library, disk_files.one_file, assign, is_seen=False)
    for kind, things in (
        ("movie clip", bpy.data.movieclips),
        ("volume", bpy.data.volumes),
        ("cache file", bpy.data.cache_files),
    ):
        for thing in things:
            if getattr(thing, "packed_file", None):
                continue
            is_sequence = getattr(thing, "is_sequence", False) or getattr(thing, "source", "") == "SEQUENCE"
            expand = disk_files.sequence if is_sequence else disk_files.one_file
            assign = partial(setattr, thing, "filepath")
            yield Reference(told(kind, thing), thing.filepath, thing.library, expand, assign, is_used=_is_used(thing))
            for layer in getattr(thing, "layers", ()):
                owner, assign = told(kind, thing, ", a layer"), partial(setattr, layer, "filepath")
                yield Reference(owner, layer.filepath, thing.library, expand, assign)


def _replace_font(old: Any, path: str) -> None:
    """Fonts cannot be renamed in place; whatever uses the old one gets the one at `path`, linked things too."""
    new = bpy.data.fonts.load(path if os.path.isfile(path) else "<builtin>")  # noqa: PTH113 - as Blender itself does
    for curve in bpy.data.curves:
        for style in ("font", "font_bold", "font_italic", "font_bold_italic"):
            if getattr(curve, style, None) == old:
                setattr(curve, style, new)
    for group in bpy.data.node_groups:
        for node in group.nodes:
            for socket in (node, *node.inputs):
                for style in ("font", "default_value"):
                    if getattr(socket, style, None) == old:
                        setattr(socket, style, new)
    old.user_remap(new)
    bpy.data.fonts.remove(old)


def _nodes() -> Iterator[Reference]:
    """Light profiles, shader scripts and what geometry nodes import."""
    for group in bpy.data.node_groups:
        yield from _nodes_of(told("node group", group), group, group.library)
    for kind in ("materials", "worlds", "lights", "scenes", "textures", "linestyles"):
        for thing in getattr(bpy.data, kind):
            if tree := getattr(thing, "node_tree", None):
                yield from _nodes_of(told(kind.removesuffix("s"), thing), tree, thing.library)


def _nodes_of(owner: str, tree: Any, library: Any) -> Iterator[Reference]:
    for node in tree.nodes:
        words = f"{owner}, node '{node.name}'"
        if node.bl_idname in {"ShaderNodeTexIES", "ShaderNodeScript"} and node.mode == "EXTERNAL":
            assign = partial(setattr, node, "filepath")
            yield Reference(words, node.filepath, library, disk_files.one_file, assign)
        elif node.bl_idname.startswith("GeometryNodeImport") and not node.inputs[0].is_linked:
            socket = node.inputs[0]
            assign = partial(setattr, socket, "default_value")
            yield Reference(words, socket.default_value, library, disk_files.one_file, assign)


def strips_of(scene: Any) -> Any:
    """All strips of a scene's sequencer, within others too."""
    editor = scene.sequence_editor
    if editor is None:
        return ()
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def _names(names: tuple[str, ...], suffixes: tuple[str, ...], disk: Disk, directory: str) -> Found:
    paths = [os.path.join(directory, name) for name in names]  # noqa: PTH118 - thousands of texts, no objects needed
    return disk_files.several(disk, [each for path in paths for each in disk_files.view_paths(path, suffixes)])


def _strips() -> Iterator[Reference]:
    for scene in bpy.data.scenes:
        is_seen = scene.render.use_sequencer
        for strip in strips_of(scene):
            owner = told("scene", scene, f", strip '{strip.name}'")
            if strip.type == "MOVIE":
                expand: Callable[[Disk, str], Found] = disk_files.one_file
                if suffixes := _suffixes(strip):
                    expand = partial(_views, expand, suffixes)
                assign = partial(setattr, strip, "filepath")
                yield Reference(owner, strip.filepath, scene.library, expand, assign, is_seen=is_seen)
            elif strip.type == "IMAGE":
                names = tuple(dict.fromkeys(element.filename for element in strip.elements))
                expand = partial(_names, names, _suffixes(strip))
                assign = partial(setattr, strip, "directory")
                path, library = strip.directory, scene.library
                yield Reference(owner, path, library, expand, assign, is_directory=True, is_seen=is_seen)
