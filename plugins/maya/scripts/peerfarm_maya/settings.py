"""What the open scene says about rendering: its layers, cameras, frames, size and where images go. Changes nothing."""

import os
import re

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
        self.year = ""
        self.layers = []
        """Those that are not referenced, in the order of the scene; renderable or not."""
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


def read():
    """The settings of the open scene; the current layer is the same afterwards."""
    found = Settings()
    found.scene = str(cmds.file(query=True, sceneName=True) or "").replace("\\", "/")
    found.is_modified = bool(cmds.file(query=True, modified=True))
    found.project = str(cmds.workspace(query=True, rootDirectory=True) or "").replace("\\", "/").rstrip("/")
    found.year = year()
    current = str(cmds.editRenderLayerGlobals(query=True, currentRenderLayer=True) or MASTER)
    at = current
    try:
        for node in cmds.ls(type="renderLayer") or []:
            try:
                if cmds.referenceQuery(node, isNodeReferenced=True):
                    continue
                layer = Layer(node)
                found.layers.append(layer)
                layer.is_renderable = bool(cmds.getAttr(node + ".renderable"))
                if not layer.is_renderable:
                    continue
                if at != node:
                    cmds.editRenderLayerGlobals(currentRenderLayer=node)
                    at = node
                _read_layer(layer)
            except Exception as error:  # one broken layer must not hide the others
                found.faults.append("The render layer %s could not be read: %s" % (label(node), _words(error)))
                found.layers = [layer for layer in found.layers if layer.node != node]
    finally:
        if at != current:
            cmds.editRenderLayerGlobals(currentRenderLayer=current)
    return found


def _read_layer(layer):
    get = cmds.getAttr
    layer.renderer = str(get("defaultRenderGlobals.currentRenderer") or "")
    layer.width = int(get("defaultResolution.width") or 0)
    layer.height = int(get("defaultResolution.height") or 0)
    layer.prefix = str(get("defaultRenderGlobals.imageFilePrefix") or "")
    layer.is_animated = bool(get("defaultRenderGlobals.animation"))
    if layer.is_animated:
        layer.first = int(round(get("defaultRenderGlobals.startFrame")))
        layer.last = int(round(get("defaultRenderGlobals.endFrame")))
        layer.by = max(1, int(round(get("defaultRenderGlobals.byFrame"))))
    else:
        layer.first = layer.last = int(round(cmds.currentTime(query=True)))
    layer.cameras = cameras()
    padding = int(get("defaultRenderGlobals.extensionPadding") or 0)
    for camera in layer.cameras:
        names = cmds.renderSettings(firstImageName=True, fullPath=True, camera=camera, layer=layer.node)
        first = names[0] if isinstance(names, (list, tuple)) else names
        layer.outputs[camera] = pattern(str(first), layer.first, padding)


def cameras():
    """The cameras that render in the current layer, by their transforms' names."""
    found = []
    for shape in cmds.ls(type="camera") or []:
        if cmds.getAttr(shape + ".renderable"):
            parents = cmds.listRelatives(shape, parent=True) or [shape]
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
