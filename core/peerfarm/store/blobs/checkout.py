"""A job's files laid out in a folder of their own, as its manifest says. Nothing outside is touched."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from peerfarm.errors import InvalidManifest, RequestRefused, StoreError
from peerfarm.model.blob import BlobId, BlobRef
from peerfarm.model.filenames import collision_key, path_fault, windows_fault
from peerfarm.model.manifest import Manifest, ManifestFile
from peerfarm.store.blobs.disk import CHUNK_BYTES, Unreadable, copy_range, create, disk_error, open_plain, reflink

Progress = Callable[[int, int, int, int], None]
"""Told of bytes done and in all, files done and in all; from any thread, by one at a time."""
Cancelled = Callable[[], bool]
"""Whether the work is no longer wanted; asked often, from any thread."""

_SHOWN = 10


class Source(Protocol):
    """Where the content comes from."""

    def sound_file(self, ref: BlobRef, note: Callable[[int], None]) -> Path | None:
        """The blob's file, after it has been compared with its name; None when it is not here or was damaged."""

    def mark_time(self, id: BlobId, path: Path, mtime_ns: int) -> None:  # noqa: A002 - the house's word
        """Give a blob's file the time of the one file that shares it."""


def check_names(manifest: Manifest, system: str) -> None:
    """Make sure that this system can hold the files.

    Raises:
        InvalidManifest: The first ten that it cannot.
    """
    faults = [f"{file.path!r} {fault}" for file in manifest.files if (fault := path_fault(file.path))]
    if system == "windows" and not faults:
        faults = [f"{file.path!r} {fault}" for file in manifest.files if (fault := windows_fault(file.path))]
    if faults:
        raise InvalidManifest(
            "this system cannot hold some of the job's files: " + listed(faults),
            "Rename them and submit again, or let the job run on other systems only.",
        )


def listed(faults: list[str]) -> str:
    """The first ten, and how many more there are."""
    more = len(faults) - _SHOWN
    return "; ".join(faults[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def this_system() -> str:
    """Which of `manifest.SYSTEMS` this is."""
    return {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux")


def lay_out(
    source: Source,
    manifest: Manifest,
    directory: Path,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    system: str = "",
) -> None:
    """Make `directory`, which must not be there yet, and everything in it; or leave nothing.

    Raises:
        InvalidManifest: This system cannot hold some of the names.
        RequestRefused: It was cancelled.
        StoreError: A file is not here, or the disk refuses; DiskFull.
    """
    check_names(manifest, system or this_system())
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o755)
    except FileExistsError as error:
        raise StoreError(f"{directory} is there already", "It should be new: remove it and try again.") from error
    except OSError as error:
        raise disk_error(error, f"making {directory}") from error
    try:
        _Checkout(source, manifest, directory, progress, cancelled).make()
    except BaseException:
        with suppress(OSError):  # whoever made the work folder removes the rest with it
            shutil.rmtree(directory)
        raise


class _Checkout:
    def __init__(
        self,
        source: Source,
        manifest: Manifest,
        directory: Path,
        progress: Progress | None,
        cancelled: Cancelled | None,
    ) -> None:
        self._source = source
        self._manifest = manifest
        self._directory = directory
        self._progress = progress
        self._cancelled = cancelled
        self._total = manifest.size_bytes
        self._bytes = 0
        self._files = 0
        self._folders: dict[str, Path] = {"": directory}
        self._folder_keys: set[str] = set()
        self._can_reflink = True
        self._can_link = sys.platform != "win32"  # where what is read-only cannot be removed

    def make(self) -> None:
        for file in self._manifest.files:
            self._stop_if_cancelled(0)
            self._place(file)
            self._bytes += file.blocks.size_bytes
            self._files += 1
            if self._progress is not None:
                self._progress(self._bytes, self._total, self._files, len(self._manifest.files))

    def _stop_if_cancelled(self, _done_bytes: int) -> None:
        if self._cancelled is not None and self._cancelled():
            raise RequestRefused("laying out the job's files was cancelled")

    def _place(self, file: ManifestFile) -> None:
        folder, _, name = file.path.rpartition("/")
        try:
            target = self._folder(folder) / name
            if file.blocks.size_bytes == 0:
                create(target).close()
                _finish(target, file)
                return
            blob = self._source.sound_file(file.ref, self._stop_if_cancelled)
            if blob is None:
                raise StoreError(f"{file.path} is not here as a whole, or was damaged", "It is fetched again.")
            if not self._reflinked(blob, target, file) and not self._linked(blob, target, file):
                self._copy(blob, target, file)
        except Unreadable as unreadable:
            raise disk_error(unreadable.error, f"reading the content of {file.path}") from unreadable
        except OSError as error:
            raise disk_error(error, f"laying out {file.path}") from error

    def _folder(self, path: str) -> Path:
        """Make a folder and those above it. All are new and ours, so none of them can be a link."""
        known = self._folders.get(path)
        if known is not None:
            return known
        above, _, name = path.rpartition("/")
        folder = self._folder(above) / name
        try:
            folder.mkdir(mode=0o755)
        except FileExistsError:
            if collision_key(path) not in self._folder_keys:  # one of ours, where case makes no difference
                raise
        self._folders[path] = folder
        self._folder_keys.add(collision_key(path))
        return folder

    def _reflinked(self, blob: Path, target: Path, file: ManifestFile) -> bool:
        if not self._can_reflink:
            return False
        with open_plain(blob, follows_links=False) as original, create(target) as copy:
            self._can_reflink = reflink(original, copy)
        if self._can_reflink:
            _finish(target, file)
        else:
            target.unlink()
        return self._can_reflink

    def _linked(self, blob: Path, target: Path, file: ManifestFile) -> bool:
        """Share the blob's file itself. Never what may be run: its mode would be the blob's, and every job's."""
        if not self._can_link or file.mode != 0o644:
            return False
        try:
            os.link(blob, target, follow_symlinks=False)
        except OSError as error:
            if isinstance(error, FileNotFoundError | FileExistsError):
                raise
            return False  # another file system, one without hard links, or too many: it is copied
        self._source.mark_time(file.blocks.id, target, file.mtime_ns)
        return True

    def _copy(self, blob: Path, target: Path, file: ManifestFile) -> None:
        with open_plain(blob, follows_links=False) as original, create(target) as copy:
            for first in range(0, file.blocks.size_bytes, 16 * CHUNK_BYTES):
                self._stop_if_cancelled(0)
                copy_range(original, copy, first, min(16 * CHUNK_BYTES, file.blocks.size_bytes - first))
        _finish(target, file)


def _finish(target: Path, file: ManifestFile) -> None:
    """Give a file of its own its mode and time."""
    target.chmod(file.mode)
    os.utime(target, ns=(file.mtime_ns, file.mtime_ns))
