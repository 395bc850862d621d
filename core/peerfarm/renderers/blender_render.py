"""Render the frames of one order inside Blender: `blender -b -Y --python-exit-code 9 -P blender_render.py -- ORDER`.

Runs in Blender 3.3 to 5.x (Python 3.10 and later), imports nothing of peerfarm, tells in lines `PEERFARM {json}`.
It opens the scene itself, after a look at its header: 3.4 crashes on a file of 4.2 before any script could speak. It
renders by operator: the operator raises where `-f` prints an error and ends with 0.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

sys.path.append(str(Path(__file__).parent))  # Blender does not look for modules beside a program

if TYPE_CHECKING:
    from peerfarm.renderers import blender_remap
    from peerfarm.renderers.blender_files import header_version
    from peerfarm.renderers.blender_picture import leave_picture
else:
    import blender_remap
    from blender_files import header_version
    from blender_picture import leave_picture

FAILED = 9
"""Exit code after an error that was told in a line of ours."""
STATS_EVERY_S = 0.25
MOST_WARNINGS = 50
SAMPLES = {"CYCLES": ("cycles", "samples"), "BLENDER_EEVEE": ("eevee", "taa_render_samples")}


class CannotRender(Exception):
    """The order cannot be carried out; the message is for the artist."""

    def __init__(self, message: str, reason: str = "app-failed") -> None:
        super().__init__(message)
        self.reason = reason


def tell(event: str, **values: Any) -> None:
    """Print one line; the newline before it ends the `Fra:` line that Blender 3.x leaves unfinished."""
    sys.stdout.write("\nPEERFARM " + json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def check_version(saved: tuple[int, int] | None, order: dict[str, Any]) -> None:
    """Refuse a scene that another version of Blender saved, unless the order allows it."""
    running = tuple(bpy.app.version[:2])
    if saved is not None and saved != running and not order["any_version"]:
        raise CannotRender(
            f"the scene was saved by Blender {saved[0]}.{saved[1]}, and this is Blender {running[0]}.{running[1]}: "
            f"install Blender {saved[0]}.{saved[1]} on this machine, or set any_version to render all the same",
            "app-not-found",
        )


def open_scene(order: dict[str, Any]) -> blender_remap.Opened:
    """Load the scene file without running the scripts in it, its paths as they are on this machine."""
    if not Path(order["scene"]).is_file():
        raise CannotRender(f"this machine sees no scene file {order['scene']}")
    check_version(header_version(order["scene"]), order)
    opened = blender_remap.open_scene(order["scene"], order["paths"])
    for warning in opened.warnings[:MOST_WARNINGS]:
        tell("warning", message=warning)
    check_version((bpy.data.version[0], bpy.data.version[1]), order)
    return opened


def named(kind: str, name: str, known: Any) -> Any:
    """The member of a Blender collection, or an error that lists what there is."""
    if name in known:
        return known[name]
    names = ", ".join(sorted(known.keys())[:12]) or "none"
    raise CannotRender(f"the scene file has no {kind} named {name!r}; it has: {names}")


def choose_scene(order: dict[str, Any]) -> Any:
    """The scene to render, its camera and view layer set as ordered."""
    scene = named("scene", order["scene_name"], bpy.data.scenes) if order["scene_name"] else bpy.context.scene
    if order["view_layer"]:
        wanted = named("view layer", order["view_layer"], scene.view_layers)
        for layer in scene.view_layers:
            layer.use = layer == wanted
    if order["camera"]:
        cameras = {thing.name: thing for thing in scene.objects if thing.type == "CAMERA"}
        scene.camera = named("camera", order["camera"], cameras)
    return scene


def set_engine(scene: Any, order: dict[str, Any]) -> None:
    """Engine, samples and denoiser as ordered; what the order leaves open stays as the scene says."""
    if order["engine"]:
        try:
            scene.render.engine = order["engine"]
        except TypeError as error:
            known = str(error).partition("not found in")[2].strip() or "others"
            raise CannotRender(f"this Blender has no render engine {order['engine']!r}; it has {known}") from None
    engine = "BLENDER_EEVEE" if scene.render.engine == "BLENDER_EEVEE_NEXT" else scene.render.engine
    if order["samples"] and engine in SAMPLES:
        group, field = SAMPLES[engine]
        setattr(getattr(scene, group), field, order["samples"])
    if order["denoise"] is not None and hasattr(scene, "cycles"):
        scene.cycles.use_denoising = order["denoise"]


def set_output(scene: Any, order: dict[str, Any]) -> None:
    """Size and file format as ordered; every frame is written, whatever lies there already."""
    render = scene.render
    render.resolution_x = order["width"] or render.resolution_x
    render.resolution_y = order["height"] or render.resolution_y
    render.resolution_percentage = order["percent"] or render.resolution_percentage
    if render.use_multiview and render.views_format == "INDIVIDUAL":
        raise CannotRender("the scene writes one file for each stereo view; choose Stereo 3D as its views format")
    render.use_file_extension = False
    render.use_overwrite, render.use_placeholder = True, False
    image = render.image_settings
    if image.file_format not in order["formats"]:
        wanted = order["formats"][0]
        if hasattr(image, "media_type"):
            image.media_type = "MULTI_LAYER_IMAGE" if wanted == "OPEN_EXR_MULTILAYER" else "IMAGE"
        try:
            image.file_format = wanted
        except TypeError:
            raise CannotRender(f"this Blender cannot write {wanted}; choose another file format") from None


def final_size(render: Any) -> tuple[int, int]:
    """Pixels of each frame; zeros when a crop or stereo views make it hard to foretell."""
    if render.use_multiview or (render.use_border and render.use_crop_to_border):
        return 0, 0
    percent = render.resolution_percentage
    return render.resolution_x * percent // 100, render.resolution_y * percent // 100


def stats_reporter() -> Any:
    """A handler that passes the renderer's own progress text on, a few times a second."""
    last_s = [0.0]

    def on_stats(*values: Any) -> None:
        text = next((value for value in values if isinstance(value, str)), "")
        now_s = time.monotonic()
        if text and now_s - last_s[0] >= STATS_EVERY_S:
            last_s[0] = now_s
            tell("stats", text=text[-200:])

    return on_stats


def render_frame(scene: Any, order: dict[str, Any], frame: int, path: str) -> None:
    """Render one frame to its final name, or raise."""
    tell("frame", frame=frame)
    scene.frame_set(frame)
    if order["camera"]:
        scene.camera = scene.objects[order["camera"]]  # a marker on this frame may have bound another one
    if scene.camera is None and not scene.render.use_sequencer:
        raise CannotRender("the scene has no camera")
    is_templated = bpy.app.version >= (5, 0, 0)
    scene.render.filepath = path.replace("{", "{{").replace("}", "}}") if is_templated else path
    bpy.ops.render.render(write_still=True, scene=scene.name)
    if not Path(path).is_file():
        raise CannotRender(f"Blender rendered frame {frame} but wrote no file {Path(path).name}")
    tell("written", frame=frame, path=path)


def run(order: dict[str, Any]) -> None:
    """Carry the whole order out."""
    opened = open_scene(order)
    missing = [] if order["allow_missing"] else blender_remap.missing_files(opened)
    if missing:
        raise CannotRender(
            f"{len(missing)} file(s) that the scene uses are not on this machine, first {missing[0]}: "
            "make them visible here, or set allow_missing to render without them"
        )
    scene = choose_scene(order)
    set_engine(scene, order)
    set_output(scene, order)
    width, height = final_size(scene.render)
    tell("start", width=width, height=height, engine=scene.render.engine, scene=scene.name)
    on_stats = stats_reporter()
    bpy.app.handlers.render_stats.append(on_stats)
    try:
        for frame, path in order["frames"]:
            render_frame(scene, order, frame, path)
        if scene.render.image_settings.file_format != "PNG":
            leave_picture(scene, order["picture"])
    finally:
        bpy.app.handlers.render_stats.remove(on_stats)  # left in place, it makes the bpy module of 4.2 crash at exit
    tell("end")


def main() -> None:
    """Read the order named after `--`, carry it out, tell any error in a line of ours."""
    order = json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text(encoding="utf-8"))
    try:
        run(order)
    except CannotRender as error:
        tell("error", message=str(error), reason=error.reason)
        sys.exit(FAILED)
    except (RuntimeError, OSError, MemoryError) as error:
        tell("error", message=str(error).strip() or type(error).__name__, reason="app-failed")
        sys.exit(FAILED)


main()
