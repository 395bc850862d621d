"""The menu "peerfarm" in Maya's main window."""

from . import panel
from .mayacmds import cmds, main_window

NAME = "peerfarmMenu"


def install():
    """Make the menu; an older one of ours goes first, so that it can be called again."""
    uninstall()
    cmds.menu(NAME, label="peerfarm", parent=main_window(), tearOff=True)
    cmds.menuItem(
        "peerfarmSend",
        label="Send to peerfarm",
        annotation="Render the open scene on the farm",
        parent=NAME,
        command=lambda *_: panel.show(is_sending=True),
    )
    cmds.menuItem(
        "peerfarmStatus",
        label="Farm status",
        annotation="The farm's machines and your jobs",
        parent=NAME,
        command=lambda *_: panel.show(is_sending=False),
    )


def uninstall():
    """Remove the menu."""
    if cmds.menu(NAME, exists=True):
        cmds.deleteUI(NAME)
