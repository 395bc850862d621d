"""What all attempts of a node share, and the directories that they use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from peerfarm.config import Settings
from peerfarm.model.render import RunnerEvent
from peerfarm.runner.files import Files
from peerfarm.runner.quietlogs import QuietLogs
from peerfarm.runner.starts import Starts

LOG_NAME = "log.txt"
FRAMES_NOTE = "frames.json"
"""Says where an attempt's own frames are, so that they can be removed when its job is forgotten."""


@dataclass(slots=True)
class Workplace:
    """One node's attempts."""

    data: Path
    settings: Settings
    environment: Mapping[str, str]
    """Cleaned, for renderers."""
    dropped: tuple[str, ...]
    """Names of the variables that were cleaned away."""
    starts: Starts
    quiet_logs: QuietLogs
    post: Callable[[RunnerEvent], None]
    files: Files | None = None
    """Of this node and its peers; None where all storage is shared."""
    is_closing: bool = False
    """Nothing new is begun, and questions to programs are given up."""

    @property
    def attempts(self) -> Path:
        """Holds one directory an attempt, `starts.jsonl` and `quiet.log`."""
        return self.data / "attempts"

    @property
    def work(self) -> Path:
        """Holds one work directory a slot, empty between attempts."""
        return self.data / "work"

    def work_directory(self, name: str) -> Path:
        """Where the processes of a slot, or of another errand, start."""
        return self.work / name


def make_empty(directory: Path) -> None:
    """Make a private directory and remove what it holds; quick when it is there and holds nothing."""
    try:
        with os.scandir(directory) as entries:
            if next(entries, None) is None:
                return
        shutil.rmtree(directory, ignore_errors=True)
    except FileNotFoundError:
        pass
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
