"""Where the programs lie that run inside a renderer's process."""

from __future__ import annotations

import peerfarm


def program_path(name: str) -> str:
    """The absolute path of a file in `peerfarm/renderers`."""
    return f"{peerfarm.__file__.removesuffix('__init__.py')}renderers/{name}"
