"""Scenes that are not whole, or of a newer Blender: refused in words, or rendered where the artist says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import RealFarm, RealNode, peerfarm

from peerfarm.apps.images import check_image

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(240)]

MAKE_SCENE = """
import sys, bpy
top = sys.argv[sys.argv.index("--") + 1]
bpy.ops.wm.read_factory_settings(use_empty=True)
for name in ("there", "gone"):
    image = bpy.data.images.new(name, 8, 8)
    image.filepath_raw, image.file_format = f"{top}/{name}.png", "PNG"
    image.save()
    bpy.data.images.remove(image)
bpy.ops.mesh.primitive_plane_add(size=4)
for name in ("there", "gone"):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = bpy.data.images.load(f"{top}/{name}.png")
    bpy.context.object.data.materials.append(material)
bpy.ops.object.camera_add(location=(0, 0, 5))
scene = bpy.context.scene
scene.camera = bpy.context.object
scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
scene.render.resolution_x, scene.render.resolution_y = 40, 20
bpy.ops.wm.save_as_mainfile(filepath=f"{top}/scene.blend", compress=False, relative_remap=True)
"""


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `scene.blend` and one of its two textures."""
    blender = shutil.which("blender")
    assert blender, "install Blender, or run pytest with -m 'not blender'"
    top = tmp_path_factory.mktemp("show")
    argv = (blender, "-b", "--factory-startup", "--python-exit-code", "9", "--python-expr", MAKE_SCENE, "--", str(top))
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    (top / "gone.png").unlink()
    return top


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealFarm]:
    """One node that sees nothing but its own home."""
    farm = RealFarm(tmp_path_factory.mktemp("farm"), knows_blender=True)
    farm.add("ada", roots=[])
    try:
        farm.start()
        yield farm
    finally:
        farm.close()


@pytest.fixture
def ada(farm: RealFarm) -> RealNode:
    (node,) = farm.nodes
    assert isinstance(node, RealNode)
    return node


def sizes(folder: Path) -> list[tuple[str, int, int]]:
    """Name, width and height of every complete image there."""
    found = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            info = check_image(stream, path.stat().st_size, path.name)
        found.append((path.name, info.width, info.height))
    return found


WHOLE = [("f_0001.png", 40, 20), ("f_0002.png", 40, 20)]


@pytest.mark.parametrize("kind", ["scene", "job file"])
def test_a_missing_texture_is_named_and_rendered_without_only_if_the_artist_says_so(
    ada: RealNode, show: Path, tmp_path: Path, kind: str
) -> None:
    scene, output = show / "scene.blend", tmp_path / "frames"
    words = [str(scene), "--frames", "1-2", "--output", f"{output}/f_####.png"]
    if kind == "job file":
        job = tmp_path / "job.yaml"
        job.write_text(f"app: blender\nscene: {scene}\nframes: 1-2\noutput: {output}/f_####.png\n")
        words = [str(job)]
    refused = peerfarm(ada, "submit", *words)
    assert refused.returncode == 1
    assert f"files that are not there: {show / 'gone.png'} (image 'gone.png')" in refused.stderr
    assert "--allow-missing" in refused.stderr
    assert not output.exists()
    done = peerfarm(ada, "submit", *words, "--allow-missing", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"warning: the scene needs files that are not there: {show / 'gone.png'}" in done.stderr
    assert sizes(output) == WHOLE


def test_a_newer_scene_is_refused_with_what_to_do_and_rendered_only_if_files_may_be_missing(
    ada: RealNode, show: Path, tmp_path: Path
) -> None:
    newer = show / "newer.blend"
    content, count = re.subn(rb"\ABLENDER([-_][vV])\d{3}", rb"BLENDER\g<1>909", (show / "scene.blend").read_bytes())
    assert count == 1
    newer.write_bytes(content)
    output = tmp_path / "frames"
    words = (str(newer), "--any-version", "--frames", "1-2", "--output", f"{output}/f_####.png")
    refused = peerfarm(ada, "submit", *words, "--json")
    assert refused.returncode == 1
    error = json.loads(refused.stdout)["error"]
    assert "the scene was saved by Blender 9.9, and this machine has Blender" in error["message"]
    for way in ("on a machine with Blender 9.9", "--files shared", "--allow-missing"):
        assert way in error["hint"]
    done = peerfarm(ada, "submit", *words, "--allow-missing", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "which may not see all of its files" in done.stderr
    assert sizes(output) == WHOLE
