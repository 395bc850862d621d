"""What a file is between nodes: a blob, named by the hashes of its blocks. Nothing here reads or hashes a file."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from peerfarm.errors import InvalidManifest

BlobId = NewType("BlobId", bytes)
"""32 bytes that follow from the content alone."""

HASH_BYTES = 32
MIN_BLOCK_BYTES = 128 << 10
MAX_BLOCK_BYTES = 16 << 20
MAX_BLOCKS = 1999
"""Of one file; the block grows with the file to stay below."""
MAX_BLOB_BYTES = MAX_BLOCK_BYTES * MAX_BLOCKS
"""About 31 GiB."""

_MARK = b"peerfarm blob 1\0"

EMPTY_ID = BlobId(hashlib.sha256(b"").digest())
"""The blob without content, which has no blocks."""


def block_bytes(size_bytes: int) -> int:
    """How long each block of a file of this size is, but for its last: the same on every node.

    Raises:
        InvalidManifest: The file is longer than MAX_BLOB_BYTES, or the size is negative.
    """
    if size_bytes < 0:
        raise InvalidManifest(f"a file of {size_bytes} bytes, which cannot be")
    if size_bytes > MAX_BLOB_BYTES:
        raise InvalidManifest(
            f"a file of {size_bytes} bytes; at most {MAX_BLOB_BYTES} can travel between nodes",
            "Split the file, or put it on shared storage and submit with `files: shared`.",
        )
    length = MIN_BLOCK_BYTES
    while -(-size_bytes // length) > MAX_BLOCKS:
        length *= 2
    return length


def block_count(size_bytes: int) -> int:
    """How many blocks a file of this size has; an empty file has none."""
    return -(-size_bytes // block_bytes(size_bytes))


def block_range(size_bytes: int, block: int) -> tuple[int, int]:
    """Where a block lies in its file: (first byte, length)."""
    length = block_bytes(size_bytes)
    first = block * length
    if not 0 <= first < size_bytes:
        raise InvalidManifest(f"a file of {size_bytes} bytes has no block {block}")
    return first, min(length, size_bytes - first)


def blob_id(size_bytes: int, hashes: Sequence[bytes]) -> BlobId:
    """Name a blob by its size and the SHA-256 of each of its blocks.

    A file of at most one block is named by the plain SHA-256 of its content, so that small files can be checked with
    any tool; a longer one by half a SHA-512 over its size, its block length and its block hashes. It is another
    function so that nobody can make a small file whose content has a longer one's name.
    """
    if not hashes:
        return EMPTY_ID
    if len(hashes) == 1:
        return BlobId(bytes(hashes[0]))
    head = _MARK + struct.pack(">QI", size_bytes, block_bytes(size_bytes))
    return BlobId(hashlib.sha512(head + b"".join(hashes)).digest()[:HASH_BYTES])


@dataclass(frozen=True, slots=True)
class BlockList:
    """The hashes of a blob's blocks, in order; they prove each block apart from the others."""

    size_bytes: int
    hashes: tuple[bytes, ...]
    """SHA-256 of each block, 32 bytes."""

    @property
    def id(self) -> BlobId:
        """The blob's name."""
        return blob_id(self.size_bytes, self.hashes)

    def check(self) -> None:
        """Raise InvalidManifest unless the number and the length of the hashes fit the size."""
        if len(self.hashes) != block_count(self.size_bytes):
            raise InvalidManifest(f"{len(self.hashes)} block hashes for a file of {self.size_bytes} bytes")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise InvalidManifest("a block hash is not 32 bytes long")

    @property
    def ref(self) -> BlobRef:
        """The blob as others want it."""
        return BlobRef(self.id, self.size_bytes)

    def proves(self, block: int, data: bytes) -> bool:
        """Whether these bytes are that block; False as well when there is no such block."""
        if not 0 <= block < len(self.hashes):
            return False
        return len(data) == block_range(self.size_bytes, block)[1] and _sha256(data) == self.hashes[block]


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob that somebody wants, with the size it must have; 0 for an empty one."""

    id: BlobId
    size_bytes: int


def blocks_of(content: bytes) -> BlockList:
    """The block list of what is in memory."""
    length = block_bytes(len(content))
    view = memoryview(content)
    hashes = tuple(_sha256(view[first : first + length]) for first in range(0, len(content), length))
    return BlockList(len(content), hashes)


def _sha256(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()
