"""Where jobs from other nodes may read and write on this machine: below one of the settings' `roots`, nowhere else."""

from __future__ import annotations

import ntpath
import os
import re
import stat
from pathlib import Path

from peerfarm.model.render import FailReason
from peerfarm.runner.failures import AttemptError

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}")
_HINT = "Use a path below one of them, or add its directory to `roots` in peerfarm.yaml on that node."


def is_label(text: str) -> bool:
    """Whether `text` can be the name of an attempt or a job in a path: letters, digits, `-` and `_` alone."""
    return _LABEL.fullmatch(text) is not None


def name_fault(name: str) -> str:
    """What forbids `name` as a plain file name on any system of the farm; empty when nothing does."""
    if not name or name in {".", ".."}:
        return "is no file name"
    if any(ord(letter) < 32 for letter in name):
        return "holds a control character"
    if any(letter in name for letter in '/\\:*?"<>|'):
        return 'holds one of / \\ : * ? " < > |'
    if name.startswith("."):
        return "begins with a dot, as peerfarm's own files do"
    if name[-1] in ". ":
        return "ends with a dot or a space, which Windows drops"
    return "is a device on Windows" if _is_device(name) else ""


def _is_device(name: str) -> bool:
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES


def spelling_fault(path: str, roots: tuple[str, ...] = (), *, is_windows: bool = os.name == "nt") -> str:
    """What is wrong with how a path is written, before the disk is asked; empty when nothing is.

    Args:
        roots: A path on a network server is right only when one of these names the same server and share.
        is_windows: Read the path as Windows does.
    """
    if "\0" in path:
        return "holds a NUL character"
    flat = path.replace("\\", "/") if is_windows else path
    if flat.startswith(("//?/", "//./")):
        return "names a device"
    if flat.startswith("//") or path.startswith("\\\\"):
        share = ntpath.splitdrive(flat.replace("/", "\\"))[0].lower()
        if share not in {ntpath.splitdrive(root.replace("/", "\\"))[0].lower() for root in roots}:
            return "names a server that no root names"
    rest = flat
    if is_windows:
        drive, rest = ntpath.splitdrive(flat)
        if not drive or not rest.startswith("/"):
            return "is not absolute"
        if ":" in rest:
            return "holds a second colon"
    elif not path.startswith("/"):
        return "is not absolute"
    if any(_is_device(part) for part in rest.split("/")):
        return "names a device of Windows"
    return ""


def check_path(path: str, roots: tuple[str, ...], node: str = "") -> str:
    """Resolve a path with all symbolic links, and make sure that jobs may use it here.

    Args:
        path: Absolute; need not exist.
        roots: The settings' `roots`; empty refuses everything.
        node: What people call this node, for the message.

    Returns:
        The resolved path.

    Raises:
        AttemptError: NOT_ALLOWED, naming the path, the node and the setting.
    """
    fault = spelling_fault(path, roots)
    if fault:
        raise AttemptError(FailReason.NOT_ALLOWED, f"the path {path!r} {fault}", "Correct it in the job.")
    try:
        real = os.path.realpath(path)
        is_below = any(_is_below(real, os.path.realpath(root)) for root in roots)
        is_odd = is_below and _is_odd(real)
    except (OSError, ValueError) as error:
        raise AttemptError(FailReason.NOT_ALLOWED, f"the path {path!r} cannot be resolved: {error}") from error
    if not is_below:
        listed = ", ".join(roots) if roots else "none is set"
        truly = "" if real == path else f" (really {real})"
        who = f"the node {node}" if node else "this node"
        message = f"{who} may not use {path}{truly}: it lies outside its setting `roots` ({listed})"
        raise AttemptError(FailReason.NOT_ALLOWED, message, _HINT)
    if is_odd:
        raise AttemptError(
            FailReason.NOT_ALLOWED, f"{path} is neither a file nor a directory", "Correct it in the job."
        )
    return real


def _is_below(real: str, root: str) -> bool:
    return Path(real).is_relative_to(root)  # whole components, and without regard to case on Windows


def _is_odd(real: str) -> bool:
    try:
        mode = Path(real).stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
