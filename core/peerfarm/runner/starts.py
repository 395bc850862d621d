"""`starts.jsonl`: one line for each process that was started and for each that ended, to count them honestly."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peerfarm.model.render import RenderTask

FILE_NAME = "starts.jsonl"
OLD_NAME = "starts.old.jsonl"
_ROTATE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unended:
    """An attempt whose process was started, and of whose end nothing was written: its node died first."""

    attempt: str
    pid: int
    born: str
    """When the system started the process, in the system's own words; empty when it was not written in time."""


class Starts:
    """Appends lines, each by one write, so that they outlive the node's sudden death; not fsynced, for speed.

    Used by all slots' threads.
    """

    def __init__(self, directory: Path, rotate_bytes: int = _ROTATE_BYTES) -> None:
        self._directory = directory
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._running: dict[str, Unended] = {}
        self._descriptor = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        return os.open(self._directory / FILE_NAME, flags, 0o600)

    def started(self, task: RenderTask, pid: int, wall_ms: int, monotonic_ns: int) -> None:
        """A process runs.

        Raises:
            OSError: The disk refuses the line.
        """
        place = {"job": task.job, "step": task.step, "task": task.task, "pid": pid}
        line = {"event": "start", "attempt": task.attempt, **place, "wall_ms": wall_ms, "mono_ns": monotonic_ns}
        self._write(line, Unended(task.attempt, pid, ""))

    def settled(self, attempt: str, pid: int, born: str) -> None:
        """A process has lived for a moment: note when it was born, so that it can be known again after a crash."""
        here = Unended(attempt, pid, born)
        self._write(_alive(here), here)

    def ended(self, attempt: str, exit_code: int | None, outcome: str) -> None:
        """A process and its family are gone."""
        line = {"event": "end", "attempt": attempt, "exit": exit_code, "outcome": outcome}
        self._write({**line, "wall_ms": time.time_ns() // 1_000_000, "mono_ns": time.monotonic_ns()}, None)

    def _write(self, line: dict[str, Any], running: Unended | None) -> None:
        with self._lock:
            if running is None:
                self._running.pop(line["attempt"], None)
            else:
                self._running[running.attempt] = running
            os.write(self._descriptor, _encoded(line))

    def unended(self) -> tuple[Unended, ...]:
        """What a node that died left open; lines that it could not finish writing are passed over."""
        opened: dict[str, Unended] = {}
        with (self._directory / FILE_NAME).open("rb") as file:
            for line in file:
                try:
                    said = json.loads(line)
                    attempt, event = str(said["attempt"]), said["event"]
                    if event == "end":
                        opened.pop(attempt, None)
                    else:
                        opened[attempt] = Unended(attempt, int(said["pid"]), str(said.get("born", "")))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return tuple(opened.values())

    def rotate(self) -> None:
        """Begin a new file when this one is large, keeping one old one; what runs is written into the new one too."""
        with self._lock:
            if os.fstat(self._descriptor).st_size <= self._rotate_bytes:
                return
            os.close(self._descriptor)
            (self._directory / FILE_NAME).replace(self._directory / OLD_NAME)
            self._descriptor = self._open()
            os.write(self._descriptor, b"".join(_encoded(_alive(running)) for running in self._running.values()))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _alive(running: Unended) -> dict[str, Any]:
    return {"event": "alive", "attempt": running.attempt, "pid": running.pid, "born": running.born}


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
