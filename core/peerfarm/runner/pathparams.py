"""Replaces the paths in a step's parameters by where this machine has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_paths(params: Mapping[str, Any], here: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with each text that is one of these paths, alone or after `--name=`, replaced; also in lists.

    Args:
        here: Path as the parameters write it -> path on this machine.
    """
    return {name: _replaced(value, here) for name, value in params.items()}


def _replaced(value: Any, here: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        head, equals, tail = value.partition("=")
        if value in here:
            return here[value]
        return head + equals + here[tail] if head.startswith("-") and tail in here else value
    if isinstance(value, list | tuple):
        return type(value)(_replaced(one, here) for one in value)
    if isinstance(value, Mapping):
        return {name: _replaced(one, here) for name, one in value.items()}
    return value
