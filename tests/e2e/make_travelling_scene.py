"""Make the scene that travels: `blender -b --factory-startup -P make_travelling_scene.py -- DIRECTORY FRAMES`.

DIRECTORY/shots/scene.blend shows an image sequence, UDIM tiles, a linked library with a texture of its own, and a
text in a font that lies elsewhere, named by its absolute path.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import bpy

TOP = Path(sys.argv[sys.argv.index("--") + 1])
FRAMES = int(sys.argv[sys.argv.index("--") + 2])
SHOTS, TEXTURES, LIBRARY, FONTS = TOP / "shots", TOP / "textures", TOP / "library", TOP.parent / "studio-fonts"


def picture(path: Path, color: tuple[float, float, float]) -> Path:
    """A small image of one color on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("new", 8, 8)
    image.generated_color = (*color, 1)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def shining(name: str, image: Any) -> Any:
    """A material that shows an image as it is."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture, light, end = (nodes.new(f"ShaderNode{kind}") for kind in ("TexImage", "Emission", "OutputMaterial"))
    texture.image = image
    if image.source == "SEQUENCE":
        texture.image_user.frame_duration = FRAMES
        texture.image_user.frame_start = 1
        texture.image_user.use_auto_refresh = True
    links.new(texture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs["Emission"], end.inputs["Surface"])
    return material


def plane(x: float, material: Any) -> Any:
    """A square at `x` that shows a material."""
    bpy.ops.mesh.primitive_plane_add(size=1.8, location=(x, 0, 0))
    bpy.context.object.data.materials.append(material)
    return bpy.context.object


def make_library() -> None:
    """A file with one object, whose texture lies beside it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    image = bpy.data.images.load(str(picture(LIBRARY / "blue.png", (0, 0, 1))))
    thing = plane(0, shining("blue", image))
    thing.name = "prop"
    path = LIBRARY / "prop.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    image.filepath = "//blue.png"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def make_scene() -> None:
    """The scene itself, with the camera above."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for frame in range(1, FRAMES + 1):
        picture(TEXTURES / "sequence" / f"s_{frame:04d}.png", (frame / FRAMES, 0, 0))
    sequence = bpy.data.images.load(str(TEXTURES / "sequence" / "s_0001.png"))
    sequence.source = "SEQUENCE"
    plane(-2, shining("sequence", sequence))
    for tile, color in ((1001, (0, 1, 0)), (1002, (1, 1, 0))):
        picture(TEXTURES / f"tile.{tile}.png", color)
    tiled = bpy.data.images.load(str(TEXTURES / "tile.1001.png"))
    tiled.source = "TILED"
    tiled.filepath = str(TEXTURES / "tile.<UDIM>.png")
    tiled.tiles.new(1002)
    for corner in plane(0, shining("tiles", tiled)).data.uv_layers.active.data:
        corner.uv.x *= 2  # across both tiles
    with bpy.data.libraries.load(str(LIBRARY / "prop.blend"), link=True) as (_, wanted):
        wanted.objects = ["prop"]
    prop = wanted.objects[0]
    holder = bpy.data.objects.new("holder", prop.data)
    holder.location = (2, 0, 0)
    bpy.context.scene.collection.objects.link(holder)
    FONTS.mkdir(parents=True, exist_ok=True)
    fonts = Path(bpy.utils.system_resource("DATAFILES"), "fonts")
    known = sorted(path for path in fonts.iterdir() if path.suffix in {".ttf", ".woff2", ".otf"})
    source = next((path for path in known if "mono" in path.name.lower()), known[0])  # unlike the one built in
    font = shutil.copy(source, FONTS / f"studio{source.suffix}")
    bpy.ops.object.text_add(location=(-2.9, -0.8, 1))
    text = bpy.context.object.data
    text.font, text.body, text.size = bpy.data.fonts.load(str(font)), "Will it show?", 0.7
    white = bpy.data.images.load(str(picture(TEXTURES / "white.png", (1, 1, 1))))
    text.materials.append(shining("white", white))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location = (0, 0, 10)
    camera.data.type, camera.data.ortho_scale = "ORTHO", 6.0
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = 1, False, "CPU"
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 120, 40, 100
    scene.frame_start, scene.frame_end = 1, FRAMES
    path = SHOTS / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.file.make_paths_relative()
    bpy.data.fonts[bpy.context.view_layer.objects["Text"].data.font.name].filepath = str(font)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


make_library()
make_scene()
