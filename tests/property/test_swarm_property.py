"""Rules of moving blobs that hold for every input: sets of blocks, the codec, and an engine that hears anything."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import BlobId, BlobRef, BlockList, block_count
from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t
from peerfarm.protocol.transfer import decode_bits, decode_transfer, encode_bits, encode_transfer
from peerfarm.swarm import (
    Busy,
    Gone,
    Heard,
    Limits,
    ListRead,
    PeerDown,
    PeerUp,
    Present,
    Read,
    Swarm,
    SwarmEffects,
    Tick,
    Wrote,
)
from peerfarm.swarm.bits import Chance, Counters, bits_from, mask_of

BLOCK = 128 << 10
SIZES = {b"a": 100, b"b": 2 * BLOCK, b"c": 3 * BLOCK + 5, b"d": 0}
LISTS = {word: BlockList(size, tuple(word * 32 for _ in range(block_count(size)))) for word, size in SIZES.items()}
REFS = tuple(BlobRef(blocks.id, blocks.size_bytes) for blocks in LISTS.values())
BLOCKS = {blocks.id: blocks for blocks in LISTS.values()}
NODES = (NodeId("a" * 16), NodeId("b" * 16), NodeId("c" * 16))

masks = st.integers(0, (1 << 40) - 1)
ids = st.sampled_from([*(ref.id for ref in REFS), BlobId(b"u" * 32)])
block_numbers = st.integers(0, 4)
rows = st.lists(st.tuples(ids, block_numbers), max_size=6).map(tuple)


def _fit(row: tuple[BlobId, int, int, int, bytes]) -> tuple[BlobId, int, int, int, bytes]:
    """The row with an offset and data that lie within the block."""
    blob_id, block, length, offset, data = row
    offset = min(offset, length - 1)
    return blob_id, block, length, offset, (data or b"x")[: length - offset]


lengths = st.sampled_from((100, 5, BLOCK))
pieces = st.tuples(ids, block_numbers, lengths, st.sampled_from((0, 50, 1000)), st.binary()).map(_fit)
whole_pieces = st.tuples(ids, block_numbers, lengths).map(lambda row: (*row, 0, bytes(row[2])))
messages: st.SearchStrategy[Any] = st.one_of(
    st.builds(t.Seek, st.lists(ids, max_size=4).map(tuple)),
    st.builds(t.Unseek, st.lists(ids, max_size=4).map(tuple)),
    st.builds(t.Have, st.lists(st.tuples(ids, st.sampled_from((t.ALL, t.NOTHING, b"\xa0"))), max_size=4).map(tuple)),
    st.builds(t.ListAsk, st.lists(ids, max_size=4).map(tuple)),
    st.builds(t.ListTell, ids, st.sampled_from(sorted(SIZES.values())), st.sampled_from((b"", b"b" * 64, b"z" * 64))),
    st.builds(t.Ask, rows),
    st.builds(t.Unask, rows),
    st.builds(t.Lack, rows),
    st.builds(t.Piece, st.lists(st.one_of(pieces, whole_pieces), max_size=3).map(tuple)),
)


@given(st.lists(masks, max_size=8), st.data())
def test_counters_count_as_a_list_would(added: list[int], data: st.DataObject) -> None:
    counters, counts = Counters(), [0] * 40
    for mask in added:
        counters.add(mask)
        for bit in range(40):
            counts[bit] += mask >> bit & 1
    for mask in added[: data.draw(st.integers(0, len(added)))]:
        counters.subtract(mask)
        for bit in range(40):
            counts[bit] -= mask >> bit & 1
    assert [counters.count(bit) for bit in range(40)] == counts
    assert counters.counted() == sum(1 << bit for bit in range(40) if counts[bit])
    among = data.draw(masks)
    chosen = [bit for bit in range(40) if among >> bit & 1]
    least = min((counts[bit] for bit in chosen), default=0)
    assert counters.least(among) == sum(1 << bit for bit in chosen if counts[bit] == least)


@given(st.sets(st.integers(0, 3000), max_size=60), st.integers(0, 3000))
def test_bits_come_upwards_from_the_start_and_then_round(bits: set[int], start: int) -> None:
    mask = mask_of(bits, 3001)
    expected = sorted(bit for bit in bits if bit >= start) + sorted(bit for bit in bits if bit < start)
    assert list(bits_from(mask, start)) == expected


@given(st.integers(), st.integers(1, 1000))
def test_chance_follows_from_its_seed_and_stays_below_the_limit(seed: int, limit: int) -> None:
    one, other = Chance(seed), Chance(seed)
    drawn = [one.below(limit) for _ in range(20)]
    assert drawn == [other.below(limit) for _ in range(20)]
    assert all(0 <= number < limit for number in drawn)


@given(st.integers(1, 1999).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, (1 << count) - 1))))
def test_bitmaps_travel(case: tuple[int, int]) -> None:
    count, bits = case
    assert decode_bits(encode_bits(bits, count), count) == bits


@given(st.binary(max_size=300), st.integers(1, 1999))
def test_a_bitmap_never_names_more_blocks_than_there_are(raw: bytes, count: int) -> None:
    bits = decode_bits(raw, count)
    assert bits is None or bits >> count == 0


@given(messages)
def test_messages_travel(message: Any) -> None:
    assert decode_transfer(encode_transfer(message)) == message


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 1 << 40), st.binary(max_size=40), st.text(max_size=5), ids),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=200), st.lists(junk, max_size=5).map(msgpack.packb)))
def test_the_transfer_decoder_raises_nothing_but_protocol_errors(raw: bytes) -> None:
    try:
        message = decode_transfer(raw)
    except PeerProtocolError:
        return
    assert message is None or decode_transfer(encode_transfer(message)) == message


nodes = st.sampled_from(NODES)
events: st.SearchStrategy[Any] = st.one_of(
    st.builds(PeerUp, nodes),
    st.builds(PeerDown, nodes),
    st.builds(Heard, nodes, messages.map(encode_transfer)),
    st.builds(Heard, nodes, messages.map(encode_transfer)),
    st.builds(Heard, nodes, messages.map(encode_transfer)),
    st.builds(Heard, nodes, st.binary(max_size=20)),
    st.builds(Wrote, ids, block_numbers, st.booleans(), st.sampled_from(("", "", "full"))),
    st.builds(Read, ids, block_numbers, st.one_of(st.none(), st.just(bytes(100)), st.just(bytes(BLOCK))), nodes),
    st.builds(ListRead, ids, st.one_of(st.none(), st.sampled_from(sorted(BLOCKS.values(), key=repr))), nodes),
    st.builds(Present, ids, st.integers(0, 15), st.sampled_from(sorted(SIZES.values()))),
    st.builds(Gone, ids),
    st.just(Tick()),
    st.builds(Limits, st.sampled_from((0, 1000, 1 << 30))),
    st.builds(Busy, nodes, st.booleans()),
)
wants = st.tuples(
    st.sampled_from(("one", "two")),
    st.lists(st.sampled_from(REFS), max_size=4),
    st.booleans(),
    st.lists(nodes, max_size=2),
)
cancels = st.sampled_from(("one", "two", "three"))
steps = st.lists(
    st.tuples(st.sampled_from((0.0, 0.05, 0.6, 16.0, 130.0)), st.one_of(events, events, events, wants, cancels)),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_an_engine_that_hears_anything_raises_nothing_and_owes_nothing_in_the_end(
    steps: list[tuple[float, Any]],
) -> None:
    swarm, now_s = Swarm(seed=7), 0.0
    writing: list[tuple[BlobId, int]] = []
    for after_s, step in steps:
        now_s += after_s
        if isinstance(step, str):
            swarm.cancel(step)
        elif type(step) is tuple:
            key, refs, are_lists_known, holders = step
            swarm.want(key, refs, BLOCKS if are_lists_known else {}, holders, now_s)
        else:
            swarm.handle(step, now_s)
        writing += _look(swarm.settle(now_s))
    for key in ("one", "two"):
        swarm.cancel(key)
    for blob_id, block in writing:
        swarm.handle(Wrote(blob_id, block, ok=True), now_s)
    for node in NODES:
        swarm.handle(PeerDown(node), now_s)
    swarm.settle(now_s + 1.0)
    assert swarm.outstanding_bytes == 0


def _look(effects: SwarmEffects) -> list[tuple[BlobId, int]]:
    """Every message can be read, and every block that is to be written has its length; the blocks."""
    for _, raw in effects.sends:
        assert decode_transfer(raw) is not None
    for write in effects.writes:
        length = min(BLOCK, write.ref.size_bytes - write.block * BLOCK)
        assert len(write.data) == length
    assert effects.wake_s > 0
    return [(write.ref.id, write.block) for write in effects.writes]
