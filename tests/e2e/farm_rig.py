"""Real farms for the tests: node processes on loopback with homes in a temporary folder, put away whatever happens.

Built on what `peerfarm demo` starts its nodes with, and judged by what lies on the disk: frames, starts, hashes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peerfarm.apps.images import check_image
from peerfarm.cli.demo_nodes import NAMES, Farm, FarmNode, wait_until
from peerfarm.cli.demo_verify import Start, count_duplicates, read_starts
from peerfarm.cli.demo_watch import frames_by_worker
from peerfarm.model.render import frame_name

LIMIT_S = 60.0
PATTERN = "f_####.png"
SIZE = (64, 36)
COMMAND_LIMIT_S = 60.0
PAINT = Path(__file__).with_name("paint.py")


class RealNode(FarmNode):
    """A node process; a test may put another program in place of the node's own."""

    program: Path | None = None
    """Run by Python instead of `peerfarm start --foreground`: a node with something about it."""
    prefix: Sequence[str] = ()
    """A program that runs it, and the arguments before its own."""

    def start(self) -> None:
        """Start its process, as `FarmNode.start`."""
        if self.program is None and not self.prefix:
            super().start()
            return
        self.killed_ns = None
        self._hang_up()
        with self.output.open("ab") as output:
            own = ["-m", "peerfarm", "start", "--foreground"] if self.program is None else [str(self.program)]
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, *own],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of its process, which must have been started."""
        assert self.process is not None
        return self.process.pid

    def alarms(self) -> str:
        """What `peerfarm status` warns of, as its user reads it."""
        lines = peerfarm(self, "status").stdout.splitlines()
        return "\n".join(line for line in lines if line.startswith(("alarm: ", "no new work")))

    def journal(self) -> str:
        """The node's own log file so far."""
        return (self.home.logs / "node.log").read_text("utf-8")


class RealFarm(Farm):
    """A farm with an output folder, ways to lose nodes, and waits that say what they waited for."""

    def __init__(self, directory: Path, *, knows_blender: bool = False) -> None:
        """Begin without nodes; they look for Blender only where a test needs it, for that takes a second each."""
        self.output = directory / "frames"
        self.scenes = directory / "scenes"
        self.output.mkdir()
        self.scenes.mkdir()
        super().__init__(directory, [self.output, self.scenes])
        self._knows_blender = knows_blender
        self.killed_ns: dict[str, int] = {}

    def add(self, name: str, **settings: Any) -> RealNode:
        """One more node, as `Farm.add`."""
        node = RealNode(name, self.directory / name, {"roots": self.roots, "nice": 0, **settings})
        self.nodes.append(node)
        if not self._knows_blender:
            node.variables["PATH"] = str(self.scenes)  # where no program lies
        return node

    def add_workers(self, count: int) -> list[RealNode]:
        """So many nodes that render."""
        return [self.add(name) for name in NAMES[:count]]

    def paint_allowed(self) -> dict[str, Any]:
        """The setting `command` of a node that may run `paint.py`, whose attempts all give other bytes."""
        program = self.scenes / "paint"
        if not program.exists():
            program.write_text(f"#!{sys.executable}\n{PAINT.read_text('utf-8')}", "utf-8")
            program.chmod(0o755)
        return {"allow": {"paint": str(program)}}

    def submit_painting(self, node: FarmNode, frames: str, chunk: int, frame_s: float) -> str:
        """Submit a job for `paint.py`, which is silent until it has painted a frame; gives its id."""
        params = {"command": "paint", "args": ["{output}", "{frames}", str(frame_s)]}
        return self.submit_step(node, {"app": "command", "params": params, "frames": frames, "chunk": chunk})

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """As `Farm.start`, until every node has found its applications, and all the others know."""
        super().start(say)
        self.await_apps()
        able = {node.name for node in self.living if node.call("status")["node"]["render"]}

        def knows_all(node: FarmNode) -> bool:
            return able <= {row["name"] for row in node.call("nodes")["nodes"] if row["apps"]}

        self.wait_for("word of all applications", lambda: all(knows_all(node) for node in self.living))

    def kill(self, node: FarmNode) -> None:
        """Lose one node, as by a power cut."""
        node.kill()
        assert node.killed_ns is not None
        self.killed_ns[node.name] = node.killed_ns

    def submit(self, node: FarmNode, frames: str, chunk: int, frame_s: float = 0.2, **fields: Any) -> str:
        """Submit a job for the built-in renderer; gives its id."""
        width, height = SIZE
        params = {"width": width, "height": height, "seconds_per_frame": frame_s}
        return self.submit_step(node, {"app": "ocean", "params": params, "frames": frames, "chunk": chunk}, **fields)

    def submit_step(self, node: FarmNode, step: dict[str, Any], **fields: Any) -> str:
        """Submit a job of one step, which writes into the farm's output folder unless it says otherwise."""
        full = {"name": "render", "output": {"dir": str(self.output), "pattern": PATTERN}, **step}
        answer = node.call("submit", job={"name": "shot", "files": "shared", "steps": [full], **fields})
        assert answer["warnings"] == []
        return str(answer["job"])

    # What is so

    def job(self, job: str, through: FarmNode) -> dict[str, Any]:
        """The job as that node sees it."""
        return through.call("job", job=job)

    def attempts(self, job: str, through: FarmNode) -> list[dict[str, Any]]:
        """Every attempt of the job that counts, as that node sees it; each row with its `task`."""
        tasks = [task for step in self.job(job, through)["steps"] for task in step["tasks"]]
        return [{"task": task["task"], **attempt} for task in tasks for attempt in task["attempts"]]

    def workers_of(self, job: str, through: FarmNode) -> set[str]:
        """The names of who renders a task of it now."""
        return {attempt["worker"] for attempt in self.attempts(job, through) if attempt["outcome"] == "running"}

    def tasks_of(self, worker: FarmNode, job: str, through: FarmNode) -> list[int]:
        """The tasks that it renders now."""
        found = [row for row in self.attempts(job, through) if row["outcome"] == "running"]
        return [row["task"] for row in found if row["worker"] == worker.name]

    def ends_of(self, job: str, task: int, through: FarmNode) -> list[tuple[str, str, str]]:
        """What became of a task: worker, outcome and reason of each attempt."""
        found = [row for row in self.attempts(job, through) if row["task"] == task]
        return [(row["worker"], row["outcome"], row["reason"]) for row in found]

    def state_of(self, node: FarmNode, through: FarmNode) -> str:
        """What that node believes of another: `live`, `suspect`, `dead`, `left`, `unknown`; empty for a stranger."""
        rows = through.call("nodes")["nodes"]
        return next((str(row["state"]) for row in rows if row["name"] == node.name), "")

    def is_published(self, job: str, through: FarmNode) -> bool:
        """Whether all of its frames have their final names."""
        view = self.job(job, through)
        return view["status"] == "done" and bool(view["is_published"])

    def starts(self, job: str) -> list[Start]:
        """Every process start of it, from the runners' own logs."""
        return read_starts(self.nodes, job)

    def duplicate_starts(self, job: str) -> int:
        """Starts that no failure, return or loss of a node explains."""
        return count_duplicates(self.starts(job), self.killed_ns)

    def shares(self, job: str, through: FarmNode) -> dict[str, int]:
        """Worker -> frames that it rendered."""
        return frames_by_worker(self.job(job, through))

    def valid_frames(self) -> dict[str, tuple[int, int]]:
        """Name -> size of every complete image in the output folder; anything incomplete raises."""
        found = {}
        for path in sorted(self.output.iterdir()):
            if path.name == ".peerfarm":
                continue
            with path.open("rb") as stream:
                info = check_image(stream, path.stat().st_size, path.name)
            found[path.name] = (info.width, info.height)
        return found

    def published_attempts(self, job: str) -> list[tuple[str, ...]]:
        """For each attempt whose own frames are exactly the published ones, byte for byte: their names."""
        found = []
        for attempt in (self.output / ".peerfarm" / job).iterdir():
            frames = sorted(attempt.iterdir())
            if frames and all((self.output / path.name).read_bytes() == path.read_bytes() for path in frames):
                found.append(tuple(path.name for path in frames))
        return sorted(found)

    # Waiting

    def wait_for(self, what: str, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Wait until the condition holds; a node that does not answer counts as not yet."""
        if not wait_until(condition, limit_s):
            said = {node.name: node.last_words() for node in self.nodes}
            jobs = [row for node in self.living[:1] for row in node.call("jobs")["jobs"]]
            raise AssertionError(f"{what} did not happen within {limit_s:g} s; jobs {jobs}; nodes said {said}")

    def wait_published(self, job: str, through: FarmNode, limit_s: float = LIMIT_S) -> None:
        """Wait until all frames of a job have their final names."""
        self.wait_for(f"the publishing of job {job}", lambda: self.is_published(job, through), limit_s)

    def wait_frames(self, job: str, through: FarmNode, count: int) -> None:
        """Wait until at least so many frames are done."""
        done = f"{count} frames of job {job}"
        self.wait_for(done, lambda: self.job(job, through)["frames"]["done"] >= count)

    def wait_starts(self, job: str, workers: set[str]) -> None:
        """Wait until these nodes, and no others, have started a process for the job; leases come before that."""
        self.wait_for(f"starts on {sorted(workers)}", lambda: {start.node for start in self.starts(job)} == workers)

    def agreed_hash(self) -> str:
        """The hash that all living nodes come to have."""
        hashes, is_agreed = self.await_agreement(LIMIT_S)
        assert is_agreed, f"the nodes do not agree: {hashes}"
        return next(iter(hashes.values()))


def names_of(first: int, last: int) -> list[str]:
    """The file names of the frames `first` to `last`."""
    return [frame_name(PATTERN, frame) for frame in range(first, last + 1)]


def peerfarm(node: FarmNode, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one `peerfarm` command as that node's user would."""
    return subprocess.run(
        [sys.executable, "-m", "peerfarm", *arguments],
        env=node.environment | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
