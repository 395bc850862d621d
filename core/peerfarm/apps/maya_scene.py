"""What the text of a Maya scene says about rendering: cameras, layers, frames, size and where images go. Pure.

Maya writes what differs from a node's defaults; the defaults stand here. Short names of attributes are Maya's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from peerfarm.apps.maya_ascii import codec_of, decoded, is_maya_ascii
from peerfarm.errors import AppFailed

MASTER = "defaultRenderLayer"
_TEXT = rb'"(?:[^"\\]|\\.)*"'
_BODY = rb"(?P<body>(?:\r?\n[\t ][^\n]*)*)"
_NODE = re.compile(
    rb"^createNode[ \t]+(?P<kind>camera|renderLayer|aiAOVDriver|reference|\w+Override)\b(?P<given>(?:[^;\"]|"
    + _TEXT
    + rb"){0,4000});"
    + _BODY,
    re.MULTILINE,
)
_SELECTED = re.compile(
    rb"^select -ne :(?P<node>defaultRenderGlobals|defaultResolution|time1|renderLayerManager);" + _BODY, re.MULTILINE
)
_SET = re.compile(
    rb'setAttr\s+(?:-[a-z]+\s+(?:(?:on|off|\d+)\s+)?)*"\.(?P<name>[\w.]+)"\s+(?:-type\s+"string"\s+)?(?P<value>'
    + _TEXT
    + rb"|[^\s;\"]+)\s*;"
)
_REQUIRES = re.compile(rb'^requires\s+maya\s+"(20\d\d)', re.MULTILINE)
_UNIT = re.compile(rb"^currentUnit\b[^;\n]*?-t(?:ime)?\s+([\w.]+)", re.MULTILINE)
_FILE = re.compile(rb"^file\s((?:[^;\"]|" + _TEXT + rb"){0,8000});", re.MULTILINE)
_EDIT = re.compile(rb'^\s*2\s+"([^"]+)"\s+"renderable"\s+"\s*([01])"', re.MULTILINE)
_RATES = {
    "game": 15.0, "film": 24.0, "pal": 25.0, "ntsc": 30.0, "show": 48.0, "palf": 50.0, "ntscf": 60.0,
    "sec": 1.0, "millisec": 1000.0, "min": 1 / 60,
}  # fmt: skip
_FILM = 24.0


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera, as `Render -cam` takes it."""

    name: str
    """Its transform; with the namespaces of the references that brought it."""
    shape: str
    is_renderable: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One render layer of the scene itself."""

    node: str
    is_renderable: bool

    @property
    def label(self) -> str:
        """What Maya's window and its folders call it."""
        return "masterLayer" if self.node == MASTER else self.node.removeprefix("rs_")


@dataclass(frozen=True, slots=True)
class Reference:
    """A scene that the scene refers to."""

    path: str
    namespace: str
    """Empty where names stay as they are, or get `prefix`."""
    prefix: str


@dataclass(slots=True)
class SceneText:
    """What one file says; of references only that they are there."""

    year: str = ""
    rate: float = _FILM
    """Frames a second."""
    has_globals: bool = False
    """Whether it says anything about rendering: a part of a scene does not."""
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    """Node of the render settings -> short name -> value, of what differs from the defaults."""
    cameras: list[Camera] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    edits: dict[str, bool] = field(default_factory=dict)
    """Name of a referenced camera's shape -> whether it renders, where this scene changes that."""
    has_overrides: bool = False
    """Whether a layer changes values, perhaps those of the render settings."""


def parse_scene(scene: bytes) -> SceneText:
    """Read the text.

    Raises:
        AppFailed: The bytes are no Maya ASCII scene.
    """
    if not is_maya_ascii(scene):
        raise AppFailed("the scene is no Maya ASCII file", "Save it again as Maya ASCII (.ma) or as .mb.")
    codec = codec_of(scene)
    said = SceneText()
    if year := _REQUIRES.search(scene):
        said.year = year[1].decode()
    if unit := _UNIT.search(scene):
        said.rate = _rate(unit[1].decode())
    for statement in _FILE.finditer(scene):
        reference = _reference(statement[1], codec)
        if reference is not None and reference not in said.references:
            said.references.append(reference)
    for node in _NODE.finditer(scene):
        _keep_node(said, node["kind"].decode(), decoded(node["given"], codec), node["body"], codec)
    for chosen in _SELECTED.finditer(scene):
        name = chosen["node"].decode()
        said.has_globals |= name == "defaultRenderGlobals"
        said.values.setdefault(name, {}).update(_values(chosen["body"], codec))
    return said


def under(reference: Reference, camera: Camera) -> Camera:
    """The camera of a referenced scene as the scene that refers to it names it."""
    name, shape = (
        "|".join(f"{reference.prefix}{part}" if part else part for part in whole.split("|"))
        for whole in (camera.name, camera.shape)
    )
    return Camera(name, shape, camera.is_renderable)


def images_rule(workspace: str) -> str:
    """Where the project's description puts images, relative to the project or absolute."""
    found = re.search(r'^\s*workspace\s+-fr\s+"images"\s+"([^"]*)"', workspace, re.MULTILINE)
    return found[1] if found and found[1] else "images"


def _keep_node(said: SceneText, kind: str, given: str, body: bytes, codec: str) -> None:
    name = _option(given, "n", "name")
    if kind == "camera" and name:
        is_renderable = _values(body, codec).get("rnd", "yes") in {"yes", "on", "true", "1"}
        said.cameras.append(Camera(_option(given, "p", "parent") or name, name, is_renderable))
    elif kind == "renderLayer" and name:
        is_renderable = _values(body, codec).get("rndr", "yes") in {"yes", "on", "true", "1"}
        said.layers.append(Layer(name, is_renderable))
        said.has_overrides |= b'".adjs' in body
    elif kind == "aiAOVDriver" and name == "defaultArnoldDriver":
        said.values["arnold"] = _values(body, codec)
    elif kind == "reference":
        for path, value in _EDIT.findall(body):
            said.edits[decoded(path, codec).rpartition("|")[2]] = value == b"1"
    elif kind.endswith("Override"):
        said.has_overrides = True


def _values(body: bytes, codec: str) -> dict[str, str]:
    return {
        found["name"].decode("ascii", "replace"): decoded(found["value"].strip(b'"'), codec)
        for found in _SET.finditer(body)
    }


def _option(given: str, *names: str) -> str:
    found = re.search(rf'-(?:{"|".join(names)})\s+"((?:[^"\\]|\\.)*)"', given)
    return found[1] if found else ""


def _reference(arguments: bytes, codec: str) -> Reference | None:
    """What `file -r …` refers to; `-rdi 1` says the same once more, deeper ones belong to the referenced scenes."""
    words = decoded(arguments, codec)
    if not re.search(r"(?:^|\s)-(?:r|reference)\b", words):
        return None
    texts = re.findall(r'"((?:[^"\\]|\\.)*)"', words)
    namespace = _option(words, "ns", "namespace").strip(":")
    prefix = _option(words, "rpr", "renamingPrefix")
    prefix = f"{namespace}:" if namespace else f"{prefix}_" if prefix else ""
    return Reference(re.sub(r"\{\d+\}$", "", texts[-1]), namespace, prefix) if texts and texts[-1] else None


def _rate(unit: str) -> float:
    """Frames a second of a time unit as Maya writes it: `film`, `ntsc`, `23.976fps`."""
    if unit in _RATES:
        return _RATES[unit]
    found = re.fullmatch(r"([\d.]+?)(?:fps|df)+", unit)
    try:
        return float(found[1]) if found else _FILM
    except ValueError:
        return _FILM


def frames_of(said: SceneText) -> tuple[int, int, int, bool]:
    """First and last frame, their spacing, and whether the scene is set to render more than the current frame."""
    given = said.values.get("defaultRenderGlobals", {})
    if given.get("an", "no") not in {"yes", "on", "true", "1"}:
        frame = round(_number(said.values.get("time1", {}).get("o"), 1.0))
        return frame, frame, 1, False
    per_film = said.rate / _FILM  # the defaults are times of film
    first = round(_number(given.get("fs"), per_film))
    last = round(_number(given.get("ef"), 10 * per_film))
    return first, last, max(1, round(_number(given.get("bfs"), 1.0))), True


def size_of(said: SceneText) -> tuple[int, int]:
    """Width and height in pixels; zeros where the scene leaves one of them at the default."""
    given = said.values.get("defaultResolution", {})
    width, height = int(_number(given.get("w"), 0)), int(_number(given.get("h"), 0))
    return (width, height) if width > 0 and height > 0 else (0, 0)


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return value if abs(value) < 1e7 else default


def renderable(cameras: list[Camera]) -> Iterator[Camera]:
    """Those that render, each name once."""
    seen = set()
    for camera in cameras:
        if camera.is_renderable and camera.name not in seen:
            seen.add(camera.name)
            yield camera
