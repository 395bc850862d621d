"""Messages of the transfer links: what is written is read, and what cannot be is refused."""

from __future__ import annotations

import msgpack
import pytest

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import BlobId
from peerfarm.protocol import transfer as t
from peerfarm.protocol.transfer import decode_bits, decode_transfer, encode_bits, encode_transfer, split_rows

ID = BlobId(b"i" * 32)


@pytest.mark.parametrize(
    ("bits", "count", "raw"),
    [
        (0b1, 1, t.ALL),
        (0b111, 3, t.ALL),
        (0b000, 3, t.NOTHING),
        (0b001, 3, b"\x80"),
        (0b100, 3, b"\x20"),
        (0b1_0000_0001, 10, b"\x80\x80"),
    ],
)
def test_block_0_is_the_highest_bit_of_the_first_byte(bits: int, count: int, raw: bytes) -> None:
    assert encode_bits(bits, count) == raw
    assert decode_bits(raw, count) == bits


def test_a_bitmap_that_names_blocks_beyond_the_last_is_none() -> None:
    assert decode_bits(b"\x10", 3) is None
    assert decode_bits(b"\x00\x00\x01", 3) is None
    assert decode_bits(b"\x00\x00", 3) == 0


def test_rows_are_split_in_order() -> None:
    assert split_rows([1, 2, 3, 4, 5], 2) == [(1, 2), (3, 4), (5,)]
    assert split_rows([], 2) == []


@pytest.mark.parametrize(
    "parts",
    [
        (1, (b"short",)),
        (1, ("i" * 32,)),
        (1, (ID,) * 16_385),
        (3, ((ID, b"x" * 251),)),
        (3, ((ID,),)),
        (4, (ID,) * 257),
        (5, ID, -1, b""),
        (5, ID, 1 << 60, b""),
        (5, ID, 100, b"x" * 33),
        (5, ID, 100, b"x" * 32 * 2000),
        (6, ((ID, 1999),)),
        (6, ((ID, -1),)),
        (6, ((ID, True),)),
        (6, ((ID, 1, 1),)),
        (8, ((ID, 0, 10, 0, b""),)),
        (8, ((ID, 0, 10, 5, b"123456"),)),
        (8, ((ID, 0, (16 << 20) + 1, 0, b"x"),)),
        (8, ((ID, 0, 1 << 20, 0, b"x" * ((256 << 10) + 1)),)),
        (8, ((ID, 0, 10, -1, b"x"),)),
        (8, ((ID, 0, 10, 0, "x"),)),
        (9, ID),
        (9,),
        (9, (), ()),
        ("9", ()),
        (),
    ],
)
def test_a_message_with_an_impossible_value_is_refused(parts: tuple[object, ...]) -> None:
    with pytest.raises(PeerProtocolError):
        decode_transfer(msgpack.packb(parts))


def test_a_type_of_a_later_version_is_ignored() -> None:
    assert decode_transfer(msgpack.packb((99, 1, 2))) is None


def test_a_message_that_no_peer_would_take_is_not_made() -> None:
    rows = tuple((ID, block, 256 << 10, 0, bytes(256 << 10)) for block in range(5))
    with pytest.raises(ValueError, match="exceeds"):
        encode_transfer(t.Piece(rows))
    with pytest.raises(PeerProtocolError):
        decode_transfer(bytes((1 << 20) + 1))
