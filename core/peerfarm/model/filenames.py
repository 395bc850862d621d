"""Names of files that mean the same on every system, or are refused with the reason."""

from __future__ import annotations

import re
import unicodedata

MAX_PATH_CHARS = 1024
MAX_NAME_BYTES = 240
"""Of one part as UTF-8: file systems allow 255, and temporary names add a little."""

_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
_UNREADABLE = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_NO_TEXT = re.compile("[\ud800-\udfff]")
"""Halves of characters: how Python shows bytes of a file name that are no UTF-8."""
_NO_PARTS = frozenset({"", ".", ".."})
_ILLEGAL = frozenset('<>:"|?*\\')


def normal_path(path: str) -> str:
    """A relative path in the form that manifests hold: `/` between parts, Unicode NFC, no `.` and no empty parts."""
    parts = [part for part in unicodedata.normalize("NFC", path).split("/") if part not in {"", "."}]
    return "/".join(parts)


def collision_key(path: str) -> str:
    """Equal for two paths that some system takes for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def path_fault(path: str) -> str:
    """Why a manifest may not hold this path, as the end of a sentence; empty when it may."""
    if not path or len(path) > MAX_PATH_CHARS:
        return f"is empty or has more than {MAX_PATH_CHARS} characters"
    if path.startswith("/") or _DRIVE.match(path):
        return "is absolute"
    if path != unicodedata.normalize("NFC", path):
        return "is not in the normal form of Unicode (NFC)"
    if _UNREADABLE.search(path):
        return "holds a backslash or a control character"
    if _NO_TEXT.search(path):
        return "holds bytes that are no text"
    for part in path.split("/"):
        if part in _NO_PARTS:
            return "has an empty part, `.` or `..`"
        if len(part) * 4 > MAX_NAME_BYTES and len(part.encode()) > MAX_NAME_BYTES:
            return f"has a part of more than {MAX_NAME_BYTES} bytes"
    return ""


def windows_fault(path: str) -> str:
    """Why Windows cannot hold this path, as the end of a sentence; empty when it can."""
    for part in path.split("/"):
        if any(char in _ILLEGAL for char in part):
            return f"holds one of {' '.join(sorted(_ILLEGAL))}, which Windows does not allow in names"
        if part[-1:] in {" ", "."}:
            return "has a part that ends with a dot or a space, which Windows drops"
        if _DEVICE.fullmatch(part):
            return f"has the part {part!r}, which is a device on Windows"
    return ""
