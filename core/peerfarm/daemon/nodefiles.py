"""What the runner needs of the node's files: its store, and the transfers for what is not here yet."""

from __future__ import annotations

import hashlib
import os
import queue
import time
from collections.abc import Sequence
from pathlib import Path

from peerfarm.daemon.outputs import Outputs
from peerfarm.daemon.transfers import Transfers
from peerfarm.errors import InvalidManifest, PeerfarmError, RequestRefused, StoreError
from peerfarm.model.blob import BlobRef, BlockList, block_bytes
from peerfarm.model.files import FetchEnded, FetchOrder, FetchProgressed
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.manifest import Manifest, decode_manifest
from peerfarm.model.pathmap import PathMap, checkout_map
from peerfarm.model.render import FrameFile
from peerfarm.runner.files import Errand, FilesLacking, FilesStopped, ref_of
from peerfarm.store.blobs import BlobStore

LOOK_S = 0.25
"""How often a wait looks whether it was stopped."""
SILENCE_S = 180.0
"""A transfer thread that says nothing for so long does not live any more; it gives a fetch up sooner by itself."""
COPY_BYTES = 1 << 20


class NodeFiles:
    """`runner.Files` over one blob store and one transfer thread; every method may be called from any thread."""

    def __init__(self, store: BlobStore, transfers: Transfers, outputs: Outputs) -> None:
        self._store = store
        self._transfers = transfers
        self._outputs = outputs

    def check_out(self, root: BlobRef, directory: Path, errand: Errand) -> PathMap:
        """Lay the files of a manifest out; see `Files`."""
        manifest = self._manifest(root)
        if manifest is None or not all(self._store.has(file.blocks.id) for file in manifest.files):
            self._fetch(FetchOrder(f"checkout/{directory}", (root,), is_manifest=True), errand)
            manifest = self._manifest(root)
        if manifest is None:
            raise FilesLacking("the list of the job's files was damaged on this node's disk", "Retry the task.")
        try:
            self._store.lay_out(
                manifest,
                directory,
                lambda done, total, *_: errand.moved(f"laying out files: {done >> 20} of {total >> 20} MiB"),
                errand.is_stopped,
            )
        except RequestRefused as error:
            if errand.is_stopped() and not isinstance(error, InvalidManifest):
                raise FilesStopped from None
            raise FilesLacking(str(error), error.hint) from error
        return checkout_map(manifest, str(directory))

    def bring(self, key: str, frames: Sequence[FrameFile], holders: Sequence[NodeId], errand: Errand) -> None:
        """Have these frames here; see `Files`."""
        refs = tuple(dict.fromkeys(ref_of(frame) for frame in frames))
        if not all(self._store.has(ref.id) for ref in refs):
            self._fetch(FetchOrder(key, refs, holders=tuple(holders)), errand)

    def place(self, frame: FrameFile, target: Path) -> None:
        """Let a frame appear; see `Files`. A link where the system has them: nobody may write to it."""
        path = self._sound(frame)
        try:
            os.link(path, target)
        except OSError:
            self.copy_out(frame, target)

    def copy_out(self, frame: FrameFile, target: Path) -> None:
        """Write a copy for the user; see `Files`."""
        source = self._sound(frame)
        with source.open("rb") as original, target.open("xb") as copy:
            while chunk := original.read(COPY_BYTES):
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        if target.stat().st_size != frame.size_bytes:
            raise FilesLacking(f"{frame.name} was cut short while it was copied", "Try again.")

    def is_same(self, frame: FrameFile, path: Path) -> bool:
        """Whether a file has a frame's content; see `Files`."""
        try:
            if path.stat().st_size != frame.size_bytes:
                return False
            return _hashed(path, frame.size_bytes).ref == ref_of(frame)
        except OSError:
            return False

    def may_deliver(self, job: JobId, directory: str) -> bool:
        """Whether a user of this machine named that directory; see `Files`."""
        return self._outputs.is_named(job, directory)

    def take_in(self, pin: str, paths: Sequence[Path]) -> tuple[BlobRef, ...]:
        """Move files into the store; see `Files`."""
        refs = []
        for path in paths:
            ref, _ = self._store.take_in(path, keep=False, pin=pin)
            refs.append(ref)
        self._store.pin(pin, (ref.id for ref in refs))
        self._transfers.came(tuple(refs))
        return tuple(refs)

    def _sound(self, frame: FrameFile) -> Path:
        path = self._store.open_blob(ref_of(frame), verify=True)
        if path is None:
            raise FilesLacking(
                f"{frame.name} is not in this node's store any more", "It is fetched again at the next try."
            )
        return path

    def _manifest(self, root: BlobRef) -> Manifest | None:
        raw = self._store.read_bytes(root) if self._store.has(root.id) else None
        return decode_manifest(raw) if raw is not None else None

    def _fetch(self, order: FetchOrder, errand: Errand) -> None:
        told: queue.SimpleQueue[FetchProgressed | FetchEnded] = queue.SimpleQueue()
        self._transfers.fetch(order, told.put)
        heard_s = time.monotonic()
        while True:
            try:
                said = told.get(timeout=LOOK_S)
            except queue.Empty:
                if errand.is_stopped():
                    self._transfers.stop_fetch(order.key)
                    raise FilesStopped from None
                if time.monotonic() - heard_s > SILENCE_S:
                    self._transfers.stop_fetch(order.key)
                    raise StoreError("the transfers do not answer", "Restart this node.") from None
                continue
            heard_s = time.monotonic()
            if isinstance(said, FetchEnded):
                if said.error:
                    raise _lacking(said)
                return
            errand.moved(f"fetching {said.done_bytes >> 20} of {said.total_bytes >> 20} MiB")


def _hashed(path: Path, size_bytes: int) -> BlockList:
    length = block_bytes(size_bytes)
    hashes = []
    with path.open("rb") as file:
        while chunk := file.read(length):
            hashes.append(hashlib.sha256(chunk).digest())
    return BlockList(size_bytes, tuple(hashes))


def _lacking(ended: FetchEnded) -> PeerfarmError:
    if ended.is_disk_full:
        return StoreError(ended.error)
    return FilesLacking(ended.error, "Are the nodes that hold it running?", ended.lacking)
