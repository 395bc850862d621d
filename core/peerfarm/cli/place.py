"""Finds the node's local file without reading any settings, so that quick commands stay quick."""

from __future__ import annotations

import os
from pathlib import Path

from peerfarm.errors import ConfigError

JOIN_VARIABLE = "PEERFARM_JOIN"
"""Holds the join string for who would not have it in the list of processes, or for a start that nobody watches."""


def local_file() -> Path:
    """Where the node of this user publishes its port and token: as `config.find_home` says, without its imports.

    Raises:
        ConfigError: The user's home directory cannot be found.
    """
    try:
        home = os.environ.get("PEERFARM_HOME", "")
        return (Path(home).expanduser().absolute() if home else Path.home() / ".peerfarm") / "local.json"
    except RuntimeError as error:
        raise ConfigError(f"this user's home directory cannot be found: {error}", "Set PEERFARM_HOME.") from error


def absolute(path: str) -> str:
    """The path as the node must see it: absolute, `~` and `..` resolved, symbolic links kept."""
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - pathlib's absolute() keeps `..`
