"""The only module that imports Maya; the others take `cmds` from here."""

from maya import cmds, mel, utils

__all__ = ["app", "at_start", "cmds", "is_batch", "main_window", "soon", "year"]


def is_batch():
    """Whether there is no window: mayapy, Render, maya -batch."""
    return bool(cmds.about(batch=True))


def year():
    """Maya's year, such as "2025"."""
    return str(cmds.about(version=True)).split()[0].split(".")[0]


def app():
    """As what we introduce ourselves to the node."""
    return "maya %s" % year()


def at_start(code):
    """Run Python code once Maya's window is there; never in batch."""
    if not is_batch():
        cmds.evalDeferred(code, lowestPriority=True)


def soon(call):
    """Have Maya's main thread run something when it is idle. May be called from any thread."""
    utils.executeDeferred(call)


def main_window():
    """The name of Maya's main window, in which menus are made."""
    return mel.eval("$peerfarmMainWindow = $gMainWindow")
