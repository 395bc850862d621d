"""A node that runs for months: what belongs to jobs and members that are no more is dropped."""

from __future__ import annotations

from typing import Any

import pytest
from node_rig import Solo, mentions

from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION
from peerfarm.model.render import PublishResult
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, About, Actions, Beat, Greeting, LeaseAsk, VectorAsk, VectorTell
from peerfarm.state.actions import JobChanged, JobDeleted, MemberAdded, TaskLeased, decode_action, encode_action
from peerfarm.state.farm import get_job
from peerfarm.state.logbook import encode_vector
from peerfarm.state.selectors import register

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)
BOOT = BootId("peerboot")
LOG = (PEER, LogId("peerlog2"))


@pytest.fixture
def solo() -> Solo:
    """A farm of two, both there."""
    solo = Solo()
    solo.found()
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), BOOT))
    solo.hear(PEER, About("elm", "0", True, 1, JOB_VERSION, (), (), (("ocean", "", ()),), 1000, 4, ("elm:7700",)))
    for ask in solo.said(PEER, VectorAsk):
        solo.hear(PEER, VectorTell(ask.token, tuple(encode_vector(solo.node.core.book.vector))))
    return solo


def say(solo: Solo, *bodies: Any, lamport: int = 500) -> None:
    """The other member records these actions."""
    first = solo.node.core.book.seq_of(LOG) + 1
    raws = [
        encode_action(FarmId("farmfarmfarmfarm"), (*LOG, seq), lamport + seq - first, 0, body)
        for seq, body in enumerate(bodies, first)
    ]
    solo.hear(PEER, Actions(tuple(raws)))


def test_an_archived_job_leaves_nothing_behind_but_its_summary(solo: Solo) -> None:
    solo.ask("subscribe")
    job = solo.submit(frames="1-3")
    for number in range(3):
        solo.render(solo.starts[number])
    (order, *_) = [order for effects in solo.effects for order in effects.publishes]
    solo.turn(inputs.Published(PublishResult(order.attempt, order.job, 0, order.task, "no space")))
    assert mentions(solo.node, job)
    for _ in range(8):
        orders = [order for effects in solo.effects[-5:] for order in effects.publishes]
        solo.turn(*(inputs.Published(PublishResult(o.attempt, o.job, o.step, o.task)) for o in orders))
        solo.wait(1)
        solo.hear(PEER, Beat(BOOT, b"", "", 1, 0, ()))
    assert solo.ask("jobs")["jobs"][0]["is_published"]
    solo.ask("archive", job=job)
    solo.wait(2)
    assert mentions(solo.node, job) == []


def test_a_job_that_a_peer_deletes_leaves_nothing_behind_though_it_was_running(solo: Solo) -> None:
    solo.ask("subscribe")
    job = JobId(solo.submit(frames="1-4"))
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    (order,) = solo.render(solo.starts[0]).publishes
    solo.turn(inputs.Published(PublishResult(order.attempt, order.job, 0, order.task, "no space")))
    solo.wait(1)
    say(solo, JobDeleted(job))
    (stopped,) = solo.effects[-1].stops
    assert stopped == solo.starts[1].attempt
    solo.render(solo.starts[1])
    solo.wait(2)
    assert mentions(solo.node, job) == []


def test_the_addresses_of_a_removed_member_are_forgotten(solo: Solo) -> None:
    assert solo.node.presence.addresses == {PEER: ("elm:7700",)}
    solo.ask("remove", node="elm")
    assert solo.node.presence.addresses == {}
    assert mentions(solo.node.presence, PEER) == []


def test_a_task_with_hundreds_of_leases_that_nobody_asked_for_is_rendered_all_the_same(solo: Solo) -> None:
    job = JobId(solo.submit(frames="1-2"))
    solo.render(solo.starts[0])
    stranger = NodeId("s" * 16)
    leases = [TaskLeased(job, 0, 0, 0, 1, stranger, "noboot", number) for number in range(400)]
    say(solo, *leases, *(lease._replace(task=1) for lease in leases))
    solo.wait(3)
    solo.render(solo.starts[1])
    solo.wait(2)
    assert solo.ask("jobs")["jobs"][0]["status"] == "done"
    assert solo.node.dispatch.open == {}


def test_a_peer_that_writes_at_the_end_of_all_time_does_not_use_up_everybodys(solo: Solo) -> None:
    last = (1 << 53) - 1
    spoilt, job = JobId(solo.submit()), JobId(solo.submit())
    say(solo, JobChanged(spoilt, "priority", 3), lamport=last)
    solo.ask("priority", job=job, priority=70)
    (*_, ours) = [decode_action(row[3]) for effects in solo.effects for row in effects.rows]
    say(solo, JobChanged(job, "priority", 20), lamport=ours.lamport + 1)
    solo.ask("priority", job=job, priority=90)
    state = get_job(solo.node.core.farm, job)
    assert state is not None
    assert (register(state, "priority"), ours.lamport < last / 1000) == (90, True)
    restarted = Solo(log=[row[3] for effects in solo.effects for row in effects.rows])
    assert restarted.node.core.lamport < last / 1000
