"""Farms whose nodes share no folder: the artist's machine, and others that cannot even look into her folders."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import walls
from farm_rig import RealFarm, RealNode, peerfarm

from peerfarm.apps.images import check_image

SUMS = Path(__file__).with_name("sums.py")


class ApartFarm(RealFarm):
    """Nodes that are allowed no folder at all: what they read and write lies below their own homes.

    The first node is the artist's. No other one reaches her folder, nor any node another's home, where the system lets
    the tests build walls.
    """

    def __init__(self, directory: Path, *, knows_blender: bool = False) -> None:
        super().__init__(directory, knows_blender=knows_blender)
        self.roots = []
        self.laptop = directory / "laptop"
        """The artist's folder."""
        self.laptop.mkdir()

    def add(self, name: str, **settings: Any) -> RealNode:
        """One more node, without roots; before the farm starts."""
        return super().add(name, **{"roots": [], **settings})

    def sums_allowed(self) -> dict[str, Any]:
        """The setting `command` of a node that may run `sums.py`."""
        program = self.scenes / "sums"
        if not program.exists():
            program.write_text(f"#!{sys.executable}\n{SUMS.read_text('utf-8')}", "utf-8")
            program.chmod(0o755)
        return {"allow": {"sums": str(program)}}

    def start(self, *arguments: Any) -> None:
        """As `RealFarm.start`, each node behind its walls."""
        for node in self.nodes if walls.are_possible() else ():
            homes = [other.directory for other in self.nodes if other is not node]
            assert isinstance(node, RealNode)
            node.prefix = walls.behind([*homes, *([] if node is self.nodes[0] else [self.laptop, self.output])])
        super().start(*arguments)


def sums_job(folder: Path, *, output: Path | None = None, workers: Sequence[str] = ()) -> dict[str, Any]:
    """A job for `sums.py`, of one task: the folder travels, and with `output` what it holds comes there as a frame."""
    args, more = [str(folder)], {}
    if output is not None:
        args += ["{output}", "{frames}"]
        more = {"frames": "1", "output": {"dir": str(output), "pattern": "f_####.bin"}}
    params = {"command": "sums", "args": args, "outputs": output is not None}
    step = {"name": "sums", "app": "command", "params": params, **more}
    return {"name": "sums", "files": "peers", "workers": [*workers], "steps": [step]}


def sums_of(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def printed_sums(farm: RealFarm, node: RealNode, job: str) -> dict[str, str]:
    """The same as a worker's `sums.py` saw it, once the job is over."""
    farm.wait_for(f"the end of job {job}", lambda: farm.job(job, node)["status"] in {"done", "failed"})
    lines = [line.partition(" ") for line in peerfarm(node, "log", job, "0").stdout.splitlines()]
    return {name: digest for digest, _, name in lines if len(digest) == 64}


def delivered(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> size of every complete image there; anything else in the folder raises."""
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            info = check_image(stream, path.stat().st_size, path.name)
        found[path.name] = (info.width, info.height)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every file there."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def submit(node: RealNode, *arguments: str) -> str:
    """`peerfarm submit` by the node's user; the job's id."""
    return str(submitted(node, *arguments)["job"])


def submitted(node: RealNode, *arguments: str) -> dict[str, Any]:
    """All that `peerfarm submit` tells of a job that is submitted."""
    done = peerfarm(node, "submit", *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
