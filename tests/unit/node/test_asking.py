"""Which jobs a worker asks for: what it cannot have for now is passed over, and taken up when that changes."""

from __future__ import annotations

import cProfile
import pstats
from typing import Any

import msgpack
import pytest
from node_rig import Solo

from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION, JobSpec, Step
from peerfarm.model.render import Capability, Discovered
from peerfarm.model.speccodec import encode_spec
from peerfarm.node import inputs
from peerfarm.protocol.messages import (
    PROTOCOL_VERSION,
    About,
    Actions,
    Beat,
    Goodbye,
    Greeting,
    LeaseAsk,
    LeaseRefused,
    VectorAsk,
    VectorTell,
)
from peerfarm.state.actions import JobChanged, JobSubmitted, MemberAdded, encode_action
from peerfarm.state.logbook import encode_vector

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)
BOOT = BootId("peerboot")
PEERS_JOB = JobId("peersjob2222")


@pytest.fixture
def solo() -> Solo:
    solo = Solo()
    solo.found()
    return solo


def arrive(solo: Solo) -> None:
    """Another member comes, holds what we do, and can render ocean frames."""
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), BOOT))
    solo.hear(PEER, About("elm", "0", True, 1, JOB_VERSION, (), (), (("ocean", "", ()),), 1000, 4, ()))
    for ask in solo.said(PEER, VectorAsk):
        solo.hear(PEER, VectorTell(ask.token, tuple(encode_vector(solo.node.core.book.vector))))


def say(solo: Solo, *bodies: Any) -> None:
    """The other member records these actions."""
    key = (PEER, LogId("peerlog2"))
    first = solo.node.core.book.seq_of(key) + 1
    raws = [
        encode_action(FarmId("farmfarmfarmfarm"), (*key, seq), 500 + seq, 0, body)
        for seq, body in enumerate(bodies, first)
    ]
    solo.hear(PEER, Actions(tuple(raws)))


def peers_job(solo: Solo) -> None:
    """The other member submits a job."""
    spec = JobSpec("sea", "ada", (Step("r", "ocean", {}, ((1, 4, 1),)),))
    say(solo, JobSubmitted(PEERS_JOB, msgpack.packb(encode_spec(spec))))


def heartbeat(solo: Solo) -> None:
    solo.hear(PEER, Beat(BOOT, b"", "", 1, 0, ()))


def test_a_job_that_nobody_could_take_starts_when_what_it_needs_is_found(solo: Solo) -> None:
    solo.submit(requires={"tags": ["gpu"]})
    solo.wait(2)
    assert solo.starts == []
    solo.turn(Discovered((Capability("ocean", "", "/python", ("gpu",)),)))
    assert len(solo.starts) == 1


def test_a_job_of_another_pool_starts_when_it_is_moved(solo: Solo) -> None:
    job = JobId(solo.submit(pool="night"))
    solo.wait(2)
    assert solo.starts == []
    solo.node.core.record(JobChanged(job, "pool", ""))
    solo.turn()
    assert len(solo.starts) == 1


def test_a_dispatcher_that_was_silent_for_a_while_is_asked_again_when_it_is_heard(solo: Solo) -> None:
    arrive(solo)
    peers_job(solo)
    assert len(solo.said(PEER, LeaseAsk)) == 1
    solo.wait(6.5)
    assert len(solo.said(PEER, LeaseAsk)) == 1
    heartbeat(solo)
    solo.turn(inputs.Tick())
    assert len(solo.said(PEER, LeaseAsk)) == 2


def test_a_dead_dispatchers_job_is_asked_of_its_successor(solo: Solo) -> None:
    arrive(solo)
    peers_job(solo)
    solo.wait(12)
    assert [task.job for task in solo.starts] == [PEERS_JOB]


def test_a_refused_worker_asks_again_after_a_while_or_when_something_happens_to_the_job(solo: Solo) -> None:
    arrive(solo)
    peers_job(solo)
    for count in (1, 2):
        (*_, ask) = solo.said(PEER, LeaseAsk)
        solo.hear(PEER, LeaseRefused(BOOT, ask.request, "failed-here", 2000))
        heartbeat(solo)
        solo.wait(1.5)
        assert len(solo.said(PEER, LeaseAsk)) == count
        heartbeat(solo)
        solo.wait(1)
        assert len(solo.said(PEER, LeaseAsk)) == count + 1
    (*_, ask) = solo.said(PEER, LeaseAsk)
    solo.hear(PEER, LeaseRefused(BOOT, ask.request, "failed-here", 60_000))
    assert len(solo.said(PEER, LeaseAsk)) == 3
    say(solo, JobChanged(PEERS_JOB, "priority", 60))
    assert len(solo.said(PEER, LeaseAsk)) == 4


def test_a_worker_that_is_left_off_a_job_takes_it_up_when_the_others_are_gone(solo: Solo) -> None:
    arrive(solo)
    solo.submit(frames="1-5", tries=9)
    for number in range(3):
        solo.fail(solo.starts[number])
    heartbeat(solo)
    solo.wait(2)
    assert len(solo.starts) == 3
    solo.hear(PEER, Goodbye(BOOT))
    solo.turn(inputs.Tick())
    assert len(solo.starts) == 4


def test_of_the_jobs_that_can_be_had_the_best_is_asked_for_whatever_was_passed_over(solo: Solo) -> None:
    jobs = [JobId(solo.submit(requires={"tags": ["gpu"]}, priority=priority)) for priority in range(10, 30)]
    solo.turn(Discovered((Capability("ocean", "", "/python", ("gpu",)),)))
    (task,) = solo.starts
    assert task.job == jobs[-1]


def test_a_turn_looks_only_at_jobs_of_which_something_changed(solo: Solo) -> None:
    jobs = [JobId(solo.submit(requires={"tags": ["gpu"]})) for _ in range(20)]
    profile = cProfile.Profile()

    def turn() -> None:
        solo.node.core.record(JobChanged(jobs[7], "priority", 70))
        solo.turn()
        for _ in range(20):
            solo.now_s += 0.25
            solo.turn(inputs.Tick())

    profile.runcall(turn)
    calls = {place[2]: figures[0] for place, figures in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined] # typeshed leaves it out
    assert calls["_obstacle"] == 1
