"""What `peerfarm submit` takes over from a Maya scene: a pass for each layer and camera, its frames and its images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from peerfarm.apps.maya_scene import Camera, Layer, SceneText, frames_of, size_of

RENDERER_NAMES = {
    "mayaSoftware": "sw",
    "mayaHardware2": "hw2",
    "arnold": "arnold",
    "vray": "vray",
    "redshift": "redshift",
    "renderman": "renderman",
}
"""What a scene calls a renderer -> what `Render -r` is called with; any other goes as the scene says."""
_NUMBERED = {
    "0": "gif", "3": "tif", "4": "tif", "7": "iff", "8": "jpg", "10": "iff", "19": "tga", "20": "bmp", "32": "png",
}  # fmt: skip
"""`imageFormat` of the render settings -> extension, as far as a farm can use it."""
_BY_KEY = frozenset({"50", "51"})
_ARNOLD = {"jpeg": "jpg", "tiff": "tif", "deepexr": "exr"}
_LAYER = re.compile(r"<(?:render)?layer>|%l", re.IGNORECASE)
_CAMERA = re.compile(r"<camera>|%c", re.IGNORECASE)
_SCENE = re.compile(r"<scene>|%s", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
_HINT = "Give {what}; or send the scene from Maya's menu peerfarm."


def submission_defaults(
    said: SceneText, cameras: Sequence[Camera], scene: str, images: str, unread: Sequence[str]
) -> dict[str, Any]:
    """The facts of a scene, with a pass for each renderable layer and camera.

    Args:
        cameras: Those that render, of the scene and its references.
        scene: Absolute path.
        images: Absolute path of the folder that the project's images belong in.
        unread: Names of referenced scenes that could not be read; they may hold cameras.
    """
    first, last, step, is_animated = frames_of(said)
    extension = extension_of(said)
    width, height = size_of(said)
    renderer = said.values.get("defaultRenderGlobals", {}).get("ren", "")
    layers = [layer for layer in said.layers if layer.is_renderable]
    if not said.layers:
        layers = [Layer("", is_renderable=True)]  # an old scene, or one that never had any
    params = {"renderer": RENDERER_NAMES.get(renderer, "file"), "width": width or None, "height": height or None}
    prefix = said.values.get("defaultRenderGlobals", {}).get("ifp", "")
    passes = []
    for layer in layers:
        for camera in [camera.name for camera in cameras] or [""]:
            own = [plain_name(layer.label)] if len(layers) > 1 else []
            own += [plain_name(camera)] if len(cameras) > 1 else []
            place, stem = _image(prefix, scene, layer, camera, own)
            passes.append(
                {
                    "name": "-".join(own) or "render",
                    "place": "/".join(own),
                    "params": {**params, "layer": layer.node, "camera": camera},
                    "output_dir": _joined(images, place),
                    "output_pattern": f"{stem}.####.{extension}" if extension else "",
                }
            )
    facts: dict[str, Any] = {
        "version": said.year,
        "engine": renderer,
        "format": extension,
        "width": width,
        "height": height,
        "camera": cameras[0].name if cameras else "",
        "cameras": [camera.name for camera in cameras],
        "layers": [layer.label for layer in layers],
        "passes": passes,
        "output_dir": passes[0]["output_dir"] if passes else images,
        "output_pattern": passes[0]["output_pattern"] if passes else "",
        "warnings": _warnings(said, cameras, layers, unread, is_animated=is_animated, frame=first),
    }
    if said.has_globals:
        return {**facts, "frame_start": first, "frame_end": last, "frame_step": step, **_format_unsaid(renderer, facts)}
    what = "--frames and --output, e.g. --frames 1-24 --output DIR/shot_####.exr"
    return {**facts, "unsaid": "the scene says nothing about rendering", "hint": _HINT.format(what=what)}


def binary_defaults(name: str, year: str) -> dict[str, Any]:
    """The same of a binary scene, of which only the version is known."""
    what = (
        "--frames and --output, e.g. --frames 1-24 --output DIR/shot_####.exr (and --param camera=NAME or "
        "--param layer=NAME where it has several)"
    )
    return {
        "version": year,
        "unsaid": f"{name} is a binary scene, and only Maya can tell what it says about rendering",
        "hint": _HINT.format(what=what).rstrip(".") + ", or save it as .ma.",
        "passes": [],
        "warnings": [],
    }


def extension_of(said: SceneText) -> str:
    """The images' extension, without a dot; empty where the renderer keeps it in settings of its own."""
    given = said.values.get("defaultRenderGlobals", {})
    renderer, number, key = given.get("ren", ""), given.get("outf", "7"), given.get("imfkey", "").lower()
    if renderer == "arnold":
        key = said.values.get("arnold", {}).get("ai_translator", "").lower() or key or "exr"
        return _ARNOLD.get(key, key)
    if renderer in {"vray", "redshift", "renderman"}:
        return ""
    return _ARNOLD.get(key, key) if number in _BY_KEY else _NUMBERED.get(number, "")


def plain_name(name: str) -> str:
    """A name without what file systems and job files give a meaning."""
    return "".join(letter if letter.isalnum() or letter in "_.-" else "_" for letter in name).strip(".") or "_"


def _image(prefix: str, scene: str, layer: Layer, camera: str, own: Sequence[str]) -> tuple[str, str]:
    """The folder, relative to the images', and the name of a pass; as Maya makes them from the file name prefix.

    `own` are the folders that tell passes apart where the prefix has no token for what they say.
    """
    stem = scene[max(scene.rfind("/"), scene.rfind("\\")) + 1 :].rpartition(".")[0] or "untitled"
    name = prefix.replace("\\", "/") or stem
    tokens = {plain_name(layer.label): _LAYER, plain_name(camera): _CAMERA}
    missing = [word for word in own if not tokens[word].search(name)]
    for token, value in ((_SCENE, stem), (_LAYER, plain_name(layer.label)), (_CAMERA, plain_name(camera))):
        name = token.sub(lambda _, value=value: value, name)  # type: ignore[misc]
    folder, _, last = re.sub(r"<[^>]*>", "", name).rpartition("/")
    parts = [folder, *missing] if _ABSOLUTE.match(name) else [*missing, folder]
    return "/".join(filter(None, parts)), plain_name(last)


def _joined(images: str, place: str) -> str:
    if not place or _ABSOLUTE.match(place):
        return place or images
    return f"{images.rstrip('/')}/{place}"


def _format_unsaid(renderer: str, facts: Mapping[str, Any]) -> dict[str, str]:
    if facts["format"]:
        return {}
    who = f"the renderer {renderer}" if renderer else "its renderer"
    return {
        "unsaid": f"the scene does not tell which image format {who} writes",
        "hint": _HINT.format(what="--output with a name, e.g. --output DIR/shot_####.exr"),
    }


def _warnings(
    said: SceneText,
    cameras: Sequence[Camera],
    layers: Sequence[Layer],
    unread: Sequence[str],
    *,
    is_animated: bool,
    frame: int,
) -> list[str]:
    warnings = []
    if unread:
        names = ", ".join(unread[:5])
        warnings.append(f"cameras of {names} are not known, for only text scenes that are there can be read")
    if not cameras and not unread:
        warnings.append(
            "the scene has no renderable camera: add one in the render settings, or name one with --param camera=NAME"
        )
    if said.layers and not layers:
        warnings.append("no render layer is set to render: switch one on, or name one with --param layer=NAME")
    if said.has_globals and not is_animated:
        warnings.append(f"the scene is set to render one frame, {frame}: say --frames for more")
    if said.has_overrides and len(said.layers) > 1:
        warnings.append(
            "layers of the scene have render settings of their own: those of the scene hold for all of them here; "
            "Maya's menu peerfarm sends each layer with its own"
        )
    return warnings
