"""Checkouts: the scene as its artist had it, in a folder of its own, from which nothing leads outside."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from peerfarm.errors import InvalidManifest, RequestRefused, StoreError
from peerfarm.model.blob import BlockList, blocks_of
from peerfarm.model.manifest import Manifest, ManifestFile
from peerfarm.store.blobs import BlobStore, disk

LARGE = os.urandom(300_000)
TIME_NS = 1_600_000_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path / "store", 64 << 20)
    yield store
    store.close()


def scene(store: BlobStore, **more: bytes) -> Manifest:
    contents = {"bake.sh": b"#!/bin/sh\n", "shot.blend": LARGE, "tex/a/wood.png": b"wood", "tex/none.txt": b""} | more
    files = [
        ManifestFile(path, store.put_bytes(content)[1], 0o755 if path.endswith(".sh") else 0o644, TIME_NS)
        for path, content in sorted(contents.items())
    ]
    return Manifest("/proj", "linux", tuple(files))


def tree(folder: Path) -> dict[str, bytes]:
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SCENE = {"bake.sh": b"#!/bin/sh\n", "shot.blend": LARGE, "tex/a/wood.png": b"wood", "tex/none.txt": b""}


def test_a_scene_is_laid_out_as_it_was_as_often_as_asked(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    told: list[tuple[int, int, int, int]] = []
    for name in ("one", "work/two"):
        store.lay_out(manifest, tmp_path / name, progress=lambda *state: told.append(state))
        assert tree(tmp_path / name) == SCENE
        assert told[-1] == (manifest.size_bytes, manifest.size_bytes, 4, 4)
        assert {path.stat().st_mtime_ns for path in (tmp_path / name).rglob("*") if path.is_file()} == {TIME_NS}
        assert stat.S_IMODE((tmp_path / name / "bake.sh").stat().st_mode) == 0o755


def test_large_files_take_no_room_twice_and_what_may_be_run_is_a_copy(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    store.lay_out(manifest, tmp_path / "out")
    shot, script = tmp_path / "out" / "shot.blend", tmp_path / "out" / "bake.sh"
    blob = store.open_blob(manifest.files[1].ref)
    assert blob is not None
    shares_blocks = shot.stat().st_mode & 0o200  # by reflink, it is a file of its own
    assert shares_blocks or shot.samefile(blob)
    assert shares_blocks or shot.stat().st_mode & 0o222 == 0, "nobody writes into a blob"
    assert script.stat().st_nlink == 1


def test_where_blocks_can_be_shared_every_file_is_its_own(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(descriptor: int, request: int, original: int) -> int:
        assert request == 0x40049409
        os.sendfile(descriptor, original, 0, os.fstat(original).st_size)
        return 0

    monkeypatch.setattr(disk.fcntl, "ioctl", clone)
    manifest = scene(store)
    (tmp_path / "frame").write_bytes(LARGE[::-1])
    frame, _ = store.take_in(tmp_path / "frame", keep=True)
    assert store.read_bytes(frame) == LARGE[::-1]
    store.lay_out(manifest, tmp_path / "out")
    assert tree(tmp_path / "out") == SCENE
    (tmp_path / "out" / "shot.blend").write_bytes(b"painted over")
    assert store.read_bytes(manifest.files[1].ref) == LARGE


def test_where_nothing_can_be_shared_files_are_copied(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_names: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    if hasattr(os, "copy_file_range"):
        monkeypatch.setattr(os, "copy_file_range", refuse)
    manifest = scene(store)
    store.lay_out(manifest, tmp_path / "out")
    assert tree(tmp_path / "out") == SCENE
    assert (tmp_path / "out" / "shot.blend").stat().st_mtime_ns == TIME_NS
    (tmp_path / "out" / "shot.blend").write_bytes(b"painted over")
    assert store.read_bytes(manifest.files[1].ref) == LARGE


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "C:\\evil", "a\0b", ""])
def test_a_manifest_made_without_its_reader_cannot_lead_outside_either(
    store: BlobStore, tmp_path: Path, path: str
) -> None:
    blocks = store.put_bytes(b"evil")[1]
    with pytest.raises(InvalidManifest):
        store.lay_out(Manifest("/proj", "linux", (ManifestFile(path, blocks),)), tmp_path / "work" / "out")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "work").exists()


def test_nothing_is_laid_out_over_what_is_there(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_bytes(b"here")
    for name in ("link", "dangling", "file", "victim"):
        with pytest.raises(StoreError, match="there already"):
            store.lay_out(manifest, tmp_path / name)
    assert list(victim.iterdir()) == []
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "file").read_bytes() == b"here"


def test_a_link_put_in_the_way_is_not_followed(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    (tmp_path / "victim").mkdir()
    out = tmp_path / "out"

    def put_link(_done: int, _total: int, files: int, _all: int) -> None:
        if files == 2:
            (out / "tex").symlink_to(tmp_path / "victim")

    with pytest.raises(StoreError):
        store.lay_out(manifest, out, progress=put_link)
    assert list((tmp_path / "victim").iterdir()) == []
    assert not out.exists()


def test_names_that_this_system_cannot_hold_are_a_clear_error(store: BlobStore, tmp_path: Path) -> None:
    blocks = store.put_bytes(b"x")[1]
    files = tuple(ManifestFile(f"{number:02}:a.png", blocks) for number in range(12))
    with pytest.raises(InvalidManifest, match="and 2 more") as refused:
        store.lay_out(Manifest("/proj", "linux", files), tmp_path / "out", system="windows")
    assert "Rename" in refused.value.hint
    assert not (tmp_path / "out").exists()
    store.lay_out(Manifest("/proj", "linux", files), tmp_path / "out", system="linux")


def test_a_missing_file_is_named_and_nothing_half_is_left(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    lacking = Manifest("/proj", "linux", (*manifest.files, ManifestFile("z/late.png", blocks_of(b"never came"))))
    with pytest.raises(StoreError, match="z/late"):
        store.lay_out(lacking, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    sized = ManifestFile("shot.blend", BlockList(9, (bytes(blocks_of(b"wood").id),)))
    with pytest.raises(StoreError, match="shot"):
        store.lay_out(Manifest("/proj", "linux", (sized,)), tmp_path / "out")


def test_a_cancelled_checkout_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    asked = iter(range(1000))
    with pytest.raises(RequestRefused, match="cancelled"):
        store.lay_out(manifest, tmp_path / "out", cancelled=lambda: next(asked) > 2)
    assert not (tmp_path / "out").exists()


def test_a_blob_damaged_since_the_last_start_is_not_laid_out(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    path = store.open_blob(manifest.files[1].ref)
    assert path is not None
    store.close()
    times = path.stat()
    path.chmod(0o644)
    path.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    again = BlobStore(tmp_path / "store", 64 << 20)
    with pytest.raises(StoreError, match="damaged"):
        again.lay_out(manifest, tmp_path / "out")
    assert not again.has(manifest.files[1].blocks.id)
    assert len(again.take_gone()) == 1
    again.close()


def test_what_a_privileged_renderer_wrote_into_a_shared_file_is_noticed(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    store.lay_out(manifest, tmp_path / "one")
    shot = tmp_path / "one" / "shot.blend"
    if shot.stat().st_nlink == 1:
        return  # a file of its own here: writing to it does no harm
    shot.chmod(0o644)
    shot.write_bytes(LARGE[::-1])
    with pytest.raises(StoreError, match="shot"):
        store.lay_out(manifest, tmp_path / "two")
    store.put_bytes(LARGE)
    store.lay_out(manifest, tmp_path / "two")
    assert tree(tmp_path / "two") == SCENE


def test_removing_a_checkout_leaves_the_store_whole(store: BlobStore, tmp_path: Path) -> None:
    manifest = scene(store)
    store.lay_out(manifest, tmp_path / "out")
    for path in sorted((tmp_path / "out").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert all(store.open_blob(file.ref, verify=True) for file in manifest.files)


def test_folders_that_differ_by_case_alone_both_come_out(store: BlobStore, tmp_path: Path) -> None:
    blocks = store.put_bytes(b"x")[1]
    files = (ManifestFile("Tex/a.png", blocks), ManifestFile("tex/b.png", blocks))
    store.lay_out(Manifest("/proj", "linux", files), tmp_path / "out")
    assert (tmp_path / "out" / "Tex" / "a.png").read_bytes() == b"x"
    assert (tmp_path / "out" / "tex" / "b.png").read_bytes() == b"x"


def test_nothing_is_evicted_under_a_checkout(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 700_000)
    manifest = scene(store)

    def press(*_state: int) -> None:
        store.put_bytes(os.urandom(200_000))

    store.lay_out(manifest, tmp_path / "out", progress=press)
    assert tree(tmp_path / "out") == SCENE
    store.close()
