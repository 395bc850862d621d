"""Whatever bytes come as a manifest: it is read as it was written, or refused as invalid, and nothing else happens."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import BlockList, blocks_of
from peerfarm.model.filenames import collision_key, normal_path, path_fault
from peerfarm.model.manifest import MODES, SYSTEMS, Manifest, ManifestFile, decode_manifest, encode_manifest

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).map(normal_path)
SIZES = st.sampled_from([0, 1, 4096, 131_072, 131_073, 300_000])
BLOCKS = SIZES.map(lambda size: blocks_of(bytes(size)))
FILES = st.builds(
    ManifestFile,
    path=PATHS,
    blocks=BLOCKS,
    mode=st.sampled_from(MODES),
    mtime_ns=st.integers(0, (1 << 63) - 1),
    origin=st.just("") | NAMES,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    files: dict[str, ManifestFile] = {}
    for file in draw(st.lists(FILES, max_size=6)):
        parts = collision_key(file.path).split("/")
        outer = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
        inner = any(key.startswith(collision_key(file.path) + "/") for key in files)
        if not path_fault(file.path) and not inner and not outer & files.keys():
            files[collision_key(file.path)] = file
    ordered = tuple(sorted(files.values(), key=lambda file: file.path))
    return Manifest(draw(NAMES), draw(st.sampled_from(SYSTEMS)), ordered)


def refused_or_sound(raw: bytes) -> None:
    try:
        manifest = decode_manifest(raw)
    except InvalidManifest:
        return
    assert decode_manifest(encode_manifest(manifest)) == manifest
    for file in manifest.files:
        assert not path_fault(file.path)
        assert ".." not in file.path.split("/")
        file.blocks.check()


@given(manifests())
def test_a_manifest_comes_back_from_its_bytes(manifest: Manifest) -> None:
    raw = encode_manifest(manifest)
    assert decode_manifest(raw) == manifest
    assert encode_manifest(decode_manifest(raw)) == raw


@given(manifests(), st.data())
def test_changed_bytes_are_refused_or_are_another_sound_manifest(manifest: Manifest, data: st.DataObject) -> None:
    raw = bytearray(encode_manifest(manifest))
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["change", "cut", "insert"]))
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        if kind == "change" and raw:
            raw[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[at : at + data.draw(st.integers(1, 40))]
        else:
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    refused_or_sound(bytes(raw))


@given(st.binary(max_size=200))
def test_junk_is_refused(raw: bytes) -> None:
    refused_or_sound(raw)


@given(VALUES, st.lists(st.tuples(PATHS | VALUES, VALUES, VALUES, VALUES, VALUES, VALUES), max_size=3))
def test_well_packed_nonsense_is_refused(value: object, rows: list[object]) -> None:
    for whole in (
        value,
        [1, value, "linux", rows],
        [1, "/b", value, rows],
        [1, "/b", "linux", value],
        [1, "", "linux", rows],
    ):
        refused_or_sound(msgpack.packb(whole))


@given(PATHS, SIZES, st.integers(-2, 2), st.sampled_from([0, 31, 33, 64]))
def test_hashes_that_do_not_fit_the_size_are_refused(path: str, size: int, more: int, odd: int) -> None:
    blocks = BlockList(size, tuple(bytes(32) for _ in range(max(0, len(blocks_of(bytes(size)).hashes) + more))))
    row = [path, size, 0o644, 0, b"".join(blocks.hashes) + bytes(odd), ""]
    refused_or_sound(msgpack.packb([1, "/b", "linux", [row]]))
