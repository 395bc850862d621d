"""What the runner's tests share: an app that runs a piece of Python, a runner on its own directory, its events."""

from __future__ import annotations

import json
import queue
import struct
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peerfarm.apps.base import Candidate, Command, ExpectedFile, Fatal, LineEvent, Places, Progress
from peerfarm.config import Settings
from peerfarm.model.ids import JobId
from peerfarm.model.render import (
    AttemptFailed,
    AttemptRendered,
    AttemptStopped,
    Capability,
    FailReason,
    RenderTask,
)
from peerfarm.runner import ProcessRunner

JOB = JobId("abcdefghijkl")
LIMIT_S = 20.0
PYTHON = Capability("script", "", sys.executable)


def png(width: int = 4, height: int = 3, shade: int = 7) -> bytes:
    """A small whole PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([shade]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class ScriptReader:
    """Understands `progress 0.5`, `fatal words`, `give up words`."""

    dimensions = (0, 0)

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        word, _, rest = line.partition(" ")
        if word == "progress":
            return (Progress(float(rest)),)
        if word == "fatal":
            return (Fatal(rest),)
        if word == "hopeless":
            return (Fatal(rest, FailReason.APP_FAILED, stop=True),)
        if word == "raise":
            raise RuntimeError(rest)
        return ()

    def judge(self, exit_code: int) -> Fatal | None:
        return Fatal(f"the script ended with exit code {exit_code}") if exit_code else None


class ScriptApp:
    """Runs `params.code` with the frame directory, the names of the frames and the work directory as arguments."""

    name = "script"

    def check_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return dict(params)

    def paths(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(params.get("paths", ()))

    def candidates(self, system: str, configured: tuple[str, ...]) -> tuple[Candidate, ...]:
        return (Candidate(sys.executable, ("-c", "print('script 1.2')")), Candidate("/nowhere/script"))

    def identify(self, path: str, output: str) -> Capability | None:
        return Capability(self.name, output.split()[1], path) if output.startswith("script ") else None

    def suits(self, found: Capability, params: Mapping[str, Any], version: str) -> bool:
        return True

    def build(self, found: Capability, task: RenderTask, places: Places) -> Command:
        names = [task.frame_name(frame) for frame in task.frames]
        code = "import os, signal, subprocess, sys, time\nframes, work, *names = sys.argv[1:]\n" + task.params["code"]
        argv = (found.executable, "-I", "-S", "-u", "-c", code, places.frames, places.work, *names)
        return Command(argv, task.params.get("environment", {}), task.params.get("files", {}))

    def reader(self, task: RenderTask) -> ScriptReader:
        return ScriptReader()

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        return tuple(ExpectedFile(task.frame_name(frame), frame, 4, 3) for frame in task.frames)


WRITE_FRAMES = f"for name in names:\n    open(os.path.join(frames, name), 'wb').write({png()!r})\n"
"""Code that writes every frame."""


class Rig:
    """A runner and what it posted."""

    def __init__(self, home: Path, output: Path, **settings: Any) -> None:
        self.home = home
        self.output = output
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.seen: list[Any] = []
        chosen = {"name": "oak", "roots": (str(output),), "notice_s": 0.3, **settings}
        self.runner = ProcessRunner(home, Settings(**chosen), {"script": ScriptApp()}, self.events.put)
        self._count = 0

    def task(self, code: str, frames: tuple[int, ...] = (), **more: Any) -> RenderTask:
        self._count += 1
        params = {"code": code, **more.pop("params", {})}
        values: dict[str, Any] = {
            "attempt": f"attempt-{self._count}",
            "job": JOB,
            "job_name": "shot 7",
            "step": 0,
            "step_name": "render",
            "task": self._count,
            "app": "script",
            "params": params,
            "frames": frames,
            "output_dir": str(self.output) if frames else "",
            "output_pattern": "f_####.png" if frames else "",
            "worker_name": "oak",
        }
        return RenderTask(**{**values, **more})

    def run(self, code: str, frames: tuple[int, ...] = (), **more: Any) -> Any:
        """Run it and give the event that ended it."""
        return self.ending(self.start(code, frames, **more))

    def start(self, code: str, frames: tuple[int, ...] = (), slot: int = 0, **more: Any) -> str:
        task = self.task(code, frames, **more)
        self.runner.start(slot, task, PYTHON)
        return task.attempt

    def ending(self, attempt: str) -> Any:
        kinds = (AttemptRendered, AttemptFailed, AttemptStopped)
        return self.until(lambda event: isinstance(event, kinds) and event.attempt == attempt)

    def until(self, is_wanted: Callable[[Any], bool]) -> Any:
        """The next event that is wanted; the ones before it are in `seen`."""
        for event in self.seen:
            if is_wanted(event):
                return event
        while True:
            event = self.events.get(timeout=LIMIT_S)
            self.seen.append(event)
            if is_wanted(event):
                return event

    def printed(self, attempt: str, words: str) -> str:
        """The first line of the log that begins with `words`, as soon as it is there; what follows the words."""

        def find() -> str | None:
            part = self.runner.read_log(attempt, 0, 1 << 20)
            lines = part.text.splitlines() if part else []
            return next((line[len(words) :].strip() for line in lines if line.startswith(words)), None)

        return wait_for(find)

    def log(self, attempt: str) -> str:
        part = self.runner.read_log(attempt, 0, 64 << 20)
        assert part is not None
        return part.text

    def counted(self, event: str) -> list[str]:
        """The attempts of all lines of `starts.jsonl` of that kind."""
        lines = (self.home / "attempts" / "starts.jsonl").read_text().splitlines()
        return [said["attempt"] for said in map(json.loads, lines) if said["event"] == event]

    def own(self, attempt: str) -> Path:
        return self.output / ".peerfarm" / JOB / attempt


def wait_for(find: Callable[[], Any]) -> Any:
    """What `find` gives as soon as it gives anything."""
    give_up_s = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_s:
        if (found := find()) not in (None, False):
            return found
        time.sleep(0.01)
    raise AssertionError("what was waited for did not come")


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {b"Z", b"X"}
