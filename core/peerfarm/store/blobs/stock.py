"""What a blob store holds and why: whole and begun blobs, pins, room, eviction. For any thread; it reads no content."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from peerfarm.errors import DiskFull
from peerfarm.model.blob import EMPTY_ID, BlobId
from peerfarm.model.sizes import size_words
from peerfarm.store.blobs.api import Gone, GoneReason, Usage
from peerfarm.store.blobs.disk import DISK_HINT, disk_error, free_bytes, make_folder
from peerfarm.store.blobs.layout import Layout
from peerfarm.store.blobs.partial import Partial
from peerfarm.store.blobs.pinbook import PinBook
from peerfarm.store.blobs.shelf import Shelf

SPARE_BYTES = 256 << 20
"""Left free on the disk for the log and for frames."""
DOUBT_PIN = "doubt"
"""Pins everything that was here when pins may have been lost. To be unpinned once nothing of it can be needed."""


class Stock:
    """Opens what lies on the disk.

    Raises:
        StoreError: The directory or the pins cannot be read.
    """

    def __init__(self, layout: Layout, quota_bytes: int) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._pin_lock = threading.RLock()
        self._shelf = Shelf(quota_bytes)
        self._partials: dict[BlobId, Partial] = {}
        self._gone: list[Gone] = []
        self._is_closed = False
        try:
            for found in layout.whole():
                self._shelf.add(found.id, found.size_bytes)
            for partial in layout.begun():
                if partial.ref.id in self._shelf:
                    partial.discard()  # the crash came between the last rename and this
                    continue
                self._partials[partial.ref.id] = partial
                self._shelf.add(partial.ref.id, partial.ref.size_bytes)
        except OSError as error:
            raise disk_error(error, f"reading {layout.directory}") from error
        self._book_path = layout.directory / "pins.db"
        self._book = PinBook(self._book_path)
        self._pins = self._book.read()
        for ids in self._pins.values():
            self._shelf.keep(ids)
        if self._book.is_in_doubt and len(self._shelf):
            self.pin(DOUBT_PIN, self.pinned(DOUBT_PIN) | set(self._shelf))

    def close(self) -> None:
        """Give the files free."""
        with self._pin_lock:
            self._is_closed = True
            self._book.close()

    # What is here

    def size_of(self, id_: BlobId) -> int | None:
        """Bytes of a whole blob; None when it is not here."""
        if id_ == EMPTY_ID:
            return 0
        with self._lock:
            return None if id_ in self._partials else self._shelf.size_of(id_)

    def partial(self, id_: BlobId) -> Partial | None:
        """A begun blob."""
        with self._lock:
            return self._partials.get(id_)

    def use(self, id_: BlobId) -> None:
        """It is the one used last."""
        with self._lock:
            self._shelf.use(id_)

    def begin(self, partial: Partial) -> bool:
        """Note a begun blob, room for which was set aside; False when it is here or has been begun already."""
        with self._lock:
            is_new = partial.ref.id not in self._shelf
            if is_new:
                self._partials[partial.ref.id] = partial
                self._shelf.set_aside_bytes -= partial.ref.size_bytes
                self._shelf.add(partial.ref.id, partial.ref.size_bytes)
            return is_new

    def complete(self, id_: BlobId, size_bytes: int, set_aside_bytes: int) -> Partial | None:
        """Note a whole blob; gives back the begun one in whose place it comes."""
        with self._lock:
            self._shelf.set_aside_bytes -= set_aside_bytes
            if self._shelf.size_of(id_) != size_bytes:
                self._shelf.remove(id_)
            self._shelf.add(id_, size_bytes)
            return self._partials.pop(id_, None)

    def forget(self, id_: BlobId, reason: GoneReason | None) -> None:
        """Remove a blob from the disk and from the books; with a reason it is told by `take_gone`.

        Raises:
            StoreError: It cannot be removed, and stays.
        """
        with self._lock:
            self._remove(id_, reason)

    def _remove(self, id_: BlobId, reason: GoneReason | None) -> None:
        if id_ not in self._shelf:
            return
        partial = self._partials.pop(id_, None)
        if partial is None:
            self._layout.remove_whole(id_)
        else:
            partial.discard()
        self._shelf.remove(id_)
        if reason is not None:
            self._gone.append(Gone(id_, reason))

    def take_gone(self) -> tuple[Gone, ...]:
        """What went away since the last call."""
        with self._lock:
            gone, self._gone = self._gone, []
        return tuple(gone)

    # Room

    def usage(self) -> Usage:
        """What is held now."""
        with self._lock:
            shelf = self._shelf
            whole = len(shelf) - len(self._partials)
            return Usage(shelf.bytes + shelf.set_aside_bytes, shelf.pinned_bytes, shelf.quota_bytes, whole)

    def set_aside(self, size_bytes: int, *, is_frame: bool = False) -> None:
        """Promise room to something that is on its way in; evicts for it. Raises DiskFull."""
        with self._lock:
            self._make_room(size_bytes, is_frame=is_frame)
            self._shelf.set_aside_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Take that promise back."""
        with self._lock:
            self._shelf.set_aside_bytes -= size_bytes

    def needs(self, size_bytes: int, *, is_frame: bool = False) -> None:
        """Evict until there is room for so much more; DiskFull when there cannot be."""
        with self._lock:
            self._make_room(size_bytes, is_frame=is_frame)

    def evict(self) -> tuple[BlobId, ...]:
        """Keep the quota again."""
        with self._lock:
            return self._make_room(0)

    def _make_room(self, size_bytes: int, *, is_frame: bool = False) -> tuple[BlobId, ...]:
        shelf = self._shelf
        target_bytes = shelf.bytes - shelf.too_much(size_bytes, is_frame=is_frame)
        if self._lacks(size_bytes) > shelf.bytes - shelf.pinned_bytes:
            raise self._disk_is_full(size_bytes)  # not after having evicted everything in vain
        evicted = []
        while shelf.bytes > target_bytes or self._lacks(size_bytes) > 0:
            oldest = shelf.oldest()
            if oldest is None:
                if self._lacks(size_bytes) > 0:
                    raise self._disk_is_full(size_bytes)
                break  # what is pinned alone is more than the quota: frames may be, and it may have been lowered
            self._remove(oldest, GoneReason.EVICTED)
            evicted.append(oldest)
        return tuple(evicted)

    def _lacks(self, size_bytes: int) -> int:
        """How much room the disk has too little for so many more bytes; zero or less when it has enough."""
        free = free_bytes(self._layout.directory) if size_bytes else None
        return 0 if free is None else size_bytes + SPARE_BYTES - free

    def _disk_is_full(self, size_bytes: int) -> DiskFull:
        return DiskFull(
            f"no room for {size_words(size_bytes)} on the disk of {self._layout.directory}:"
            f" {size_words(SPARE_BYTES)} are kept free on it",
            DISK_HINT,
        )

    # Pins

    def pin(self, key: str, ids: Iterable[BlobId]) -> None:
        """Pin these, and no others, under the key. Raises StoreError; the former pin stays then."""
        wanted = frozenset(ids)
        with self._pin_lock:
            former = self._pins.get(key, frozenset())
            if wanted == former:
                return
            self._keep(wanted)
            try:
                self._find_book()
                if wanted:
                    self._book.put(key, wanted)
                else:
                    self._book.remove(key)
            except BaseException:
                self._let_go(wanted)
                raise
            self._let_go(former)
            self._pins.pop(key, None)
            if wanted:
                self._pins[key] = wanted

    def _find_book(self) -> None:
        """Write the book anew when somebody removed it. Raises StoreError."""
        if not self._is_closed and self._book.is_gone:
            self._book.close()
            try:
                make_folder(self._book_path.parent)
            except OSError as error:
                raise disk_error(error, f"making {self._book_path.parent} again") from error
            self._book = PinBook(self._book_path)
            for key, ids in self._pins.items():
                self._book.put(key, ids)

    def pin_more(self, key: str, ids: Iterable[BlobId]) -> None:
        """Pin these besides what the key pins. Raises StoreError."""
        with self._pin_lock:
            self.pin(key, self.pinned(key).union(ids))

    def pinned(self, key: str) -> frozenset[BlobId]:
        """What a key pins."""
        with self._pin_lock:
            return self._pins.get(key, frozenset())

    def pin_keys(self) -> tuple[str, ...]:
        """All keys."""
        with self._pin_lock:
            return tuple(sorted(self._pins))

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Keep blobs from eviction for the length of a piece of work; nothing of it is on disk."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self._let_go(hold.ids)

    def _keep(self, ids: Iterable[BlobId]) -> None:
        with self._lock:
            self._shelf.keep(ids)

    def _let_go(self, ids: Iterable[BlobId]) -> None:
        with self._lock:
            self._shelf.let_go(ids)


class Hold:
    """The blobs that one piece of work needs; of one `Stock.hold`. For any thread."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self.ids: set[BlobId] = set()

    def add(self, ids: Iterable[BlobId]) -> None:
        """These too, be they here or not."""
        with self._stock._lock:  # noqa: SLF001 - the two are one thing
            fresh = set(ids) - self.ids
            self.ids |= fresh
            self._stock._shelf.keep(fresh)  # noqa: SLF001 - as above
