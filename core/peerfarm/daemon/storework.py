"""What transfers want of the store, in threads of their own: a slow disk must not keep the network waiting.

One thread reads for peers, one writes what arrived, one prepares fetches and lets pins go. Each is started when it is
first needed. Answers come back through `answer`, as calls for the transfer thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from peerfarm.errors import DiskFull, PeerfarmError
from peerfarm.model.blob import BlobId, BlobRef, block_count
from peerfarm.runner.errands import Errands
from peerfarm.store.blobs import BlobStore
from peerfarm.swarm import events

BATCH_BYTES = 32 << 20
"""Written at once: every batch waits for the disk twice, and whoever waits for its blocks waits for all of it."""
BATCH_BLOCKS = 4096
MAX_BEGUN = 1 << 16
MAX_FULL = 100
PINS_ALARM = "files that no job needs any more stay in this node's store"
"""Stands until the disk lets them go."""

_logger = logging.getLogger(__name__)


class StoreWork:
    """The threads.

    Args:
        answer: Takes a call from any thread, to be made in the transfer thread; False when that has ended.
        happened: What such a call tells the swarm, in the transfer thread.
    """

    def __init__(
        self,
        store: BlobStore,
        answer: Callable[[Callable[[], None]], bool],
        happened: Callable[[Sequence[events.Event]], None],
    ) -> None:
        self._store = store
        self._answer = answer
        self._happened = happened
        self._threads: dict[str, Errands] = {}
        self._lock = threading.Lock()
        self._writes: deque[events.WriteBlock] = deque()
        self._is_writing = False
        self._begun: set[BlobId] = set()
        self.frames: Counter[BlobId] = Counter()
        """What is being fetched and was rendered: the quota does not bound it. Written by the transfer thread alone."""
        self.full: frozenset[str] = frozenset()
        """The last sentences that refused a block for want of room."""
        self._unreleased: dict[str, None] = {}
        """Pins that the disk did not let go; of the thread that prepares."""

    # From the transfer thread

    def look(self, ids: Sequence[BlobId]) -> None:
        """Find out what is held of these."""
        self._add("read", lambda: self._tell([self._held(id_) for id_ in ids]))

    def read(self, reads: Sequence[events.ReadBlock], lists: Sequence[events.ReadList]) -> None:
        """Read blocks and block lists for peers."""
        self._add("read", lambda: self._tell([*map(self._read_list, lists), *map(self._read_block, reads)]))

    def write(self, writes: Sequence[events.WriteBlock]) -> None:
        """Keep what arrived; what comes while the disk is busy goes together."""
        with self._lock:
            self._writes.extend(writes)
            is_needed, self._is_writing = not self._is_writing, True
        if is_needed:
            self._add("write", self._write_all)

    def prepare(self, work: Callable[[], None]) -> None:
        """Do something that takes long, after all that was asked for by this method before."""
        self._add("begin", work)

    @property
    def has_unreleased(self) -> bool:
        """Whether pins stayed that were to be let go: `release` tries them again."""
        return bool(self._unreleased)

    def release(self, keys: Sequence[str], alarm: Callable[[str], None], calm: Callable[[str], None]) -> None:
        """Let pins go, after what was to be prepared before, and those that stayed at the last try.

        Args:
            alarm: Hears from any thread why some stay.
            calm: Hears how such alarms begin when none does any more.
        """

        def let_go() -> None:
            had_some = self.has_unreleased
            self._unreleased.update(dict.fromkeys(keys))
            try:
                while self._unreleased:
                    key = next(iter(self._unreleased))
                    self._store.unpin(key)
                    del self._unreleased[key]
            except PeerfarmError as error:
                alarm(f"{PINS_ALARM}: {error}")
            else:
                if had_some:
                    calm(PINS_ALARM)

        self.prepare(let_go)

    def keep_quota(self, failed: Callable[[str], None]) -> None:
        """Have the store within its quota again, as far as pins allow; `failed` hears from any thread why it is not."""

        def evict() -> None:
            try:
                if self._store.evict():
                    self._answer(lambda: None)  # the transfer thread looks at what went
            except PeerfarmError as error:
                failed(f"the store takes more room than `store_gb` allows: {error}")

        self.prepare(evict)

    def pin_is_wanted(self, key: str) -> None:
        """Something is about to be pinned under that key: it is not let go after all. In the thread that prepares."""
        self._unreleased.pop(key, None)

    def close(self) -> None:
        """Begin nothing more."""
        for thread in self._threads.values():
            thread.close()

    def join(self, limit_s: float) -> bool:
        """Wait for what is being done; whether it ended in time."""
        give_up_s = time.monotonic() + limit_s
        late = [thread for thread in self._threads.values() if not thread.join(give_up_s - time.monotonic())]
        return not late

    def _add(self, name: str, work: Callable[[], None]) -> None:
        if name not in self._threads:
            self._threads[name] = Errands(f"blobs-{name}")
        self._threads[name].add(work)

    # In the threads

    def _tell(self, told: Sequence[events.Event]) -> None:
        if told:
            self._answer(lambda: self._happened(told))

    def _held(self, id_: BlobId) -> events.Event:
        ref = self._store.ref_of(id_)
        if ref is None:
            return events.Gone(id_)
        bitmap = whole(ref) if self._store.has(id_) else self.bitmap(ref)
        return events.Present(id_, bitmap, ref.size_bytes) if bitmap else events.Gone(id_)

    def bitmap(self, ref: BlobRef) -> int:
        """Which blocks of a blob are here; none when the disk refuses. From any thread."""
        try:
            return self._store.bitmap(ref)
        except Exception:  # whatever it is, the peer must be told something
            _logger.warning("a file that is sought cannot be looked at", exc_info=True)
            return 0

    def _read_block(self, read: events.ReadBlock) -> events.Read:
        data = None
        try:
            ref = self._store.ref_of(read.id)
            data = self._store.read_block(ref, read.block) if ref is not None else None
        except Exception:  # as above
            _logger.warning("a block could not be read for a peer", exc_info=True)
        return events.Read(read.id, read.block, data, read.node)

    def _read_list(self, ask: events.ReadList) -> events.ListRead:
        blocks = None
        try:
            ref = self._store.ref_of(ask.id)
            blocks = self._store.block_list(ref) if ref is not None else None
        except Exception:  # as above
            _logger.warning("a block list could not be read for a peer", exc_info=True)
        return events.ListRead(ask.id, blocks, ask.node)

    def _write_all(self) -> None:
        while batch := self._next_batch():
            try:
                answers = self._written(batch)
            except Exception as error:  # a bug here must become an answer, or the fetch would wait for ever
                _logger.exception("writing blocks failed")
                answers = [_refusal(write, f"the store failed: {type(error).__name__}: {error}") for write in batch]
            self._tell(answers)

    def _next_batch(self) -> list[events.WriteBlock]:
        batch: list[events.WriteBlock] = []
        size_bytes = 0
        with self._lock:
            while self._writes and size_bytes < BATCH_BYTES and len(batch) < BATCH_BLOCKS:
                batch.append(self._writes.popleft())
                size_bytes += len(batch[-1].data)
            self._is_writing = bool(batch)
        return batch

    def _written(self, batch: Sequence[events.WriteBlock]) -> list[events.Wrote]:
        """All together; when the disk refuses, one after the other, so that only what must fail does."""
        try:
            return self._written_together(batch)
        except PeerfarmError:
            return [self._written_alone(write) for write in batch]

    def _written_together(self, batch: Sequence[events.WriteBlock]) -> list[events.Wrote]:
        for write in batch:
            if write.ref.id not in self._begun:
                self._store.begin(write.ref, write.blocks, is_frame=write.ref.id in self.frames)
                if len(write.blocks.hashes) > 1:
                    self._begun.add(write.ref.id)
        if len(self._begun) > MAX_BEGUN:
            self._begun.clear()
        filled = [write for write in batch if write.data]
        kept = iter(self._store.write_blocks([(write.ref, write.block, write.data) for write in filled]))
        return [
            events.Wrote(write.ref.id, write.block, next(kept) if write.data else self._store.has(write.ref.id))
            for write in batch
        ]

    def _written_alone(self, write: events.WriteBlock) -> events.Wrote:
        self._begun.discard(write.ref.id)
        try:
            return self._written_together([write])[0]
        except PeerfarmError as error:
            sentence = f"{error}. {error.hint}" if error.hint else str(error)
            if isinstance(error, DiskFull):
                self.full = frozenset([*list(self.full)[-MAX_FULL:], sentence])
            return _refusal(write, sentence)


def whole(ref: BlobRef) -> int:
    """The bitmap of a blob that is all here."""
    return (1 << max(1, block_count(ref.size_bytes))) - 1


def _refusal(write: events.WriteBlock, sentence: str) -> events.Wrote:
    return events.Wrote(write.ref.id, write.block, False, sentence)
