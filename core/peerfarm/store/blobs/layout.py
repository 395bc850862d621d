"""Where a blob store's files lie, and how a draft becomes a blob: synced first, renamed then, never the other way."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from peerfarm.errors import StoreError
from peerfarm.model.blob import HASH_BYTES, BlobId, BlockList
from peerfarm.store.blobs.disk import disk_error, make_folder, make_read_only, remove, sync_file
from peerfarm.store.blobs.partial import Partial, read_list
from peerfarm.store.durable import sync_directory

_SYNCS_AT_ONCE = 4
"""Small files a second on a busy machine: 95 one by one, 130 in batches of 128, 390 in such batches by four threads."""
_LIST = ".blocks"


@dataclass(frozen=True, slots=True)
class Draft:
    """Content under a temporary name, hashed but not yet durable."""

    blocks: BlockList
    path: Path
    list_path: Path | None
    """Its block list beside it, when it has several blocks."""

    @property
    def id(self) -> BlobId:
        """The name that it will have."""
        return self.blocks.id


@dataclass(frozen=True, slots=True)
class Found:
    """A whole blob that lay on the disk at the start."""

    id: BlobId
    size_bytes: int
    used_ns: int


class Layout:
    """`blobs/ID`, whole ones, and `blobs/ID.blocks`; `partial/ID.part` and `.blocks`; `drafts/N`, gone at each start.

    Raises:
        StoreError: The directories cannot be made or read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._blobs, self._partial, self._drafts = (directory / name for name in ("blobs", "partial", "drafts"))
        self._numbers = itertools.count(1)
        try:
            for folder in (self._blobs, self._partial, self._drafts):
                make_folder(folder)
            for left in self._drafts.iterdir():
                remove(left)
        except OSError as error:
            raise disk_error(error, f"opening {directory}") from error

    def file_of(self, id_: BlobId) -> Path:
        """Of a whole blob."""
        return self._blobs / id_.hex()

    def list_of(self, id_: BlobId) -> Path:
        """Of a whole blob's block list."""
        return self._blobs / (id_.hex() + _LIST)

    def partial_of(self, id_: BlobId) -> Path:
        """Of a begun blob."""
        return self._partial / (id_.hex() + ".part")

    def new_draft(self) -> Path:
        """A name that nothing has. Raises StoreError."""
        try:
            make_folder(self._drafts)
        except OSError as error:
            raise disk_error(error, f"making {self._drafts} again") from error
        return self._drafts / str(next(self._numbers))

    def whole(self) -> Iterator[Found]:
        """The blobs that lie here, the one used last at the end; block lists without one are removed.

        Raises:
            OSError: The directory cannot be read.
        """
        found, lists = [], []
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                if entry.name.endswith(_LIST):
                    lists.append(entry.name.removesuffix(_LIST))
                elif (id_ := _id_of(entry.name)) is not None and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(Found(id_, status.st_size, status.st_atime_ns))
        names = {one.id.hex() for one in found}
        for name in lists:
            if name not in names:
                remove(self._blobs / (name + _LIST))
        return iter(sorted(found, key=lambda one: one.used_ns))

    def begun(self) -> Iterator[Partial]:
        """The blobs that were being fetched; what cannot be gone on with is removed. Raises OSError."""
        keep = set()
        for path in sorted(self._partial.glob("*.part")):
            blocks = read_list(path.with_suffix(_LIST))
            if blocks is None or blocks.id.hex() != path.stem or path.stat().st_size != blocks.size_bytes:
                continue
            partial = Partial(blocks, path, self.file_of(blocks.id), is_resumed=True)
            keep |= {partial.path, partial.list_path}
            yield partial
        for left in self._partial.iterdir():
            if left not in keep:
                remove(left)

    def settle(self, drafts: Sequence[Draft]) -> None:
        """Give drafts their final names, durably, with two waits for the disk in all.

        Raises:
            StoreError: None of them was kept; DiskFull.
        """
        renamed: list[Path] = []
        try:
            paths = [path for draft in drafts for path in (draft.list_path, draft.path) if path is not None]
            for path in paths:
                make_read_only(path)
            _sync_all(paths)
            make_folder(self._blobs)
            for draft in drafts:
                if draft.list_path is not None:
                    draft.list_path.replace(self.list_of(draft.id))
                    renamed.append(self.list_of(draft.id))
                draft.path.replace(self.file_of(draft.id))
                renamed.append(self.file_of(draft.id))
            sync_directory(self._blobs)
        except OSError as error:
            for path in renamed:
                remove(path)
            raise disk_error(error, "keeping files", self.directory) from error

    def remove_whole(self, id_: BlobId) -> None:
        """Take a whole blob away.

        Raises:
            StoreError: It cannot be removed.
        """
        try:
            self.file_of(id_).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, "removing a file", self.directory) from error
        remove(self.list_of(id_))


def discard(draft: Draft) -> None:
    """Remove a draft."""
    remove(draft.path)
    if draft.list_path is not None:
        remove(draft.list_path)


def _sync_all(paths: Sequence[Path]) -> None:
    """Sync files, several at once: a disk writes them down together then. Raises OSError."""
    if len(paths) <= 2 or sys.platform == "win32":
        for path in paths:
            sync_file(path)
        return
    with ThreadPoolExecutor(min(_SYNCS_AT_ONCE, len(paths)), "peerfarm-sync") as pool:
        for _ in pool.map(sync_file, paths):
            pass


def _id_of(name: str) -> BlobId | None:
    if len(name) != 2 * HASH_BYTES or name.lower() != name:
        return None
    try:
        return BlobId(bytes.fromhex(name))
    except ValueError:
        return None


def not_here(what: str) -> StoreError:
    """What is said when a blob that is needed is not here."""
    return StoreError(f"{what} is not here as a whole", "Fetch it first.")
