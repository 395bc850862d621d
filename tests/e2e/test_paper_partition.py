"""6C, what the paper did not dare: half of the farm is cut off while it renders, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cables import Cables
from farm_rig import SIZE, RealFarm, RealNode, names_of

from peerfarm.cli.demo_nodes import NAMES
from peerfarm.cli.demo_verify import TELLING_S, Start
from peerfarm.model.ids import parse_attempt_label

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHUNK = 5


@dataclass
class Split:
    """Six workers in two halves; the first half's first node takes the job."""

    farm: RealFarm
    cables: Cables
    halves: tuple[list[RealNode], list[RealNode]]
    cut_ns: int = 0
    healed_ns: int = 0

    def cut(self) -> None:
        """Part the halves."""
        self.cables.cut(*([node.name for node in half] for half in self.halves))
        self.cut_ns = time.monotonic_ns()

    def heal(self) -> None:
        """Let them hear each other again."""
        self.healed_ns = time.monotonic_ns()
        self.cables.heal()

    def are_parted(self) -> bool:
        """Whether each holds all of the other half for dead."""
        pairs = [(one, other) for one in self.halves[0] for other in self.halves[1]]
        return all(self.farm.state_of(b, a) == self.farm.state_of(a, b) == "dead" for a, b in pairs)

    def given_by(self, half: int, job: str) -> list[Start]:
        """Starts of what a node of that half gave out: an attempt's name begins with its dispatcher's id."""
        ids = {node.call("status")["node"]["id"] for node in self.halves[half]}
        leases = [(start, parse_attempt_label(start.attempt)) for start in self.farm.starts(job)]
        return [start for start, lease in leases if lease is not None and lease[0] in ids]

    def half_of(self, node: str) -> int:
        """0 for the submitter's half, 1 for the other."""
        return 0 if node in [one.name for one in self.halves[0]] else 1

    def unexplained(self, starts: list[Start]) -> list[Start]:
        """Starts after a task's first that the design does not allow.

        Each half has a dispatcher, which holds the other half's workers for dead: so what a worker of the other half
        rendered while they were parted, or told of too late, may be started once more. Each start explains one.
        """
        earlier: dict[int, list[Start]] = {}
        found = []
        for start in starts:
            before = earlier.setdefault(start.task[2], [])
            cause = next((one for one in before if self._explains(one, start)), None)
            if cause is not None:
                before.remove(cause)
            elif before:
                found.append(start)
            before.append(start)
        return found

    def _explains(self, one: Start, later: Start) -> bool:
        if one.outcome in ("failed", "stopped") and one.ended_ns is not None and one.ended_ns < later.started_ns:
            return True
        was_told = one.ended_ns is not None and one.ended_ns < self.cut_ns - int(TELLING_S * 1e9)
        return not was_told and one.started_ns < self.healed_ns and later.started_ns > self.cut_ns


@pytest.fixture
def split(farm: RealFarm) -> Iterator[Split]:
    """A farm that runs, with a cable between each two of its nodes."""
    cables = Cables(lambda: {node.name: node.pid for node in workers if node.is_running})
    workers: list[RealNode] = []
    for name in NAMES[:6]:
        port, advertised = cables.plug(name)
        ways = {"port": port, "advertise": [f"127.0.0.1:{advertised}"]}
        workers.append(farm.add(name, command=farm.paint_allowed(), **ways))
    try:
        farm.start()
        yield Split(farm, cables, (workers[:3], workers[3:]))
    finally:
        cables.heal()
        farm.close()
        cables.close()


def canonical_frames(split: Split, job: str) -> list[tuple[str, ...]]:
    """Names of the frames of each task whose published bytes are the canonical attempt's, which all nodes agree on."""
    farm, found = split.farm, []
    rendered = [row for row in farm.attempts(job, split.halves[1][0]) if row["outcome"] == "rendered"]
    for task in sorted({row["task"] for row in rendered}):
        rows = [row for row in rendered if row["task"] == task]
        least = min(rows, key=lambda row: (row["number"], parse_attempt_label(row["attempt"])))
        paths = sorted((farm.output / ".peerfarm" / job / least["attempt"]).iterdir())
        if all((farm.output / path.name).read_bytes() == path.read_bytes() for path in paths):
            found.append(tuple(path.name for path in paths))
    return found


def check_end(split: Split, job: str) -> None:
    """All of it is whole, and as every node believes."""
    farm = split.farm
    farm.await_sight()
    for half in split.halves:
        farm.wait_published(job, half[0])
    chunks = [tuple(names_of(first, first + CHUNK - 1)) for first in range(1, 61, CHUNK)]
    farm.wait_for("the canonical frames in all places", lambda: canonical_frames(split, job) == chunks)
    farm.agreed_hash()
    assert canonical_frames(split, job) == chunks
    assert dict.fromkeys(names_of(1, 60), SIZE) == farm.valid_frames()
    assert chunks == farm.published_attempts(job)
    assert split.unexplained(farm.starts(job)) == []


def test_6c_halves_that_both_finish_the_job_alone_agree_on_every_frame_once_they_meet_again(split: Split) -> None:
    farm, (ours, theirs) = split.farm, split.halves
    job = farm.submit_painting(ours[0], "1-60", CHUNK, 0.2)
    farm.wait_frames(job, theirs[0], CHUNK)
    split.cut()
    for half in split.halves:
        farm.wait_published(job, half[0])
    assert split.are_parted()
    assert farm.job(job, ours[1])["dispatcher"] == ours[0].name
    assert farm.job(job, theirs[1])["dispatcher"] in [node.name for node in theirs]
    assert split.given_by(1, job)
    before = len(farm.starts(job))
    split.heal()
    check_end(split, job)
    starts = farm.starts(job)
    assert len(starts) == before
    # With nobody lost inside of a half, no half starts a task twice.
    assert len({(start.task, split.half_of(start.node)) for start in starts}) == len(starts)


def test_6c_halves_that_meet_again_in_the_middle_of_the_job_finish_it_together(split: Split) -> None:
    farm, (ours, theirs) = split.farm, split.halves
    job = farm.submit_painting(ours[0], "1-60", CHUNK, 1.2)
    farm.wait_frames(job, theirs[0], CHUNK)
    split.cut()
    farm.wait_for("the parting", split.are_parted)
    farm.wait_for("work that the cut-off half gives itself", lambda: bool(split.given_by(1, job)))
    assert "done" not in [farm.job(job, half[0])["status"] for half in split.halves]
    split.heal()
    check_end(split, job)
