"""The dockable panel: what to send, and below it the farm. Plain Maya commands; what it shows comes from `board`."""

import time

from . import VERSION, farmview, sendview
from .board import Board
from .client import Link
from .mayacmds import app, cmds
from .ticker import SOON_S, Ticker

CONTROL = "peerfarmPanel"
_UI = "import peerfarm_maya.panel; peerfarm_maya.panel.draw()"
_NEIGHBOUR = "AttributeEditor"
"""The panel begins as a tab beside it; a workspace may lack it."""
_MOST_FAULTS = 20


class Panel(object):
    """One panel with its connection; there is at most one in Maya."""

    def __init__(self, home=None):
        self.link = Link(app(), VERSION, home)
        self.board = Board(self.link)
        self.send = None
        self.farm = None
        self.root = ""
        self._faults = 0
        self._shown = None
        self._is_closed = False
        self._ticker = Ticker(self.tick)

    def draw(self):
        """Make the widgets in the current parent and begin to look at the farm."""
        self.root = cmds.scrollLayout("peerfarmRoot", childResizable=True)
        column = cmds.columnLayout("peerfarmColumn", adjustableColumn=True, rowSpacing=6, parent=self.root)
        self.farm_first = cmds.text("peerfarmSentence", label="", align="left", font="boldLabelFont", parent=column)
        self.hint = cmds.text("peerfarmHint", label="", align="left", wordWrap=True, parent=column)
        self.start = cmds.button(
            "peerfarmStart", label="Start peerfarm", parent=column, manage=False, command=self._guarded(self._start)
        )
        self.send = sendview.SendView(self, column)
        self.farm = farmview.FarmView(self, column)
        self.notice = cmds.text("peerfarmNotice", label="", align="left", wordWrap=True, parent=column)
        for event, call in (
            ("SceneOpened", self.send.opened),
            ("NewSceneOpened", self.send.opened),
            ("SceneSaved", self.send.read),
            ("quitApplication", self.close),
        ):
            cmds.scriptJob(event=(event, self._guarded(call)), parent=self.root)
        self._guarded(self.send.read)()
        self._update()
        self.link.open()
        self._ticker.start()

    def close(self):
        """End the connection; the widgets are Maya's to remove. May be called again."""
        if self._is_closed:
            return
        self._is_closed = True
        self._ticker.stop()
        if self.send is not None and self.send.is_preparing:
            cmds.warning("peerfarm: the panel was closed before the scene was with the farm; it was not sent.")
            self.send.give_up()
        elif self.board.is_sending:
            cmds.warning("peerfarm: the panel was closed while the scene was being sent, which gives it up.")
        self.link.close(0.2)
        self.board.close()

    def say(self, words):
        """Show a sentence at the bottom."""
        self.board.notice = words

    def tick(self):
        """Look what is new; False when the panel is gone, else when to look again. Never raises."""
        try:
            if self._is_closed or not cmds.layout(self.root, exists=True):
                self.close()
                return False
            self.board.tick(time.monotonic())
            self.send.step()
            self._update()
            return SOON_S if self.send.is_preparing else None
        except Exception as error:  # Maya must go on whatever is wrong with us
            self._faults += 1
            self.board.notice = "The panel failed: %s. Close it and open it again." % error
            if self._faults > _MOST_FAULTS:
                self.close()
                return False
        return None

    def _update(self):
        shown = (self.board.view.revision, self.board.notice, self.board.is_sending)
        if shown == self._shown:
            return
        self._shown = shown
        view = self.board.view
        cmds.text(self.farm_first, edit=True, label=view.sentence)
        cmds.text(self.hint, edit=True, label=view.hint, manage=bool(view.hint))
        cmds.button(self.start, edit=True, manage=view.can_start)
        cmds.text(self.notice, edit=True, label=self.board.notice)
        self.send.update()
        self.farm.update(view)

    def _start(self):
        self.board.start_node()

    def guarded(self, call, *given):
        """A command for a widget: whatever goes wrong becomes a sentence in the panel."""
        return self._guarded(call, *given)

    def _guarded(self, call, *given):
        def command(*_):
            try:
                call(*given)
            except Exception as error:  # an exception in a command would stand in the Script Editor alone
                self.say("This did not work: %s" % (str(error).strip() or type(error).__name__))
            self._shown = None

        return command


_panel = None


def show(is_sending=True, home=None):
    """Open the panel, or bring it to the front where it is docked; with the part for sending open or folded."""
    if cmds.workspaceControl(CONTROL, exists=True):
        # A saved workspace brings the control back, and Maya fills it when it is first seen.
        cmds.workspaceControl(CONTROL, edit=True, restore=True)
        if not _is_drawn():
            cmds.deleteUI(CONTROL)
    if not cmds.workspaceControl(CONTROL, exists=True):
        control = cmds.workspaceControl
        if control(_NEIGHBOUR, exists=True):
            control(
                CONTROL,
                label="peerfarm",
                initialWidth=380,
                minimumWidth=300,
                retain=False,
                uiScript=_UI,
                tabToControl=(_NEIGHBOUR, -1),
            )
        else:
            control(CONTROL, label="peerfarm", initialWidth=380, minimumWidth=300, retain=False, uiScript=_UI)
    if not _is_drawn():
        cmds.setParent(CONTROL)  # a Maya that does not run the script at once
        draw(home)
    _panel.send.unfold(is_sending)
    return _panel


def _is_drawn():
    return _panel is not None and bool(_panel.root) and cmds.layout(_panel.root, exists=True)


def draw(home=None):
    """Fill the panel; Maya calls this when it makes the panel anew, at its start too."""
    global _panel
    if _panel is not None:
        _panel.close()
    _panel = Panel(home)
    _panel.draw()
    return _panel
