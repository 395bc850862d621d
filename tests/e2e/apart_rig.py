"""Farms whose nodes share no folder: the artist's machine, and others that cannot even look into her folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import walls
from farm_rig import RealFarm, RealNode, peerfarm

from peerfarm.apps.images import check_image


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

    def start(self, *arguments: Any) -> None:
        """As `RealFarm.start`, each node behind its walls."""
        for node in self.nodes if walls.are_possible() else ():
            homes = [other.directory for other in self.nodes if other is not node]
            assert isinstance(node, RealNode)
            node.prefix = walls.behind([*homes, *([] if node is self.nodes[0] else [self.laptop, self.output])])
        super().start(*arguments)


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
