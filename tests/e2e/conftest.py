"""Fixtures of the end-to-end tests: real farms whose processes never outlive their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from farm_rig import RealFarm


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RealFarm]:
    """A farm without nodes yet, whose nodes know the built-in renderer alone."""
    made = RealFarm(tmp_path)
    yield made
    made.close()


@pytest.fixture
def blender_farm(tmp_path: Path) -> Iterator[RealFarm]:
    """A farm without nodes yet, whose nodes look for Blender."""
    made = RealFarm(tmp_path, knows_blender=True)
    yield made
    made.close()
