"""The files of several scenes of one job lie in one checkout, and each scene still finds its own."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from peerfarm.model.collected import Collected, MissingFile, NamedFile, collected
from peerfarm.model.mergedfiles import merged


def scene(path: str, relative: Sequence[str] = (), absolute: Sequence[str] = (), system: str = "linux") -> Collected:
    """What an application tells of a scene that names some files relative to itself and some absolutely."""
    named = [NamedFile(file, "texture", anchor=path) for file in relative]
    named += [NamedFile(file, "texture") for file in absolute]
    return collected(path, named, system, [MissingFile("/gone.png", "texture")], ["a warning"])


def places(found: Collected) -> dict[str, str]:
    return {place.path: place.place for place in found.places()}


def test_one_scene_stays_as_it_is() -> None:
    one = scene("/show/a.blend", ["/show/tex/wood.png"], ["/fonts/f.ttf"])
    assert merged((one,)) == one


def test_scenes_of_one_project_share_its_base() -> None:
    one, other = scene("/show/shots/a.blend"), scene("/show/b.blend", ["/show/tex/wood.png"])
    assert places(merged((one, other))) == {
        "/show/shots/a.blend": "shots/a.blend",
        "/show/b.blend": "b.blend",
        "/show/tex/wood.png": "tex/wood.png",
    }


def test_a_scene_from_elsewhere_keeps_its_files_together() -> None:
    one, other = scene("/show/a.blend"), scene("/old/shots/b.blend", ["/old/tex/wood.png"])
    found = places(merged((one, other)))
    assert found["/show/a.blend"] == "a.blend"
    assert found["/old/shots/b.blend"] == "outside/0/shots/b.blend"
    assert found["/old/tex/wood.png"] == "outside/0/tex/wood.png"


def test_a_file_that_one_scene_names_alone_stays_where_another_looks_for_it() -> None:
    one = scene("/show/a.blend", absolute=["/old/tex/wood.png"])
    other = scene("/old/shots/b.blend", ["/old/tex/wood.png"])
    found = places(merged((one, other)))
    assert found["/old/shots/b.blend"] == "outside/0/shots/b.blend"
    assert found["/old/tex/wood.png"] == "outside/0/tex/wood.png"


def test_a_file_outside_of_one_scene_may_lie_below_the_base_of_all() -> None:
    one, other = scene("/show/shots/a.blend", absolute=["/show/fonts/f.ttf"]), scene("/show/b.blend")
    found = merged((one, other))
    assert places(found)["/show/fonts/f.ttf"] == "fonts/f.ttf"
    assert {file.root for file in found.files} == {""}


def test_systems_that_ignore_capitals_know_one_folder_by_both_spellings() -> None:
    one = scene(r"C:\Show\shots\a.blend", system="windows")
    other = scene(r"c:\show\b.blend", system="windows")
    found = merged((one, other))
    assert found.base.lower() == r"c:\show"
    assert places(found) == {r"C:\Show\shots\a.blend": "shots/a.blend", r"c:\show\b.blend": "b.blend"}


def test_what_is_missing_and_what_was_warned_of_is_told_once() -> None:
    found = merged((scene("/show/a.blend"), scene("/show/b.blend")))
    assert found.missing == (MissingFile("/gone.png", "texture"),)
    assert found.warnings == ("a warning",)


_names = st.sampled_from(["a", "b", "c"])
_files = st.lists(_names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts) + ".x")


@given(st.lists(st.tuples(_files, st.lists(_files, max_size=3), st.lists(_files, max_size=3)), min_size=1, max_size=4))
def test_whatever_a_scene_names_relative_to_itself_lies_there_in_the_checkout(
    told: list[tuple[str, list[str], list[str]]],
) -> None:
    scenes = [scene(path, relative, absolute) for path, relative, absolute in told]
    found = merged(tuple(scenes))
    assert set(places(found)) == {file.path for one in scenes for file in one.files}
    assert len(set(places(found).values())) == len(places(found))
    for path, relative, _ in told:
        for file in relative:
            assert _between(places(found)[path], places(found)[file]) == _between(path[1:], file[1:])


def _between(start: str, end: str) -> tuple[int, tuple[str, ...]]:
    """How many folders up and then which way down leads from one file to another."""
    one, other = start.split("/")[:-1], end.split("/")
    same = 0
    while same < min(len(one), len(other) - 1) and one[same] == other[same]:
        same += 1
    return len(one) - same, tuple(other[same:])


def test_a_file_that_was_found_in_a_directory_must_still_lie_in_it_when_it_is_packed() -> None:
    named = [NamedFile(f"/show/cache/{name}", "brings", root="/show/cache") for name in ("a.vdb", "b.vdb")]
    folder = collected("/show/cache/a.vdb", named, "linux")
    found = merged((scene("/show/a.blend", ["/show/tex/wood.png"]), folder))
    assert {place.path: place.within for place in found.places()} == {
        "/show/a.blend": "",
        "/show/tex/wood.png": "",
        "/show/cache/a.vdb": "/show/cache",
        "/show/cache/b.vdb": "/show/cache",
    }
