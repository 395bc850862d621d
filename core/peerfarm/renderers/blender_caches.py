"""Where the open scene keeps what simulations baked: oceans, fluids, particles, cloth, rigid bodies, geometry nodes.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from peerfarm.renderers import blender_files as disk_files
    from peerfarm.renderers.blender_files import Disk, Found
    from peerfarm.renderers.blender_reference import Reference, absolute, told
else:
    import blender_files as disk_files
    from blender_files import Disk, Found
    from blender_reference import Reference, absolute, told


def caches() -> Iterator[Reference]:
    """All that was baked to the disk, and other files that modifiers name."""
    for thing in bpy.data.objects:
        for modifier in thing.modifiers:
            yield from _modifier(thing, modifier)
        for owner, cache in point_caches(thing):
            yield from _point_cache(owner, thing, cache)
    for scene in bpy.data.scenes:
        if scene.rigidbody_world is not None:
            cache = scene.rigidbody_world.point_cache
            yield from _point_cache(f"scene '{scene.name}', rigid bodies", scene, cache)


def unbaked() -> Iterator[str]:
    """What is simulated anew wherever the scene is opened, in words for the artist."""
    for thing in bpy.data.objects:
        for owner, cache in point_caches(thing):
            if not (cache.is_baked or cache.use_disk_cache or cache.use_external):
                yield owner
        for modifier in thing.modifiers:
            is_domain = modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN"
            if is_domain and _is_loose(modifier.domain_settings, thing.library):
                yield f"{told('object', thing)}, fluid"
    for scene in bpy.data.scenes:
        world = scene.rigidbody_world
        cache = world.point_cache if world is not None and world.enabled and world.collection else None
        if cache is not None and not (cache.is_baked or cache.use_disk_cache or cache.use_external):
            yield f"scene '{scene.name}', rigid bodies"


def _is_loose(domain: Any, library: Any) -> bool:
    """Whether a fluid was neither baked nor played through: naming its folder is enough for Blender to keep a frame."""
    if domain.has_cache_baked_any:
        return False
    found = disk_files.fluid(Disk(), absolute(domain.cache_directory, library))
    last = min(domain.cache_frame_end, max(scene.frame_end for scene in bpy.data.scenes))
    return bool(disk_files.fluid_frames(found) < last - domain.cache_frame_start + 1)


def point_caches(thing: Any) -> Iterator[tuple[str, Any]]:
    """An object's caches of points, each with its owner in words."""
    for system in thing.particle_systems:
        settings = system.settings
        is_moving = system.use_hair_dynamics if settings.type == "HAIR" else settings.physics_type != "NO"
        if is_moving:
            yield f"{told('object', thing)}, particles '{system.name}'", system.point_cache
    for modifier in thing.modifiers:
        if modifier.type in {"CLOTH", "SOFT_BODY"}:
            yield f"{told('object', thing)}, modifier '{modifier.name}'", modifier.point_cache
        elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
            for surface in modifier.canvas_settings.canvas_surfaces:
                if surface.surface_format != "IMAGE":
                    yield f"{told('object', thing)}, surface '{surface.name}'", surface.point_cache


def _modifier(thing: Any, modifier: Any) -> Iterator[Reference]:
    owner, library = f"{told('object', thing)}, modifier '{modifier.name}'", thing.library
    assign = partial(setattr, modifier, "filepath")
    if modifier.type == "OCEAN" and modifier.is_cached:
        expand = partial(_heads, disk_files.OCEAN_PARTS)
        yield Reference(owner, modifier.filepath, library, expand, assign, is_directory=True)
    elif modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
        yield from _fluid(owner, modifier.domain_settings, library)
    elif modifier.type == "MESH_CACHE" or (modifier.type == "MULTIRES" and modifier.is_external):
        yield Reference(owner, modifier.filepath, library, disk_files.one_file, assign)
    elif modifier.type == "NODES":
        yield from _node_bakes(owner, modifier, library)


def _fluid(owner: str, domain: Any, library: Any) -> Iterator[Reference]:
    assign, may_be_absent = partial(setattr, domain, "cache_directory"), not domain.has_cache_baked_any
    path, expand = domain.cache_directory, disk_files.fluid
    yield Reference(owner, path, library, expand, assign, is_directory=True, may_be_absent=may_be_absent)


def _heads(heads: tuple[str, ...], disk: Disk, directory: str) -> Found:
    return disk_files.with_heads(disk, directory, heads)


def _point_cache(owner: str, thing: Any, cache: Any) -> Iterator[Reference]:
    """A cache in its own directory, or in `blendcache_SCENE` beside the scene or the library."""
    head = f"{cache.name or thing.name.encode('utf-8').hex().upper()}_"
    library = thing.library if cache.use_library_path else None
    if cache.use_external and cache.filepath:
        expand = partial(_heads, (head,) if cache.name else ("",))
        assign = partial(setattr, cache, "filepath")
        yield Reference(owner, cache.filepath, library, expand, assign, is_directory=True)
    elif cache.use_disk_cache:
        expand = partial(_heads, (head,) if thing.bl_rna.identifier == "Object" else ("",))
        scene = Path(absolute(library.filepath, None) if library is not None else bpy.data.filepath)
        path, may_be_absent = f"//blendcache_{scene.stem}", not cache.is_baked
        yield Reference(owner, path, library, expand, _stays, is_directory=True, may_be_absent=may_be_absent)


def _stays(path: str) -> None:
    """Blender looks beside the scene and nowhere else."""


def _node_bakes(owner: str, modifier: Any, library: Any) -> Iterator[Reference]:
    """What geometry nodes baked: each bake in its own directory, or all in the modifier's."""
    bakes = list(getattr(modifier, "bakes", ()))
    targets = [getattr(bake, "bake_target", "INHERIT") for bake in bakes] or ["INHERIT"]
    whole = getattr(modifier, "bake_target", "DISK")
    field = "bake_directory" if hasattr(modifier, "bake_directory") else "simulation_bake_directory"
    path = getattr(modifier, field, "")
    if "DISK" in targets or ("INHERIT" in targets and whole == "DISK"):
        assign = partial(setattr, modifier, field)
        yield Reference(owner, path, library, disk_files.node_bake, assign, is_directory=True, may_be_absent=True)
    for bake, target in zip(bakes, targets, strict=True):
        if bake.use_custom_path and "DISK" in {target, whole if target == "INHERIT" else ""}:
            assign = partial(setattr, bake, "directory")
            yield Reference(owner, bake.directory, library, disk_files.node_bake, assign, is_directory=True)
