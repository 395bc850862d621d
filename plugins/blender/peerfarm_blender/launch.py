"""Starts the node on this machine, and says in words why it did not start.

The standard library alone, Python 3.7 or later; the same file in the plug-ins for Blender and Maya.
"""

import os
import subprocess
import sys
import tempfile

from .wire import Fault, read_private

START_LIMIT_S = 60.0
"""`peerfarm start` gives up sooner by itself."""
BY_HAND = "Run `peerfarm start` in a terminal."
_NOT_PASSED_ON = ("PYTHON", "LD_", "DYLD_")
"""What applications set for their own Python and libraries; the node's stands in launch.json."""
_SAID_BYTES = 4000
_LONGEST = 300


def start(home):
    """Start the node, apart from the application; returns the process and the file of what it says.

    Raises:
        Fault: It cannot be started; why, and what to do.
    """
    argv, environment = _command(home)
    is_windows = sys.platform == "win32"
    flags = 0x00000008 | 0x00000200 if is_windows else 0  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    said = None
    try:
        said = tempfile.TemporaryFile()
        process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            close_fds=True,
            start_new_session=not is_windows,
            creationflags=flags,
        )
    except (OSError, ValueError) as error:
        if said is not None:
            said.close()
        raise _not_found(argv) if isinstance(error, FileNotFoundError) else _fault("%s: %s" % (argv[0], error), BY_HAND)
    return process, said


def await_end(process, said):
    """Wait until the command that starts the node has ended; None, or a Fault when the node did not start."""
    try:
        code = process.wait(START_LIMIT_S)
        said.seek(max(0, said.seek(0, os.SEEK_END) - _SAID_BYTES))
        lines = said.read().decode("utf-8", "replace").splitlines()
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return Fault("peerfarm did not start within %d s." % START_LIMIT_S, "Wait, or see why: " + BY_HAND)
    finally:
        said.close()
    return None if code == 0 else _told(lines, code)


def _command(home):
    path = os.path.join(home, "launch.json")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    try:
        told = read_private(path, 65536)
        argv = [str(word) for word in told["argv"]]
        environment.update({str(name): str(value) for name, value in told.get("environment", {}).items()})
    except Fault as fault:
        raise _fault(fault.sentence, BY_HAND + " It writes that file anew.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        argv = []  # never started here, or damaged: perhaps it is on PATH
    return argv or ["peerfarm", "start"], environment


def _not_found(argv):
    if argv[0] == "peerfarm":
        return _fault("it was not found on this machine.", BY_HAND + " From then on this button finds it.")
    return _fault("%s is not there any more." % argv[0], "Install peerfarm again. " + BY_HAND)


def _told(lines, code):
    """From what `peerfarm start` printed: `peerfarm: SENTENCE`, and below it, indented, what to do."""
    lines = [line.strip() for line in lines if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("peerfarm: ")]
    if starts:
        words, hint = lines[starts[-1]][len("peerfarm: ") :], " ".join(lines[starts[-1] + 1 :])
    else:
        words, hint = lines[-1] if lines else "it ended with exit code %d" % code, ""
    if len(words) > _LONGEST:
        words = words[:_LONGEST] + " ..."
    return _fault(words if words.endswith(".") else words + ".", hint or BY_HAND)


def _fault(words, hint):
    return Fault("peerfarm could not be started: " + words, hint, "not started")
