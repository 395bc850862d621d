"""Scenes with absolute paths, rendered where nothing lies as it did when they were made."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from blender_scenes import check_out, collect, make_scene, named_after_remap, render, run_script
from PIL import Image

from peerfarm.model.pathmap import AS_WRITTEN, PathMap, PathRule

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(180)]

COMMON = """
import sys
from pathlib import Path
import bpy

top = Path(sys.argv[sys.argv.index("--") + 1])

def picture(path, color):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("new", 4, 4)
    image.generated_color = (*color, 1)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)

def glowing(name, path, source="FILE"):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(path))
    texture.image.source = source
    light, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    links.new(texture.outputs[0], light.inputs[0])
    links.new(light.outputs[0], output.inputs[0])
    return material

def wall(name, x, material):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(x, -9, 0), (x + 9, -9, 0), (x + 9, 9, 0), (x, 9, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new()
    mesh.materials.append(material)
    return bpy.data.objects.new(name, mesh)

def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), relative_remap=False)

def stage(*things):
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = (0, 0, 5)
    for thing in (camera, *things):
        scene.collection.objects.link(thing)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 32, 16, 100
    scene.view_settings.view_transform = "Standard"

bpy.ops.wm.read_factory_settings(use_empty=True)
"""

RED_AND_GREEN = """
picture(top / "maps" / "red.png", (1, 0, 0))
picture(top / "elsewhere" / "green_0001.png", (0, 1, 0))
red = wall("Left", -9, glowing("Red", top / "maps" / "red.png"))
green = wall("Right", 0, glowing("Green", top / "elsewhere" / "green_0001.png", "SEQUENCE"))
green.data.materials[0].node_tree.nodes["Image Texture"].image_user.frame_duration = 1
stage(red, green)
save(top / "shots" / "scene.blend")
"""

RELATIVE = """
bpy.data.images["red.png"].filepath = "//../maps/red.png"
save(top / "shots" / "scene.blend")
"""

LINKED = """
picture(top / "libs" / "deep" / "red.png", (1, 0, 0))
glowing("Red", top / "libs" / "deep" / "red.png").use_fake_user = True
save(top / "libs" / "deep" / "paint.blend")

bpy.ops.wm.read_factory_settings(use_empty=True)
with bpy.data.libraries.load(str(top / "libs" / "deep" / "paint.blend"), link=True) as (_, data):
    data.materials = ["Red"]
group = bpy.data.collections.new("Set")
group.objects.link(wall("Left", -9, bpy.data.materials["Red"]))
group.use_fake_user = True
save(top / "sets" / "set.blend")

bpy.ops.wm.read_factory_settings(use_empty=True)
with bpy.data.libraries.load(str(top / "sets" / "set.blend"), link=True) as (_, data):
    data.collections = ["Set"]
whole = bpy.data.objects.new("Set", None)
whole.instance_type, whole.instance_collection = "COLLECTION", bpy.data.collections["Set"]
stage(whole)
save(top / "shots" / "scene.blend")
"""


def made(top: Path, script: str) -> Path:
    run_script(COMMON + script, str(top))
    return top / "shots" / "scene.blend"


def pixel(path: Path, x: int) -> tuple[int, ...]:
    with Image.open(path) as image:
        return tuple(image.convert("RGB").getpixel((x, 8)))


def moved(scene: Path, tmp_path: Path) -> PathMap:
    """Bring a scene to a checkout, and take away what it was made from."""
    found = collect(scene, tmp_path / "work")
    assert found.missing == ()
    paths = check_out(found, tmp_path / "checkout")
    shutil.rmtree(tmp_path / "made")
    return paths


def test_absolute_textures_render_from_a_checkout_after_the_originals_are_gone(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN)
    paths = moved(scene, tmp_path)
    printed, frame = render(str(scene), tmp_path / "mapped", paths)
    assert frame.is_file(), printed
    assert (pixel(frame, 4), pixel(frame, 28)) == ((255, 0, 0), (0, 255, 0))


def test_the_same_scene_without_the_map_shows_that_the_originals_are_gone(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN)
    paths = moved(scene, tmp_path)
    here = paths.translate(str(scene))
    assert here is not None
    printed, frame = render(here, tmp_path / "unmapped", AS_WRITTEN)
    assert "file(s) that the scene uses are not on this machine" in printed
    assert not frame.exists()


def test_libraries_with_absolute_paths_are_read_from_the_checkout_and_so_are_theirs(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", LINKED)
    paths = moved(scene, tmp_path)
    printed, frame = render(str(scene), tmp_path / "mapped", paths)
    assert frame.is_file(), printed
    assert pixel(frame, 4) == (255, 0, 0)


def test_a_path_that_the_job_did_not_bring_is_left_and_told(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN)
    (tmp_path / "made/maps/red.png").rename(tmp_path / "made/maps/away.png")
    paths = check_out(collect(scene, tmp_path / "work"), tmp_path / "checkout")
    (tmp_path / "made/elsewhere").rename(tmp_path / "moved")
    printed, frame = render(str(scene), tmp_path / "mapped", paths, allow_missing=True)
    assert "image 'red.png' names" in printed
    assert "not on this machine" in printed
    assert pixel(frame, 4) != (255, 0, 0)
    assert pixel(frame, 28) == (0, 255, 0)


def brought(scene: Path, tmp_path: Path, *names: str) -> PathMap:
    """A checkout with the scene and these of its files, while everything lies on this machine as the scene names it."""
    found = collect(scene, tmp_path / "work")
    kept = tuple(file for file in found.files if file.path == str(scene) or Path(file.path).name in names)
    return check_out(replace(found, files=kept), tmp_path / "checkout")


def test_a_file_of_this_machine_never_stands_in_for_one_that_was_not_brought(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN)
    paths = brought(scene, tmp_path, "green_0001.png")
    printed, frame = render(str(scene), tmp_path / "refused", paths)
    assert f"1 file(s) that the scene uses are not on this machine, first {tmp_path}/made/maps/red.png" in printed
    assert not frame.exists()
    printed, frame = render(str(scene), tmp_path / "allowed", paths, allow_missing=True)
    assert "maps/red.png, which the job did not bring along; what this machine has under that name is" in printed
    assert pixel(frame, 4) != (255, 0, 0)
    assert pixel(frame, 28) == (0, 255, 0)
    assert not (tmp_path / "checkout" / "missing").exists()


def test_a_library_of_this_machine_never_stands_in_for_one_that_was_not_brought(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", LINKED)
    for names in (("set.blend", "red.png"), ("paint.blend", "red.png")):
        home = tmp_path / names[0]
        paths = brought(scene, home, *names)
        printed, frame = render(str(scene), home / "refused", paths)
        assert "1 file(s) that the scene uses are not on this machine" in printed
        assert not frame.exists()
        printed, frame = render(str(scene), home / "allowed", paths, allow_missing=True)
        assert frame.is_file(), printed
        assert pixel(frame, 4) != (255, 0, 0)


def test_no_kind_of_file_is_taken_from_this_machine(tmp_path: Path) -> None:
    scene = make_scene(tmp_path / "made", "absolute")
    paths = brought(scene, tmp_path)
    here = paths.translate(str(scene))
    assert here is not None
    told = named_after_remap(Path(here), paths)
    stray = [
        path for _, path in told["named"] if not path.startswith(str(tmp_path / "checkout")) and Path(path).exists()
    ]
    assert stray == []
    assert not (tmp_path / "checkout" / "missing").exists()
    assert str(tmp_path / "made/elsewhere/far.png") in told["missing"]


def test_a_relative_path_that_climbs_out_of_the_checkout_finds_nothing(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN + RELATIVE)
    found = collect(scene, tmp_path / "work")
    alone = replace(found, base=str(scene.parent), files=found.files[:1])
    paths = check_out(alone, tmp_path / "home" / "checkout")
    shutil.copytree(tmp_path / "made" / "maps", tmp_path / "home" / "maps")
    printed, frame = render(str(scene), tmp_path / "refused", paths)
    assert f"{tmp_path}/home/maps/red.png, which the job did not bring along" in printed
    assert "2 file(s) that the scene uses are not on this machine" in printed
    assert not frame.exists()


def test_shared_storage_under_another_path_needs_no_copy(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN)
    (tmp_path / "made").rename(tmp_path / "mounted")
    paths = PathMap((PathRule(str(tmp_path / "made"), str(tmp_path / "mounted")),))
    printed, frame = render(str(scene), tmp_path / "mapped", paths)
    assert frame.is_file(), printed
    assert (pixel(frame, 4), pixel(frame, 28)) == ((255, 0, 0), (0, 255, 0))


@pytest.mark.parametrize("words", [(), ("absolute",)])
def test_every_kind_of_file_is_found_in_the_checkout(tmp_path: Path, words: tuple[str, ...]) -> None:
    scene = make_scene(tmp_path / "made", *words)
    found = collect(scene, tmp_path / "work")
    paths = check_out(found, tmp_path / "checkout")
    shutil.rmtree(tmp_path / "made")
    here = paths.translate(str(scene))
    assert here is not None
    told = named_after_remap(Path(here), paths)
    lost = [path for path in told["missing"] if not path.endswith("nowhere.png")]
    assert (lost, len(told["missing"])) == ([], 1)
    stray = {owner for owner, path in told["named"] if not path.startswith(str(tmp_path / "checkout"))}
    assert stray <= {"image 'nowhere.png'", "image 'unused.png'"}
    assert len(told["named"]) >= 25


UNBAKED = """
import os
stage()
for place in (str(top / "far" / "cache"), str(top / "farther" / "cache"), "//cache beside the scene"):
    bpy.ops.mesh.primitive_cube_add()
    modifier = bpy.context.object.modifiers.new("Fluid", "FLUID")
    modifier.fluid_type = "DOMAIN"
    modifier.domain_settings.cache_directory = place
save(top / "shots" / "scene.blend")
"""


def test_what_a_scene_simulates_on_the_way_is_written_below_its_checkout(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", UNBAKED)
    found = collect(scene, tmp_path / "work")
    alone = replace(found, files=found.files[:1])  # Blender simulates a first frame where the folder is named
    paths = check_out(alone, tmp_path / "checkout")
    shutil.rmtree(tmp_path / "made")
    here = Path(paths.translate(str(scene)) or "")
    told = named_after_remap(here, paths)
    places = [Path(path) for owner, path in told["named"] if "Fluid" in owner]
    assert len(set(places)) == 3
    assert all(tmp_path / "checkout" in place.parents for place in places)
    assert told["missing"] == []


PASSES = """
scene = bpy.context.scene
scene.use_nodes = True
tree = scene.node_tree
layers = next(node for node in tree.nodes if node.type == "R_LAYERS")
inner = bpy.data.node_groups.new("inner", "CompositorNodeTree")
inner.inputs.new("NodeSocketColor", "Image")
group = tree.nodes.new("CompositorNodeGroup")
group.node_tree = inner
start = inner.nodes.new("NodeGroupInput")
for place, nodes, source in (
    (str(top / "passes"), tree, layers.outputs["Image"]),
    ("//passes", tree, layers.outputs["Image"]),
    (str(top / "inner passes"), inner, start.outputs[0]),
):
    output = nodes.nodes.new("CompositorNodeOutputFile")
    output.base_path = place
    nodes.links.new(source, output.inputs[0])
tree.links.new(layers.outputs["Image"], group.inputs[0])
save(top / "shots" / "scene.blend")
"""


def test_file_output_nodes_write_nothing_on_machines_that_the_files_travelled_to(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN + PASSES)
    (warning,) = collect(scene, tmp_path / "look").warnings
    assert "3 File Output nodes of the compositor will write nothing" in warning
    paths = moved(scene, tmp_path)
    before = set(tmp_path.rglob("*"))
    printed, frame = render(str(scene), tmp_path / "mapped", paths)
    assert (pixel(frame, 4), pixel(frame, 28)) == ((255, 0, 0), (0, 255, 0)), printed
    new = {path for path in set(tmp_path.rglob("*")) - before if tmp_path / "mapped" not in path.parents}
    assert new == {tmp_path / "mapped"}


def test_file_output_nodes_write_as_they_say_on_shared_storage(tmp_path: Path) -> None:
    scene = made(tmp_path / "made", RED_AND_GREEN + PASSES)
    printed, frame = render(str(scene), tmp_path / "as written", AS_WRITTEN)
    assert frame.is_file(), printed
    assert sorted(path.parent.name for path in scene.parents[1].rglob("Image0001*")) == [
        "inner passes",
        "passes",
        "passes",
    ]
