"""Where the base of a scene's files lies, and where what lies elsewhere goes."""

from __future__ import annotations

from peerfarm.model.collected import Collected, NamedFile, collected

SCENE = "/home/ann/sea/shots/a.blend"


def gather(*named: NamedFile) -> Collected:
    return collected(SCENE, named, "linux")


def places(found: Collected) -> dict[str, tuple[str, str]]:
    return {place.path: (place.place, place.origin) for place in found.places()}


def beside(path: str, anchor: str = SCENE) -> NamedFile:
    return NamedFile(path, "image", anchor)


def test_a_scene_alone_has_its_directory_as_base() -> None:
    found = gather()
    assert found.base == "/home/ann/sea/shots"
    assert places(found) == {SCENE: ("a.blend", "")}


def test_the_base_rises_to_hold_all_that_is_named_relative_to_the_scene() -> None:
    found = gather(beside("/home/ann/sea/maps/wood.png"))
    assert found.base == "/home/ann/sea"
    assert places(found)["/home/ann/sea/maps/wood.png"] == ("maps/wood.png", "")


def test_a_library_beside_the_scene_brings_its_own_relative_files_below_the_base() -> None:
    found = gather(beside("/mnt/wood.png", "/home/ann/libs/set.blend"), beside("/home/ann/libs/set.blend"))
    assert found.base == "/"
    assert places(found)[SCENE] == ("home/ann/sea/shots/a.blend", "")


def test_absolute_paths_do_not_move_the_base() -> None:
    found = gather(NamedFile("/mnt/maps/wood.png", "image"), NamedFile("/home/ann/sea/shots/near.png", "image"))
    assert found.base == "/home/ann/sea/shots"
    assert places(found)["/mnt/maps/wood.png"] == ("outside/0/wood.png", "/mnt/maps/wood.png")
    assert places(found)["/home/ann/sea/shots/near.png"] == ("near.png", "")


def test_files_elsewhere_that_name_one_another_keep_their_places() -> None:
    library = "/libs/hero/hero.blend"
    found = gather(NamedFile(library, "library"), beside("/libs/maps/skin.png", library))
    assert places(found)[library][0] == "outside/0/hero/hero.blend"
    assert places(found)["/libs/maps/skin.png"][0] == "outside/0/maps/skin.png"


def test_a_directory_that_was_named_keeps_its_inside() -> None:
    found = gather(
        NamedFile("/caches/smoke/config/1.uni", "fluid", "", "/caches/smoke"),
        NamedFile("/caches/smoke/data/1.vdb", "fluid", "", "/caches/smoke"),
    )
    assert [place for place, _ in places(found).values()][1:] == ["outside/0/config/1.uni", "outside/0/data/1.vdb"]


def test_files_of_equal_names_in_different_directories_do_not_meet() -> None:
    found = gather(NamedFile("/x/wood.png", "image"), NamedFile("/y/wood.png", "image"))
    assert len({place for place, _ in places(found).values()}) == 3


def test_a_file_named_both_ways_lies_where_the_relative_path_finds_it() -> None:
    found = gather(NamedFile("/home/ann/maps/wood.png", "image"), beside("/home/ann/maps/wood.png"))
    assert found.base == "/home/ann"
    assert places(found)["/home/ann/maps/wood.png"] == ("maps/wood.png", "")


def test_each_file_is_listed_once_with_the_first_that_wants_it() -> None:
    found = gather(NamedFile("/x/wood.png", "image 'A'"), NamedFile("/x/wood.png", "image 'B'"))
    assert [(file.path, file.why) for file in found.files] == [(SCENE, "the scene"), ("/x/wood.png", "image 'A'")]


def test_drives_of_windows_are_kept_apart_and_capitals_are_not() -> None:
    found = collected(
        "C:\\Sea\\a.blend",
        [NamedFile("C:\\SEA\\maps\\wood.png", "image", "C:\\Sea\\a.blend"), NamedFile("D:\\wood.png", "image")],
        "windows",
    )
    assert found.base == "C:\\Sea"
    assert [place for place, _ in places(found).values()] == ["a.blend", "maps/wood.png", "outside/0/wood.png"]
