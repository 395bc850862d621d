"""Where the frames of a scene go when the artist does not say."""

from __future__ import annotations

from typing import Any

import pytest

from peerfarm.apps.blender_scene import submission_defaults

FACTS: dict[str, Any] = {
    "output": "/renders/shot_",
    "extension": ".png",
    "is_movie": False,
    "camera": "Camera",
    "missing_files": [],
    "file_version": "3.4",
}


@pytest.mark.parametrize(
    ("output", "directory", "pattern"),
    [
        ("/renders/shot_", "/renders", "shot_####.png"),
        ("/renders/", "/renders", "####.png"),
        ("/renders/shot_###", "/renders", "shot_###.png"),
        ("/renders/shot_###.png", "/renders", "shot_###.png"),
        ("/renders/v##_shot_####", "/renders", "v___shot_####.png"),
        ("C:\\renders\\shot", "C:\\renders", "shot####.png"),
        ("/shot", "/", "shot####.png"),
    ],
)
def test_frames_go_where_blender_would_have_put_them(output: str, directory: str, pattern: str) -> None:
    defaults = submission_defaults({**FACTS, "output": output})
    assert (defaults["output_dir"], defaults["output_pattern"]) == (directory, pattern)


def test_a_scene_that_writes_a_movie_becomes_single_images_and_says_so() -> None:
    defaults = submission_defaults({**FACTS, "is_movie": True, "extension": ".mp4"})
    assert defaults["output_pattern"] == "shot_####.png"
    assert "movie" in defaults["warnings"][0]


def test_missing_files_and_a_missing_camera_are_told_before_submission() -> None:
    defaults = submission_defaults({**FACTS, "camera": "", "missing_files": ["/tex/wood.png"]})
    assert ["camera" in defaults["warnings"][0], "/tex/wood.png" in defaults["warnings"][1]] == [True, True]
