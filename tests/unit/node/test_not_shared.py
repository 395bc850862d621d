"""Files of a scene that lie elsewhere than the storage that the farm shares."""

from __future__ import annotations

import pytest

from peerfarm.config import SharedRoot
from peerfarm.node.filesmode import not_shared

SHARED = (SharedRoot(linux="/mnt/projects", windows="P:\\projects"), SharedRoot(linux="/mnt/library"))


def test_folders_outside_shared_storage_are_named_where_the_scene_lies_on_it() -> None:
    folders = ["/mnt/projects/sea/tex", "/home/ada/Downloads", "/mnt/library/fonts", "/mnt/projects2/tex"]
    told = not_shared("/mnt/projects/sea/sea.blend", folders, SHARED, "linux")
    assert told == ["/home/ada/Downloads", "/mnt/projects2/tex"]


def test_of_a_scene_that_travels_nothing_is_named() -> None:
    assert not_shared("/home/ada/sea.blend", ["/home/ada/tex"], SHARED, "linux") == []
    assert not_shared("/home/ada/sea.blend", ["/home/ada/tex"], (), "linux") == []


@pytest.mark.parametrize(("folder", "is_told"), [("p:\\PROJECTS\\tex", False), ("C:\\tex", True)])
def test_windows_does_not_care_how_a_shared_folder_is_written(folder: str, is_told: bool) -> None:
    assert bool(not_shared("P:\\projects\\sea.blend", [folder], SHARED, "windows")) is is_told
