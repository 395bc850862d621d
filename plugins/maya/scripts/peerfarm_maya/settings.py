"""What the open scene says about rendering: its layers, cameras, frames, size and where images go. Changes nothing."""

import os
import re

from . import renderers
from .mayacmds import cmds, year

MASTER = "defaultRenderLayer"
MOVIES = (".avi", ".mov", ".mp4", ".qt", ".mpg")
_NUMBER = re.compile(r"-?\d+")


class Layer(object):
    """One render layer, with the values that hold while it is the current one."""

    def __init__(self, node):
        self.node = node
        self.label = label(node)
        self.is_renderable = False
        self.cameras = []
        """Transforms of the renderable cameras, as `Render -cam` wants them."""
        self.first = self.last = self.by = 1
        self.is_animated = False
        self.has_whole_frames = True
        """Whether it renders whole frames alone; the farm renders no others."""
        self.renderer = ""
        self.width = self.height = 0
        self.prefix = ""
        self.outputs = {}
        """Camera -> (directory, file name with #) of its images."""


class Settings(object):
    """The open scene."""

    def __init__(self):
        self.scene = ""
        """Absolute path; empty when it was never saved."""
        self.is_modified = False
        self.project = ""
        self.textures = ""
        """Absolute path of the project's folder for textures."""
        self.year = ""
        self.layers = []
        """Those that are not referenced, in the order of the scene; renderable or not."""
        self.unknown = []
        """Nodes of plug-ins that this Maya lacks."""
        self.faults = []
        """Sentences about what could not be read."""

    @property
    def renderable(self):
        """The layers that render."""
        return [layer for layer in self.layers if layer.is_renderable]


def label(node):
    """What Maya's window calls a layer: `masterLayer`, and render setup layers without their `rs_`."""
    if node == MASTER:
        return "masterLayer"
    return node[3:] if node.startswith("rs_") else node


def scene_name():
    """Absolute path of the open scene; empty when it was never saved."""
    return str(cmds.file(query=True, sceneName=True) or "").replace("\\", "/")


def glance():
    """The settings as they stand in the current layer, for a window: no layer is switched, which may take seconds."""
    found = _scene()
    for layer in _layers(found):
        if layer.is_renderable:
            _guarded(found, layer, _read_values)
    return found


def read():
    """The settings of the open scene, each layer's own; the current layer and whether it is saved stay as they are."""
    found = _scene()
    layers = _layers(found)
    current = str(cmds.editRenderLayerGlobals(query=True, currentRenderLayer=True) or MASTER)
    at = [current]

    def switch(node):
        if at[0] != node:
            cmds.editRenderLayerGlobals(currentRenderLayer=node)
            at[0] = node

    def read_layer(layer):
        switch(layer.node)
        _read_values(layer)
        _read_outputs(layer)

    has_undo = bool(cmds.undoInfo(query=True, state=True))
    if has_undo:
        cmds.undoInfo(stateWithoutFlush=False)  # what the artist undoes next is what she did last
    try:
        for layer in layers:
            if layer.is_renderable:
                _guarded(found, layer, read_layer)
    finally:
        switch(current)
        if not found.is_modified and cmds.file(query=True, modified=True):
            cmds.file(modified=False)
        if has_undo:
            cmds.undoInfo(stateWithoutFlush=True)
    return found


def _scene():
    found = Settings()
    found.scene = scene_name()
    found.is_modified = bool(cmds.file(query=True, modified=True))
    found.project = str(cmds.workspace(query=True, rootDirectory=True) or "").replace("\\", "/").rstrip("/")
    found.textures = _textures(found.project)
    found.year = year()
    for kind in ("unknown", "unknownDag", "unknownTransform"):
        found.unknown += cmds.ls(type=kind) or []
    return found


def _textures(project):
    rule = str(cmds.workspace(fileRuleEntry="sourceImages") or "sourceimages").replace("\\", "/")
    return rule if os.path.isabs(rule) or not project else project + "/" + rule


def _layers(found):
    """The scene's own layers, and which render; kept in `found` too."""
    for node in cmds.ls(type="renderLayer") or []:
        try:
            if cmds.referenceQuery(node, isNodeReferenced=True):
                continue
            layer = Layer(node)
            layer.is_renderable = bool(cmds.getAttr(node + ".renderable"))
            found.layers.append(layer)
        except Exception as error:  # as below
            found.faults.append("The render layer %s could not be read: %s" % (label(node), _words(error)))
    return list(found.layers)


def _guarded(found, layer, call):
    try:
        call(layer)
    except Exception as error:  # one broken layer must not hide the others
        found.faults.append("The render layer %s could not be read: %s" % (layer.label, _words(error)))
        found.layers.remove(layer)


def _read_values(layer):
    get = cmds.getAttr
    layer.renderer = str(get("defaultRenderGlobals.currentRenderer") or "")
    layer.width, layer.height = renderers.size(layer.renderer)
    layer.prefix = str(get("defaultRenderGlobals.imageFilePrefix") or "")
    layer.is_animated = bool(get("defaultRenderGlobals.animation"))
    if layer.is_animated:
        values = [get("defaultRenderGlobals." + name) for name in ("startFrame", "endFrame", "byFrameStep")]
        layer.first, layer.last, layer.by = [round(value) for value in values]
        layer.by = max(1, layer.by)
        layer.has_whole_frames = all(abs(value - round(value)) < 0.001 for value in values)
    else:
        layer.first = layer.last = round(cmds.currentTime(query=True))
    layer.cameras = cameras()


def _read_outputs(layer):
    padding = int(cmds.getAttr("defaultRenderGlobals.extensionPadding") or 0)
    for camera in layer.cameras:
        names = cmds.renderSettings(firstImageName=True, fullPath=True, camera=camera, layer=layer.node)
        first = names[0] if isinstance(names, (list, tuple)) else names
        folder, name = pattern(str(first), layer.first, padding)
        layer.outputs[camera] = folder, renderers.with_extension(layer.renderer, name)


def cameras():
    """The cameras that render in the current layer, by their transforms' names."""
    found = []
    for shape in cmds.ls(type="camera") or []:
        if cmds.getAttr(shape + ".renderable"):
            parents = cmds.listRelatives(shape, parent=True, path=True) or [shape]
            found.append(str(parents[0]))
    return found


def pattern(image, first, padding):
    """The directory and the name, its frame number as a run of #, of a scene's first image.

    Images of a single frame have no number in Maya; ours always have one.
    """
    folder, name = os.path.split(image.replace("\\", "/"))
    stem, extension = os.path.splitext(name)
    if extension[1:].isdigit():  # name.exr.0001
        (stem, extension), digits = os.path.splitext(stem), extension[1:]
        return folder, "%s.%s%s" % (stem, "#" * len(digits), extension)
    for number in reversed(list(_NUMBER.finditer(stem))):
        if int(number.group()) in (first, abs(first)):
            digits = number.group().lstrip("-")
            return folder, stem[: number.start()] + "#" * len(digits) + stem[number.end() :] + extension
    return folder, "%s.%s%s" % (stem, "#" * max(padding, 4), extension)


def _words(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
