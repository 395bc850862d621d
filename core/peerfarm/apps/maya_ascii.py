"""Maya's text scenes (.ma): which files one names, and the same scene with other paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from peerfarm.apps.base import ANY_NUMBER, NamedPath
from peerfarm.errors import AppFailed

_HEAD = b"//Maya ASCII"
_CODESET = re.compile(rb"^//Codeset:\s*([\w.-]+)", re.MULTILINE)
_TEXT = rb'"((?:[^"\\\n]|\\.)*)"'
_LITERAL = re.compile(_TEXT)
_ABSOLUTE = re.compile(r"/(?!/)|[A-Za-z]:[\\/]|\\\\[^\\]")
_STATEMENT = re.compile(
    rb"^[ \t]*(?:"
    rb'createNode\s+(?P<kind>\w+)(?:[^;"]|"(?:[^"\\]|\\.)*"){0,8000};'
    rb'|select\b(?P<select>(?:[^;"]|"(?:[^"\\]|\\.)*"){0,8000});'
    rb'|file\s(?P<file>(?:[^;"]|"(?:[^"\\]|\\.)*"){0,8000});'
    rb'|setAttr\s+(?:-[a-z]+\s+(?:(?:on|off|\d+)\s+)?)*"\.(?P<attr>[^"]*)"\s+-type\s+"string"\s+'
    + _TEXT
    + rb'|setAttr\s+(?:-[a-z]+\s+(?:(?:on|off|\d+)\s+)?)*"\.(?P<flag>uvt|ufe|uvTilingMode|useFrameExtension)"'
    rb"\s+(?P<value>\w+)"
    rb")",
    re.MULTILINE,
)
_EDITED = re.compile(r'(\s*-type "string" ")([^"]+)("\s*)')
"""A path that a scene gives a node of a reference: the text of a change holds it between quotation marks of its own."""
_CHANGE = re.compile(rb'"\s*-type \\"string\\" \\"((?:[^"\\]|\\\\[^"])+)\\"\s*"')
_NODE_NAME = re.compile(rb'-n(?:ame)?\s+"([^"]*)"')

_FILE_ATTRIBUTES: dict[str, frozenset[str]] = {
    "file": frozenset({"ftn", "fileTextureName"}),
    "psdFileTex": frozenset({"ftn", "fileTextureName"}),
    "movie": frozenset({"ftn", "fileTextureName"}),
    "imagePlane": frozenset({"imn", "imageName"}),
    "aiImage": frozenset({"filename"}),
    "aiStandIn": frozenset({"dso"}),
    "aiVolume": frozenset({"filename"}),
    "aiPhotometricLight": frozenset({"aiFilename", "ai_filename"}),
    "AlembicNode": frozenset({"fn", "abc_File"}),
    "gpuCache": frozenset({"cfn", "cacheFileName"}),
    "BifrostMeshCache": frozenset({"absoluteCacheName"}),
    "pgYetiMaya": frozenset({"cacheFileName", "cfn"}),
    "RedshiftProxyMesh": frozenset({"fn", "fileName"}),
    "RedshiftNormalMap": frozenset({"tex0"}),
    "RedshiftSprite": frozenset({"tex0"}),
    "RedshiftDomeLight": frozenset({"tex0"}),
    "RedshiftVolumeShape": frozenset({"fn", "fileName"}),
    "PxrTexture": frozenset({"filename"}),
    "VRayMesh": frozenset({"fn2", "fileName2"}),
    "mayaUsdProxyShape": frozenset({"fp", "filePath"}),
}
"""Node type -> its attributes that name files; short and long name alike."""
_IMAGES = frozenset({"file", "aiImage", "imagePlane", "psdFileTex"})
_EXTENSIONS = re.compile(
    r"\.(?:png|jpe?g|exr|tiff?|tga|tx|tex|rat|hdr|psd|bmp|iff|ptx|abc|ass|usd[acz]?|vdb|rs|vrmesh|vrscene|bif|fur|xgen|ies"
    r"|mcx|mc|xml|fbx|obj|rib|cube|ocio|mp4|mov|avi)$",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"<UDIM>|<tile>|<f\d*>|<frame\d*>|<frameNum>|<UVTILE>|_<tile:[^>]*>|<[uv]>|<attr:[^>]*>|%0?\d?d|\$F\d?|#+",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Node:
    kind: str = ""
    name: str = ""
    texts: list[tuple[str, str]] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)


def named(scene: bytes) -> tuple[NamedPath, ...]:
    """Every file that the scene's text names, in its order, each once.

    Raises:
        AppFailed: The bytes are no Maya ASCII scene.
    """
    if not is_maya_ascii(scene):
        raise AppFailed("the scene is no Maya ASCII file", "Save it again as Maya ASCII (.ma) or as .mb.")
    codec = codec_of(scene)
    found: dict[str, NamedPath] = {}
    node = _Node()
    for statement in _STATEMENT.finditer(scene):
        if statement["file"] is not None:
            _keep(found, _reference(statement["file"], codec))
        elif statement["attr"] is not None:
            node.texts.append((statement["attr"].decode("ascii", "replace"), decoded(statement[5], codec)))
        elif statement["flag"] is not None:
            node.flags[statement["flag"].decode()[:3]] = statement["value"].decode()
        else:
            _keep(found, _files_of(node))
            kind = (statement["kind"] or b"").decode("ascii", "replace")
            given = _NODE_NAME.search(statement[0])
            node = _Node(kind, decoded(given[1], codec) if given else "")
    _keep(found, _files_of(node))
    for change in _CHANGE.finditer(scene):
        path = decoded(change[1], codec)
        if _EXTENSIONS.search(path):
            changed = NamedPath(_with_numbers(_Node(), path), "a change of a reference", is_certain=False)
            _keep(found, [changed])
    return tuple(found.values())


def rewritten(scene: bytes, translate: Callable[[str], str | None]) -> bytes:
    """The scene with each absolute path in its texts replaced by what `translate` says; None leaves it as it is.

    A file that is no Maya ASCII stays as it is: other programs use the ending too.

    Raises:
        AppFailed: A path of this machine cannot be written in the encoding that the scene declares.
    """
    if not is_maya_ascii(scene):
        return scene
    codec = codec_of(scene)

    def replaced(literal: re.Match[bytes]) -> bytes:
        text = decoded(literal[1], codec)
        edited = _EDITED.fullmatch(text)
        before, path, after = edited.groups() if edited else ("", text, "")
        here = translate(path) if _ABSOLUTE.match(path) else None
        if here is None or here == path:
            return literal[0]
        new = before + here.replace("\\", "/") + after
        try:
            return b'"' + new.replace('"', '\\"').encode(codec, "surrogateescape") + b'"'
        except UnicodeEncodeError as error:
            raise AppFailed(
                f"the folder of the job's files has letters that the scene's encoding {codec} lacks",
                "Put this node's PEERFARM_HOME into a folder with plain letters.",
            ) from error

    return _LITERAL.sub(replaced, scene)


def is_maya_ascii(scene: bytes) -> bool:
    """Whether the bytes begin as Maya writes its text scenes."""
    return _HEAD in scene[:200]


def codec_of(scene: bytes) -> str:
    """The encoding that the scene declares; UTF-8 where it declares none, or one that nobody knows."""
    found = _CODESET.search(scene[:2000])
    given = found[1].decode().lower() if found else "utf-8"
    codec = {"1252": "cp1252", "932": "cp932", "936": "gbk"}.get(given, given)
    try:
        b"".decode(codec)
    except LookupError:
        return "utf-8"
    return codec


def decoded(raw: bytes, codec: str) -> str:
    """What stands between two quotation marks, without Maya's escapes of them."""
    text = raw.decode(codec, "surrogateescape")
    return re.sub(r"\\(.)", lambda escape: escape[1] if escape[1] in '"\\' else escape[0], text)


def _keep(found: dict[str, NamedPath], paths: list[NamedPath]) -> None:
    for path in paths:
        found.setdefault(path.path, path)


def _reference(arguments: bytes, codec: str) -> list[NamedPath]:
    """`file -r …` and `file -rdi 1 …` name the same scene twice; the path is the last text."""
    texts = _LITERAL.findall(arguments)
    if not texts or not re.search(rb"(?:^|\s)-(?:r|rdi|reference|referenceDepthInfo)\b", b" " + arguments):
        return []
    path = re.sub(r"\{\d+\}$", "", decoded(texts[-1], codec))
    is_unloaded = re.search(rb"-(?:rdi|referenceDepthInfo)\b", arguments) and re.search(rb"-dr\s+1\b", arguments)
    return [NamedPath(path, "a reference", is_certain=not is_unloaded, is_scene=True)] if path else []


def _files_of(node: _Node) -> list[NamedPath]:
    if node.kind == "cacheFile":
        return _cache(node)
    found = []
    known = _FILE_ATTRIBUTES.get(node.kind, frozenset())
    for attribute, text in node.texts:
        path = text
        plain = attribute.rpartition(".")[2].partition("[")[0]
        if not path or len(path) > 4096 or "\n" in path:
            continue
        if plain in known:
            path = _with_numbers(node, path)
            found.append(NamedPath(path, f"{node.kind} '{node.name}'"))
            if node.kind in _IMAGES and not path.lower().endswith(".tx"):
                found.append(NamedPath(path.rpartition(".")[0] + ".tx", "its .tx file", is_certain=False))
        elif _EXTENSIONS.search(path) and "/" in path.replace("\\", "/"):
            found.append(NamedPath(_with_numbers(node, path), f"{node.kind} '{node.name}'", is_certain=False))
    return found


def _with_numbers(node: _Node, path: str) -> str:
    """The path with a mark wherever its name has a number that changes."""
    cut = max(path.rfind("/"), path.rfind("\\")) + 1
    folder, name = path[:cut], _TOKEN.sub(ANY_NUMBER, path[cut:])
    changes = node.flags.get("uvt", "0") != "0" or node.flags.get("uvT", "0") != "0"
    changes = changes or node.flags.get("ufe") in {"yes", "on", "true", "1"} or node.flags.get("use") in {"yes", "on"}
    if changes and ANY_NUMBER not in name:
        stem, dot, extension = name.rpartition(".")
        runs = list(re.finditer(r"\d+", stem))
        if runs:
            name = f"{stem[: runs[-1].start()]}{ANY_NUMBER}{stem[runs[-1].end() :]}{dot}{extension}"
    return folder + name


def _cache(node: _Node) -> list[NamedPath]:
    """Geometry and particle caches: a description, and a file in all or one a frame."""
    texts = {attribute.rpartition(".")[2]: text for attribute, text in node.texts}
    folder = texts.get("cp") or texts.get("cachePath") or ""
    name = texts.get("cn") or texts.get("cacheName") or ""
    if not folder or not name:
        return []
    stem = folder.rstrip("/\\") + "/" + name
    why = f"cache '{node.name}'"
    parts = [
        f"{stem}{part}{ending}"
        for part in ("", f"Frame{ANY_NUMBER}", f"Frame{ANY_NUMBER}Tick{ANY_NUMBER}")
        for ending in (".mcx", ".mc")
    ]
    return [NamedPath(f"{stem}.xml", why), *(NamedPath(part, why, is_certain=False) for part in parts)]
