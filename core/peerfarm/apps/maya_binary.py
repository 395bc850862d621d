"""Maya's binary scenes (.mb): the year that saved one, and the paths in it, found without knowing its structure.

Texts end with a zero byte there. What looks like the path of a file goes along where there is such a file; what is
missing cannot be told from what only looks like a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from peerfarm.apps.base import ANY_NUMBER, NamedPath

_HEADS = (b"FOR4", b"FOR8")
_ENDING = re.compile(
    rb"\.(?:png|jpe?g|exr|tiff?|tga|tx|tex|rat|hdr|psd|bmp|iff|ptx|abc|ass|usd[acz]?|vdb|rs|vrmesh|vrscene|bif|fur|xgen"
    rb"|ies|mcx?|xml|fbx|obj|rib|cube|ocio|mp4|mov|avi|m[ab])(?:\{\d+\})?\0",
    re.IGNORECASE,
)
_LONGEST = 1024
_BREAK = re.compile(rb'[\0-\x1f"*?|\x7f]')
_TOKEN = re.compile(
    r"<UDIM>|<tile>|<f\d*>|<frame\d*>|<frameNum>|<UVTILE>|<[uv]>|(?<=[._])1\d{3}(?=\.\w+$)|%0?\d?d|#+", re.IGNORECASE
)
_ROOT = re.compile(r"[A-Za-z]:[\\/]|//?[^/]")
_IMAGE = re.compile(r"\.(?:png|jpe?g|exr|tiff?|tga|hdr|psd|bmp|iff)$", re.IGNORECASE)
_MOST = 20_000


def is_maya_binary(scene: bytes) -> bool:
    """Whether the bytes begin as Maya writes its binary scenes."""
    return scene[:4] in _HEADS


def binary_year(head: bytes) -> str:
    """The year that a binary scene's first bytes name; empty when they do not."""
    found = re.search(rb"VERS[\x00-\x1f]{1,12}(20\d\d)", head)
    return found[1].decode() if found else ""


def named_in_binary(scene: bytes) -> tuple[NamedPath, ...]:
    """What looks like a file's path, each once; none of it is certain."""
    found: dict[str, NamedPath] = {}
    for ending in _ENDING.finditer(scene):
        start = max(0, ending.start() - _LONGEST)
        breaks = [one.end() for one in _BREAK.finditer(scene, start, ending.start())]
        text = scene[breaks[-1] if breaks else start : ending.end() - 1].decode("utf-8", "surrogateescape")
        for path in _candidates(re.sub(r"\{\d+\}$", "", text)):
            is_scene = path.lower().endswith((".ma", ".mb"))
            found.setdefault(path, NamedPath(path, "the binary scene", is_certain=False, is_scene=is_scene))
        if len(found) > _MOST:
            break
    return tuple(found.values())


def _candidates(text: str) -> Iterator[str]:
    """The paths that a text may be: a byte that belongs to something else may stand before it."""
    starts = {0, 1}
    if root := _ROOT.search(text):
        starts.add(root.start())
    for start in sorted(starts):
        whole = text[start:]
        folder, slash, name = whole.rpartition("/")
        if not name or name.startswith("."):
            continue
        yield whole
        numbered = folder + slash + _TOKEN.sub(ANY_NUMBER, name)
        if numbered != whole:
            yield numbered
        if _IMAGE.search(name):
            yield numbered.rpartition(".")[0] + ".tx"
