"""Which files the open scene names. One odd node never stops it: what went wrong is kept as a sentence.

Only asks Maya; whether the files are there, `disk` looks beside it.
"""

import os

from . import disk, paths
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
_NO_FILE = ("sharedReferenceNode", "_UNKNOWN_REF_NODE_")


def steps(settings, found):
    """Ask in short steps, for a window that must not freeze: gives nothing, fills `found`."""
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
    """GetAttr gives text, a list of it, or None."""
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value if one and not isinstance(one, (list, tuple))]
    return [str(value)] if value else []


def _references(_, found):
    """Scenes that the scene refers to, nested ones too; those that are not loaded are nobody's need."""
    for node in cmds.ls(type="reference") or []:
        yield
        if not node.endswith(_NO_FILE):
            path = _guarded(found, "The reference %s" % node, _reference_path, node)
            found.want(disk.FILE, path, "reference %s" % node)


def _reference_path(node):
    if not cmds.referenceQuery(node, isLoaded=True):
        return ""
    return str(cmds.referenceQuery(node, filename=True, withoutCopyNumber=True) or "")


def _path_editor(_, found):
    """What Maya's file path editor lists: triples of name, attribute and whether it is there."""
    cmds.filePathEditor(refresh=True)
    for folder in cmds.filePathEditor(query=True, listDirectories="") or []:
        listed = _triples(cmds.filePathEditor(query=True, listFiles=folder, withAttribute=True, status=True))
        for at in range(0, len(listed) - 2, 3):
            yield
            name, attribute = listed[at], listed[at + 1]
            _guarded(found, attribute, _one_of_editor, found, folder, name, attribute)


def _triples(listed):
    """The editor's answer as texts; it may be None."""
    return [str(one) for one in listed] if isinstance(listed, (list, tuple)) else []


def _one_of_editor(found, folder, name, attribute):
    node, _, plain = attribute.rpartition(".")
    if not node or plain in _NOT_FILES:
        return  # references have no attribute, and are found by themselves
    path = folder.rstrip("/") + "/" + name
    if plain == "fileTextureName":
        path = (_texts(cmds.getAttr(node + ".computedFileTextureNamePattern")) or [path])[0]
    found.want(disk.FILE, _whole(node, path), attribute)


def _file_attributes(_, found):
    """Attributes of any node that Maya knows as names of files."""
    for node in cmds.ls() or []:
        yield
        if not cmds.objExists(node):
            continue  # the artist goes on working meanwhile
        for name in _guarded(found, node, _filename_attributes, node) or []:
            plug = "%s.%s" % (node, name)
            for path in _texts(_guarded(found, plug, cmds.getAttr, plug)):
                named = path
                if name == "fileTextureName":
                    computed = _guarded(found, plug, cmds.getAttr, node + ".computedFileTextureNamePattern")
                    named = (_texts(computed) or [path])[0]
                found.want(disk.FILE, _guarded(found, plug, _whole, node, named) or named, plug)


def _filename_attributes(node):
    if cmds.nodeType(node) == "reference":
        return []
    return [name for name in cmds.listAttr(node, usedAsFilename=True) or [] if name not in _NOT_FILES]


def _whole(node, path):
    """The path of all images of a node that goes through a sequence; what shifts its number does not matter then."""
    for name in _SEQUENCES:
        if cmds.attributeQuery(name, node=node, exists=True) and cmds.getAttr("%s.%s" % (node, name)):
            return paths.with_number(path)
    return path


def _caches(_, found):
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
                    found.want(disk.FILE, _guarded(found, plug, _whole, node, path) or path, plug)


def _has(node, name):
    return cmds.attributeQuery(name, node=node, exists=True)


def _geometry_caches(_, found):
    for node in cmds.ls(type="cacheFile") or []:
        yield
        folder = "".join(_texts(_guarded(found, node, cmds.getAttr, node + ".cachePath"))[:1])
        name = "".join(_texts(_guarded(found, node, cmds.getAttr, node + ".cacheName"))[:1])
        if folder and name:
            found.want(disk.CACHE, folder.rstrip("/\\") + "/" + name, node)


def _xgen(settings, found):
    """XGen's description lies beside the scene under its name."""
    if "xgmPalette" not in (cmds.allNodeTypes() or []):
        return
    folder, name = os.path.split(settings.scene)
    stem = os.path.splitext(name)[0]
    for node in cmds.ls(type="xgmPalette") or []:
        yield
        names = _texts(_guarded(found, node, cmds.getAttr, node + ".xgFileName"))
        for one in names or [stem + "__" + node.replace(":", "__ns__") + ".xgen"]:
            found.want(disk.FILE, folder + "/" + one, node)
        found.want(disk.OPTIONAL, folder + "/" + stem + ".abc", node)


def _colors(_, found):
    """An OCIO configuration of the project's own, with the tables beside it; Maya's own is on every machine."""
    yield
    if not cmds.colorManagementPrefs(query=True, cmConfigFileEnabled=True):
        return
    path = str(cmds.colorManagementPrefs(query=True, configFilePath=True) or "")
    if not path.startswith("<MAYA_RESOURCES>"):
        found.want(disk.COLORS, path, "the color management configuration")
