"""Texts from anywhere, cut to what a message or an action may hold."""

from __future__ import annotations


def plain(text: str, limit: int) -> str:
    """So many characters of a text at most, without what UTF-8 cannot say."""
    return text[:limit].encode("utf-8", "replace").decode()
