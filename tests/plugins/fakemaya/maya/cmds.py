"""The commands that the plug-in uses, with Maya's names, flags and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from maya.world import Node, Widget, world


def _node(name: str) -> Node:
    world.on_main_thread()
    if name not in world.nodes:
        raise ValueError(f"No object matches name: {name}")
    return world.nodes[name]


# The scene


def about(*, batch: bool = False, version: bool = False) -> Any:
    """Facts about Maya."""
    world.on_main_thread()
    return world.is_batch if batch else world.version


def file(
    *,
    query: bool = False,
    sceneName: bool = False,
    modified: bool | None = None,
    save: bool = False,
) -> Any:
    """The open scene."""
    world.on_main_thread()
    if query:
        return world.scene if sceneName else world.is_modified
    if modified is not None:
        world.is_modified = modified
        return None
    assert save
    if not world.scene:
        raise RuntimeError("Use the rename flag to give the scene a name first.")
    world.saves += 1
    world.is_modified = False
    world.happen("SceneSaved")
    return world.scene


def undoInfo(*, query: bool = False, state: bool = False, stateWithoutFlush: bool | None = None) -> Any:
    """Whether deeds can be undone."""
    if query:
        assert state
        return world.has_undo
    assert stateWithoutFlush is not None
    world.has_undo = stateWithoutFlush
    return None


def warning(words: str) -> None:
    """A line that Maya shows in colour."""
    world.on_main_thread()
    world.warnings.append(words)


def workspace(*, query: bool = False, rootDirectory: bool = False, fileRuleEntry: str = "") -> str:
    """The project; where it keeps a kind of files, empty where it does not say."""
    if fileRuleEntry:
        return {"sourceImages": "sourceimages", "images": "images"}.get(fileRuleEntry, "")
    assert query
    assert rootDirectory
    return world.project + "/"


def currentTime(*, query: bool) -> float:
    """The frame that is shown."""
    assert query
    return world.frame


_BUILT_IN = {
    "file", "reference", "cacheFile", "camera", "renderLayer", "transform", "unknown", "unknownDag", "unknownTransform",
    "imagePlane",
}  # fmt: skip


def ls(*, type: str = "") -> list[str]:
    """Nodes, of one type or all."""
    world.on_main_thread()
    if type and type not in allNodeTypes():
        raise RuntimeError(f"Unknown object type: {type}")
    return [name for name, node in world.nodes.items() if not type or node.kind == type]


def objExists(name: str) -> bool:
    """Whether there is such a node."""
    world.on_main_thread()
    return name in world.nodes


def nodeType(name: str) -> str:
    """Of one node."""
    return _node(name).kind


def allNodeTypes() -> list[str]:
    """Every type that is known, without those of plug-ins that are not loaded."""
    return sorted({node.kind for node in world.nodes.values()} | _BUILT_IN)


def listRelatives(name: str, *, parent: bool, path: bool) -> list[str] | None:
    """The transform above a shape; without `path` a name that several may have."""
    assert parent
    assert path
    above = _node(name).parent
    return [above] if above else None


def getAttr(plug: str, *, asString: bool = False) -> Any:
    """A value, as it is in the current render layer; of a menu its number, or with `asString` its words."""
    world.on_main_thread()
    name, _, attribute = plug.partition(".")
    node = _node(name)
    if node.is_broken:
        raise RuntimeError(f"The plug-in of {name} failed.")
    if (world.layer, plug) in world.overrides:
        return world.overrides[world.layer, plug]
    if attribute not in node.attributes:
        raise ValueError(f"No object matches name: {plug}")
    value = node.attributes[attribute]
    return value[0 if asString else 1] if isinstance(value, tuple) else value


def attributeQuery(attribute: str, *, node: str, exists: bool) -> bool:
    """Whether a node has an attribute."""
    assert exists
    if node not in world.nodes:
        raise RuntimeError(f"No object matches name: {node}")
    return attribute in _node(node).attributes


def listAttr(name: str, *, usedAsFilename: bool) -> list[str] | None:
    """Attributes that name files; None when there are none."""
    assert usedAsFilename
    node = _node(name)
    if node.is_broken:
        raise RuntimeError(f"The plug-in of {name} failed.")
    return list(node.filenames) or None


def referenceQuery(
    name: str,
    *,
    isNodeReferenced: bool = False,
    isLoaded: bool = False,
    filename: bool = False,
    withoutCopyNumber: bool = False,
) -> Any:
    """About references."""
    node = _node(name)
    if isNodeReferenced:
        return node.is_referenced
    if node.kind != "reference" or not node.reference_path:
        raise RuntimeError(f"Reference node '{name}' is not associated with a reference file.")
    if isLoaded:
        return node.is_loaded
    assert filename
    return node.reference_path if withoutCopyNumber else node.reference_path + "{1}"


def filePathEditor(
    *,
    query: bool = False,
    refresh: bool = False,
    listDirectories: str | None = None,
    listFiles: str | None = None,
    withAttribute: bool = False,
    status: bool = False,
) -> Any:
    """The file path editor: directories, and triples of name, plug and whether it is there."""
    if refresh:
        return True
    assert query
    if listDirectories is not None:
        return sorted(world.editor) or None
    assert listFiles is not None
    assert withAttribute
    assert status
    found: list[Any] = []
    for name, plug, is_there in world.editor.get(listFiles, ()):
        found += [name, plug, is_there]
    return found or None


def colorManagementPrefs(*, query: bool, cmConfigFileEnabled: bool = False, configFilePath: bool = False) -> Any:
    """Color management."""
    assert query
    return world.colours["cmConfigFileEnabled" if cmConfigFileEnabled else "configFilePath"]


# Rendering


def editRenderLayerGlobals(*, query: bool = False, currentRenderLayer: Any = None) -> Any:
    """The current render layer."""
    world.on_main_thread()
    if query:
        return world.layer
    if currentRenderLayer in world.broken_layers:
        raise RuntimeError(f"Render layer {currentRenderLayer} cannot be made current.")
    _node(currentRenderLayer)
    world.layer = currentRenderLayer
    world.is_modified = True
    if world.has_undo:
        world.undoable.append(f"editRenderLayerGlobals {currentRenderLayer}")
    return None


def renderSettings(*, firstImageName: bool, fullPath: bool, camera: str, layer: str) -> list[str]:
    """The first image's path, as Maya makes it from the prefix and the project's images rule."""
    assert firstImageName
    assert fullPath
    prefix = getAttr("defaultRenderGlobals.imageFilePrefix") or ""
    stem = Path(world.scene).stem or "untitled"
    label = "masterLayer" if layer == "defaultRenderLayer" else layer.removeprefix("rs_")
    layers = [name for name in ls(type="renderLayer") if world.nodes[name].attributes["renderable"]]
    name = prefix or stem
    if len(layers) > 1 and "<RenderLayer>" not in name:
        name = "<RenderLayer>/" + name
    for token, value in (("<Scene>", stem), ("<RenderLayer>", label), ("<Camera>", camera)):
        name = name.replace(token, value)
    extension = getAttr("defaultRenderGlobals.imfPluginKey")
    if getAttr("defaultRenderGlobals.animation"):
        padding = int(getAttr("defaultRenderGlobals.extensionPadding"))
        first = round(getAttr("defaultRenderGlobals.startFrame"))
        name = f"{name}.{'-' if first < 0 else ''}{abs(first):0{padding}d}"
    return [f"{world.project}/images/{name}.{extension}"]


# The window


def optionVar(*, exists: str = "", query: str = "", intValue: Any = None, stringValue: Any = None) -> Any:
    """What Maya remembers between two starts."""
    if exists:
        return exists in world.options
    if query:
        return world.options.get(query, 0)
    name, value = intValue or stringValue
    world.options[name] = value
    return None


def evalDeferred(code: str, *, lowestPriority: bool) -> None:
    """Run it when the window is there."""
    assert lowestPriority
    world.at_start.append(code)


def confirmDialog(*, title: str, message: str, button: list[str], **_: Any) -> str:
    """A question, answered by `world.answers`."""
    world.asked.append(message)
    world.idle()  # a dialog has a loop of its own
    assert world.answers, f"Maya asks {message!r} ({title}), and nobody answers"
    answer = world.answers.popleft()
    assert answer in button, (answer, button)
    return answer


def fileDialog2(*, fileMode: int, caption: str) -> list[str] | None:
    """A choice of a folder."""
    assert caption
    assert fileMode == 3
    return [world.answers.popleft()] if world.answers else None


def scriptJob(*, event: tuple[str, Callable[[], Any]], parent: str) -> int:
    """Call something when something happens, as long as a widget is there."""
    world.jobs.append((event[0], event[1], _widget(parent).path))
    return len(world.jobs)


def setParent(name: str) -> str:
    """Where the next widgets go."""
    world.parent = _widget(name)
    return world.parent.path


def deleteUI(name: str) -> None:
    """Remove a widget."""
    world.remove(_widget(name))


def showWindow(name: str) -> None:
    """Show a window."""
    _widget(name)


def _widget(name: str) -> Widget:
    """By its path, or by its last name where only one widget has that."""
    world.on_main_thread()
    found = world.named(name)
    if len(found) != 1:
        raise RuntimeError(f"Object '{name}' not found." if not found else f"Object's name '{name}' is not unique.")
    return found[0]


_LAYOUTS = {
    "scrollLayout",
    "columnLayout",
    "rowLayout",
    "frameLayout",
    "paneLayout",
    "menu",
    "workspaceControl",
    "window",
}


def _command(kind: str) -> Callable[..., Any]:
    def command(name: str = "", **flags: Any) -> Any:
        world.on_main_thread()
        if flags.pop("exists", False):
            return len(world.named(name)) == 1
        if flags.pop("query", False):
            widget = _widget(name)
            if flags.get("childArray"):
                return [child.name for child in widget.children] or None
            (flag,) = flags
            return widget.flags.get(flag)
        if flags.pop("edit", False):
            widget = _widget(name)
            if flags.pop("restore", False):
                world.show_control(widget)
            widget.flags.update(flags)
            return None
        name = name or world.unique(kind)
        parent = flags.pop("parent", None)
        above = _widget(parent) if parent else world.parent
        if kind in {"workspaceControl", "window"}:
            above = world.window
        if any(child.name == name for child in above.children):
            raise RuntimeError(f"Object's name '{name}' is not unique.")
        if neighbour := flags.pop("tabToControl", None):
            _widget(neighbour[0])
        widget = Widget(name, kind, above, flags)
        above.children.append(widget)
        world.widgets[widget.path] = widget
        if kind in _LAYOUTS:
            world.parent = widget
        if kind == "workspaceControl":
            world.show_control(widget)
            return name
        return widget.path

    return command


scrollLayout = _command("scrollLayout")
columnLayout = _command("columnLayout")
rowLayout = _command("rowLayout")
frameLayout = _command("frameLayout")
paneLayout = _command("paneLayout")
layout = _command("layout")
menu = _command("menu")
menuItem = _command("menuItem")
window = _command("window")
workspaceControl = _command("workspaceControl")
text = _command("text")
button = _command("button")
checkBox = _command("checkBox")
image = _command("image")
progressBar = _command("progressBar")
scrollField = _command("scrollField")
textFieldGrp = _command("textFieldGrp")
textFieldButtonGrp = _command("textFieldButtonGrp")
intFieldGrp = _command("intFieldGrp")
