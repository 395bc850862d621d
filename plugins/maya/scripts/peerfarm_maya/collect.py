"""Every file that the open scene needs. One odd node never stops it: what went wrong is kept as a sentence."""

import os

from . import paths
from .mayacmds import cmds

_CACHES = (
    ("AlembicNode", ("abc_File",)),
    ("gpuCache", ("cacheFileName",)),
    ("pgYetiMaya", ("cacheFileName",)),
    ("bifrostGraphShape", ("absoluteCacheName",)),
    ("BifrostMeshCache", ("absoluteCacheName",)),
    ("aiStandIn", ("dso",)),
    ("aiVolume", ("filename",)),
    ("RedshiftProxyMesh", ("fileName",)),
    ("RedshiftVolumeShape", ("fileName",)),
    ("VRayMesh", ("fileName2", "fileName")),
    ("imagePlane", ("imageName",)),
)
"""Node types whose files the file path editor misses, and the attributes that name them."""
_SEQUENCES = ("useFrameExtension", "useFrameExt")
_NOT_FILES = ("imageFilePrefix", "renderViewSettings")


class Collected(object):
    """What was found."""

    def __init__(self):
        self.files = []
        """Absolute paths of files that are there, each once; without the scene itself."""
        self.missing = []
        """(path as the scene writes it, who needs it)."""
        self.faults = []
        """Sentences about nodes that could not be asked."""
        self._seen = set()
        self._missed = set()

    def add(self, path):
        if path not in self._seen:
            self._seen.add(path)
            self.files.append(path)

    def miss(self, path, why):
        if path not in self._missed:
            self._missed.add(path)
            self.missing.append((path, why))


def collect(settings):
    """The files of the open scene, in the order of the ways to find them."""
    found = Collected()
    for _ in steps(settings, found):
        pass
    return found


def steps(settings, found):
    """The same in short steps, for a window that must not freeze: gives nothing, fills `found`."""
    for way in (_references, _path_editor, _file_attributes, _caches, _geometry_caches, _xgen, _colors):
        try:
            for _ in way(settings, found):
                yield
        except Exception as error:  # a plug-in's own command may be missing or broken
            found.faults.append("A part of the scene could not be looked into (%s): %s" % (_name(way), error))


def _name(way):
    return way.__name__.strip("_").replace("_", " ")


def _guarded(found, what, call, *arguments):
    """The call's answer; None when Maya refuses, which is noted."""
    try:
        return call(*arguments)
    except Exception as error:  # Maya raises RuntimeError, ValueError and TypeError alike
        found.faults.append("%s could not be asked for its files: %s" % (what, str(error).strip() or error))
        return None


def _texts(value):
    """getAttr gives text, a list of it, or None."""
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value if one]
    return [str(value)] if value else []


def _take(settings, found, path, why):
    full = paths.full(path, settings.project, settings.scene)
    files = paths.existing(full)
    for one in files:
        if one != settings.scene:
            found.add(one)
        with_tx = os.path.splitext(one)[0] + ".tx"
        if with_tx != one and os.path.isfile(with_tx):
            found.add(with_tx)
    if not files:
        found.miss(path, why)
    return bool(files)


def _references(settings, found):
    """Scenes that the scene refers to, nested ones too."""
    for node in cmds.ls(type="reference") or []:
        yield
        if node.endswith("sharedReferenceNode") or node.endswith("_UNKNOWN_REF_NODE_"):
            continue
        path = _guarded(found, "The reference %s" % node, _reference_path, node)
        if path:
            _take(settings, found, path, "reference %s" % node)


def _reference_path(node):
    if not cmds.referenceQuery(node, isLoaded=True):
        return ""
    return str(cmds.referenceQuery(node, filename=True, withoutCopyNumber=True) or "")


def _path_editor(settings, found):
    """What Maya's file path editor lists: triples of name, attribute and whether it is there."""
    cmds.filePathEditor(refresh=True)
    for folder in cmds.filePathEditor(query=True, listDirectories="") or []:
        listed = _triples(cmds.filePathEditor(query=True, listFiles=folder, withAttribute=True, status=True))
        for at in range(0, len(listed) - 2, 3):
            yield
            name, attribute = listed[at], listed[at + 1]
            _guarded(found, attribute, _one_of_editor, settings, found, folder, name, attribute)


def _triples(listed):
    """The editor's answer as texts; it may be None."""
    return [str(one) for one in listed] if isinstance(listed, (list, tuple)) else []


def _one_of_editor(settings, found, folder, name, attribute):
    if attribute.rpartition(".")[2] in _NOT_FILES:
        return
    node, _, plain = attribute.rpartition(".")
    path = folder.rstrip("/") + "/" + name
    if plain == "fileTextureName":
        texts = _texts(cmds.getAttr(node + ".computedFileTextureNamePattern"))
        path = texts[0] if texts else path
    _take(settings, found, _whole(node, path), attribute)


def _file_attributes(settings, found):
    """Attributes of any node that Maya knows as names of files."""
    for node in cmds.ls() or []:
        yield
        names = _guarded(found, node, _filename_attributes, node)
        for name in names or []:
            if name in _NOT_FILES:
                continue
            plug = "%s.%s" % (node, name)
            for path in _texts(_guarded(found, plug, cmds.getAttr, plug)):
                if name == "fileTextureName":
                    computed = _guarded(found, plug, cmds.getAttr, node + ".computedFileTextureNamePattern")
                    path = (_texts(computed) or [path])[0]
                _take(settings, found, _whole(node, path), plug)


def _filename_attributes(node):
    if cmds.nodeType(node) == "reference":
        return []
    return cmds.listAttr(node, usedAsFilename=True) or []


def _whole(node, path):
    """The path of all images of a node that goes through a sequence."""
    for name in _SEQUENCES:
        if cmds.attributeQuery(name, node=node, exists=True) and cmds.getAttr("%s.%s" % (node, name)):
            return paths.with_number(path)
    return path


def _caches(settings, found):
    known = set(cmds.allNodeTypes() or [])
    for kind, attributes in _CACHES:
        if kind not in known:
            continue
        for node in cmds.ls(type=kind) or []:
            yield
            for name in attributes:
                plug = "%s.%s" % (node, name)
                if not _guarded(found, plug, _has, node, name):
                    continue
                for path in _texts(_guarded(found, plug, cmds.getAttr, plug)):
                    _take(settings, found, _guarded(found, plug, _whole, node, path) or path, plug)


def _has(node, name):
    return cmds.attributeQuery(name, node=node, exists=True)


def _geometry_caches(settings, found):
    """A description (.xml) and its data, one file or one a frame."""
    for node in cmds.ls(type="cacheFile") or []:
        yield
        folder = "".join(_texts(_guarded(found, node, cmds.getAttr, node + ".cachePath"))[:1])
        name = "".join(_texts(_guarded(found, node, cmds.getAttr, node + ".cacheName"))[:1])
        if not folder or not name:
            continue
        place = paths.full(folder, settings.project, settings.scene)
        files = sorted(os.listdir(place)) if os.path.isdir(place) else []
        mine = [one for one in files if os.path.splitext(one)[0] == name or one.startswith(name + "Frame")]
        for one in mine:
            found.add(place + "/" + one)
        if not mine:
            found.miss(place + "/" + name + ".xml", node)


def _xgen(settings, found):
    """XGen's description lies beside the scene under its name."""
    if "xgmPalette" not in (cmds.allNodeTypes() or []):
        return
    stem = os.path.splitext(settings.scene)[0]
    for node in cmds.ls(type="xgmPalette") or []:
        yield
        names = _texts(_guarded(found, node, cmds.getAttr, node + ".xgFileName"))
        for name in names or [os.path.basename(stem) + "__" + node.replace(":", "__ns__") + ".xgen"]:
            _take(settings, found, os.path.dirname(settings.scene) + "/" + name, node)
        patch = stem + ".abc"
        if os.path.isfile(patch):
            found.add(patch)


def _colors(settings, found):
    """An OCIO configuration of the project's own, with the tables beside it; Maya's own is on every machine."""
    yield
    if not cmds.colorManagementPrefs(query=True, cmConfigFileEnabled=True):
        return
    path = str(cmds.colorManagementPrefs(query=True, configFilePath=True) or "")
    if not path or path.startswith("<MAYA_RESOURCES>"):
        return
    if _take(settings, found, path, "the color management configuration"):
        place = os.path.dirname(paths.full(path, settings.project, settings.scene)) + "/luts"
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                found.add(folder.replace("\\", "/") + "/" + name)
