"""What the tests of the `peerfarm` command share: a node's answers, and ways to run the command."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_node import NODE_ID

from peerfarm.cli.main import main

JOB_ID = "q2w3e4r5t6y7"

TASKS = {"total": 12, "done": 3, "leased": 2, "failed": 1, "cancelled": 0, "ready": 6, "blocked": 0}

SUMMARY: dict[str, Any] = {
    "id": JOB_ID,
    "name": "sea \x1b[31m波",
    "user": "ada",
    "status": "active",
    "priority": 50,
    "pool": "gpu",
    "paused": False,
    "tasks": TASKS,
    "frames": {"total": 60, "done": 15},
    "published": False,
    "progress": 0.25,
    "dispatcher": "wave",
    "held_by": 1,
    "held_of": 2,
    "output": "/projects/frames",
    "submitted_ms": 1_700_000_000_000,
    "eta_s": 125.0,
    "error": "",
}

ATTEMPT: dict[str, Any] = {
    "attempt": f"{NODE_ID}-abcdefgh-4",
    "number": 1,
    "worker": "tide",
    "outcome": "failed",
    "reason": "app-failed",
    "message": "Blender ended with exit code 11",
    "render_s": 4.0,
}

JOB: dict[str, Any] = {
    **SUMMARY,
    "steps": [
        {
            "name": "render",
            "app": "blender",
            "depends_on": ["setup"],
            "tasks": [
                {
                    "task": 0,
                    "frames": "1-5",
                    "status": "leased",
                    "worker": "wave",
                    "progress": 0.4,
                    "attempts": [ATTEMPT, {**ATTEMPT, "number": 2, "outcome": "running", "message": "", "reason": ""}],
                }
            ],
        }
    ],
}

DONE: dict[str, Any] = {
    **JOB,
    "status": "done",
    "published": True,
    "progress": 1.0,
    "frames": {"total": 60, "done": 60},
    "tasks": {**TASKS, "done": 12, "leased": 0, "failed": 0, "ready": 0},
    "eta_s": None,
}

NODE: dict[str, Any] = {
    "id": NODE_ID,
    "name": "wave",
    "state": "live",
    "is_self": True,
    "render": True,
    "slots": 2,
    "busy": 1,
    "apps": [{"app": "blender", "version": "3.4.1", "tags": []}, {"app": "ocean", "version": "", "tags": []}],
    "pools": ["gpu"],
    "tags": [],
    "load": 0.5,
    "address": "127.0.0.1:4000",
    "version": "0.1.0",
    "state_hash": "aa",
    "vector_hash": "bb",
    "tasks": [{"job": JOB_ID, "step": "render", "task": 0, "frames": "1-5", "progress": 0.4}],
}

SLOT: dict[str, Any] = {
    "slot": 0,
    "job": JOB_ID,
    "job_name": "sea",
    "step": "render",
    "task": 0,
    "frames": "1-5",
    "progress": 0.4,
    "attempt": ATTEMPT["attempt"],
    "app": "blender",
    "text": "frame 2",
}

ANSWERS: dict[str, Any] = {
    "status": {
        "node": NODE,
        "farm": {"id": "f" * 16, "name": "Studio"},
        "jobs": {"active": 2, "done": 5, "failed": 0},
        "slots": [SLOT, {**SLOT, "slot": 1, "job": None}],
        "alarms": ["the state of tide differs"],
        "disk": "full",
        "joining": None,
        "ports": {"peers": 7101, "files": 7103},
        "members": 3,
        "live": 2,
    },
    "nodes": {"nodes": [NODE, {**NODE, "name": "server", "is_self": False, "render": False, "tasks": [], "apps": []}]},
    "jobs": {"jobs": [SUMMARY]},
    "job": JOB,
    "apps": {
        "apps": [{"app": "blender", "version": "3.4.1", "executable": "/usr/bin/blender", "tags": ["denoiser"]}],
        "problems": ["/opt/blender does not start"],
    },
    "config": {
        "settings": {
            "name": {"value": "", "source": "default"},
            "slots": {"value": 2, "source": "PEERFARM_SLOTS"},
            "roots": {"value": ["/projects"], "source": "file"},
        }
    },
    "init": {"farm": {"id": "f" * 16, "name": "Studio"}},
    "invite": {"join": "peerfarm-join:1:abc", "expires_s": 600},
    "join": {"farm": {"id": "f" * 16, "name": "Studio"}, "members": 3},
    "remove": {"node": "tide"},
    "pause": {"job": {**SUMMARY, "paused": True, "status": "paused"}},
    "resume": {"job": SUMMARY},
    "cancel": {"job": {**SUMMARY, "status": "cancelled"}},
    "retry": {"job": SUMMARY},
    "priority": {"job": {**SUMMARY, "priority": 70}},
    "archive": {"job": JOB_ID},
    "delete": {"job": JOB_ID},
    "submit": {"job": JOB_ID, "tasks": 12, "frames": 60, "warnings": ["the scene was saved by another version"]},
    "inspect": {
        "frame_start": 1,
        "frame_end": 60,
        "frame_step": 1,
        "output_dir": "/projects/frames",
        "output_pattern": "sea_####.png",
        "format": "PNG",
        "width": 320,
        "height": 180,
        "engine": "CYCLES",
        "version": "3.4",
        "camera": "Camera",
        "warnings": ["a texture is missing"],
    },
    "log": {
        "attempt": ATTEMPT["attempt"],
        "worker": "tide",
        "text": "Fra:1\x1b[2J\n",
        "offset": 0,
        "next_offset": 10,
        "is_complete": True,
    },
}

Said = pytest.CaptureFixture[str]

CORE = Path(__file__).resolve().parents[2] / "core"


class Renders:
    """A job that moves on one step with each look at it."""

    def __init__(self, *views: dict[str, Any]) -> None:
        self.views = list(views)
        self.looked = threading.Event()

    def __call__(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self.looked.set()
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]


def in_background(argv: list[str]) -> Callable[[], int]:
    """Run a command on a thread; the answer waits for it and gives its exit code."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(argv)))
    thread.start()

    def ended() -> int:
        thread.join(25)
        return codes[0]

    return ended


def gone_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def run_peerfarm(home: Path, *argv: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "peerfarm"]
    environ = dict(os.environ) | {
        "PEERFARM_HOME": str(home),
        "PYTHONPATH": str(CORE),
        "PYTHONIOENCODING": "ascii",
    }
    return subprocess.run(
        [sys.executable, *command, *argv], env=environ, capture_output=True, text=True, check=False, timeout=25
    )


def run_on_terminal(home: Path, *argv: str, **environ: str) -> str:
    """Everything that a command prints when both its streams are a terminal of 100 columns."""
    main_end, command_end = os.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")} | {
        "PEERFARM_HOME": str(home),
        "PYTHONPATH": str(CORE),
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "100",
        "TERM": "xterm",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "peerfarm", *argv],
        env=variables | environ,
        stdin=subprocess.DEVNULL,
        stdout=command_end,
        stderr=command_end,
    ):
        os.close(command_end)
        said = b""
        while True:
            try:
                piece = os.read(main_end, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(main_end)
    return said.decode()
