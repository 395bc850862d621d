"""How files are cut into blocks and named."""

from __future__ import annotations

import hashlib

import pytest

from peerfarm.errors import InvalidManifest
from peerfarm.model.blob import (
    EMPTY_ID,
    MAX_BLOB_BYTES,
    MAX_BLOCK_BYTES,
    MIN_BLOCK_BYTES,
    BlockList,
    block_bytes,
    block_count,
    block_range,
    blocks_of,
)

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("size", "length", "count"),
    [
        (0, 128 * KIB, 0),
        (1, 128 * KIB, 1),
        (128 * KIB, 128 * KIB, 1),
        (128 * KIB + 1, 128 * KIB, 2),
        (1999 * 128 * KIB, 128 * KIB, 1999),
        (1999 * 128 * KIB + 1, 256 * KIB, 1000),
        (10 * GIB, 8 * MIB, 1280),
        (MAX_BLOB_BYTES, 16 * MIB, 1999),
    ],
)
def test_blocks_grow_with_the_file_and_stay_under_two_thousand(size: int, length: int, count: int) -> None:
    assert (block_bytes(size), block_count(size)) == (length, count)


@pytest.mark.parametrize("size", [MAX_BLOB_BYTES + 1, 1 << 62, -1])
def test_a_file_of_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidManifest):
        block_count(size)


def test_blocks_cover_a_file_without_gap_or_overlap() -> None:
    for size in (1, 128 * KIB, 300 * KIB, 1999 * 128 * KIB + 5):
        end = 0
        for block in range(block_count(size)):
            first, length = block_range(size, block)
            assert first == end
            end += length
        assert end == size
        with pytest.raises(InvalidManifest):
            block_range(size, block_count(size))
    with pytest.raises(InvalidManifest):
        block_range(5, -1)


def test_a_small_file_is_named_by_its_plain_sha256() -> None:
    assert blocks_of(b"sea").id == hashlib.sha256(b"sea").digest()
    assert blocks_of(b"").id == EMPTY_ID == hashlib.sha256(b"").digest()


def test_no_small_file_can_bear_the_name_of_a_longer_one() -> None:
    content = bytes(MIN_BLOCK_BYTES) + b"sea"
    blocks = blocks_of(content)
    packed = b"".join(blocks.hashes)
    head = b"peerfarm blob 1\0" + len(content).to_bytes(8, "big") + block_bytes(len(content)).to_bytes(4, "big")
    # Were the name a SHA-256 of this, then this would be a file of that name.
    assert blocks.id != hashlib.sha256(head + packed).digest()
    assert len(blocks.id) == 32
    assert blocks.id != hashlib.sha256(content).digest()


def test_every_bit_of_content_length_and_order_changes_the_name() -> None:
    content = bytes(MIN_BLOCK_BYTES) + b"sea" * 100
    names = {blocks_of(other).id for other in (content, content + b"\0", content[:-1], content[::-1])}
    swapped = BlockList(len(content), blocks_of(content).hashes[::-1])
    assert len(names | {swapped.id}) == 5


def test_a_block_is_proved_by_its_hash_and_length_alone() -> None:
    content = bytes(range(256)) * 1024
    blocks = blocks_of(content)
    second = content[MIN_BLOCK_BYTES:]
    assert blocks.proves(1, second)
    assert not blocks.proves(0, second[:-1] + b"x")
    assert not blocks.proves(1, second[:-1])
    assert not blocks.proves(2, second)
    assert not blocks.proves(-1, second)


def test_a_block_list_that_does_not_fit_its_size_is_refused() -> None:
    BlockList(5, (bytes(32),)).check()
    for wrong in (
        BlockList(5, ()),
        BlockList(5, (bytes(32), bytes(32))),
        BlockList(5, (bytes(31),)),
        BlockList(0, (bytes(32),)),
        BlockList(-1, ()),
        BlockList(10**9 * MAX_BLOCK_BYTES, (bytes(32),)),
    ):
        with pytest.raises(InvalidManifest):
            wrong.check()
