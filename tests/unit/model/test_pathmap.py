"""Paths of other systems and other machines, found here."""

from __future__ import annotations

import json

import pytest

from peerfarm.config.settings import SharedRoot
from peerfarm.model.blob import blocks_of
from peerfarm.model.manifest import Manifest, ManifestFile
from peerfarm.model.pathmap import (
    AS_WRITTEN,
    PathMap,
    PathRule,
    checkout_map,
    join_path,
    read_map,
    shared_map,
    split_path,
)

ROOTS = (
    SharedRoot(linux="/mnt/projects", darwin="/Volumes/projects", windows="P:\\"),
    SharedRoot(linux="/mnt/projects/sea/caches", windows=r"\\nas\caches"),
)


@pytest.mark.parametrize(
    ("system", "path", "here"),
    [
        ("linux", r"P:\sea\a.blend", "/mnt/projects/sea/a.blend"),
        ("linux", "p:/sea/a.blend", "/mnt/projects/sea/a.blend"),
        ("linux", "/Volumes/projects/sea/a.blend", "/mnt/projects/sea/a.blend"),
        ("linux", "/mnt/projects/sea/a.blend", "/mnt/projects/sea/a.blend"),
        ("linux", r"\\NAS\Caches\fog.vdb", "/mnt/projects/sea/caches/fog.vdb"),
        ("linux", r"\\?\UNC\nas\caches\fog.vdb", "/mnt/projects/sea/caches/fog.vdb"),
        ("linux", r"\\?\P:\sea\a.blend", "/mnt/projects/sea/a.blend"),
        ("windows", "/mnt/projects/sea/a.blend", r"P:\sea\a.blend"),
        ("windows", "/mnt/projects/sea/caches/fog.vdb", r"\\nas\caches\fog.vdb"),
        ("windows", "/mnt/projects", "P:\\"),
        ("darwin", r"P:\sea", "/Volumes/projects/sea"),
        ("darwin", "/volumes/PROJECTS/sea", "/Volumes/projects/sea"),
        ("darwin", "/mnt/projects/sea/caches/fog.vdb", "/Volumes/projects/sea/caches/fog.vdb"),
    ],
)
def test_shared_paths_of_one_system_are_found_on_another_the_longest_first(system: str, path: str, here: str) -> None:
    assert shared_map(ROOTS, system).translate(path) == here


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/projectsX/a.blend",
        "/MNT/projects/a.blend",
        "/mnt/projects/../secret",
        "/mnt/projects/sea/../../../../etc/passwd",
        "/..",
        "Q:\\a.blend",
        "P:relative.blend",
        "\\\\nas",
        "//sea/a.blend",
        "sea/a.blend",
        "",
    ],
)
def test_a_path_outside_all_shared_directories_stays_unknown(path: str) -> None:
    assert shared_map(ROOTS, "linux").translate(path) is None


def test_dots_are_resolved_before_the_prefix_is_looked_for() -> None:
    assert shared_map(ROOTS, "linux").translate(r"P:\x\..\sea\.\\a.blend") == "/mnt/projects/sea/a.blend"


@pytest.mark.parametrize("name", ["a\\..\\..\\secret", "a:b"])
def test_a_name_that_would_be_several_on_windows_is_not_translated(name: str) -> None:
    assert shared_map(ROOTS, "windows").translate(f"/mnt/projects/{name}") is None


def test_a_directory_of_our_own_beats_a_shorter_foreign_one() -> None:
    roots = (SharedRoot(linux="/mnt", darwin="/data"), SharedRoot(linux="/data/own", darwin="/Volumes/own"))
    paths = shared_map(roots, "linux")
    assert paths.translate("/data/own/a") == "/data/own/a"
    assert paths.translate("/data/a") == "/mnt/a"


def manifest(base: str, system: str, *files: tuple[str, str]) -> Manifest:
    return Manifest(base, system, tuple(ManifestFile(path, blocks_of(b""), origin=origin) for path, origin in files))


def test_the_submitters_paths_are_found_in_the_checkout() -> None:
    paths = checkout_map(
        manifest(
            "/home/ann/sea", "linux", ("scene.blend", ""),
            ("outside/0/smoke/data/1.vdb", "/caches/smoke/data/1.vdb"),
            ("outside/1/Far.blend", "/libs/Far.blend"),
        ),
        "/farm/7/scene",
    )  # fmt: skip
    assert paths.translate("/home/ann/sea/maps/wood.png") == "/farm/7/scene/maps/wood.png"
    assert paths.translate("/caches/smoke") == "/farm/7/scene/outside/0/smoke"
    assert paths.translate("/libs/Far.blend") == "/farm/7/scene/outside/1/Far.blend"
    assert paths.translate("/home/ann/other.png") is None


def test_a_checkout_of_files_from_windows_is_found_whatever_the_case_of_the_prefix() -> None:
    paths = checkout_map(manifest("C:\\Sea", "windows", ("outside/0/wood.png", r"D:\Maps\wood.png")), "/farm/7/scene")
    assert paths.translate("c:/SEA/scene.blend") == "/farm/7/scene/scene.blend"
    assert paths.translate("d:\\maps\\wood.png") == "/farm/7/scene/outside/0/wood.png"


def test_capitals_never_matter_in_a_path_of_windows() -> None:
    assert PathMap((PathRule("C:\\Sea", "/mnt"),)).translate("c:\\SEA\\a.blend") == "/mnt/a.blend"
    assert PathMap((PathRule("/Sea", "/mnt"),)).translate("/sea/a.blend") is None


def test_names_in_a_checkout_are_composed_as_its_manifest_writes_them() -> None:
    paths = checkout_map(manifest("/Users/Zoe\u0308", "darwin"), "/farm/7/scene")
    assert paths.translate("/Users/Zo\u00eb/cafe\u0301.png") == "/farm/7/scene/caf\u00e9.png"
    shared = PathMap((PathRule("/Users", "/mnt"),))
    assert shared.translate("/Users/cafe\u0301.png") == "/mnt/cafe\u0301.png"


def test_a_file_whose_name_had_to_change_is_still_found() -> None:
    paths = checkout_map(manifest("/sea", "linux", ("outside/0/renamed.png", "/far/away.png")), "/scene")
    assert paths.translate("/far/away.png") == "/scene/outside/0/renamed.png"


def test_a_map_turned_around_leads_back() -> None:
    paths = checkout_map(manifest("C:\\Sea", "windows", ("a", "")), "/scene")
    assert paths.inverse().translate("/scene/maps/wood.png") == r"C:\Sea\maps\wood.png"


def test_a_map_survives_its_way_through_a_file() -> None:
    paths = checkout_map(manifest("C:\\Sea", "windows", ("a", "")), "/scene")
    assert read_map(json.loads(json.dumps(paths.as_json()))) == paths


def test_without_rules_nothing_is_known() -> None:
    assert AS_WRITTEN.translate("/a/b") is None


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/", ("/",)),
        ("/a//b/./c/", ("/", "a", "b", "c")),
        ("/a/../b", ("/", "b")),
        ("c:\\a/b", ("C:\\", "a", "b")),
        ("\\\\server\\share\\a", ("\\\\server\\share\\", "a")),
    ],
)
def test_a_path_splits_into_its_root_and_names_and_joins_again(path: str, parts: tuple[str, ...]) -> None:
    assert split_path(path) == parts
    assert split_path(join_path(parts[0], parts[1:])) == parts
