"""Make the demo's scene: `blender -b --factory-startup -P make_ocean_scene.py -- OUT.blend [--size WxH] …`.

An animated sea from Blender's Ocean modifier, as in the paper that peerfarm follows: water, a low sun, a buoy. Small
enough for a processor alone, without a denoiser, which not every Blender has. Runs in Blender 3.3 to 5.x.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import bpy

FRAMES_PER_SECOND = 24
SUN_DEGREES = (7.0, 8.0)
"""Elevation, and azimuth right of where the camera looks."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The wishes after `--`."""
    parser = argparse.ArgumentParser(prog="make_ocean_scene.py")
    parser.add_argument("out", help="the .blend file to write")
    parser.add_argument("--size", default="256x144", help="pixels, WIDTHxHEIGHT")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--frames", type=int, default=24, help="length of the animation")
    return parser.parse_args(arguments)


def set_if_known(thing: Any, **values: Any) -> None:
    """Set the properties that this version of Blender has."""
    for name, value in values.items():
        if hasattr(thing, name):
            setattr(thing, name, value)


def set_input(node: Any, names: tuple[str, ...], value: Any) -> None:
    """Set the first input of a node that exists under one of its names in different versions."""
    for name in names:
        if name in node.inputs:
            node.inputs[name].default_value = value
            return


def material(name: str, colour: tuple[float, float, float], roughness: float, metallic: float = 0.0) -> Any:
    """A plain material, and its shader node."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    set_input(shader, ("Base Color",), (*colour, 1.0))
    set_input(shader, ("Roughness",), roughness)
    set_input(shader, ("Metallic",), metallic)
    set_input(shader, ("IOR",), 1.333)
    return made


def add_sea(frames: int) -> Any:
    """The water: an Ocean modifier whose time runs with the frames, whitecaps as a vertex colour."""
    mesh = bpy.data.meshes.new("Sea")
    sea = bpy.data.objects.new("Sea", mesh)
    bpy.context.scene.collection.objects.link(sea)
    ocean = sea.modifiers.new("Ocean", "OCEAN")
    set_if_known(
        ocean,
        geometry_mode="GENERATE",
        resolution=9,
        viewport_resolution=4,
        spatial_size=60,
        repeat_x=3,
        repeat_y=3,
        wave_scale=1.9,
        wave_scale_min=0.02,
        choppiness=1.25,
        wind_velocity=9.5,
        wave_alignment=0.35,
        wave_direction=math.radians(70),
        damping=0.4,
        random_seed=7,
        use_normals=False,
        use_foam=True,
        foam_layer_name="foam",
        foam_coverage=0.05,
    )
    for frame in (1, max(2, frames)):
        ocean.time = (frame - 1) / FRAMES_PER_SECOND * 1.4
        ocean.keyframe_insert("time", frame=frame)
    for curve in curves_of(sea):
        curve.extrapolation = "LINEAR"
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"
    sea.location = (-90.0, -30.0, 0.0)
    sea.data.materials.append(water())
    return sea


def curves_of(thing: Any) -> list[Any]:
    """The animation curves of an object; layered actions hold them deeper from Blender 4.4 on."""
    action = thing.animation_data.action
    if hasattr(action, "fcurves"):
        return list(action.fcurves)
    return [
        curve for layer in action.layers for strip in layer.strips for bag in strip.channelbags for curve in bag.fcurves
    ]


def water() -> Any:
    """Dark, glossy water that turns white where the modifier says foam."""
    made = material("Water", (0.004, 0.050, 0.058), 0.07)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
    foam = nodes.new("ShaderNodeAttribute")
    foam.attribute_name = "foam"
    white = nodes.new("ShaderNodeBsdfDiffuse")
    white.inputs["Color"].default_value = (0.78, 0.80, 0.80, 1.0)
    blend = nodes.new("ShaderNodeMixShader")
    links.new(foam.outputs["Fac"], blend.inputs[0])
    links.new(shader.outputs[0], blend.inputs[1])
    links.new(white.outputs[0], blend.inputs[2])
    links.new(blend.outputs[0], output.inputs["Surface"])
    return made


def add_sky() -> None:
    """An evening sky: a gradient by height, and a warm glow around the sun, both mirrored by the water."""
    world = bpy.context.scene.world or bpy.data.worlds.new("Sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    # Left to itself Cycles maps the sky so finely that a small frame waits for the map most of its time.
    set_if_known(world.cycles, sampling_method="MANUAL", sample_map_resolution=256)
    nodes, links = world.node_tree.nodes, world.node_tree.links
    background = next(node for node in nodes if node.type == "BACKGROUND")
    place = nodes.new("ShaderNodeTexCoord")
    split = nodes.new("ShaderNodeSeparateXYZ")
    height = nodes.new("ShaderNodeValToRGB")
    links.new(place.outputs["Generated"], split.inputs[0])
    links.new(split.outputs["Z"], height.inputs["Fac"])
    ramp = height.color_ramp
    ramp.elements[0].position, ramp.elements[0].color = 0.0, (0.95, 0.42, 0.16, 1)
    ramp.elements[1].position, ramp.elements[1].color = 1.0, (0.03, 0.08, 0.22, 1)
    for position, colour in ((0.08, (0.62, 0.36, 0.24, 1)), (0.25, (0.20, 0.26, 0.40, 1))):
        ramp.elements.new(position).color = colour
    glow = nodes.new("ShaderNodeVectorMath")
    glow.operation = "DOT_PRODUCT"
    elevation, azimuth = (math.radians(angle) for angle in SUN_DEGREES)
    flat = math.cos(elevation)
    glow.inputs[1].default_value = (flat * math.sin(azimuth), flat * math.cos(azimuth), math.sin(elevation))
    links.new(place.outputs["Generated"], glow.inputs[0])
    near = nodes.new("ShaderNodeValToRGB")
    links.new(glow.outputs["Value"], near.inputs["Fac"])
    near.color_ramp.interpolation = "EASE"
    near.color_ramp.elements[0].position, near.color_ramp.elements[0].color = 0.70, (0, 0, 0, 1)
    near.color_ramp.elements[1].position, near.color_ramp.elements[1].color = 0.9993, (9.0, 6.0, 3.0, 1)
    for position, colour in (
        (0.955, (0.13, 0.05, 0.012, 1)),
        (0.992, (0.6, 0.27, 0.08, 1)),
        (0.9985, (1.1, 0.6, 0.22, 1)),
    ):
        near.color_ramp.elements.new(position).color = colour
    add = nodes.new("ShaderNodeVectorMath")
    add.operation = "ADD"
    links.new(height.outputs["Color"], add.inputs[0])
    links.new(near.outputs["Color"], add.inputs[1])
    links.new(add.outputs[0], background.inputs["Color"])


def add_sun() -> None:
    """The light of the low sun, along the glow in the sky."""
    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle, sun.color = 2.2, math.radians(2.5), (1.0, 0.62, 0.32)
    lamp = bpy.data.objects.new("Sun", sun)
    elevation, azimuth = SUN_DEGREES
    lamp.rotation_euler = (math.radians(90 - elevation), 0.0, math.radians(180 - azimuth))
    bpy.context.scene.collection.objects.link(lamp)


def add_buoy(sea: Any) -> None:
    """A red buoy that rides on the water by a constraint to its surface."""
    bpy.ops.mesh.primitive_cone_add(vertices=24, radius1=0.75, radius2=0.22, depth=1.7, location=(-3.6, 15.0, 0.55))
    buoy = bpy.context.active_object
    buoy.name = "Buoy"
    buoy.rotation_euler = (0.10, 0.16, 0.0)
    buoy.data.materials.append(material("Buoy", (0.60, 0.03, 0.015), 0.6))
    hold = buoy.constraints.new("SHRINKWRAP")
    hold.target, hold.shrinkwrap_type, hold.project_axis, hold.distance = sea, "NEAREST_SURFACE", "NEG_Z", 0.35
    bpy.ops.mesh.primitive_uv_sphere_add(segments=16, ring_count=8, radius=0.20, location=(0, 0, 0))
    lamp = bpy.context.active_object
    lamp.name = "Lamp"
    lamp.parent, lamp.location = buoy, (0.0, 0.0, 1.0)
    lamp.data.materials.append(material("Lamp", (0.9, 0.75, 0.3), 0.6))


def add_camera() -> None:
    """A little above the waves, looking towards the sun."""
    camera = bpy.data.cameras.new("Camera")
    camera.lens = 30
    camera.clip_end = 2000
    eye = bpy.data.objects.new("Camera", camera)
    eye.location, eye.rotation_euler = (0.0, 0.0, 3.4), (math.radians(86.5), 0.0, 0.0)
    bpy.context.scene.collection.objects.link(eye)
    bpy.context.scene.camera = eye


def set_render(wishes: argparse.Namespace) -> None:
    """Cycles on the processor, few samples, PNG."""
    scene = bpy.context.scene
    width, height = (int(part) for part in wishes.size.lower().split("x"))
    scene.frame_start, scene.frame_end, scene.frame_step = 1, wishes.frames, 1
    render = scene.render
    render.engine = "CYCLES"
    render.fps = FRAMES_PER_SECOND
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.filepath = "//ocean_####"
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    set_if_known(
        scene.cycles,
        device="CPU",
        samples=wishes.samples,
        use_denoising=False,
        use_adaptive_sampling=False,
        max_bounces=3,
        diffuse_bounces=1,
        glossy_bounces=2,
        transmission_bounces=0,
        transparent_max_bounces=2,
        caustics_reflective=False,
        caustics_refractive=False,
        sample_clamp_indirect=4.0,
        seed=1,
    )
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.exposure = 0.35


def main() -> None:
    """Make the scene from nothing and save it."""
    wishes = parse(sys.argv[sys.argv.index("--") + 1 :])
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing, do_unlink=True)
    sea = add_sea(wishes.frames)
    add_sky()
    add_sun()
    add_buoy(sea)
    add_camera()
    set_render(wishes)
    bpy.ops.wm.save_as_mainfile(filepath=wishes.out, compress=False, check_existing=False)


main()
