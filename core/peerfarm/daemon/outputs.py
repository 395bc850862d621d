"""Which output folders the user of this machine named for which job, durably.

What stands in the farm's state may have come through other nodes; frames are written only where somebody here wanted
them.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from peerfarm.errors import DiskFull, StoreError
from peerfarm.model.ids import JobId
from peerfarm.store.durable import sync_directory

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Outputs:
    """One JSON line a job, in a file of its own; for any thread.

    Raises:
        StoreError: The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._named: dict[str, list[str]] = {}
        try:
            lines = path.read_bytes().splitlines() if path.exists() else []
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read: {error.strerror or error}", "Move it away; frames are then fetched by hand."
            ) from error
        for line in lines:
            try:
                job, directories = json.loads(line)
                self._named[str(job)] = [str(directory) for directory in directories]
            except (ValueError, TypeError):
                continue  # a line that a crash cut short, or that was damaged

    def name(self, job: JobId, directories: Iterable[str]) -> None:
        """Note it before the job is submitted.

        Raises:
            StoreError: The disk refuses; nothing is noted.
        """
        listed = list(directories)
        with self._lock:
            self._write([(job, listed)], "ab")
            self._named[job] = listed

    def is_named(self, job: JobId, directory: str) -> bool:
        """Whether somebody here named that folder for that job."""
        with self._lock:
            return directory in self._named.get(job, ())

    def forget(self, jobs: Iterable[JobId]) -> None:
        """These jobs are archived or deleted.

        Raises:
            StoreError: The disk refuses; they are known again after the next start.
        """
        with self._lock:
            gone = [job for job in jobs if self._named.pop(job, None) is not None]
            if gone:
                self._write(list(self._named.items()), "wb")

    def _write(self, rows: list[tuple[str, list[str]]], mode: str) -> None:
        place = self._path.with_suffix(".tmp") if mode == "wb" else self._path
        is_new = not self._path.exists()
        try:
            with place.open(mode) as file:
                if file.tell():
                    file.write(b"\n")  # closes a line that a crash cut short
                file.writelines(json.dumps(row).encode() + b"\n" for row in rows)
                file.flush()
                os.fsync(file.fileno())
            if place != self._path:
                place.replace(self._path)
            if is_new or place != self._path:
                sync_directory(self._path.parent)
        except OSError as error:
            kind = DiskFull if error.errno in _FULL else StoreError
            raise kind(f"{self._path} cannot be written: {error.strerror or error}", "Look at that disk.") from error
