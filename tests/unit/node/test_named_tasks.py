"""Exactly the tasks that a user names are meant, and exactly the piece of a log."""

from __future__ import annotations

import pytest
from node_rig import Solo

from peerfarm.model.ids import FarmId, JobId, node_id_of
from peerfarm.model.job import JOB_VERSION
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, About, Greeting, LeaseAsk, LogAsk, VectorAsk, VectorTell
from peerfarm.state.actions import MemberAdded
from peerfarm.state.logbook import encode_vector

KEY = "e" * 40
ELM = node_id_of(KEY)
MINTED = inputs.Minted(JobId("jjjjjjjjjjjj"), FarmId("farmfarmfarmfarm"), "t" * 32)


@pytest.fixture
def solo() -> Solo:
    """A farm of one that renders nothing by itself."""
    solo = Solo(is_rendering=False)
    solo.found()
    return solo


def with_status(solo: Solo, job: str, status: str) -> list[int]:
    return [task["task"] for task in solo.ask("job", job=job)["steps"][0]["tasks"] if task["status"] == status]


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("0,2,4", [0, 2, 4]),
        ("1-8x3", [1, 4, 7]),
        ("-4-6x4", [0, 4]),
        ("5,3,1", [1, 3, 5]),
        ("2-3,8-99", [2, 3, 8, 9]),
        ("3-9999999x4", [3, 7]),
    ],
)
def test_tasks_between_those_that_are_named_are_left_alone(solo: Solo, named: str, meant: list[int]) -> None:
    job = solo.submit(frames="1-10")
    solo.ask("cancel", job=job, tasks=named)
    assert meant == with_status(solo, job, "cancelled")
    solo.ask("retry", job=job)
    assert with_status(solo, job, "cancelled") == []


@pytest.mark.parametrize("named", ["-5--1", "10", "99-101x2"])
def test_naming_no_task_that_there_is_is_refused(solo: Solo, named: str) -> None:
    job = solo.submit(frames="1-10")
    assert "no task" in str(solo.refusal("cancel", job=job, tasks=named))


@pytest.mark.parametrize("offset", [-1, (1 << 63) - 1])
def test_an_offset_outside_every_log_is_refused_and_no_peer_is_asked_for_it(offset: int) -> None:
    solo = Solo(is_rendering=False)
    solo.found()
    solo.node.core.record(MemberAdded(ELM, KEY, "elm"))
    solo.turn(inputs.LinkUp(ELM))
    solo.hear(ELM, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), "elmboots"))
    solo.hear(ELM, About("elm", "0", True, 1, JOB_VERSION, (), (), (("ocean", "", ()),), 1000, 4, ()))
    for ask in solo.said(ELM, VectorAsk):
        solo.hear(ELM, VectorTell(ask.token, tuple(encode_vector(solo.node.core.book.vector))))
    job = solo.submit()
    solo.hear(ELM, LeaseAsk("elmboots", 1, JobId(job)))
    assert "outside every log" in str(solo.refusal("log", job=job, offset=offset))
    assert solo.said(ELM, LogAsk) == []
    solo.turn(inputs.LocalRequest(1, "l", "log", {"job": job, "offset": 5}, MINTED))
    assert [ask.offset for ask in solo.said(ELM, LogAsk)] == [5]
