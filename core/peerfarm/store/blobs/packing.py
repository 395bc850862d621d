"""A job's files packed: copied and hashed in one pass into the blob store, and listed in a manifest."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from peerfarm.errors import InvalidManifest, RequestRefused
from peerfarm.model.blob import BlobRef, BlockList
from peerfarm.model.filenames import normal_path, path_fault, windows_fault
from peerfarm.model.manifest import Manifest, ManifestFile, encode_manifest
from peerfarm.store.blobs.blobstore import BlobStore
from peerfarm.store.blobs.checkout import Cancelled, Progress, listed
from peerfarm.store.blobs.disk import open_plain
from peerfarm.store.blobs.hashcache import HashCache
from peerfarm.store.blobs.layout import Draft
from peerfarm.store.blobs.reading import FileFault, changes, read_fault
from peerfarm.store.blobs.stock import Hold

_THREADS = max(2, min(8, os.cpu_count() or 2))
_BATCH_FILES, _BATCH_BYTES = 512, 256 << 20
"""Made durable together; a crash costs a batch at most."""


Known = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileToPack:
    """One file that a job brings along."""

    source: Path
    """Where it lies; a link is followed, for somebody named this file, or the directory `within`."""
    path: str
    """Where it goes in the checkout; with `/`, in any normal form of Unicode."""
    origin: str = ""
    """As in ManifestFile."""
    within: str = ""
    """The directory that the file must not lead out of; empty for a file that was named by itself."""


class Packed(NamedTuple):
    """What a job needs to name its files."""

    manifest: Manifest
    root: BlobRef
    warnings: tuple[str, ...]
    """Names that some system cannot hold, one sentence each; nodes with that system cannot render the job."""


def pack(
    files: Sequence[FileToPack],
    base: str,
    system: str,
    store: BlobStore,
    cache: HashCache,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    pin: str = "",
    known: Known | None = None,
) -> Packed:
    """Bring a job's files and their manifest into the store, durably.

    A file that has not changed since it was last hashed, and whose content is still here, is not read at all. What was
    taken in before an error or a cancel stays, unpinned, so that the next try is faster.

    Args:
        base: The folder that becomes the root of the checkout, as in Manifest.
        system: This machine's, as in Manifest.
        pin: Pins all of it under this key before it could be evicted.
        known: Told of bytes that need not be read, as they are counted; from any thread, by one at a time.

    Raises:
        InvalidManifest: Files that are missing, cannot be read, change all the time or have impossible names: the first
            ten of them, before anything is read where that shows then.
        RequestRefused: It was cancelled.
        StoreError: The disk refuses; DiskFull.
    """
    wanted = _normal(files)
    sizes = _look_at(wanted)
    encode_manifest(Manifest(base, system, tuple(ManifestFile(path, BlockList(0, ())) for path in wanted)))
    with store.hold() as hold:
        done = _Packing(store, cache, hold, sizes, progress, cancelled, known).run(list(wanted.items()))
        manifest = Manifest(base, system, tuple(done[path] for path in wanted))
        root, _ = store.put_bytes(encode_manifest(manifest), pin)
        if pin:
            store.pin(pin, {root.id, *(file.blocks.id for file in manifest.files)})
    warnings = tuple(f"{path!r} {fault}" for path in wanted if (fault := windows_fault(path)))
    return Packed(manifest, root, warnings)


def _normal(files: Sequence[FileToPack]) -> dict[str, FileToPack]:
    """The files by path, in a manifest's order."""
    wanted: dict[str, FileToPack] = {}
    faults = []
    for file in files:
        path = file.path if file.path.startswith("/") else normal_path(file.path)
        fault = path_fault(path)
        if fault:
            faults.append(f"the path {path[:200]!r} {fault}")
        elif wanted.setdefault(path, file).source != file.source:
            faults.append(f"{wanted[path].source} and {file.source} would both be {path!r}")
    _refuse(faults)
    return {path: wanted[path] for path in sorted(wanted)}


def _look_at(wanted: dict[str, FileToPack]) -> dict[str, int]:
    """The size of each file now; whatever cannot be packed is refused before the first is read."""
    faults, sizes = [], {}
    for path, file in wanted.items():
        try:
            open_plain(file.source, follows_links=True).close()
            sizes[path] = file.source.stat().st_size
        except OSError as error:
            faults.append(str(read_fault(file.source, error)))
        except ValueError:  # a NUL in the name
            faults.append(f"{str(file.source)!r} is no name that a file can have")
    _refuse(faults)
    return sizes


def _refuse(faults: list[str], hints: Collection[str] = ()) -> None:
    """Refuse when there are faults; with the hint that all of them have, where there is one."""
    if faults:
        (hint,) = hints if len(hints) == 1 else ("Correct them, or take them out of the scene; then submit again.",)
        raise InvalidManifest("some of the job's files cannot be sent along: " + listed(faults), hint)


def _check_within(file: FileToPack, status: os.stat_result) -> None:
    """Make sure that what was opened lies in the directory that was named: its parts may have become links since.

    Args:
        status: Of what was opened.

    Raises:
        FileFault: It does not, or was replaced.
    """
    if not file.within:
        return
    real = Path(os.path.realpath(file.source))
    try:
        there = real.lstat()
    except OSError:
        raise changes(file.source) from None
    if not real.is_relative_to(os.path.realpath(file.within)):
        raise FileFault(file.source, f"became a link that leads out of {file.within}", "Submit again.")
    if (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):
        raise changes(file.source)


class _Taken(NamedTuple):
    path: str
    file: ManifestFile
    draft: Draft | None
    """None when it is in the store already."""


class _Packing:
    """One run of `pack`: threads hash, this one makes batches durable."""

    def __init__(
        self,
        store: BlobStore,
        cache: HashCache,
        hold: Hold,
        sizes: dict[str, int],
        progress: Progress | None,
        cancelled: Cancelled | None,
        known: Known | None,
    ) -> None:
        self._store = store
        self._known = known
        self._cache = cache
        self._hold = hold
        self._sizes = sizes
        self._progress = progress
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._stopped = False
        self._bytes = 0
        self._files = 0
        self._total = sum(sizes.values())

    def run(self, wanted: list[tuple[str, FileToPack]]) -> dict[str, ManifestFile]:
        done: dict[str, ManifestFile] = {}
        waiting: list[Future[_Taken]] = []
        try:
            with ThreadPoolExecutor(_THREADS, "peerfarm-hash") as pool:
                try:
                    for batch in self._batches(wanted):
                        begun = [pool.submit(self._take, path, file) for path, file in batch]
                        former, waiting = waiting, waiting + begun  # the next is hashed while one is made durable
                        self._settle(former, done)
                        waiting = begun
                    self._settle(waiting, done)
                except BaseException:
                    self._stopped = True
                    raise
        except BaseException:
            for future in waiting:
                if not future.cancelled() and future.exception() is None and (draft := future.result().draft):
                    self._store.give_up(draft)
            raise
        finally:
            self._cache.save()
        return done

    def _batches(self, wanted: list[tuple[str, FileToPack]]) -> Iterator[list[tuple[str, FileToPack]]]:
        batch: list[tuple[str, FileToPack]] = []
        size_bytes = 0
        for path, file in wanted:
            batch.append((path, file))
            size_bytes += self._sizes[path]
            if len(batch) >= _BATCH_FILES or size_bytes >= _BATCH_BYTES:
                yield batch
                batch, size_bytes = [], 0
        if batch:
            yield batch

    def _take(self, path: str, file: FileToPack) -> _Taken:
        """In a thread of the pool: hash one file, unless it is known."""
        self._note(0)
        status = _status(file.source)
        _check_within(file, status)
        now_ns = time.time_ns()
        blocks = self._cache.find(status)
        draft = None
        if blocks is not None:
            self._hold.add([blocks.id])
            if self._store.open_blob(blocks.ref) is not None:
                self._note(blocks.size_bytes, is_known=True)
            else:
                blocks = None
        if blocks is None:
            draft, status = self._store.draft_of(file.source, self._note)
            try:
                _check_within(file, status)
            except FileFault:
                self._store.give_up(draft)
                raise
            blocks = draft.blocks
            self._cache.remember(status, blocks, now_ns)
        mode = 0o755 if status.st_mode & stat.S_IXUSR and os.name == "posix" else 0o644
        mtime_ns = min(max(0, status.st_mtime_ns), (1 << 63) - 1)
        return _Taken(path, ManifestFile(path, blocks, mode, mtime_ns, file.origin), draft)

    def _note(self, done_bytes: int, *, is_known: bool = False) -> None:
        if self._stopped or (self._cancelled is not None and self._cancelled()):
            raise RequestRefused("packing the job's files was cancelled")
        self._tell(done_bytes, 0, is_known=is_known)

    def _tell(self, done_bytes: int, done_files: int, *, is_known: bool = False) -> None:
        with self._lock:
            if is_known and self._known is not None:
                self._known(done_bytes)
            self._bytes = min(self._total, self._bytes + done_bytes)  # a file that had to be read again counts once
            self._files += done_files
            if self._progress is not None:
                self._progress(self._bytes, self._total, self._files, len(self._sizes))

    def _settle(self, futures: list[Future[_Taken]], done: dict[str, ManifestFile]) -> None:
        """Wait for a batch and make it durable."""
        faults = []
        hints = set()
        taken = []
        for future in futures:
            try:
                taken.append(future.result())
            except FileFault as fault:
                self._stopped = True
                faults.append(str(fault))
                hints.add(fault.hint)
            except RequestRefused:
                if not faults:
                    raise
        _refuse(faults, hints)
        drafts = [one.draft for one in taken if one.draft is not None]
        if drafts:
            self._store.settle(drafts, self._hold)
        done.update((one.path, one.file) for one in taken)
        self._tell(0, len(taken))


def _status(source: Path) -> os.stat_result:
    try:
        return source.stat()
    except OSError as error:
        raise read_fault(source, error) from error
