"""The blob store on a real disk: what it keeps, what it notices, what it lets go, and what it finds after a start."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from peerfarm.errors import DiskFull, InvalidManifest, StoreError
from peerfarm.model.blob import EMPTY_ID, BlobId, BlobRef, BlockList, block_range, blocks_of
from peerfarm.store.blobs import DOUBT_PIN, BlobStore, FileFault, Gone, GoneReason
from peerfarm.store.blobs.stock import SPARE_BYTES

MIB = 1 << 20
LARGE = os.urandom(400_000)
"""Four blocks, the last one shorter."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path / "store", 64 * MIB)
    yield store
    store.close()


def reopened(store: BlobStore, tmp_path: Path, quota: int = 64 * MIB) -> BlobStore:
    store.close()
    return BlobStore(tmp_path / "store", quota)


def part(content: bytes, block: int) -> bytes:
    first, length = block_range(len(content), block)
    return content[first : first + length]


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("pins.db"))


def spoil(path: Path, at: int = 0) -> None:
    """Change one byte, as a failing disk does."""
    path.chmod(0o644)
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("content", [b"", b"sea", LARGE, bytes(300_000)])
def test_what_was_put_is_read_back_also_after_a_restart(store: BlobStore, tmp_path: Path, content: bytes) -> None:
    ref, blocks = store.put_bytes(content)
    assert (ref, blocks) == (blocks_of(content).ref, blocks_of(content))
    for opened in (store, reopened(store, tmp_path)):
        assert opened.has(ref.id)
        assert opened.read_bytes(ref) == content
        assert opened.block_list(ref) == blocks
        assert opened.bitmap(ref) == (1 << len(blocks.hashes)) - 1
        path = opened.open_blob(ref, verify=True)
        assert path is not None
        assert path.read_bytes() == content
    opened.close()


def test_a_blob_is_fetched_block_by_block_in_any_order(store: BlobStore) -> None:
    blocks = blocks_of(LARGE)
    store.begin(blocks.ref, blocks)
    store.begin(blocks.ref, blocks)
    for block, bitmap in ((2, 0b0100), (0, 0b0101), (3, 0b1101)):
        assert store.write_block(blocks.ref, block, part(LARGE, block))
        assert store.bitmap(blocks.ref) == bitmap
        assert store.read_block(blocks.ref, block) == part(LARGE, block), "half a blob is served on"
        assert not store.has(blocks.id)
        assert store.open_blob(blocks.ref) is None
    assert store.read_block(blocks.ref, 1) is None
    assert store.write_block(blocks.ref, 1, part(LARGE, 1))
    assert store.has(blocks.id)
    assert store.read_bytes(blocks.ref) == LARGE
    assert store.write_block(blocks.ref, 1, part(LARGE, 1)), "what is here already does no harm"


def test_a_block_that_is_not_the_one_is_not_kept(store: BlobStore) -> None:
    for content in (b"sea", LARGE):
        blocks = blocks_of(content)
        store.begin(blocks.ref, blocks)
        good = part(content, 0)
        for wrong in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], good + b"x", b""):
            assert not store.write_block(blocks.ref, 0, wrong)
        assert not store.write_block(blocks.ref, 4, good)
        assert not store.write_block(blocks.ref, -1, good)
        assert store.bitmap(blocks.ref) == 0
        assert not store.has(blocks.id)


def test_fetching_goes_on_after_a_restart_with_what_is_sound(store: BlobStore, tmp_path: Path) -> None:
    blocks = blocks_of(LARGE)
    store.begin(blocks.ref, blocks)
    for block in (0, 1, 3):
        assert store.write_block(blocks.ref, block, part(LARGE, block))
    store.close()
    (begun,) = (tmp_path / "store" / "partial").glob("*.part")
    spoil(begun, at=140_000)
    again = BlobStore(tmp_path / "store", 64 * MIB)
    assert again.bitmap(blocks.ref) == 0b1001, "the second block was damaged"
    assert again.block_list(blocks.ref) == blocks
    assert again.usage().bytes == len(LARGE)
    for block in (1, 2):
        assert again.write_block(blocks.ref, block, part(LARGE, block))
    assert again.read_bytes(blocks.ref) == LARGE
    assert files_in(tmp_path / "store" / "partial") == []
    again.close()


def test_a_blob_whose_last_block_came_just_before_a_crash_is_made_whole(tmp_path: Path) -> None:
    blocks = blocks_of(LARGE)
    folder = tmp_path / "store" / "partial"
    folder.mkdir(parents=True)
    (folder / f"{blocks.id.hex()}.part").write_bytes(LARGE)
    packed = len(LARGE).to_bytes(8, "big") + b"".join(blocks.hashes)
    (folder / f"{blocks.id.hex()}.blocks").write_bytes(packed)
    store = BlobStore(tmp_path / "store", 64 * MIB)
    assert store.bitmap(blocks.ref) == 0b1111
    assert store.has(blocks.id)
    store.close()


def test_leftovers_and_strangers_are_cleaned_up_at_the_start(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for name in ("drafts/7", "partial/junk.part", f"partial/{'ab' * 32}.part", f"blobs/{'cd' * 32}.blocks"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"half")
    store = BlobStore(root, MIB)
    assert files_in(root) == []
    assert store.usage().blobs == 0
    store.close()


def test_a_damaged_blob_is_noticed_dropped_told_and_fetched_again(store: BlobStore, tmp_path: Path) -> None:
    for content in (b"sea", LARGE):
        ref, blocks = store.put_bytes(content)
        path = store.open_blob(ref)
        assert path is not None
        spoil(path, at=len(content) - 1)
        last = len(blocks.hashes) - 1
        assert store.read_block(ref, last) is None
        assert store.take_gone() == (Gone(ref.id, GoneReason.DAMAGED),)
        assert store.take_gone() == ()
        assert not store.has(ref.id)
        assert store.bitmap(ref) == 0
        store.begin(ref, blocks)
        for block in range(len(blocks.hashes)):
            assert store.write_block(ref, block, part(content, block))
        assert store.read_bytes(ref) == content


def test_whole_verification_finds_what_no_block_was_read_of(store: BlobStore) -> None:
    for spoiled in (lambda path: spoil(path, 399_999), lambda path: path.unlink(), lambda path: os.truncate(path, 9)):
        ref, _ = store.put_bytes(LARGE)
        path = store.open_blob(ref)
        assert path is not None
        path.chmod(0o644)
        spoiled(path)
        assert store.open_blob(ref, verify=True) is None
        assert not store.has(ref.id)


def test_a_lost_block_list_is_made_again_from_the_content(store: BlobStore, tmp_path: Path) -> None:
    ref, blocks = store.put_bytes(LARGE)
    (listed,) = (tmp_path / "store" / "blobs").glob("*.blocks")
    listed.chmod(0o644)
    listed.write_bytes(listed.read_bytes()[:-32] + bytes(32))
    again = reopened(store, tmp_path)
    assert again.block_list(ref) == blocks
    assert again.read_bytes(ref) == LARGE
    again.close()


def test_block_hashes_of_another_blob_are_refused(store: BlobStore) -> None:
    blocks = blocks_of(LARGE)
    other = BlockList(len(LARGE), tuple(reversed(blocks.hashes)))
    for wrong in (other, BlockList(5, blocks.hashes), BlockList(len(LARGE) + 1, blocks.hashes)):
        with pytest.raises(InvalidManifest):
            store.begin(blocks.ref, wrong)
    with pytest.raises(StoreError, match="begun"):
        store.write_block(blocks.ref, 0, part(LARGE, 0))


def test_a_wrong_size_told_first_does_not_keep_the_true_blob_out(store: BlobStore) -> None:
    true = blocks_of(b"the sea")
    forged = BlobRef(true.id, 9)
    store.begin(forged, BlockList(9, true.hashes))
    store.begin(true.ref, true)
    assert not store.write_block(forged, 0, b"the sea")
    assert store.write_block(true.ref, 0, b"the sea")
    assert store.read_bytes(true.ref) == b"the sea"
    assert store.usage().bytes == 7
    assert store.bitmap(forged) == 0
    assert store.read_block(forged, 0) is None
    assert store.open_blob(forged) is None
    with pytest.raises(InvalidManifest, match="7"):
        store.begin(forged, BlockList(9, true.hashes))
    assert store.read_bytes(true.ref) == b"the sea"


def test_a_file_is_taken_in_and_stays_with_its_owner(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "wood.png"
    source.write_bytes(LARGE)
    link = tmp_path / "link.png"
    link.symlink_to(source)
    assert store.take_in(source, keep=True) == store.take_in(link, keep=True)
    ref, _ = store.take_in(source, keep=True)
    assert source.read_bytes() == LARGE == store.read_bytes(ref)
    assert store.usage().blobs == 1
    source.write_bytes(b"changed by the artist")
    assert store.read_bytes(ref) == LARGE


def test_a_file_of_the_nodes_own_moves_in_without_a_copy(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "frame.exr"
    source.write_bytes(LARGE)
    inode = source.stat().st_ino
    ref, _ = store.take_in(source, keep=False, pin="result/a")
    assert not source.exists()
    path = store.open_blob(ref, verify=True)
    assert path is not None
    assert path.stat().st_ino == inode
    assert path.stat().st_mode & 0o222 == 0
    assert store.pinned("result/a") == {ref.id}


def test_a_file_that_somebody_else_holds_too_is_copied_when_it_moves_in(store: BlobStore, tmp_path: Path) -> None:
    source, other = tmp_path / "frame.exr", tmp_path / "other.exr"
    source.write_bytes(LARGE)
    other.hardlink_to(source)
    ref, _ = store.take_in(source, keep=False)
    assert not source.exists()
    other.write_bytes(b"written to")
    assert store.read_bytes(ref) == LARGE


def test_what_is_no_plain_file_is_not_taken_in(store: BlobStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "link").symlink_to("/etc/hostname")
    for name, keep, words in (
        ("pipe", True, "a named pipe"),
        ("round", True, "round in a circle"),
        (".", True, "a folder"),
        ("missing", True, "not there"),
        ("link", False, "a link"),
        ("pipe", False, "a named pipe"),
    ):
        with pytest.raises(FileFault, match=words):
            store.take_in(tmp_path / name, keep=keep)
    assert files_in(tmp_path / "store") == []
    assert store.usage().bytes == 0


def test_pins_outlive_a_restart_and_are_replaced_as_a_whole(store: BlobStore, tmp_path: Path) -> None:
    ids = [store.put_bytes(b"%d" % number)[0].id for number in range(4)]
    store.pin("scene/a", ids[:3])
    store.pin("scene/b", ids[2:])
    store.pin("scene/a", ids[:1])
    store.pin("scene/c", ids[:1])
    store.unpin("scene/c")
    store.unpin("scene/never")
    again = reopened(store, tmp_path)
    assert again.pin_keys() == ("scene/a", "scene/b")
    assert again.pinned("scene/a") == {ids[0]}
    assert again.pinned("scene/b") == set(ids[2:])
    assert again.usage().pinned_bytes == 3
    again.close()


def quota_for(scene_bytes: int) -> int:
    """The quota that leaves so many bytes to scenes: a twentieth of it is kept for frames."""
    quota_bytes = scene_bytes * 20 // 19
    assert quota_bytes - quota_bytes // 20 == scene_bytes
    return quota_bytes


def test_what_was_unused_for_longest_goes_first_and_pinned_blobs_never_go(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", quota_for(1000))
    refs = [store.put_bytes(bytes([number]) * 250)[0] for number in range(4)]
    store.pin("result/a", [refs[0].id])
    assert store.read_block(refs[1], 0) is not None, "used just now"
    store.put_bytes(b"x" * 300)
    assert [store.has(ref.id) for ref in refs] == [True, True, False, False]
    assert store.take_gone() == tuple(Gone(ref.id, GoneReason.EVICTED) for ref in refs[2:])
    assert store.usage().bytes == 800
    store.put_bytes(b"y" * 750)
    assert [store.has(ref.id) for ref in refs] == [True, False, False, False]
    with pytest.raises(DiskFull, match="no room for 751 B") as refused:
        store.put_bytes(b"z" * 751)
    assert "store_gb" in refused.value.hint
    assert store.has(refs[0].id)
    store.unpin("result/a")
    store.put_bytes(b"z" * 751)
    assert not store.has(refs[0].id)
    store.close()


def test_the_order_of_eviction_outlives_a_restart(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1000)
    refs = [store.put_bytes(bytes([number]) * 300)[0] for number in range(3)]
    for ref in (refs[1], refs[0], refs[2]):
        store.open_blob(ref)
    again = reopened(store, tmp_path, 1000)
    again.put_bytes(b"x" * 300)
    assert [again.has(ref.id) for ref in refs] == [True, False, True]
    again.close()


def test_a_lowered_quota_evicts_at_once_when_asked_but_leaves_the_pinned(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1000)
    refs = [store.put_bytes(bytes([number]) * 300)[0] for number in range(3)]
    store.pin("keep/a", [refs[2].id])
    again = reopened(store, tmp_path, 200)
    assert set(again.evict()) == {refs[0].id, refs[1].id}
    assert again.has(refs[2].id)
    again.close()


def test_room_is_set_aside_for_what_is_being_fetched(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", quota_for(500_000))
    blocks = blocks_of(LARGE)
    store.begin(blocks.ref, blocks)
    store.pin("scene/a", [blocks.id])
    assert store.usage().bytes == len(LARGE)
    with pytest.raises(DiskFull):
        store.needs(100_001)
    store.needs(100_000)
    store.unpin("scene/a")
    store.needs(500_000)
    assert store.take_gone() == (Gone(blocks.id, GoneReason.EVICTED),)
    with pytest.raises(StoreError, match="evicted"):
        store.write_block(blocks.ref, 0, part(LARGE, 0))
    assert files_in(tmp_path / "store") == []
    store.close()


def test_a_scene_leaves_room_for_frames_and_frames_may_take_more_than_the_quota(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 1_000_000)
    with pytest.raises(DiskFull, match="`store_gb` allows, and 50 kB are kept free for frames"):
        store.put_bytes(b"s" * 950_001, "scene/a")
    scene, _ = store.put_bytes(b"s" * 950_000, "scene/a")
    loose, _ = store.put_bytes(b"")
    for number in range(4):
        frame = tmp_path / f"{number}.exr"
        frame.write_bytes(bytes([number]) * 40_000)
        store.take_in(frame, keep=False, pin=f"result/{number}")
    fetched = blocks_of(LARGE)
    store.needs(len(LARGE), is_frame=True)
    store.begin(fetched.ref, fetched, is_frame=True)
    assert store.usage().bytes == 950_000 + 4 * 40_000 + len(LARGE)
    assert store.has(scene.id)
    with pytest.raises(DiskFull):
        store.needs(1)
    store.unpin("scene/a")
    frame.write_bytes(b"the next")
    store.take_in(frame, keep=False, pin="result/next")
    assert not store.has(scene.id), "what nobody needs makes way before the quota is passed"
    assert store.has(loose.id)
    store.close()


def test_the_room_that_scenes_leave_to_frames_is_bounded(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 100_000_000_000)
    with pytest.raises(DiskFull, match=r"1\.0 GB are kept free"):
        store.needs(99_000_000_001)
    store.close()


def test_frames_are_bounded_by_the_disk(store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peerfarm.store.blobs.stock.free_bytes", lambda _directory: SPARE_BYTES + 99)
    frame = tmp_path / "f.exr"
    frame.write_bytes(b"f" * 100)
    with pytest.raises(DiskFull, match=f"on the disk of {tmp_path / 'store'}: 268 MB are kept free"):
        store.take_in(frame, keep=False)
    assert frame.exists()


def test_folders_of_the_store_that_somebody_removed_are_made_again(store: BlobStore, tmp_path: Path) -> None:
    before, _ = store.put_bytes(b"before", "result/before")
    shutil.rmtree(tmp_path / "store")
    frame = tmp_path / "f.exr"
    frame.write_bytes(b"rendered after")
    taken, _ = store.take_in(frame, keep=False, pin="result/after")
    blocks = blocks_of(LARGE)
    store.begin(blocks.ref, blocks)
    for number in range(len(blocks.hashes)):
        assert store.write_block(blocks.ref, number, part(LARGE, number))
    assert store.read_bytes(before) is None
    again, _ = store.put_bytes(b"before")
    assert again == before
    assert store.read_bytes(before) == b"before"
    new = reopened(store, tmp_path)
    assert new.pin_keys() == ("result/after", "result/before")
    assert new.read_bytes(taken) == b"rendered after"
    assert new.read_bytes(blocks.ref) == LARGE
    new.close()


def test_a_file_in_the_stores_place_is_an_error_in_words_until_it_is_moved_away(
    store: BlobStore, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").write_text("somebody's")
    ref = blocks_of(b"after").ref
    for put in (lambda: store.put_bytes(b"after"), lambda: store.pin("result/after", (ref.id,))):
        with pytest.raises(StoreError, match=re.escape(str(tmp_path / "store"))):
            put()
    (tmp_path / "store").unlink()
    assert store.put_bytes(b"after", "result/after")[0] == ref
    assert store.read_bytes(ref) == b"after"


def test_a_file_of_the_store_that_somebody_removed_is_taken_in_again(store: BlobStore, tmp_path: Path) -> None:
    frame = tmp_path / "f.exr"
    for _ in range(2):
        frame.write_bytes(b"the same")
        ref, _ = store.take_in(frame, keep=False, pin="result/a")
        path = store.open_blob(ref)
        assert path is not None
        path.unlink()
    assert store.open_blob(ref) is None
    assert store.take_gone() == (Gone(ref.id, GoneReason.DAMAGED),)


def test_a_disk_that_is_nearly_full_is_left_room_for_the_log(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, _ = store.put_bytes(b"here before")
    free = [SPARE_BYTES + 99]
    monkeypatch.setattr("peerfarm.store.blobs.stock.free_bytes", lambda _directory: free[0])
    store.put_bytes(b"x" * 99)
    with pytest.raises(DiskFull, match="disk"):
        store.put_bytes(b"y" * 5000)
    assert store.has(ref.id), "nothing is evicted in vain"
    free[0] = 1 << 40
    store.put_bytes(b"y" * 5000)


def test_pins_that_were_lost_pin_everything_until_somebody_knows_better(store: BlobStore, tmp_path: Path) -> None:
    kept, _ = store.put_bytes(b"the only copy")
    store.pin("result/a", [kept.id])
    store.close()
    (tmp_path / "store" / "pins.db").write_bytes(b"no database at all" * 300)
    for name in ("pins.db-wal", "pins.db-shm"):
        (tmp_path / "store" / name).unlink(missing_ok=True)
    again = BlobStore(tmp_path / "store", 100)
    assert again.pin_keys() == (DOUBT_PIN,)
    with pytest.raises(DiskFull):
        again.needs(95)
    assert again.has(kept.id)
    again.close()
    again = BlobStore(tmp_path / "store", 100)
    again.pin("result/a", [kept.id])
    again.unpin(DOUBT_PIN)
    assert again.usage().pinned_bytes == 13
    assert (tmp_path / "store" / "pins.db.damaged").exists()
    again.close()


def test_the_empty_blob_is_always_here(store: BlobStore, tmp_path: Path) -> None:
    empty = BlobRef(EMPTY_ID, 0)
    assert store.has(EMPTY_ID)
    assert store.bitmap(empty) == 0
    assert store.read_bytes(empty) == b""
    (tmp_path / "none").touch()
    assert store.take_in(tmp_path / "none", keep=False) == (empty, BlockList(0, ()))
    for _ in range(2):
        path = store.open_blob(empty, verify=True)
        assert path is not None
        assert path.read_bytes() == b""


def test_dropped_means_gone_even_when_pinned(store: BlobStore) -> None:
    ref, _ = store.put_bytes(b"sea", pin="result/a")
    store.drop(ref.id)
    store.drop(BlobId(bytes(32)))
    assert not store.has(ref.id)
    assert store.take_gone() == ()
    assert store.usage().bytes == 0


def test_many_threads_write_read_pin_and_evict_without_harm(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", 3 * MIB)
    contents = [os.urandom(150_000 + number) for number in range(40)]
    start = threading.Barrier(4)

    def work(offset: int) -> int:
        start.wait()
        kept = 0
        for number in range(len(contents)):
            content = contents[(number + offset * 7) % len(contents)]
            blocks = blocks_of(content)
            store.pin(f"scene/{offset}", [blocks.id])
            store.begin(blocks.ref, blocks)
            answers = store.write_blocks([(blocks.ref, block, part(content, block)) for block in (1, 0)])
            assert answers == [True, True]
            assert store.read_block(blocks.ref, 1) == part(content, 1)
            store.put_bytes(content[:9])
            kept += store.usage().bytes <= 3 * MIB
        return kept

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [40] * 4
    for gone in store.take_gone():
        assert gone.reason is GoneReason.EVICTED
    for content in contents:
        blocks = blocks_of(content)
        assert store.read_bytes(blocks.ref) in {None, content}
    store.close()
    again = BlobStore(tmp_path / "store", 3 * MIB)
    assert again.usage().bytes == store.usage().bytes
    again.close()


def test_nothing_gets_its_final_name_before_its_content_is_synced(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    early: list[str] = []
    named: list[str] = []
    lock = threading.Lock()
    sync, rename = os.fsync, Path.replace

    def watched_sync(descriptor: int) -> None:
        sync(descriptor)
        with lock:
            synced.add(os.fstat(descriptor).st_ino)
            if os.path.samestat(os.fstat(descriptor), (tmp_path / "store" / "blobs").stat()):
                named.clear()

    def watched_rename(self: Path, target: Path) -> Path:
        with lock:
            if self.stat().st_ino not in synced:
                early.append(str(target))
            named.append(str(target))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_rename)
    (tmp_path / "frame").write_bytes(os.urandom(200_000))
    store.take_in(tmp_path / "frame", keep=False)
    for content in (b"sea", LARGE):
        blocks = blocks_of(content)
        store.begin(blocks.ref, blocks)
        store.write_blocks([(blocks.ref, block, part(content, block)) for block in range(len(blocks.hashes))])
        assert store.has(blocks.id)
        store.put_bytes(content[1:])
    assert len(synced) > 6
    assert early == []
    assert named == [], "the directory is synced after the last rename"


@pytest.mark.parametrize("content", [b"sea", LARGE])
@pytest.mark.parametrize("number", range(3))
def test_a_sync_that_fails_keeps_nothing_and_the_blob_can_be_fetched_again(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, number: int
) -> None:
    blocks = blocks_of(content)
    left = number
    sync = os.fsync

    def failing(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    def fetch() -> None:
        store.begin(blocks.ref, blocks)
        writes = [(blocks.ref, block, part(content, block)) for block in range(len(blocks.hashes))]
        assert all(store.write_blocks(writes))

    store.pin("scene/a", [blocks.id])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        if number < 2 or content is LARGE:
            with pytest.raises(StoreError, match="Input/output"):
                fetch()
            assert not store.has(blocks.id)
            assert store.bitmap(blocks.ref) == 0, "what the disk failed to keep is not counted on"
            assert files_in(tmp_path / "store") == []
    fetch()
    assert store.read_bytes(blocks.ref) == content
    assert store.usage().bytes == len(content)


def test_what_is_here_or_on_its_way_is_put_without_asking_for_more_room(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store", quota_for(len(LARGE) + 5))
    other, _ = store.put_bytes(b"other")
    blocks = blocks_of(LARGE)
    store.begin(blocks.ref, blocks)
    for _ in range(2):
        store.put_bytes(LARGE)
        assert store.read_bytes(blocks.ref) == LARGE
    assert store.has(other.id)
    assert store.take_gone() == ()
    store.close()
