"""Fetches under way: first a manifest where there is one, then the blobs; who ordered hears of progress and the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from peerfarm.errors import DiskFull, PeerfarmError
from peerfarm.model.blob import BlobId, BlobRef, BlockList
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import NodeId
from peerfarm.model.manifest import Manifest, decode_manifest
from peerfarm.store.blobs import BlobStore
from peerfarm.swarm import Swarm, events

Tell = Callable[[FetchProgressed | FetchEnded], None]

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Fetch:
    order: FetchOrder
    tell: Tell
    is_root_next: bool
    """The manifest itself is being fetched; its files follow."""


class Fetches:
    """Belongs to the transfer thread."""

    def __init__(self, store: BlobStore, swarm: Swarm) -> None:
        self._store = store
        self._swarm = swarm
        self._fetches: dict[str, _Fetch] = {}
        self._full: str = ""
        """The sentence of the last refusal for want of room."""

    def begin(self, order: FetchOrder, tell: Tell, now_s: float) -> None:
        """Take an order; one of the same key is replaced."""
        self.stop(order.key)
        self._fetches[order.key] = _Fetch(order, tell, order.is_manifest)
        try:
            if order.pin and not order.is_manifest:
                self._store.pin(order.pin, (ref.id for ref in order.refs))
            elif order.pin:
                self._store.pin(order.pin, {*self._store.pinned(order.pin), *(ref.id for ref in order.refs)})
            self._want(order, order.refs, {}, now_s)
        except PeerfarmError as error:
            self._end(order.key, str(error), is_disk_full=isinstance(error, DiskFull))

    def stop(self, key: str) -> None:
        """Give it up and tell nobody."""
        if self._fetches.pop(key, None) is not None:
            self._swarm.cancel(key)

    def abandon(self) -> None:
        """This node ends: whoever waits for a fetch hears so."""
        for key in list(self._fetches):
            self._end(key, "this node is ending")

    def hear(self, effects: events.SwarmEffects, now_s: float) -> None:
        """Pass on what the swarm says of its wants."""
        for told in effects.progress:
            fetch = self._fetches.get(told.key)
            if fetch is not None and not fetch.is_root_next:
                fetch.tell(FetchProgressed(told.key, told.done_bytes, told.total_bytes, told.rate_bytes_s))
        for key in effects.done:
            fetch = self._fetches.get(key)
            if fetch is not None and fetch.is_root_next:
                self._fetch_files(fetch, now_s)
            else:
                self._end(key, "")
        for failed in effects.failed:
            self._end(failed.key, failed.reason, failed.lacking, is_disk_full=failed.reason == self._full)

    def write(self, writes: Sequence[events.WriteBlock]) -> None:
        """Keep what arrived, and tell the swarm what became of each block."""
        if not writes:
            return
        begun: list[events.WriteBlock] = []
        for write in writes:
            try:
                self._store.begin(write.ref, write.blocks)
                begun.append(write)
            except PeerfarmError as error:
                self._refused(write, error)
        try:
            answers = self._store.write_blocks([(write.ref, write.block, write.data) for write in begun if write.data])
        except PeerfarmError as error:
            for write in begun:
                self._refused(write, error)
            return
        oks = iter(answers)
        for write in begun:
            is_kept = next(oks) if write.data else self._store.has(write.ref.id)
            self._swarm.handle(events.Wrote(write.ref.id, write.block, is_kept), time.monotonic())

    def _refused(self, write: events.WriteBlock, error: PeerfarmError) -> None:
        sentence = f"{error}. {error.hint}" if error.hint else str(error)
        if isinstance(error, DiskFull):
            self._full = sentence
        self._swarm.handle(events.Wrote(write.ref.id, write.block, False, sentence), time.monotonic())

    def _fetch_files(self, fetch: _Fetch, now_s: float) -> None:
        """The manifest is here: go on with the files that it names."""
        order = fetch.order
        try:
            manifest = self._manifest(order.refs[0])
            refs = tuple(dict.fromkeys(file.ref for file in manifest.files))
            if order.pin:
                self._store.pin(order.pin, {order.refs[0].id, *(ref.id for ref in refs)})
        except PeerfarmError as error:
            self._end(order.key, str(error), is_disk_full=isinstance(error, DiskFull))
            return
        fetch.is_root_next = False
        blocks = {file.ref.id: file.blocks for file in manifest.files}
        self._want(replace(order, refs=refs), refs, blocks, now_s)

    def _manifest(self, root: BlobRef) -> Manifest:
        raw = self._store.read_bytes(root)
        if raw is None:
            raise PeerfarmError("the list of the job's files was damaged on this node's disk; it is fetched again")
        return decode_manifest(raw)

    def _want(
        self, order: FetchOrder, refs: tuple[BlobRef, ...], blocks: dict[BlobId, BlockList], now_s: float
    ) -> None:
        known = {ref.id: self._store.bitmap(ref) for ref in refs}
        if all(self._store.has(ref.id) for ref in refs):
            fetch = self._fetches.get(order.key)
            if fetch is not None and fetch.is_root_next:
                self._fetch_files(fetch, now_s)
            else:
                self._end(order.key, "")
            return
        for ref in refs:
            if known[ref.id] and ref.id not in blocks:
                found = self._store.block_list(ref)
                if found is not None:
                    blocks[ref.id] = found
        self._swarm.want(order.key, refs, blocks, order.holders, now_s)
        for ref in refs:
            if known[ref.id]:
                self._swarm.handle(events.Present(ref.id, known[ref.id], ref.size_bytes), now_s)

    def _end(self, key: str, error: str, lacking: tuple[NodeId, ...] = (), *, is_disk_full: bool = False) -> None:
        fetch = self._fetches.pop(key, None)
        if fetch is None:
            return
        if error:
            _logger.info("the fetch %s ended: %s", key, error)
        fetch.tell(FetchEnded(key, error, lacking, is_disk_full))
