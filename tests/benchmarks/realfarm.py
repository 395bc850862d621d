"""Real nodes for the benchmarks: processes of this checkout on loopback, each with its own home; ended by pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from peerfarm.errors import PeerfarmError
from peerfarm.gateway.client import LocalClient

CORE = Path(__file__).resolve().parents[2] / "core"
LIMIT_S = 30.0
Found = TypeVar("Found")


class BenchmarkFailed(Exception):
    """Something did not happen in its time; the message says what."""


def wait_until(what: str, look: Callable[[], Found | None], limit_s: float = LIMIT_S, every_s: float = 0.02) -> Found:
    """What `look` gives once it is true.

    Raises:
        BenchmarkFailed: The limit passed.
    """
    give_up_s = time.monotonic() + limit_s
    while not (found := look()):
        if time.monotonic() > give_up_s:
            raise BenchmarkFailed(f"{what} did not happen within {limit_s:g} s")
        time.sleep(every_s)
    return found


class RealNode:
    """One node: its home, its process while it runs, and a connection to its local socket."""

    def __init__(self, home: Path, name: str, settings: Mapping[str, Any]) -> None:
        """Write the settings; nothing is started."""
        self.home = home
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self._client: LocalClient | None = None
        (home / "config").mkdir(parents=True)
        chosen = {"name": name, "listen": "127.0.0.1", **settings}
        # JSON is YAML too.
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in chosen.items()]
        (home / "config" / "peerfarm.yaml").write_text("".join(lines), "utf-8")

    @property
    def data(self) -> Path:
        """Where its database and attempts lie."""
        return self.home / "data"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the process and connect to it."""
        paths = [str(CORE), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PEERFARM_")}
        environ = {**kept, "PEERFARM_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(paths)}
        with (self.home / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "peerfarm", "start", "--foreground"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._client = wait_until(f"the start of node {self.name}", self._connect)

    def _connect(self) -> LocalClient | None:
        if self.process is not None and self.process.poll() is not None:
            said = (self.home / "output.txt").read_text("utf-8", "replace")[-2000:]
            raise BenchmarkFailed(f"node {self.name} ended at its start: {said}")
        return self.connect()

    def connect(self) -> LocalClient | None:
        """One more connection to its local socket; None while nobody listens."""
        with suppress(PeerfarmError):
            return LocalClient(self.home / "local.json", timeout_s=LIMIT_S, client="benchmark")
        return None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask over the local socket."""
        assert self._client is not None
        return self._client.call(method, **params)

    def own_row(self) -> dict[str, Any]:
        """What it says of itself under `nodes`."""
        row: dict[str, Any] = self.call("nodes")["nodes"][0]
        return row

    def starts(self) -> list[dict[str, Any]]:
        """Every whole line of its list of started and ended processes."""
        with suppress(FileNotFoundError):
            data = (self.data / "attempts" / "starts.jsonl").read_bytes()
            return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
        return []

    def started(self, job: str) -> list[dict[str, Any]]:
        """The process starts of one job."""
        return [line for line in self.starts() if line["event"] == "start" and line["job"] == job]

    def kill(self) -> int:
        """SIGKILL the node and, after it, the renderers that it leaves behind; the monotonic time in ns of the kill."""
        assert self.process is not None
        killed_ns = time.monotonic_ns()
        self.process.kill()
        self.process.wait()
        self._forget_client()
        self._end_orphans()
        self.process = None
        return killed_ns

    def stop(self) -> None:
        """End it in order, by force when it takes too long."""
        if self.process is None:
            return
        self._forget_client()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._end_orphans()
        self.process = None

    def _forget_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _end_orphans(self) -> None:
        running: dict[str, int] = {}
        for line in self.starts():
            if line["event"] == "start":
                running[line["attempt"]] = line["pid"]
            elif line["event"] == "end":
                running.pop(line["attempt"], None)
        for pid in running.values():
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) == pid:
                    os.killpg(pid, signal.SIGKILL)


class RealFarm:
    """Several nodes in one farm; the first founds it. A context manager that ends all and removes their homes."""

    def __init__(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """One mapping of settings for each node; they are called a, b, c and so on."""
        self._wanted = nodes
        self._stack = ExitStack()
        self.nodes: list[RealNode] = []
        self.output = Path()

    def __enter__(self) -> Self:
        """Start the nodes and let them find each other."""
        with ExitStack() as stack:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peerfarm-bench-")))
            self.output = place / "output"
            self.output.mkdir()
            for number, settings in enumerate(self._wanted):
                name = chr(ord("a") + number)
                node = RealNode(place / name, name, {"roots": [str(self.output)], **settings})
                stack.callback(node.stop)
                self.nodes.append(node)
                node.start()
            self.nodes[0].call("init", name="bench")
            for node in self.nodes[1:]:
                node.call("join", join=self.nodes[0].call("invite")["join"])
            self.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it all."""
        self._stack.close()

    def wait_ready(self) -> None:
        """Until everybody sees everybody, knows its applications, and holds the same."""
        wait_until("the farm's coming together", self._is_ready, LIMIT_S, 0.05)

    def _is_ready(self) -> bool:
        running = [node for node in self.nodes if node.process is not None]
        hashes = set()
        for node in running:
            status = node.call("status")
            if status["live"] < len(running):
                return False
            rows = node.call("nodes")["nodes"]
            if any(row["state"] == "live" and row["slots"] and not row["apps"] for row in rows):
                return False
            hashes.add(node.own_row()["vector_hash"])
        return len(hashes) == 1

    def submit(self, node: RealNode, job: Mapping[str, Any]) -> str:
        """Submit a job; its id."""
        answer = node.call("submit", job={"files": "shared", **job})
        if answer["warnings"]:
            raise BenchmarkFailed(f"the job cannot run: {answer['warnings'][0]}")
        return str(answer["job"])

    def wait_done(self, node: RealNode, job: str, limit_s: float, every_s: float = 0.1) -> dict[str, Any]:
        """The job's summary once all its tasks are done."""

        def look() -> dict[str, Any] | None:
            row: dict[str, Any] = next(row for row in node.call("jobs")["jobs"] if row["id"] == job)
            if row["status"] in {"failed", "cancelled"}:
                raise BenchmarkFailed(f"the job {row['name']} {row['status']}: {row['error']}")
            return row if row["status"] == "done" else None

        return wait_until(f"the end of job {job}", look, limit_s, every_s)


def command_settings() -> dict[str, Any]:
    """Settings of a node with one slot that may run /bin/true."""
    return {"slots": 1, "command": {"allow": {"true": "/bin/true"}}}


def true_job(tasks: int) -> dict[str, Any]:
    """A job of that many tasks that each start /bin/true."""
    step = {
        "name": "run",
        "app": "command",
        "params": {"command": "true", "outputs": False},
        "frames": f"1-{tasks}",
        "chunk": 1,
    }
    return {"name": f"{tasks} trivial tasks", "steps": [step]}


def ocean_job(output: Path, frames: int, seconds: float, name: str = "ocean") -> dict[str, Any]:
    """A job that renders small pictures of the sea, one a task, each in about so many seconds."""
    step = {
        "name": "render",
        "app": "ocean",
        "params": {"width": 64, "height": 36, "seconds_per_frame": seconds},
        "frames": f"1-{frames}",
        "chunk": 1,
        "output": {"dir": str(output / name), "pattern": "sea_####.png"},
    }
    return {"name": name, "steps": [step]}
