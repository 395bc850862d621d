"""The state of the pretended Maya: one scene, one window, one queue."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from typing import Any


class Node:
    """One node of the scene."""

    def __init__(self, kind: str, attributes: dict[str, Any], filenames: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.attributes = attributes
        self.filenames = filenames
        """Attributes that Maya knows as names of files."""
        self.is_referenced = False
        self.is_broken = False
        """Whoever asks it for its attributes gets an error."""
        self.parent = ""
        self.reference_path = ""
        self.is_loaded = True


class Widget:
    """One piece of the window."""

    def __init__(self, name: str, kind: str, parent: Widget | None, flags: dict[str, Any]) -> None:
        self.name = name
        self.kind = kind
        self.parent = parent
        self.children: list[Widget] = []
        self.flags = flags

    @property
    def path(self) -> str:
        """Its own name behind those of all around it."""
        return f"{self.parent.path}|{self.name}" if self.parent is not None else self.name


class World:
    """Everything."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.overrides: dict[tuple[str, str], Any] = {}
        """(layer, plug) -> value while that layer is the current one."""
        self.layer = "defaultRenderLayer"
        self.broken_layers: set[str] = set()
        self.scene = ""
        self.is_modified = False
        self.project = ""
        self.version = "2025"
        self.is_batch = False
        self.frame = 1.0
        self.editor: dict[str, list[tuple[str, str, bool]]] = {}
        """Directory -> (name, plug, is there), as the file path editor lists them."""
        self.options: dict[str, Any] = {}
        self.colours: dict[str, Any] = {"cmConfigFileEnabled": False, "configFilePath": ""}
        self.answers: collections.deque[str] = collections.deque()
        """What the artist answers to the next dialogs."""
        self.asked: list[str] = []
        """The messages of the dialogs that were shown."""
        self.saves = 0
        self.has_undo = True
        self.undoable: list[str] = []
        """What the artist would undo next, the last first undone."""
        self.warnings: list[str] = []
        self.has_quit = False
        self.widgets: dict[str, Widget] = {}
        self.window = Widget("MayaWindow", "window", None, {})
        self.widgets["MayaWindow"] = self.window
        editor = Widget("AttributeEditor", "workspaceControl", self.window, {})
        self.window.children.append(editor)
        self.widgets[editor.path] = editor
        self.parent = self.window
        self.jobs: list[tuple[str, Callable[[], Any], str]] = []
        """(event, call, parent) of the script jobs."""
        self.deferred: collections.deque[Callable[[], Any]] = collections.deque()
        self.at_start: list[str] = []
        self.main_thread = threading.get_ident()
        self._number = 0

    def add(self, name: str, kind: str, filenames: tuple[str, ...] = (), **attributes: Any) -> Node:
        """One more node."""
        node = self.nodes[name] = Node(kind, attributes, filenames)
        return node

    def unique(self, kind: str) -> str:
        """A name for a widget that was given none."""
        self._number += 1
        return f"{kind}{self._number}"

    def on_main_thread(self) -> None:
        """Maya's commands may be called there alone; elsewhere it crashes."""
        assert threading.get_ident() == self.main_thread, "a Maya command was called from another thread"

    def pump(self, until: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Work off what was deferred, as Maya does when it is idle, until something holds."""
        deadline_s = time.monotonic() + limit_s
        while not until():
            assert time.monotonic() < deadline_s, "Maya waited in vain; the panel says: " + " | ".join(self.texts())
            self.idle()
            time.sleep(0.005)

    def idle(self) -> None:
        """Work off what is deferred by now; what that defers in turn waits for the next time."""
        for _ in range(len(self.deferred)):
            if self.deferred:
                self.deferred.popleft()()

    def open(self, scene: str) -> None:
        """Another scene, empty but for its name; File > New where it has none."""
        self.nodes = {name: node for name, node in self.nodes.items() if name.startswith("default")}
        self.editor.clear()
        self.scene = scene
        self.layer = "defaultRenderLayer"
        self.is_modified = False
        self.happen("SceneOpened" if scene else "NewSceneOpened")

    def quit(self) -> None:
        """Maya ends: nothing may be deferred any more."""
        self.happen("quitApplication")
        self.has_quit = True

    def show_control(self, control: Widget) -> None:
        """A docked panel is seen: one that has nothing in it yet is filled by its script."""
        if not control.children and control.flags.get("uiScript"):
            self.parent = control
            exec(control.flags["uiScript"], {})

    def restart(self, *, is_seen: bool) -> None:
        """Maya is ended and started again with the workspace as it was; a panel in a hidden tab is not filled yet."""
        self.quit()
        controls = [child for child in self.window.children if child.kind == "workspaceControl"]
        for control in controls:
            for child in list(control.children):
                self.remove(child)
        self.has_quit = False
        self.deferred.clear()
        self.jobs.clear()
        if is_seen:
            for control in controls:
                self.show_control(control)

    def named(self, name: str) -> list[Widget]:
        """The widgets that a name may mean: with that path, or with that last name."""
        if name in self.widgets:
            return [self.widgets[name]]
        return [one for path, one in self.widgets.items() if path.endswith("|" + name)]

    def widget(self, name: str) -> Widget:
        """The one of that name."""
        (found,) = self.named(name)
        return found

    def start(self) -> None:
        """Maya's window is there: what waited for it is run."""
        for code in self.at_start:
            exec(code, {})
        self.at_start.clear()

    def find(self, label: str, kind: str = "") -> Widget:
        """The visible widget with that label or name."""
        for widget in self.widgets.values():
            is_it = label in {widget.flags.get("label"), widget.name}
            if is_it and (not kind or widget.kind == kind) and self.is_visible(widget):
                return widget
        raise AssertionError(f"there is no visible {kind or 'widget'} {label!r}; there are {self.texts()}")

    def is_visible(self, widget: Widget | None) -> bool:
        """Whether it and all around it are shown; Maya's `visible` would leave a hole where it was."""
        while widget is not None:
            if widget.flags.get("manage", True) is False:
                return False
            widget = widget.parent
        return True

    def click(self, label: str) -> None:
        """Press a button, tick a box or choose a menu entry."""
        widget = self.find(label)
        assert widget.flags.get("enable", True), f"{label} cannot be pressed now"
        if widget.kind == "checkBox":
            widget.flags["value"] = not widget.flags.get("value", False)
        command = widget.flags.get("command")
        if command is not None:
            command(widget.flags.get("value", False))

    def texts(self) -> list[str]:
        """Every visible text of the panel, from the top."""
        found = []

        def walk(widget: Widget) -> None:
            label = widget.flags.get("label")
            if label and self.is_visible(widget):
                found.append(str(label))
            for child in widget.children:
                walk(child)

        walk(self.window)
        return found

    def says(self, words: str) -> bool:
        """Whether the panel shows these words."""
        return any(words in text for text in self.texts())

    def happen(self, event: str) -> None:
        """Maya tells of an event, such as SceneOpened."""
        for name, call, parent in list(self.jobs):
            if name == event and parent in self.widgets:
                call()

    def remove(self, widget: Widget) -> None:
        """Delete a widget with all in it."""
        for child in list(widget.children):
            self.remove(child)
        if widget.parent is not None:
            widget.parent.children.remove(widget)
        self.widgets = {path: one for path, one in self.widgets.items() if one is not widget}
        if self.parent is widget:
            self.parent = widget.parent or self.window


world = World()


def renew() -> World:
    """Begin with an empty Maya."""
    fresh = World()
    world.__dict__.clear()
    world.__dict__.update(fresh.__dict__)
    return world
