"""Messages of the transfer links, where blobs travel: one table says everything that the wire may hold.

An id is a BlobId. Rows of several blobs share a message, for a scene may have 200 000 small files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgpack

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import HASH_BYTES, MAX_BLOB_BYTES, MAX_BLOCK_BYTES, MAX_BLOCKS, BlobId
from peerfarm.state.actions import unpack

MAX_MESSAGE_BYTES = 1 << 20
MAX_ROWS = 16_384
"""Of ids or of (id, block), in one message."""
MAX_PIECE_BYTES = 256 << 10
"""Data of one row of a Piece, and what a sender puts into one message."""
MAX_PIECE_ROWS = 4096
MAX_LIST_ASKS = 256

ALL = b""
"""A bitmap of every block."""
NOTHING = b"\0"
"""A bitmap of no block."""

BlockRow = tuple[BlobId, int]
"""(id, block)."""


class Seek(NamedTuple):
    """I want these blobs: tell what you hold of each, now and as it changes."""

    ids: tuple[BlobId, ...]


class Unseek(NamedTuple):
    """I no longer want to know of these."""

    ids: tuple[BlobId, ...]


class Have(NamedTuple):
    """What I hold of blobs that you seek; each row replaces what was told of that blob before."""

    rows: tuple[tuple[BlobId, bytes], ...]
    """(id, bitmap): ALL, NOTHING, or a bit for each block, block 0 in the highest bit of the first byte."""


class ListAsk(NamedTuple):
    """Tell me the block hashes of these."""

    ids: tuple[BlobId, ...]


class ListTell(NamedTuple):
    """A blob's block hashes; they can be checked against its id. No hashes: not known here."""

    id: BlobId
    size_bytes: int
    hashes: bytes
    """32 bytes for each block, in order."""


class Ask(NamedTuple):
    """Send me these blocks."""

    rows: tuple[BlockRow, ...]


class Unask(NamedTuple):
    """I no longer need these blocks from you."""

    rows: tuple[BlockRow, ...]


class Piece(NamedTuple):
    """Parts of blocks that were asked for; the parts of one block come in order."""

    rows: tuple[tuple[BlobId, int, int, int, bytes], ...]
    """(id, block, length of the whole block, offset within the block, data)."""


class Lack(NamedTuple):
    """These blocks were asked for and are not here, or no longer."""

    rows: tuple[BlockRow, ...]


TransferMessage = Seek | Unseek | Have | ListAsk | ListTell | Ask | Unask | Piece | Lack

Check = Callable[[Any], bool]


def _id(value: Any) -> bool:
    return type(value) is bytes and len(value) == HASH_BYTES


def _ids(limit: int) -> Check:
    return lambda value: type(value) is tuple and len(value) <= limit and all(map(_id, value))


def _rows(limit: int, row: Check) -> Check:
    return lambda value: type(value) is tuple and len(value) <= limit and all(map(row, value))


def _whole(value: Any, limit: int) -> bool:
    return type(value) is int and 0 <= value <= limit


def _block_row(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and _id(value[0]) and _whole(value[1], MAX_BLOCKS - 1)


def _have_row(value: Any) -> bool:
    if not (type(value) is tuple and len(value) == 2 and _id(value[0])):
        return False
    return type(value[1]) is bytes and len(value[1]) <= (MAX_BLOCKS + 7) // 8


def _piece_row(value: Any) -> bool:
    if not (type(value) is tuple and len(value) == 5 and _id(value[0]) and _whole(value[1], MAX_BLOCKS - 1)):
        return False
    _, _, length, offset, data = value
    if not (_whole(length, MAX_BLOCK_BYTES) and _whole(offset, MAX_BLOCK_BYTES) and type(data) is bytes):
        return False
    return 0 < len(data) <= MAX_PIECE_BYTES and offset + len(data) <= length


def _hashes(value: Any) -> bool:
    return type(value) is bytes and len(value) <= HASH_BYTES * MAX_BLOCKS and not len(value) % HASH_BYTES


_IDS, _BLOCK_ROWS = _ids(MAX_ROWS), _rows(MAX_ROWS, _block_row)

_TYPES: dict[int, tuple[type[Any], tuple[Check, ...]]] = {
    1: (Seek, (_IDS,)),
    2: (Unseek, (_IDS,)),
    3: (Have, (_rows(MAX_ROWS, _have_row),)),
    4: (ListAsk, (_ids(MAX_LIST_ASKS),)),
    5: (ListTell, (_id, lambda value: _whole(value, MAX_BLOB_BYTES), _hashes)),
    6: (Ask, (_BLOCK_ROWS,)),
    7: (Unask, (_BLOCK_ROWS,)),
    8: (Piece, (_rows(MAX_PIECE_ROWS, _piece_row),)),
    9: (Lack, (_BLOCK_ROWS,)),
}

_CODES = {message: code for code, (message, _) in _TYPES.items()}


def encode_transfer(message: TransferMessage) -> bytes:
    """The message's bytes.

    Raises:
        ValueError: Larger than a peer accepts; callers bound what they send so that this is a bug.
    """
    raw: bytes = msgpack.packb((_CODES[type(message)], *message))
    if len(raw) > MAX_MESSAGE_BYTES:
        msg = f"a {type(message).__name__} of {len(raw)} bytes exceeds {MAX_MESSAGE_BYTES}"
        raise ValueError(msg)
    return raw


def decode_transfer(raw: bytes) -> TransferMessage | None:
    """The message behind the bytes; None for a type of a later version, which is to be ignored.

    Raises:
        PeerProtocolError: The bytes break the protocol; the sender's link is to be dropped.
    """
    if len(raw) > MAX_MESSAGE_BYTES:
        raise PeerProtocolError(f"a message of {len(raw)} bytes exceeds {MAX_MESSAGE_BYTES}")
    parts = unpack(raw)
    if not isinstance(parts, tuple) or not parts or type(parts[0]) is not int:
        raise PeerProtocolError("a message is a list that opens with its type")
    known = _TYPES.get(parts[0])
    if known is None:
        return None
    make, checks = known
    if len(parts) - 1 != len(checks):
        raise PeerProtocolError(f"a {make.__name__} has {len(checks)} fields, not {len(parts) - 1}")
    for check, value, field in zip(checks, parts[1:], make._fields, strict=True):
        if not check(value):
            raise PeerProtocolError(f"a {make.__name__}'s {field} has a wrong type or an impossible value")
    message: TransferMessage = make(*parts[1:])
    return message


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def encode_bits(bits: int, count: int) -> bytes:
    """A row's bitmap: bit i of `bits` says that block i is here, of a blob of `count` blocks."""
    if bits == (1 << count) - 1:
        return ALL
    if not bits:
        return NOTHING
    return bits.to_bytes((count + 7) // 8, "little").translate(_REVERSED)


def decode_bits(raw: bytes, count: int) -> int | None:
    """The blocks that a bitmap names, bit i for block i; None when it names blocks that the blob has not."""
    if not raw:
        return (1 << count) - 1
    bits = int.from_bytes(raw.translate(_REVERSED), "little")
    return None if bits >> count else bits


def split_rows(rows: Sequence[Any], limit: int) -> list[tuple[Any, ...]]:
    """Rows in their order, in groups that fit into a message each."""
    return [tuple(rows[first : first + limit]) for first in range(0, len(rows), limit)]
