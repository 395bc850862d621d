"""Which output folders the user of this machine named for which job, durably.

What stands in the farm's state may have come through other nodes; frames are written only where somebody here wanted
them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from peerfarm.errors import StoreError
from peerfarm.model.ids import JobId


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
            lines = path.read_text("utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"{path} cannot be read: {error}", "Move it away; frames are then fetched by hand."
            ) from error
        for line in lines:
            try:
                job, directories = json.loads(line)
                self._named[str(job)] = [str(directory) for directory in directories]
            except (ValueError, TypeError):
                continue  # the line that a crash cut short

    def name(self, job: JobId, directories: Iterable[str]) -> None:
        """Note it before the job is submitted.

        Raises:
            StoreError: The disk refuses.
        """
        with self._lock:
            self._named[job] = list(directories)
            self._write([(job, self._named[job])], "a")

    def is_named(self, job: JobId, directory: str) -> bool:
        """Whether somebody here named that folder for that job."""
        with self._lock:
            return directory in self._named.get(job, ())

    def forget(self, jobs: Iterable[JobId]) -> None:
        """These jobs are archived or deleted. Raises StoreError when the disk refuses."""
        with self._lock:
            gone = [job for job in jobs if self._named.pop(job, None) is not None]
            if gone:
                self._write(list(self._named.items()), "w")

    def _write(self, rows: list[tuple[str, list[str]]], mode: str) -> None:
        draft = self._path.with_suffix(".tmp") if mode == "w" else self._path
        try:
            with draft.open(mode, encoding="utf-8") as file:
                if mode == "a" and file.tell():
                    file.write("\n")  # closes a line that a crash cut short
                file.writelines(json.dumps(row) + "\n" for row in rows)
                file.flush()
                os.fsync(file.fileno())
            if mode == "w":
                draft.replace(self._path)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}", "Make room on that disk.") from error
