"""What the runner needs of the node's files: its store, and the transfers for what is not here yet."""

from __future__ import annotations

import itertools
import os
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.transfers import Transfers
from peerfarm.errors import DiskFull, InvalidManifest, OutputMissing, PeerfarmError, RequestRefused, StoreError
from peerfarm.model.blob import MAX_BLOB_BYTES, BlobRef, block_count
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.job import FilesMode
from peerfarm.model.manifest import Manifest, decode_manifest
from peerfarm.model.pathmap import PathMap, checkout_map
from peerfarm.model.render import FrameFile, PublishOrder
from peerfarm.runner.files import Errand, FilesLacking, FilesStopped, FilesUseless, ref_of
from peerfarm.store.blobs import BlobStore, FileFault, Hold
from peerfarm.store.blobs.disk import open_plain
from peerfarm.store.blobs.layout import Draft
from peerfarm.store.blobs.reading import hash_blocks

LOOK_S = 0.25
"""How often a wait looks whether it was stopped."""
SILENCE_S = 900.0
"""A transfer thread that says nothing for so long does not live any more; it gives a fetch up sooner by itself."""
TRIES = 3
"""A file that was damaged on this node's disk is dropped and fetched again so often, for one checkout."""
MAX_EXPECTED = 64
"""Deliveries whose fetch runs ahead; of more than the node orders at a time the oldest do not come any more."""
MOVED_EVERY_S = 0.5

_Told = queue.SimpleQueue[FetchProgressed | FetchEnded]


class _Expected(NamedTuple):
    """A fetch that runs ahead of the delivery it is for."""

    attempt: str
    key: str
    told: _Told


class NodeFiles:
    """`runner.Files` over one blob store and one transfer thread; every method may be called from any thread."""

    def __init__(self, store: BlobStore, transfers: Transfers, outputs: Outputs) -> None:
        self._store = store
        self._transfers = transfers
        self._outputs = outputs
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._expected: OrderedDict[tuple[BlobRef, ...], _Expected] = OrderedDict()

    def check_out(self, root: BlobRef, directory: Path, errand: Errand) -> PathMap:
        """Lay the files of a manifest out; see `Files`."""
        errand = _calmed(errand)
        with self._store.hold() as hold:
            for left in reversed(range(TRIES)):
                manifest = self._whole_manifest(root, hold, errand)
                try:
                    self._lay_out(manifest, directory, errand)
                except DiskFull:
                    raise
                except StoreError:
                    if not left or self._lacks(manifest) is None:
                        raise
                else:
                    return checkout_map(manifest, str(directory))
        raise AssertionError  # the last try returns or raises

    def _whole_manifest(self, root: BlobRef, hold: Hold, errand: Errand) -> Manifest:
        """The manifest, once every file that it names is here; none of them goes while `hold` lasts."""
        hold.add([root.id])
        manifest = self._manifest(root)
        if manifest is not None:
            hold.add({file.blocks.id for file in manifest.files})
        if manifest is None or self._lacks(manifest) is not None:
            self._wait(*self._fetch((root,), (), is_manifest=True), errand)
            manifest = self._manifest(root)
        if manifest is None:
            raise FilesLacking("the list of the job's files was damaged on this node's disk", "Retry the task.")
        hold.add({file.blocks.id for file in manifest.files})
        if lacking := self._lacks(manifest):
            raise FilesLacking(f"{lacking} went away from this node's store", "Retry the task.")
        return manifest

    def _manifest(self, root: BlobRef) -> Manifest | None:
        raw = self._store.read_bytes(root)
        try:
            return decode_manifest(raw) if raw is not None else None
        except InvalidManifest as error:
            raise FilesUseless(f"the list of the job's files cannot be used: {error}", error.hint) from error

    def _lacks(self, manifest: Manifest) -> str | None:
        """A file that is not here as a whole."""
        return next((file.path for file in manifest.files if not self._has(file.ref)), None)

    def _has(self, ref: BlobRef) -> bool:
        return self._store.has(ref.id) and self._store.ref_of(ref.id) == ref

    def _lay_out(self, manifest: Manifest, directory: Path, errand: Errand) -> None:
        def progress(done: int, total: int, *_: int) -> None:
            errand.moved(f"laying out files: {_percent(done, total)}")

        try:
            self._store.lay_out(manifest, directory, progress, errand.is_stopped)
        except InvalidManifest as error:
            raise FilesUseless(str(error), error.hint) from error
        except RequestRefused:
            raise FilesStopped from None

    @contextmanager
    def bring(self, frames: Sequence[FrameFile], holders: Sequence[NodeId], errand: Errand) -> Iterator[None]:
        """Have these frames here; see `Files`."""
        errand = _calmed(errand)
        refs = tuple(dict.fromkeys(map(ref_of, frames)))
        with self._store.hold() as hold:
            hold.add([ref.id for ref in refs])
            with self._lock:
                expected = self._expected.pop(refs, None)
            if expected is not None and not all(map(self._has, refs)):
                self._wait(expected.key, expected.told, errand)
            if not all(map(self._has, refs)):
                try:
                    self._wait(*self._fetch(refs, holders), errand)
                except FilesLacking as error:
                    error.missing = frozenset(ref.id for ref in refs if not self._has(ref))
                    raise
            yield

    def expect(self, order: PublishOrder, watch: Callable[[FetchProgressed], None] = lambda _: None) -> None:
        """Begin to fetch what is to be delivered: deliveries into one folder go one after the other, fetches need not.

        What comes of it is told to the `bring` of the same frames; `watch` hears how far it is, from any thread.
        """
        refs = tuple(dict.fromkeys(map(ref_of, order.frames)))
        if order.files is not FilesMode.PEERS or all(map(self._has, refs)):
            return
        with self._lock:
            if refs not in self._expected:
                name = f"result/{order.job}/{order.attempt}"
                begun = self._fetch(refs, order.holders, watch=lambda told: watch(replace(told, key=name)))
                self._expected[refs] = _Expected(order.attempt, *begun)
            if len(self._expected) > MAX_EXPECTED:
                _, oldest = self._expected.popitem(last=False)
                self._transfers.stop_fetch(oldest.key)

    def expect_no_more(self, attempt: str) -> None:
        """What was begun for that attempt's delivery is given up, unless its `bring` waits for it already."""
        with self._lock:
            for refs in [refs for refs, expected in self._expected.items() if expected.attempt == attempt]:
                self._transfers.stop_fetch(self._expected.pop(refs).key)

    def place(self, frame: FrameFile, target: Path, errand: Errand) -> None:
        """Let a frame appear; see `Files`. A link where the system has them: nobody may write to it."""
        note = _stopping(_calmed(errand))
        path = self._store.sound_file(ref_of(frame), note)
        if path is None:
            raise _gone(frame)
        if sys.platform != "win32":  # where a file that is read-only cannot be removed
            with suppress(OSError):  # another file system, or one without links
                os.link(path, target)
                return
        self.copy_out(frame, target, errand)

    def copy_out(self, frame: FrameFile, target: Path, errand: Errand) -> None:
        """Write a copy for the user; see `Files`. Each block is compared with its hash on the way."""
        ref = ref_of(frame)
        note = _stopping(_calmed(errand))
        try:
            with target.open("xb") as copy:
                for block in range(block_count(ref.size_bytes)):
                    note(copy.write(self._block(frame, ref, block)))
                copy.flush()
                os.fsync(copy.fileno())
        except FileExistsError:
            raise
        except BaseException:
            with suppress(OSError):
                target.unlink(missing_ok=True)
            raise

    def _block(self, frame: FrameFile, ref: BlobRef, block: int) -> bytes:
        data = self._store.read_block(ref, block)
        if data is None:
            raise _gone(frame)
        return data

    def id_of(self, path: Path, errand: Errand) -> bytes:
        """The blob id of a file; see `Files`."""
        with open_plain(path, follows_links=False) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > MAX_BLOB_BYTES:
                return b""
            blocks = hash_blocks(file, size_bytes, _stopping(_calmed(errand)))
        return blocks.id if blocks is not None else b""

    def may_deliver(self, job: JobId, directory: str) -> bool:
        """Whether a user of this machine named that directory; see `Files`."""
        return self._outputs.is_named(job, directory)

    def take_in(self, pin: str, paths: Sequence[Path]) -> tuple[BlobRef, ...]:
        """Move files into the store; see `Files`."""
        with self._store.hold() as hold:
            drafts = self._drafts(paths)
            self._store.settle(drafts, hold)
            refs = tuple(draft.blocks.ref for draft in drafts)
            self._store.pin(pin, (ref.id for ref in refs))
        for path in paths:
            with suppress(OSError):  # the whole directory goes soon
                path.unlink()
        self._transfers.came(refs)
        return refs

    def _drafts(self, paths: Sequence[Path]) -> list[Draft]:
        drafts: list[Draft] = []
        try:
            drafts.extend(self._store.draft_of(path, _ignore, is_own=True)[0] for path in paths)
        except BaseException as error:
            for draft in drafts:
                self._store.give_up(draft)
            if isinstance(error, FileFault):
                raise OutputMissing(str(error), error.hint) from error
            raise
        return drafts

    def _fetch(
        self,
        refs: tuple[BlobRef, ...],
        holders: Sequence[NodeId],
        *,
        is_manifest: bool = False,
        watch: Callable[[FetchProgressed], None] = lambda _: None,
    ) -> tuple[str, _Told]:
        told: _Told = queue.SimpleQueue()

        def tell(said: FetchProgressed | FetchEnded) -> None:
            told.put(said)
            if isinstance(said, FetchProgressed):
                watch(said)

        key = f"here/{next(self._numbers)}"
        self._transfers.fetch(FetchOrder(key, refs, is_manifest=is_manifest, holders=tuple(holders)), tell)
        return key, told

    def _wait(self, key: str, told: _Told, errand: Errand) -> None:
        """Wait for a fetch; the errand moves as long as the fetch may come to an end."""
        heard_s = time.monotonic()
        words = "fetching files"
        while True:
            try:
                said = told.get(timeout=LOOK_S)
                heard_s = time.monotonic()
            except queue.Empty:
                said = None
            if isinstance(said, FetchEnded):
                _check(said)
                return
            if said is not None:
                words = f"fetching files: {_percent(said.done_bytes, said.total_bytes)}"
            if errand.is_stopped():
                self._transfers.stop_fetch(key)
                raise FilesStopped
            if time.monotonic() - heard_s > SILENCE_S:
                self._transfers.stop_fetch(key)
                raise StoreError("the transfers do not answer", "Restart this node.")
            errand.moved(words)


def _check(ended: FetchEnded) -> None:
    if ended.is_disk_full:
        raise DiskFull(ended.error)
    if ended.is_unusable:
        raise FilesUseless(ended.error)
    if ended.error:
        raise FilesLacking(
            ended.error, "Are the nodes that hold it running?", ended.lacking, is_missing=ended.is_missing
        )


def _gone(frame: FrameFile) -> PeerfarmError:
    return FilesLacking(f"{frame.name} was damaged on this node's disk", "It is fetched again at the next try.")


def _percent(done: int, total: int) -> str:
    return f"{100 * done // max(1, total)} %"


def _calmed(errand: Errand) -> Errand:
    """The same, told of progress now and then instead of at every file."""
    next_s = 0.0

    def moved(words: str) -> None:
        nonlocal next_s
        now_s = time.monotonic()
        if now_s >= next_s:
            next_s = now_s + MOVED_EVERY_S
            errand.moved(words)

    return Errand(errand.is_stopped, moved)


def _stopping(errand: Errand) -> Callable[[int], None]:
    """For long reads and writes: watched, and ended when the errand is."""

    def note(_done_bytes: int) -> None:
        if errand.is_stopped():
            raise FilesStopped
        errand.moved("reading files")

    return note


def _ignore(_done_bytes: int) -> None:
    """Nobody watches."""
