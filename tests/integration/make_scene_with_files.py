"""Make a scene that needs files of every kind: `blender -b --factory-startup -P make_scene_with_files.py -- DIRECTORY`.

Runs in Blender 3.3 to 5.x. The scene is DIRECTORY/show/shots/scene.blend; what it uses lies around it, named by
relative paths, but for what lies in DIRECTORY/elsewhere. With `absolute` after DIRECTORY all its paths are absolute.
"""

from __future__ import annotations

import os
import struct
import sys
import wave
from pathlib import Path
from typing import Any

import bpy

TOP = Path(sys.argv[sys.argv.index("--") + 1])
SHOW = TOP / "show"
SHOTS = SHOW / "shots"
FONT = Path(bpy.utils.system_resource("DATAFILES"), "fonts")


def picture(path: Path, color: tuple[float, float, float] = (1, 0, 0)) -> Path:
    """Write a small image of one color."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("new", 4, 4)
    image.generated_color = (*color, 1)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def dummy(path: Path, data: bytes = b"as good as any\n") -> Path:
    """Write a file whose bytes Blender need not understand to name it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def relative(path: Path) -> str:
    """The path as it is named in a scene of SHOTS."""
    up = "" if path.is_relative_to(SHOTS) else "../"
    return "//" + up + path.relative_to(SHOTS if not up else SHOW).as_posix()


def image(path: str, **values: Any) -> Any:
    """An image of the scene, kept though nothing shows it."""
    new = bpy.data.images.new(Path(path).name, 4, 4)
    for name, value in {"source": "FILE", "filepath": path, "use_fake_user": True, **values}.items():
        setattr(new, name, value)
    return new


def empty() -> None:
    """Begin anew."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def save(path: Path) -> None:
    """Save as it is, every path as written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), relative_remap=False)


def plane(name: str, material: Any = None) -> Any:
    """A square, in the scene."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def textured(name: str, texture: Any) -> Any:
    """A material that shows an image."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = texture
    return material


def link(path: str, kind: str, name: str) -> Any:
    """A datablock of a library, named by the path as given once it is read."""
    found = Path(os.path.normpath(bpy.path.abspath(path)))
    with bpy.data.libraries.load(str(found), link=True) as (_, data):
        setattr(data, kind, [name])
    for library in bpy.data.libraries:
        if Path(bpy.path.abspath(library.filepath)) == found:
            library.filepath = path
    return next(thing for thing in getattr(bpy.data, kind) if thing.name == name and thing.library)


def make_libraries() -> None:
    """A set that uses a material of another library, each with a texture; one more library lies elsewhere."""
    for directory, name in ((SHOW / "libs" / "deep", "Paint"), (TOP / "elsewhere" / "lib", "Far")):
        empty()
        picture(directory / "maps" / f"{name}.png")
        save(directory / f"{name}.blend")
        textured(name, image(f"//maps/{name}.png", use_fake_user=False)).use_fake_user = True
        save(directory / f"{name}.blend")
    empty()
    picture(SHOW / "libs" / "wood.png")
    save(SHOW / "libs" / "set.blend")
    plane("Table", link("//deep/Paint.blend", "materials", "Paint"))
    plane("Floor", textured("Wood", image("//wood.png", use_fake_user=False)))
    group = bpy.data.collections.new("Set")
    for thing in list(bpy.context.scene.collection.objects):
        group.objects.link(thing)
    group.use_fake_user = True
    save(SHOW / "libs" / "set.blend")


def add_images() -> None:
    """Sequences, tiles, a movie, what is packed, what is missing and what nothing uses."""
    for number in (8, 9, 10, 12):
        picture(SHOW / "textures" / f"smoke.{number:04d}.png")
    picture(SHOW / "textures" / "smoke.0008.left.png")
    dummy(SHOW / "textures" / "smoke_notes.txt")
    plane("Smoke", textured("Smoke", image("//../textures/smoke.0009.png", source="SEQUENCE")))
    for name in ("skin.1001.png", "skin.1012.png", "hair_u1_v1.png", "hair_u2_v2.png"):
        picture(SHOW / "textures" / name)
    for path in ("//../textures/skin.<UDIM>.png", "//../textures/hair_<UVTILE>.png"):
        tiled = image(path)
        tiled.source = "TILED"
        tiled.filepath = path
        tiled.tiles.new(1012)
        plane("Tiled", textured("Tiled", tiled))
    plane("Movie", textured("Movie", image(relative(dummy(SHOW / "textures" / "film.mp4")), source="MOVIE")))
    packed = image(str(picture(TOP / "gone" / "packed.png")))
    packed.pack()
    (TOP / "gone" / "packed.png").unlink()
    plane("Packed", textured("Packed", packed))
    plane("Missing", textured("Missing", image("//../textures/nowhere.png")))
    image("//../textures/unused.png")
    plane("Far", textured("Absolute", image(str(picture(TOP / "elsewhere" / "far.png")))))


def add_plain_files() -> None:
    """A font, a sound, a movie clip, a volume sequence, caches of points, a light profile, a shader script."""
    source = next(path for path in sorted(FONT.iterdir()) if path.suffix in {".ttf", ".woff2", ".gz", ".pfb"})
    font = bpy.data.fonts.load(relative(dummy(SHOW / "fonts" / source.name, source.read_bytes())))
    font.name = "Sign"
    text = bpy.data.curves.new("Sign", "FONT")
    text.font = font
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Sign", text))
    with wave.open(str(dummy(SHOW / "sounds" / "bang.wav")), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(struct.pack("<800h", *([0] * 800)))
    speaker = bpy.data.speakers.new("Speaker")
    speaker.sound = bpy.data.sounds.load(str(SHOW / "sounds" / "bang.wav"))
    speaker.sound.filepath = "//../sounds/bang.wav"
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Speaker", speaker))
    for number in (1, 2):
        picture(SHOW / "plates" / f"plate{number:03d}.png")
        dummy(SHOW / "vdb" / f"fog_{number}.vdb")
    clip = bpy.data.movieclips.load(str(SHOW / "plates" / "plate001.png"))
    clip.filepath, clip.use_fake_user = "//../plates/plate001.png", True
    volume = bpy.data.volumes.new("Fog")
    volume.filepath, volume.is_sequence, volume.use_fake_user = "//../vdb/fog_1.vdb", True, True
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Fog", volume))
    waving = plane("Waving").modifiers.new("Waves", "MESH_CACHE")
    waving.filepath = relative(dummy(SHOW / "caches" / "flag.mdd"))
    bpy.ops.cachefile.open(filepath=str(dummy(SHOW / "caches" / "hero.abc")))
    cache = bpy.data.cache_files[0]
    cache.filepath = "//../caches/hero.abc"
    plane("Hero").modifiers.new("Cache", "MESH_SEQUENCE_CACHE").cache_file = cache
    lamp = bpy.data.lights.new("Lamp", "SPOT")
    lamp.use_nodes = True
    profile = lamp.node_tree.nodes.new("ShaderNodeTexIES")
    profile.mode, profile.filepath = "EXTERNAL", relative(dummy(SHOW / "lights" / "spot.ies"))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Lamp", lamp))
    material = bpy.data.materials.new("Scripted")
    material.use_nodes = True
    script = material.node_tree.nodes.new("ShaderNodeScript")
    script.mode, script.filepath = "EXTERNAL", relative(dummy(SHOW / "lights" / "noise.osl"))
    plane("Scripted", material)


def add_strips() -> None:
    """An edit of images, within another strip, and of a movie; sounds are datablocks."""
    for number in (1, 2, 3):
        picture(SHOW / "edit" / f"card{number}.png")
    dummy(SHOW / "edit" / "intro.mov")
    editor = bpy.context.scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    cards = strips.new_image("Cards", str(SHOW / "edit" / "card1.png"), channel=1, frame_start=1)
    for number in (2, 3):
        cards.elements.append(f"card{number}.png")
    cards.directory = "//../edit/"
    whole = strips.new_meta("All", channel=3, frame_start=1)
    cards.move_to_meta(whole)
    strips.new_movie("Intro", "//../edit/intro.mov", channel=2, frame_start=1)


def add_caches(scene: Path) -> None:
    """An ocean, a cloth and smoke, baked to the disk; the scene must be saved before."""
    sea = plane("Sea")
    ocean = sea.modifiers.new("Ocean", "OCEAN")
    ocean.resolution, ocean.frame_start, ocean.frame_end, ocean.filepath = 2, 1, 2, "//../caches/sea"
    bpy.context.view_layer.objects.active = sea
    bpy.ops.object.ocean_bake(modifier="Ocean")
    dummy(SHOW / "caches" / "sea" / "readme.txt")
    flag = plane("Flag")
    cache = flag.modifiers.new("Cloth", "CLOTH").point_cache
    cache.use_disk_cache, cache.frame_end = True, 3
    with bpy.context.temp_override(scene=bpy.context.scene, active_object=flag, point_cache=cache):
        bpy.ops.ptcache.bake(bake=True)
    loose = plane("Loose")
    loose.modifiers.new("Cloth", "CLOTH")
    smoke = plane("Domain")
    domain = smoke.modifiers.new("Fluid", "FLUID")
    domain.fluid_type = "DOMAIN"
    settings = domain.domain_settings
    settings.cache_directory = str(SHOW / "caches" / "smoke") if "absolute" in sys.argv else "//../caches/smoke"
    for name in ("config/config_0001.uni", "data/fluid_data_0001.vdb", "script.py"):
        dummy(SHOW / "caches" / "smoke" / name)
    save(scene)


def make_scene() -> None:
    """The scene itself."""
    empty()
    scene = SHOTS / "scene.blend"
    save(scene)
    add_images()
    add_plain_files()
    add_strips()
    whole = bpy.data.objects.new("Set", None)
    whole.instance_type, whole.instance_collection = "COLLECTION", link("//../libs/set.blend", "collections", "Set")
    bpy.context.scene.collection.objects.link(whole)
    plane("Far", link(str(TOP / "elsewhere" / "lib" / "Far.blend"), "materials", "Far"))
    bpy.context.scene.render.filepath = str(TOP / "renders" / "frame_####")
    add_caches(scene)
    if "absolute" in sys.argv:
        bpy.ops.file.make_paths_absolute()
        save(scene)


make_libraries()
make_scene()
