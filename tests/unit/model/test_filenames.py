"""File names between systems: what is refused, and what is one file."""

from __future__ import annotations

import pytest

from peerfarm.model.filenames import collision_key, normal_path, path_fault, windows_fault


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a/./b",
        "a//b",
        "a/",
        "C:/windows",
        "c:evil",
        "a\\..\\b",
        "\\\\server\\share",
        "nul\0byte",
        "line\nbreak",
        "a\x85b",
        "e\u0301",
        "half\ud800",
        "x" * 241,
        "é" * 121,
        "a/" * 600 + "a",
    ],
)
def test_a_path_that_could_lead_outside_or_mean_two_things_is_refused(path: str) -> None:
    assert path_fault(path)


@pytest.mark.parametrize(
    "path", ["a", "tex/wood_<UDIM>.png", "été/ü.exr", "..a/b..", "x" * 240, "con/aux.txt", "日本/図.png"]
)
def test_a_plain_path_is_allowed(path: str) -> None:
    assert path_fault(path) == ""


@pytest.mark.parametrize(
    "path", ["a:b", "wood_<UDIM>.png", "a/con", "aux.txt", "dot./b", "space /b", "what?", "LPT1.log"]
)
def test_a_name_that_windows_cannot_hold_is_told(path: str) -> None:
    assert windows_fault(path)


@pytest.mark.parametrize("path", ["a/b.png", ".hidden", "a b/c d", "console", "com10"])
def test_a_name_that_windows_can_hold_is_not(path: str) -> None:
    assert windows_fault(path) == ""


def test_spellings_of_one_relative_path_become_equal() -> None:
    assert normal_path("./tex//e\u0301.png") == "tex/é.png" == normal_path("tex/é.png/")
    assert path_fault(normal_path("a/../b"))


def test_names_that_some_system_takes_for_one_collide() -> None:
    assert collision_key("Tex/Wood.PNG") == collision_key("tex/wood.png")
    assert collision_key("tex/É.png") == collision_key("tex/e\u0301.png")
    assert collision_key("tex/a.png") != collision_key("tex/b.png")
