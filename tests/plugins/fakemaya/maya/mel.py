"""The one expression that the plug-in evaluates."""

from __future__ import annotations


def eval(code: str) -> str:  # noqa: A001 - Maya's name
    """The main window's name."""
    assert "$gMainWindow" in code, code
    return "MayaWindow"
