"""Print what a scene says about itself: `blender -b -Y --python-exit-code 9 -P blender_inspect.py -- SCENE`.

Runs in Blender 3.3 to 5.x (Python 3.10 and later) and imports nothing of peerfarm.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

sys.path.append(str(Path(__file__).parent))  # Blender does not look for modules beside a program

if TYPE_CHECKING:
    from peerfarm.renderers.blender_collect import Collection, collect
else:
    from blender_collect import Collection, collect

MOVIES = ("AVI_JPEG", "AVI_RAW", "FFMPEG")
MOST_MISSING = 100
MOST_FOLDERS = 200
EXTENSIONS = {
    "BMP": ".bmp",
    "IRIS": ".rgb",
    "PNG": ".png",
    "JPEG": ".jpg",
    "JPEG2000": ".jp2",
    "TARGA": ".tga",
    "TARGA_RAW": ".tga",
    "CINEON": ".cin",
    "DPX": ".dpx",
    "OPEN_EXR": ".exr",
    "OPEN_EXR_MULTILAYER": ".exr",
    "HDR": ".hdr",
    "TIFF": ".tif",
    "WEBP": ".webp",
}


def tell(event: str, **values: Any) -> None:
    """Print one line; the newline before it ends whatever Blender left unfinished."""
    sys.stdout.write("\nPEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def folders(collection: Collection) -> list[str]:
    """Where the files lie that the scene needs."""
    return sorted({os.path.dirname(path) for path, *_ in collection.files})[:MOST_FOLDERS]  # noqa: PTH120 - texts


def describe(scene: Any) -> dict[str, Any]:
    """The scene's own settings of what to render."""
    render, needed = scene.render, collect()
    image_format = render.image_settings.file_format
    return {
        "blender_version": bpy.app.version_string,
        "file_version": f"{bpy.data.version[0]}.{bpy.data.version[1]}",
        "scene_name": scene.name,
        "scenes": sorted(bpy.data.scenes.keys()),
        "frame_start": scene.frame_start,
        "frame_end": scene.frame_end,
        "frame_step": scene.frame_step,
        "fps": render.fps / render.fps_base,
        "output": bpy.path.abspath(render.filepath),
        "format": image_format,
        "extension": EXTENSIONS.get(image_format, ""),
        "is_movie": image_format in MOVIES,
        "width": render.resolution_x * render.resolution_percentage // 100,
        "height": render.resolution_y * render.resolution_percentage // 100,
        "engine": render.engine,
        "camera": scene.camera.name if scene.camera else "",
        "cameras": sorted(thing.name for thing in scene.objects if thing.type == "CAMERA"),
        "view_layers": [layer.name for layer in scene.view_layers if layer.use],
        "uses_denoiser": bool(render.engine == "CYCLES" and scene.cycles.use_denoising),
        "missing_files": sorted(needed.missing)[:MOST_MISSING],
        "folders": folders(needed),
    }


def main() -> None:
    """Open the scene named after `--` without running its scripts, and describe it."""
    path = sys.argv[sys.argv.index("--") + 1]
    if not Path(path).is_file():
        tell("error", message=f"there is no scene file {path}")
        sys.exit(9)
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False)
    except RuntimeError as error:
        tell("error", message=str(error).strip())
        sys.exit(9)
    tell("scene", **describe(bpy.context.scene))


main()
