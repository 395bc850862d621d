"""Whatever stands in a Maya scene, it is read to the end: what it says has the right types, and no path is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.apps.maya_ascii import named, rewritten
from peerfarm.apps.maya_binary import binary_year, named_in_binary
from peerfarm.apps.maya_passes import submission_defaults
from peerfarm.apps.maya_scene import frames_of, parse_scene, renderable, size_of

pieces = st.sampled_from(
    [
        *("createNode camera -n ", "createNode renderLayer -n ", "createNode reference -n ", "createNode file -n "),
        *(
            "select -ne :defaultRenderGlobals;\n",
            "select -ne :defaultResolution;\n",
            "select -ne :time1;\n",
            "-p ",
            "-t ",
        ),
        *('\tsetAttr ".ef" ', '\tsetAttr -k on ".an" ', '\tsetAttr ".w" ', '\tsetAttr ".ftn" -type "string" ', "yes"),
        *(
            '"',
            '"/show/a.<UDIM>.png"',
            '"cam"',
            '\\"',
            "\\",
            ";",
            "\n",
            "\r\n",
            "\t",
            "-1",
            "1e400",
            "nan",
            "12.5",
            "ä",
        ),
        *('file -r -ns "a" ', "currentUnit ", '"<Scene>/<Camera>/<RenderLayer>"', '\tsetAttr ".ifp" -type "string" '),
        *('\t\t2 "|a:c|a:cShape" "renderable" " 0"', '" -type \\"string\\" \\"/show/b.png\\""', 'requires maya "2025"'),
    ]
)
scenes = st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=40).map(
    lambda parts: b"//Maya ASCII 2025 scene\n" + "".join(parts).encode("utf-8", "surrogatepass")
)


@settings(max_examples=300, deadline=None)
@given(scenes)
def test_a_text_scene_never_stops_its_reader(scene: bytes) -> None:
    said = parse_scene(scene)
    first, last, step, _ = frames_of(said)
    assert step >= 1
    assert all(isinstance(frame, int) for frame in (first, last, *size_of(said)))
    facts = submission_defaults(said, list(renderable(said.cameras)), "/show/scenes/a.ma", "/show/images", ())
    for one in facts["passes"]:
        assert "/" not in one["output_pattern"]
        assert one["output_dir"].startswith("/")
    for path in named(scene):
        assert path.path


@settings(max_examples=300, deadline=None)
@given(scenes)
def test_paths_that_are_mapped_and_mapped_back_leave_the_scene_as_it_was(scene: bytes) -> None:
    def there(path: str) -> str | None:
        return path.replace("/show/", "/w/", 1) if path.startswith("/show/") else None

    def back(path: str) -> str | None:
        return path.replace("/w/", "/show/", 1) if path.startswith("/w/") else None

    assert rewritten(scene, lambda _: None) == scene
    if b"\\" not in scene and b"/w/" not in scene:
        assert rewritten(rewritten(scene, there), back) == scene


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"/show/a.1001.png\0", b".exr\0", b"VERS"])), max_size=20
    )
)
def test_a_binary_scene_never_stops_its_reader(parts: list[bytes]) -> None:
    scene = b"FOR8" + b"".join(parts)
    assert binary_year(scene) == "" or binary_year(scene).startswith("20")
    for path in named_in_binary(scene):
        assert path.path
        assert not path.is_certain
