"""Whatever is done to them, the blob store on disk and its twin in memory give the same answers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.errors import DiskFull, StoreError
from peerfarm.model.blob import block_range, blocks_of
from peerfarm.store.blobs import Blobs, BlobStore, Gone, GoneReason, MemoryBlobDisk, MemoryBlobs

QUOTA = 600_000
CONTENTS = [b"", b"a", b"b" * 1000, b"c" * 131_072, bytes(range(251)) * 800, b"d" * 300_000, b"e" * 450_000]
NUMBERS = st.integers(0, len(CONTENTS) - 1)
KEYS = st.sampled_from(["scene/a", "result/b"])

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NUMBERS),
        st.tuples(st.just("begin"), NUMBERS, st.booleans()),
        st.tuples(st.just("write"), NUMBERS, st.integers(0, 4), st.booleans()),
        st.tuples(st.just("write"), NUMBERS, st.integers(0, 4), st.just(True)),
        st.tuples(st.just("read"), NUMBERS, st.integers(-1, 4)),
        st.tuples(st.just("drop"), NUMBERS),
        st.tuples(st.just("pin"), KEYS, st.lists(NUMBERS, max_size=3)),
        st.tuples(st.just("needs"), st.integers(0, QUOTA), st.booleans()),
        st.tuples(st.just("reopen")),
    ),
    max_size=25,
)


def answer(store: Blobs, step: tuple[Any, ...]) -> object:
    """What a store says to one step; an error counts by its kind."""
    match step:
        case "put", number:
            return store.put_bytes(CONTENTS[number])
        case "begin", number, is_frame:
            blocks = blocks_of(CONTENTS[number])
            return store.begin(blocks.ref, blocks, is_frame=is_frame)
        case "write", number, block, is_right:
            blocks = blocks_of(CONTENTS[number])
            content = CONTENTS[number] if is_right else b"x" * len(CONTENTS[number])
            data = b"beyond"
            if block < len(blocks.hashes):
                first, length = block_range(len(content), block)
                data = content[first : first + length]
            return store.write_block(blocks.ref, block, data)
        case "read", number, block:
            return store.read_block(blocks_of(CONTENTS[number]).ref, block)
        case "drop", number:
            return store.drop(blocks_of(CONTENTS[number]).id)
        case "pin", key, numbers:
            return store.pin(key, [blocks_of(CONTENTS[number]).id for number in numbers])
        case _, size, is_frame:
            return store.needs(size, is_frame=is_frame)


def told(store: Blobs, step: tuple[Any, ...]) -> object:
    try:
        return answer(store, step)
    except StoreError as error:
        return type(error)


def seen(store: Blobs) -> object:
    refs = [blocks_of(content).ref for content in CONTENTS]
    return (
        [(store.has(ref.id), store.ref_of(ref.id), store.bitmap(ref), store.block_list(ref)) for ref in refs],
        {key: store.pinned(key) for key in store.pin_keys()},
        store.usage(),
        store.take_gone(),
    )


@settings(max_examples=60)
@given(STEPS, st.booleans())
@pytest.mark.timeout(120)
@pytest.mark.slow
def test_disk_and_memory_agree(steps: list[tuple[Any, ...]], has_much_room: bool) -> None:
    disk = MemoryBlobDisk()
    # Which blob was read last is not on the disk, so what goes first after a start may differ.
    quota = QUOTA * 10 if has_much_room else QUOTA
    memory = MemoryBlobs(disk, quota)
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder), quota)
        for step in steps:
            if step[0] == "reopen":
                if has_much_room:
                    store.close()
                    store, memory = BlobStore(Path(folder), quota), MemoryBlobs(disk, quota)
            else:
                assert told(store, step) == told(memory, step), step
            assert seen(store) == seen(memory), step
        for content in CONTENTS:
            ref = blocks_of(content).ref
            assert store.read_bytes(ref) == memory.read_bytes(ref)
            assert store.read_bytes(ref) in {None, content}
        store.close()


def test_a_disk_in_memory_can_be_full_crash_be_damaged_and_be_lost() -> None:
    disk = MemoryBlobDisk()
    store = MemoryBlobs(disk, 1 << 20)
    kept, _ = store.put_bytes(b"whole", pin="result/a")
    blocks = blocks_of(bytes(200_000))
    store.begin(blocks.ref, blocks)
    assert store.write_block(blocks.ref, 0, bytes(131_072))
    disk.full = True
    for refused in (lambda: store.put_bytes(b"more"), lambda: store.write_block(blocks.ref, 1, bytes(68_928))):
        with pytest.raises(DiskFull):
            refused()
    disk.full = False
    disk.crash()
    store = MemoryBlobs(disk, 1 << 20)
    assert store.bitmap(blocks.ref) == 0
    assert store.read_bytes(kept) == b"whole"
    assert store.pinned("result/a") == {kept.id}
    assert disk.damage(kept.id, 0)
    assert store.read_bytes(kept) is None
    assert store.take_gone() == (Gone(kept.id, GoneReason.DAMAGED),)
    disk.lose()
    store = MemoryBlobs(disk, 1 << 20)
    assert not disk.damage(kept.id, 0)
    assert store.pin_keys() == ()
    assert store.usage().bytes == 0
