"""Whole blobs as they lie on the disk: read, and compared with their names; what was damaged is dropped and told."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from peerfarm.model.blob import BlobId, BlobRef, BlockList
from peerfarm.store.blobs.api import GoneReason
from peerfarm.store.blobs.disk import Note, disk_error, open_plain
from peerfarm.store.blobs.layout import Layout
from peerfarm.store.blobs.partial import read_block, read_list
from peerfarm.store.blobs.reading import hash_blocks
from peerfarm.store.blobs.stock import Stock

_LISTS = 64
"""Block lists kept in memory, at most 64 KiB each."""
_DAMAGE = frozenset(
    getattr(errno, name) for name in ("ENOENT", "EIO", "ENODATA", "EUCLEAN", "EBADMSG") if hasattr(errno, name)
)
"""What says that a blob's content is lost; anything else, such as too many open files, may pass."""


class Contents:
    """Reads for a BlobStore. Every method may raise StoreError when the disk refuses without having lost anything."""

    def __init__(self, layout: Layout, stock: Stock) -> None:
        self._layout = layout
        self._stock = stock
        self._lock = threading.Lock()
        self._lists: OrderedDict[BlobId, BlockList] = OrderedDict()
        self._sound: dict[BlobId, tuple[int, int]] = {}
        """Size and time of each file when it was last known to hold what its name says."""

    def block_list(self, ref: BlobRef) -> BlockList | None:
        """Of a blob of several blocks that is here; None when it was damaged."""
        with self._lock:
            known = self._lists.get(ref.id)
            if known is not None:
                self._lists.move_to_end(ref.id)
                return known
        blocks = read_list(self._layout.list_of(ref.id))
        if blocks is None or blocks.ref != ref:
            blocks = self.hashed(ref, ignore)  # the list was lost; the content tells it as well
        if blocks is not None:
            with self._lock:
                self._lists[ref.id] = blocks
                while len(self._lists) > _LISTS:
                    self._lists.popitem(last=False)
        return blocks

    def read_block(self, ref: BlobRef, blocks: BlockList, block: int) -> bytes | None:
        """One block; None when it was damaged."""
        try:
            with open_plain(self._layout.file_of(ref.id), follows_links=False) as file:
                data = read_block(file, ref.size_bytes, block)
        except OSError as error:
            self._lose(ref.id, error)
            return None
        if data is None or not blocks.proves(block, data):
            self._lose(ref.id)
            return None
        self._stock.use(ref.id)
        return data

    def sound_file(self, ref: BlobRef, note: Note) -> Path | None:
        """Its file, compared with its name if it may have been changed; see BlobStore."""
        path = self._layout.file_of(ref.id)
        with self._lock:
            known = self._sound.get(ref.id)
        try:
            status = path.stat()
        except OSError as error:
            self._lose(ref.id, error)
            return None
        if known != (status.st_size, status.st_mtime_ns) and self.hashed(ref, note) is None:
            return None
        self.use(ref.id)
        return path

    def hashed(self, ref: BlobRef, note: Note) -> BlockList | None:
        """Read all of a blob; None when it was damaged."""
        try:
            with open_plain(self._layout.file_of(ref.id), follows_links=False) as file:
                status = os.fstat(file.fileno())
                blocks = hash_blocks(file, ref.size_bytes, note) if status.st_size == ref.size_bytes else None
        except OSError as error:
            self._lose(ref.id, error)
            return None
        if blocks is None or blocks.id != ref.id:
            self._lose(ref.id)
            return None
        with self._lock:
            self._sound[ref.id] = (status.st_size, status.st_mtime_ns)
        return blocks

    def mark_time(self, id_: BlobId, path: Path, mtime_ns: int) -> None:
        """Give a blob's file a time, unless it is shared by more than `path`, its other name."""
        with suppress(OSError):  # a time that is not right hinders no render
            status = path.stat()
            if status.st_nlink == 2 and status.st_mtime_ns != mtime_ns:
                os.utime(path, ns=(status.st_atime_ns, mtime_ns))
                self.note_sound(id_)

    def note_sound(self, id_: BlobId) -> None:
        """Its file holds what its name says."""
        with suppress(OSError):  # it is compared once more then
            status = self._layout.file_of(id_).stat()
            with self._lock:
                self._sound[id_] = (status.st_size, status.st_mtime_ns)

    def use(self, id_: BlobId) -> None:
        """Note its use also on the disk, as the file's time of access, for the order of eviction after a start."""
        self._stock.use(id_)
        path = self._layout.file_of(id_)
        with suppress(OSError):  # it is only evicted sooner
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))

    def _lose(self, id_: BlobId, error: OSError | None = None) -> None:
        """Drop a blob whose content is not what its name says; StoreError when the error does not say that."""
        if error is not None and error.errno not in _DAMAGE:
            raise disk_error(error, "reading a file") from error
        with self._lock:
            self._sound.pop(id_, None)
        self._stock.forget(id_, GoneReason.DAMAGED)


def ignore(_done_bytes: int) -> None:
    """For work that nobody watches."""
