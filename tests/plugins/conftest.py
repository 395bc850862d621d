"""Lets the processes that these tests start find this checkout, installed or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import peerfarm

CORE = Path(peerfarm.__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _importable() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    paths = [str(CORE), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    patch.setenv("PYTHONPATH", os.pathsep.join(paths))
    yield
    patch.undo()
