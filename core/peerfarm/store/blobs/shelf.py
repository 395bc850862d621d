"""The books of a blob store: what is here, how large, how long unused, and what may not be evicted. No I/O."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from peerfarm.errors import DiskFull
from peerfarm.model.blob import BlobId
from peerfarm.model.sizes import size_words

MAX_RESERVE_BYTES = 1_000_000_000
"""Of the quota a twentieth, at most so much, is left free by scenes: frames must find room for their way."""


class Shelf:
    """Sizes of blobs, and how many reasons there are to keep each; a reason may be there before its blob.

    Attributes:
        bytes: Of all blobs.
        pinned_bytes: Of those with a reason to be kept.
        set_aside_bytes: Room promised to what is still being taken in.
    """

    def __init__(self, quota_bytes: int) -> None:
        self.quota_bytes = quota_bytes
        self.bytes = 0
        self.pinned_bytes = 0
        self.set_aside_bytes = 0
        self._kept: dict[BlobId, int] = {}
        self._loose: OrderedDict[BlobId, int] = OrderedDict()
        self._reasons: Counter[BlobId] = Counter()

    def __contains__(self, id_: BlobId) -> bool:
        return id_ in self._kept or id_ in self._loose

    def __iter__(self) -> Iterator[BlobId]:
        yield from self._kept
        yield from self._loose

    def __len__(self) -> int:
        return len(self._kept) + len(self._loose)

    def size_of(self, id_: BlobId) -> int | None:
        """Bytes of a blob that is here."""
        size_bytes = self._kept.get(id_)
        return self._loose.get(id_) if size_bytes is None else size_bytes

    def add(self, id_: BlobId, size_bytes: int) -> None:
        """A blob has come, as the one used last; again counts once."""
        if id_ in self:
            self.use(id_)
            return
        self.bytes += size_bytes
        if self._reasons[id_] > 0:
            self._kept[id_] = size_bytes
            self.pinned_bytes += size_bytes
        else:
            del self._reasons[id_]
            self._loose[id_] = size_bytes

    def remove(self, id_: BlobId) -> None:
        """A blob has gone; the reasons to keep it stay, for it may come again."""
        size_bytes = self._loose.pop(id_, None)
        if size_bytes is None:
            size_bytes = self._kept.pop(id_, None)
            if size_bytes is None:
                return
            self.pinned_bytes -= size_bytes
        self.bytes -= size_bytes

    def use(self, id_: BlobId) -> None:
        """It is the one used last."""
        if id_ in self._loose:
            self._loose.move_to_end(id_)

    def keep(self, ids: Iterable[BlobId]) -> None:
        """One more reason to keep each of these."""
        for id_ in ids:
            self._reasons[id_] += 1
            size_bytes = self._loose.pop(id_, None)
            if size_bytes is not None:
                self._kept[id_] = size_bytes
                self.pinned_bytes += size_bytes

    def let_go(self, ids: Iterable[BlobId]) -> None:
        """One reason fewer; what has none left counts as used just now."""
        for id_ in ids:
            self._reasons[id_] -= 1
            if self._reasons[id_] > 0:
                continue
            del self._reasons[id_]
            size_bytes = self._kept.pop(id_, None)
            if size_bytes is not None:
                self._loose[id_] = size_bytes
                self.pinned_bytes -= size_bytes

    def is_kept(self, id_: BlobId) -> bool:
        """Whether there is a reason to keep it, be it here or not."""
        return id_ in self._reasons

    def oldest(self) -> BlobId | None:
        """Which blob has been unused for the longest time, of those that may go."""
        return next(iter(self._loose), None)

    @property
    def reserve_bytes(self) -> int:
        """The part of the quota that scenes leave free."""
        return min(self.quota_bytes // 20, MAX_RESERVE_BYTES)

    def too_much(self, more_bytes: int, *, is_frame: bool = False) -> int:
        """How many bytes must go before so many more are within the quota.

        Args:
            is_frame: The quota bounds no frames: what was rendered is not thrown away for want of a setting.

        Raises:
            DiskFull: It is no frame, and does not fit whatever goes.
        """
        reserve_bytes = 0 if is_frame or not more_bytes else self.reserve_bytes
        over = self.bytes + self.set_aside_bytes + more_bytes + reserve_bytes - self.quota_bytes
        if over > self.bytes - self.pinned_bytes and more_bytes and not is_frame:
            taken = self.pinned_bytes + self.set_aside_bytes
            raise DiskFull(
                f"no room for {size_words(more_bytes)} among this node's files: jobs need {size_words(taken)} of the"
                f" {size_words(self.quota_bytes)} that `store_gb` allows, and {size_words(reserve_bytes)} are kept free"
                " for frames",
                "Raise `store_gb` in the settings, or archive jobs that have ended.",
            )
        return max(0, over)
