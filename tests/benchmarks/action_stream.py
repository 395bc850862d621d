"""Made-up but valid logs of a farm at work: jobs, and a lease and a result for every task, as their authors wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgpack

from peerfarm.mesh import new_keys
from peerfarm.model.ids import (
    JOB_ID_LENGTH,
    ActionId,
    FarmId,
    JobId,
    LogId,
    NodeId,
    id_from_bytes,
    node_id_of,
)
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.state.actions import Body, FarmCreated, JobSubmitted, MemberAdded, TaskLeased, TaskRendered, encode_action

FARM = FarmId("benchmarkbenchma")
WALL_MS = 1_790_000_000_000
DIGEST = bytes(range(32))
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def numbered(number: int, length: int) -> str:
    """A number spelt as an id."""
    letters = ""
    for _ in range(length):
        number, rest = divmod(number, 32)
        letters = _ALPHABET[rest] + letters
    return letters


def packed_job(name: str, tasks: int) -> bytes:
    """The specification of a job with one frame a task."""
    step = Step(
        name="render",
        app="ocean",
        params={"width": 320, "height": 180, "seconds_per_frame": 0, "seed": 1},
        frames=((1, tasks, 1),),
        output_dir="/projects/sea/frames",
        output_pattern="sea_####.png",
    )
    packed: bytes = msgpack.packb(encode_spec(JobSpec(name=name, user="artist", steps=(step,))))
    return packed


class Author:
    """One node's log in the making."""

    def __init__(self, number: int, public: str = "", farm: FarmId = FARM, log: str = "", seq: int = 0) -> None:
        """A new log of a made-up node, or the rest of a real one's.

        Args:
            number: Names the log when `log` does not.
            seq: The last one written already.
        """
        self.key = public or new_keys().public
        self.node: NodeId = node_id_of(self.key)
        self.log = LogId(log or numbered(number, 8))
        self.farm = farm
        self.seq = seq

    def write(self, body: Body, lamport: int) -> tuple[ActionId, bytes]:
        """The next action's identity and bytes."""
        self.seq += 1
        action_id = (self.node, self.log, self.seq)
        return action_id, encode_action(self.farm, action_id, lamport, WALL_MS + lamport, body)


def founding(authors: Sequence[Author]) -> list[bytes]:
    """The farm's creation and its members, by the first author."""
    first = authors[0]
    bodies: list[Body] = [FarmCreated("bench"), *(MemberAdded(one.node, one.key, f"node-{one.log}") for one in authors)]
    return [first.write(body, lamport)[1] for lamport, body in enumerate(bodies, 1)]


def job_id(number: int) -> JobId:
    """The id of a made-up job; spread like random ones."""
    return JobId(id_from_bytes(hashlib.sha256(str(number).encode()).digest(), JOB_ID_LENGTH))


def submissions(authors: Sequence[Author], jobs: int, tasks: int, lamport: int) -> Iterator[tuple[Author, bytes]]:
    """Every job's submission; jobs go round among the authors."""
    for job in range(jobs):
        author = authors[job % len(authors)]
        body = JobSubmitted(job_id(job), packed_job(f"shot {job}", tasks))
        yield author, author.write(body, lamport + job)[1]


def work(
    authors: Sequence[Author], jobs: int, tasks: int, lamport: int, at_once: int
) -> Iterator[tuple[Author, bytes]]:
    """A lease by the job's submitter and a result by a worker for every task, `at_once` jobs under way together."""
    count = len(authors)
    for begin in range(0, jobs, at_once):
        for task in range(tasks):
            for job in range(begin, min(begin + at_once, jobs)):
                dispatcher, worker = authors[job % count], authors[(job + task) % count]
                lamport += 1
                body = TaskLeased(job_id(job), 0, task, 0, 1, worker.node, worker.log, lamport)
                lease, raw = dispatcher.write(body, lamport)
                yield dispatcher, raw
                lamport += 1
                frames = ((f"sea_{task + 1:04}.png", 123_456, DIGEST),)
                yield worker, worker.write(TaskRendered(job_id(job), 0, task, lease, frames, 61_000), lamport)[1]
