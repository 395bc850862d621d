"""Fetches under way: first a manifest where there is one, then the blobs; who ordered hears of progress and the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from peerfarm.daemon.storework import StoreWork, whole
from peerfarm.errors import DiskFull, InvalidManifest, PeerfarmError, StoreError
from peerfarm.model.blob import BlobId, BlobRef, BlockList
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import NodeId
from peerfarm.model.manifest import MAX_MANIFEST_BYTES, decode_manifest
from peerfarm.store.blobs import BlobStore, check_names, this_system
from peerfarm.swarm import Swarm, events

Tell = Callable[[FetchProgressed | FetchEnded], None]

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Fetch:
    order: FetchOrder
    tell: Tell
    is_root_next: bool
    """The manifest itself is being fetched; its files follow."""
    pin: str
    """As the order says; empty since that pin was let go. Also looked at by the thread that prepares."""
    is_over: bool = False
    """Ended or stopped; likewise."""

    @property
    def frames(self) -> frozenset[BlobId]:
        """The blobs that were rendered: all that no manifest lists."""
        return frozenset() if self.order.is_manifest else frozenset(ref.id for ref in self.order.refs)


@dataclass(slots=True)
class _Prepared:
    """What a fetch needs, and what of it is here."""

    refs: tuple[BlobRef, ...]
    is_root_next: bool = False
    blocks: dict[BlobId, BlockList] = field(default_factory=dict)
    here: list[events.Present] = field(default_factory=list)
    is_whole: bool = True


class Fetches:
    """Belongs to the transfer thread. What may wait for the disk is done in the store's threads.

    Args:
        answer: As StoreWork's.
    """

    def __init__(
        self, store: BlobStore, swarm: Swarm, work: StoreWork, answer: Callable[[Callable[[], None]], bool]
    ) -> None:
        self._store = store
        self._swarm = swarm
        self._work = work
        self._answer = answer
        self._fetches: dict[str, _Fetch] = {}

    def begin(self, order: FetchOrder, tell: Tell) -> None:
        """Take an order; one of the same key is replaced."""
        former = self._fetches.get(order.key)
        if former is not None and former.tell != tell:
            self._end(former, "another fetch took its place")
        self.stop(order.key)
        fetch = self._fetches[order.key] = _Fetch(order, tell, order.is_manifest, order.pin)
        self._work.frames.update(fetch.frames)
        self._prepare(fetch)

    def stop(self, key: str) -> None:
        """Give it up and tell nobody."""
        fetch = self._fetches.get(key)
        if fetch is not None:
            self._drop(fetch)

    def _drop(self, fetch: _Fetch) -> None:
        fetch.is_over = True
        del self._fetches[fetch.order.key]
        for id_ in fetch.frames:
            self._work.frames[id_] -= 1
            if not self._work.frames[id_]:
                del self._work.frames[id_]
        self._swarm.cancel(fetch.order.key)

    def release(self, keys: Collection[str]) -> None:
        """These pins are let go: a fetch that is under way keeps nothing by them any more."""
        for fetch in self._fetches.values():
            if fetch.pin in keys:
                fetch.pin = ""

    def abandon(self) -> None:
        """This node ends: whoever waits for a fetch hears so."""
        for fetch in list(self._fetches.values()):
            self._end(fetch, "this node is ending")

    def hear(self, effects: events.SwarmEffects) -> None:
        """Pass on what the swarm says of its wants."""
        for told in effects.progress:
            fetch = self._fetches.get(told.key)
            if fetch is not None and not fetch.is_root_next:
                fetch.tell(FetchProgressed(told.key, told.done_bytes, told.total_bytes, told.rate_bytes_s))
        for key in effects.done:
            fetch = self._fetches.get(key)
            if fetch is not None and fetch.is_root_next:
                self._prepare(fetch)
            elif fetch is not None:
                self._end(fetch, "")
        for failed in effects.failed:
            fetch = self._fetches.get(failed.key)
            if fetch is not None:
                is_full = failed.reason in self._work.full
                self._end(
                    fetch,
                    failed.reason,
                    failed.lacking,
                    is_disk_full=is_full,
                    is_disk_error=failed.is_disk_error,
                    is_missing=failed.is_missing,
                )

    def _prepare(self, fetch: _Fetch) -> None:
        """Find out, beside this thread, what is to be fetched; goes on in `_go_on`."""
        is_root_next = fetch.is_root_next

        def work() -> None:
            if fetch.is_over:
                return
            found: _Prepared | PeerfarmError
            try:
                found = self._prepared(fetch, is_root_next=is_root_next)
            except PeerfarmError as error:
                found = error
            except Exception as error:  # a bug here must become an answer, or the fetch would never end
                _logger.exception("preparing a fetch failed")
                found = PeerfarmError(f"the fetch could not begin: {type(error).__name__}: {error}")
            self._answer(lambda: self._go_on(fetch, found))

        self._work.prepare(work)

    def _prepared(self, fetch: _Fetch, *, is_root_next: bool) -> _Prepared:
        """In the thread that prepares: pin, read the manifest if it is here, make room, and look what is here."""
        order, pin = fetch.order, fetch.pin
        if pin:
            self._work.pin_is_wanted(pin)
        if order.is_manifest:
            root = order.refs[0]
            if root.size_bytes > MAX_MANIFEST_BYTES:
                raise InvalidManifest(f"the list of the job's files is said to have {root.size_bytes} bytes: too many")
            if not self._is_here(root):
                if not is_root_next:
                    raise PeerfarmError("the list of the job's files was damaged on this node's disk")
                if pin:  # what a former fetch of it pinned stays pinned
                    self._store.pin(pin, self._store.pinned(pin) | {root.id})
                return self._missing(_Prepared(order.refs, is_root_next=True))
            return self._missing(self._files_of(root, pin))
        if pin:
            self._store.pin(pin, (ref.id for ref in order.refs))
        return self._missing(_Prepared(order.refs), is_frame=True)

    def _files_of(self, root: BlobRef, pin: str) -> _Prepared:
        raw = self._store.read_bytes(root)
        if raw is None:
            raise PeerfarmError("the list of the job's files was damaged on this node's disk")
        manifest = decode_manifest(raw)
        check_names(manifest, this_system())
        prepared = _Prepared(tuple(dict.fromkeys(file.ref for file in manifest.files)))
        prepared.blocks = {file.blocks.id: file.blocks for file in manifest.files if len(file.blocks.hashes) > 1}
        if pin:
            self._store.pin(pin, {root.id, *(ref.id for ref in prepared.refs)})
        return prepared

    def _missing(self, prepared: _Prepared, *, is_frame: bool = False) -> _Prepared:
        """Note what is here, and make sure that there is room for the rest before anything is sent for it."""
        missing_bytes = 0
        for ref in prepared.refs:
            known = self._store.ref_of(ref.id)
            if self._is_here(ref):
                prepared.here.append(events.Present(ref.id, whole(ref), ref.size_bytes))
                continue
            prepared.is_whole = False
            if known != ref:
                missing_bytes += ref.size_bytes
            elif bits := self._work.bitmap(ref):
                prepared.here.append(events.Present(ref.id, bits, ref.size_bytes))
                blocks = self._store.block_list(ref)
                if blocks is not None:
                    prepared.blocks[ref.id] = blocks
        if missing_bytes:
            self._store.needs(missing_bytes, is_frame=is_frame)
        return prepared

    def _is_here(self, ref: BlobRef) -> bool:
        return self._store.has(ref.id) and self._store.ref_of(ref.id) == ref

    def _go_on(self, fetch: _Fetch, found: _Prepared | PeerfarmError) -> None:
        """What there is to fetch is known."""
        if fetch.is_over:
            return
        if isinstance(found, PeerfarmError):
            sentence = f"{found}. {found.hint}" if found.hint else str(found)
            self._end(
                fetch,
                sentence,
                is_disk_full=isinstance(found, DiskFull),
                is_disk_error=isinstance(found, StoreError),
                is_unusable=isinstance(found, InvalidManifest),
            )
            return
        fetch.is_root_next = found.is_root_next
        if found.is_whole:
            self._end(fetch, "")
            return
        now_s = time.monotonic()
        self._swarm.want(fetch.order.key, found.refs, found.blocks, fetch.order.holders, now_s)
        for present in found.here:
            self._swarm.handle(present, now_s)

    def _end(self, fetch: _Fetch, error: str, lacking: Sequence[NodeId] = (), **why: bool) -> None:
        """It is over; `why` are the flags of FetchEnded that are true."""
        self._drop(fetch)
        if error:
            _logger.info("the fetch %s ended: %s", fetch.order.key, error)
        fetch.tell(FetchEnded(fetch.order.key, error, tuple(lacking), **why))
