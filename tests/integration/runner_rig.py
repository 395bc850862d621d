"""What the runner's tests share: an app that runs a piece of Python, a runner on its own directory, its events."""

from __future__ import annotations

import json
import os
import queue
import struct
import sys
import threading
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
from peerfarm.runner.starts import Starts

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


class Heard:
    """The lines that attempts printed, as their readers get them; to be waited for."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._grows = threading.Condition()

    def add(self, attempt: str, line: str) -> None:
        with self._grows:
            self._lines.setdefault(attempt, []).append(line)
            self._grows.notify_all()

    def line(self, attempt: str, words: str) -> str:
        """The first line of the attempt that begins with `words`; what follows the words."""

        def find() -> str | None:
            return next((line for line in self._lines.get(attempt, ()) if line.startswith(words)), None)

        with self._grows:
            line = self._grows.wait_for(find, LIMIT_S)
        assert line is not None, f"{attempt} printed no line that begins with {words!r}"
        return line[len(words) :].strip()

    def one_more(self, attempt: str) -> None:
        """Wait until the attempt has printed one line more."""
        with self._grows:
            count = len(self._lines.get(attempt, ()))
            assert self._grows.wait_for(lambda: len(self._lines.get(attempt, ())) > count, LIMIT_S)


class ScriptReader:
    """Understands `progress 0.5`, `fatal words`, `give up words`."""

    dimensions = (0, 0)

    def __init__(self, attempt: str, heard: Heard) -> None:
        self._attempt = attempt
        self._heard = heard

    def feed(self, line: str) -> tuple[LineEvent, ...]:
        self._heard.add(self._attempt, line)
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

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

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
        return ScriptReader(task.attempt, self._heard)

    def expected(self, task: RenderTask) -> tuple[ExpectedFile, ...]:
        return tuple(ExpectedFile(task.frame_name(frame), frame, 4, 3) for frame in task.frames)


WRITE_FRAMES = f"for name in names:\n    open(os.path.join(frames, name), 'wb').write({png()!r})\n"
"""Code that writes every frame."""


class ToldStarts(Starts):
    """The list of process starts; tells of each attempt that has lived for a moment."""

    def __init__(self, directory: Path, tell: Callable[[Any], None]) -> None:
        super().__init__(directory)
        self._tell = tell

    def settled(self, attempt: str, pid: int, born: str) -> None:
        super().settled(attempt, pid, born)
        self._tell(("settled", attempt))


class Rig:
    """A runner and what it posted."""

    def __init__(self, home: Path, output: Path, **settings: Any) -> None:
        self.home = home
        self.output = output
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.seen: list[Any] = []
        chosen = {"name": "oak", "roots": (str(output),), "notice_s": 0.3, **settings}
        self.heard = Heard()
        self.runner = ProcessRunner(home, Settings(**chosen), {"script": ScriptApp(self.heard)}, self.events.put)
        self.runner._place.starts.close()
        self.runner._place.starts = ToldStarts(home / "attempts", self.events.put)
        self._count = 0

    def task(self, code: str, frames: tuple[int, ...] = (), **more: Any) -> RenderTask:
        self._count += 1
        params = {"code": code, **more.pop("params", {})}
        values: dict[str, Any] = {
            "attempt": f"attempt-{os.getpid()}-{self._count}",  # processes are found by it, on the whole machine
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
        """The first line that begins with `words`, as soon as it was printed; what follows the words."""
        return self.heard.line(attempt, words)

    def settled(self, attempt: str) -> None:
        """Wait until the attempt has lived for a moment: its birth is noted and its priority lowered."""
        self.until(lambda event: event == ("settled", attempt))

    def on_disk(self, attempt: str) -> None:
        """Wait until what the attempt has printed lies on the disk; it must go on printing."""
        self.settled(attempt)
        self.heard.one_more(attempt)

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


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {b"Z", b"X"}
