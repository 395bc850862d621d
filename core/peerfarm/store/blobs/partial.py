"""A blob that is being fetched: which of its blocks are here, also after a crash."""

from __future__ import annotations

import errno
import os
import struct
import threading
from pathlib import Path
from typing import BinaryIO

from peerfarm.errors import InvalidManifest, StoreError
from peerfarm.model.blob import HASH_BYTES, BlobRef, BlockList, block_range
from peerfarm.store.blobs.disk import create, disk_error, make_folder, remove, write_all

_HEAD = struct.Struct(">Q")


class Partial:
    """One begun blob of several blocks: a file with holes, and beside it the hashes that its blocks must have.

    Blocks are not synced one by one: after a crash the file is read again, and what does not fit its hash is fetched
    once more. A blob of one block has no file here.

    Attributes:
        is_whole: All blocks are here, and somebody has been told to finish it.
    """

    def __init__(self, blocks: BlockList, path: Path, final: Path, *, is_resumed: bool = False) -> None:
        self.blocks = blocks
        self.ref: BlobRef = blocks.ref
        self.path = path
        self._final = final
        self.list_path = path.with_suffix(".blocks")
        self.is_whole = False
        self._mask = 0
        self._is_read = not is_resumed
        self._lock = threading.Lock()

    @property
    def is_single(self) -> bool:
        """Whether it has one block only, and so no file before it is whole."""
        return len(self.blocks.hashes) == 1

    def make(self) -> None:
        """Make the files. Raises StoreError, and leaves none then."""
        if self.is_single:
            return
        try:
            make_folder(self.path.parent)
            remove(self.path)
            remove(self.list_path)
            with create(self.list_path) as file:
                write_all(file, encode_list(self.blocks))
            with create(self.path) as file:
                file.truncate(self.ref.size_bytes)
        except OSError as error:
            self.discard()
            raise disk_error(error, "beginning a file", self.path.parent) from error

    def mask(self) -> int:
        """Bit i for each block i that is here; the first call after a crash reads the file."""
        with self._lock:
            if not self._is_read:
                self._mask = self._found()
                self._is_read = True
            return self._mask

    def write(self, block: int, data: bytes) -> bool:
        """Write a block that was compared with its hash; whether it was the last one missing, true only once.

        Raises:
            StoreError: Nothing is counted of it; DiskFull.
        """
        if self.mask() >> block & 1:
            return self.claim()
        try:
            with self.path.open("r+b", buffering=0) as file:
                file.seek(block_range(self.ref.size_bytes, block)[0])
                write_all(file, data)
        except FileNotFoundError as error:
            if self.is_whole:  # another thread had the same block
                return False
            raise StoreError("a file that was being fetched was evicted meanwhile", "It is fetched again.") from error
        except OSError as error:
            raise disk_error(error, "writing a fetched file", self.path.parent) from error
        with self._lock:
            self._mask |= 1 << block
        return self.claim()

    def claim(self) -> bool:
        """Whether the caller is to make the blob whole: all blocks are here, and nobody else was told so."""
        with self._lock:
            if self.is_whole or not (self.is_single or self._mask == (1 << len(self.blocks.hashes)) - 1):
                return False
            self.is_whole = True
            return True

    def read(self, block: int) -> bytes | None:
        """A block, compared with its hash; None when it is not here or not any more."""
        if self.is_single or not self.mask() >> block & 1:
            return None
        data = self._read_from(self.path, block)
        if data is None and self.is_whole:
            data = self._read_from(self._final, block)  # it has just been renamed
        if data is None or not self.blocks.proves(block, data):
            with self._lock:
                self._mask &= ~(1 << block)
            return None
        return data

    def _read_from(self, path: Path, block: int) -> bytes | None:
        try:
            with path.open("rb", buffering=0) as file:
                return read_block(file, self.ref.size_bytes, block)
        except OSError:
            return None

    def doubt(self) -> None:
        """After a failure: look again at what is there."""
        with self._lock:
            self._mask, self._is_read, self.is_whole = 0, False, False

    def discard(self) -> None:
        """Remove the files."""
        remove(self.path)
        remove(self.list_path)

    def _found(self) -> int:
        """Which blocks the file holds. Holes are passed over, for what is nothing but zeros is soon fetched."""
        mask = 0
        try:
            with self.path.open("rb", buffering=0) as file:
                for block in range(len(self.blocks.hashes)):
                    first, length = block_range(self.ref.size_bytes, block)
                    if _is_hole(file, first, length):
                        continue
                    data = read_block(file, self.ref.size_bytes, block)
                    if data is not None and self.blocks.proves(block, data):
                        mask |= 1 << block
        except OSError:
            return mask
        return mask


def read_block(file: BinaryIO, size_bytes: int, block: int) -> bytes | None:
    """A block as it stands in the file; None when the file ends before. Raises OSError."""
    first, length = block_range(size_bytes, block)
    file.seek(first)
    parts = []
    while length:
        part = file.read(length)
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def encode_list(blocks: BlockList) -> bytes:
    """A block list as it stands in a file beside its blob."""
    return _HEAD.pack(blocks.size_bytes) + b"".join(blocks.hashes)


def read_list(path: Path) -> BlockList | None:
    """A block list; None when there is none or it is damaged. Whose list it is, its `id` tells."""
    try:
        raw = path.read_bytes()
        if len(raw) < _HEAD.size:
            return None
        hashes = raw[_HEAD.size :]
        blocks = BlockList(
            _HEAD.unpack_from(raw)[0],
            tuple(hashes[first : first + HASH_BYTES] for first in range(0, len(hashes), HASH_BYTES)),
        )
        blocks.check()
    except (OSError, InvalidManifest):
        return None
    return blocks


def _is_hole(file: BinaryIO, first: int, length: int) -> bool:
    if not hasattr(os, "SEEK_DATA"):
        return False
    try:
        return os.lseek(file.fileno(), first, os.SEEK_DATA) >= first + length
    except OSError as error:
        return error.errno == errno.ENXIO  # nothing but a hole from here on
