"""Folders in the system's own file manager."""

import os
import subprocess
import sys
import threading

_MAYAS_OWN = ("PYTHON", "LD_LIBRARY_PATH", "DYLD_", "QT_")
"""Beginnings of variables that Maya sets for itself, and that other programs must not get."""


def open_folder(path):
    """Show a folder in the system's file manager."""
    if not os.path.isdir(path):
        raise OSError("there is no folder %s yet" % path)
    if sys.platform == "win32":
        os.startfile(path)
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_MAYAS_OWN)}
    program = "open" if sys.platform == "darwin" else "xdg-open"
    started = subprocess.Popen([program, path], stdin=subprocess.DEVNULL, close_fds=True, env=environment)
    # It may stay for as long as the window; somebody has to take note of its end.
    threading.Thread(target=started.wait, name="peerfarm-folder", daemon=True).start()
