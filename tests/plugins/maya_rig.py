"""A pretended Maya with a show on the disk: the scenes of `vectors/maya`, the files that they name, and a Render."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for _place in (ROOT / "tests" / "e2e", ROOT / "plugins" / "maya" / "scripts", Path(__file__).parent / "fakemaya"):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))

from farm_rig import RealFarm, RealNode, peerfarm  # noqa: E402 - the folders must be known first
from maya.world import World, renew  # noqa: E402 - as above
from peerfarm_maya import panel  # noqa: E402 - as above

__all__ = ["ROOT", "SETUP", "RealFarm", "RealNode", "Show", "World", "peerfarm", "render_program"]

VECTORS = ROOT / "tests" / "vectors" / "maya"
SETUP = ROOT / "plugins" / "maya" / "scripts" / "userSetup.py"


class Show:
    """The show's folder and the scene that is open in Maya."""

    def __init__(self, directory: Path) -> None:
        """Make the files, and open the scene."""
        self.project = directory / "show"
        self.elsewhere = directory / "library"
        self.scene = self.project / "scenes" / "shot.ma"
        self.textures = [
            self.project / "sourceimages" / name for name in ("wood.png", "wood.tx", "cup.tif", "lost.png")
        ]
        self.tiles = [self.project / "sourceimages" / f"skin.{tile}.png" for tile in (1001, 1002, 1011)]
        self.plates = [self.project / "sourceimages" / "plate" / f"plate.000{frame}.jpg" for frame in (1, 2, 3)]
        self.fires = [self.elsewhere / f"fire.000{frame}.exr" for frame in (1, 2)]
        self.crowd = self.elsewhere / 'crowd "A".abc'
        cache = self.project / "cache" / "nCache" / "shot"
        self.cloth = [cache / f"clothShape{ending}" for ending in (".xml", "Frame1.mcx", "Frame2.mcx")]
        self.trees = [self.project / "assets" / f"tree.000{frame}.ass" for frame in (1, 2)]
        others = [self.project / "workspace.mel", self.project / "assets" / "odd.vdb", self.crowd]
        for path in (*self.textures, *self.tiles, *self.plates, *self.fires, *self.cloth, *self.trees, *others):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode())
        self.scene.parent.mkdir()
        for name in ("shot.ma", "set.ma", "props.ma"):
            text = (VECTORS / name).read_text("utf-8").replace("@PROJECT@", str(self.project))
            (self.scene.parent / name).write_text(text.replace("@ELSEWHERE@", str(self.elsewhere)), "utf-8")
        self.world = self._opened()

    @property
    def needed(self) -> set[str]:
        """All that must travel beside the scene."""
        files = [*self.textures, *self.tiles, *self.plates, *self.fires, *self.cloth, *self.trees, self.crowd]
        files += [self.scene.parent / "set.ma", self.scene.parent / "props.ma"]
        return {str(path) for path in files}

    def _opened(self) -> World:
        world = renew()
        project = str(self.project)
        world.project, world.scene = project, str(self.scene)
        world.add(
            "defaultRenderGlobals", "renderGlobals", animation=True, startFrame=1.0, endFrame=4.0, byFrame=1.25,
            byFrameStep=1.0, currentRenderer="arnold", imageFilePrefix="", extensionPadding=4, imfPluginKey="png",
        )  # fmt: skip
        world.add("defaultResolution", "resolution", width=64, height=36)
        world.add("defaultRenderLayer", "renderLayer", renderable=False)
        world.add("rs_beauty", "renderLayer", renderable=True)
        world.add("rs_shadow", "renderLayer", renderable=True)
        world.add("set:rs_old", "renderLayer", renderable=True).is_referenced = True
        world.overrides["rs_shadow", "defaultRenderGlobals.endFrame"] = 2.0
        world.overrides["rs_shadow", "defaultRenderGlobals.currentRenderer"] = "mayaSoftware"
        world.overrides["rs_shadow", "closeCamShape.renderable"] = False
        for camera in ("shotCam", "closeCam"):
            world.add(camera, "transform")
            world.add(camera + "Shape", "camera", renderable=True).parent = camera
        world.add("perspShape", "camera", renderable=False).parent = "persp"
        self._textures(world, project)
        world.add("sharedReferenceNode", "reference")
        world.add("setRN", "reference").reference_path = str(self.scene.parent / "set.ma")
        world.add("set:propsRN", "reference").reference_path = str(self.scene.parent / "props.ma")
        world.add("cloth", "cacheFile", cachePath=project + "/cache/nCache/shot/", cacheName="clothShape")
        world.add("crowd", "AlembicNode", abc_File=str(self.crowd))
        world.add("treeShape", "aiStandIn", ("dso",), dso=project + "/assets/tree.####.ass")
        return world

    def _textures(self, world: World, project: str) -> None:
        def texture(name: str, path: str, pattern: str = "", **more: Any) -> None:
            values = {"fileTextureName": path, "computedFileTextureNamePattern": pattern or path, **more}
            world.add(name, "file", ("fileTextureName",), useFrameExtension=False, **values)

        texture("wood", "sourceimages/wood.png")
        texture("skin", project + "//sourceimages/skin.1001.png", project + "/sourceimages/skin.<UDIM>.png")
        texture("fire", f"{self.elsewhere}/fire.<f>.exr")
        texture("lost", project + "/sourceimages/lost.png")
        texture("set:props:cup", project + "/sourceimages/cup.tif")
        plate = project + "/sourceimages/plate/plate.0001.jpg"
        world.add("plateShape", "imagePlane", imageName=plate, useFrameExtension=True)
        world.editor[project + "/sourceimages"] = [
            ("skin.1001.png", "skin.fileTextureName", True),
            ("lost.png", "lost.fileTextureName", True),
        ]

    def close(self) -> None:
        """Close the panel, and Maya with it."""
        if panel._panel is not None:
            panel._panel.close()
            panel._panel = None


def render_program(directory: Path, mode: str = "ok") -> Path:
    """A Render of Maya 2025 that does what `mode` says."""
    program = directory / "maya2025" / "bin" / "Render"
    program.parent.mkdir(parents=True, exist_ok=True)
    source = (Path(__file__).parent / "fakemaya" / "render.py").read_text("utf-8")
    program.write_text(f"#!{sys.executable} -IS\n{source}", "utf-8")
    program.chmod(0o755)
    (program.parent / "mode").write_text(mode, "utf-8")
    return program
