"""Bytes in words."""

from __future__ import annotations


def size_words(size_bytes: float) -> str:
    """Bytes as people say them: `640 B`, `1.2 MB`, `34 GB`; thousands, as disks are sold."""
    units = ["TB", "GB", "MB", "kB", "B"]
    unit = units.pop()
    while size_bytes >= 1000 and units:
        size_bytes, unit = size_bytes / 1000, units.pop()
    return f"{size_bytes:.0f} {unit}" if size_bytes >= 10 or unit == "B" else f"{size_bytes:.1f} {unit}"
