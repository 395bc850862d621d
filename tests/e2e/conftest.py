"""Fixtures of the end-to-end tests: real farms whose processes never outlive their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import walls
from farm_rig import RealFarm

CAN_MOUNT = walls.are_possible()
collect_ignore = [] if CAN_MOUNT else ["test_small_disk.py"]


def pytest_report_header() -> list[str]:
    """What is left out where the system allows no views of the disk, as some containers do."""
    return [] if CAN_MOUNT else ["test_small_disk.py is left out: nobody may mount a file system of his own here"]


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
