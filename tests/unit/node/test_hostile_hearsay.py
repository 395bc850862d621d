"""What members tell of this node, of each other and of themselves ends nothing and spoils nothing."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from node_rig import Solo

from peerfarm.errors import RequestRefused
from peerfarm.model.ids import FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.node import inputs
from peerfarm.node.effects import AnswerJoin
from peerfarm.protocol.messages import (
    PROTOCOL_VERSION,
    Actions,
    Beat,
    Greeting,
    JoinAsk,
    JoinTell,
    Message,
    VectorAsk,
    VectorTell,
    Whereabouts,
    decode_message,
    encode_message,
)
from peerfarm.state.actions import (
    Body,
    JobArchived,
    JobDeleted,
    MemberAdded,
    TaskLeased,
    decode_action,
    encode_action,
)
from peerfarm.state.logbook import LogKey, Position

KEY = "e" * 40
ELM = node_id_of(KEY)
JOB = JobId("jjjjjjjjjjjj")
MINTED = inputs.Minted(JOB, FarmId("farmfarmfarmfarm"), "t" * 32)


@pytest.fixture
def solo() -> Solo:
    """A farm of two; the other member has greeted."""
    solo = Solo()
    solo.found()
    solo.node.core.record(MemberAdded(ELM, KEY, "elm"))
    solo.turn()
    arrive(solo, ELM)
    return solo


def arrive(solo: Solo, peer: NodeId) -> None:
    """A member greets."""
    solo.turn(inputs.LinkUp(peer))
    solo.hear(peer, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), "elmboots"))


def forge(solo: Solo, key: LogKey, seq: int, body: Body) -> None:
    """The other member sends an action that stands in that log."""
    farm = solo.node.core.farm_id
    assert farm is not None
    solo.hear(ELM, Actions((encode_action(farm, (*key, seq), 9, 0, body),)))


def own_rows(solo: Solo) -> dict[str, list[int]]:
    """Per log of this node, the seqs that it stored, in their order."""
    logs: dict[str, list[int]] = {}
    for effects in solo.effects:
        for node, log, seq, _ in effects.rows:
            if node == solo.id:
                logs.setdefault(log, []).append(seq)
    return logs


def own_log(solo: Solo) -> LogKey:
    assert solo.node.core.own_log is not None
    return solo.id, solo.node.core.own_log


@pytest.mark.parametrize("skipped", [0, 1, 1000])
def test_a_node_whose_log_somebody_else_writes_goes_on_in_another_without_gaps(solo: Solo, skipped: int) -> None:
    before = own_log(solo)
    seq = solo.node.core.book.seq_of(before) + 1 + skipped
    forge(solo, before, seq, JobDeleted(JOB))
    solo.submit()
    solo.submit()
    logs = own_rows(solo)
    assert len(logs) == 2
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in logs.values())
    assert own_log(solo)[1] in logs
    assert solo.effects[-1].facts.get("own_log", b"") in {b"", own_log(solo)[1].encode()}
    assert any("somebody else writes this node's log" in text for text in solo.ask("status")["alarms"])


def test_an_old_action_of_this_nodes_own_raises_no_alarm(solo: Solo) -> None:
    raws = [row[3] for effects in solo.effects for row in effects.rows]
    before = own_log(solo)
    solo.hear(ELM, Actions(tuple(raws)))
    solo.submit()
    assert before == own_log(solo)
    assert solo.ask("status")["alarms"] == []


def test_a_log_of_this_start_that_is_said_to_have_two_contents_is_gone_on_with(solo: Solo) -> None:
    for _ in range(3):
        solo.submit()
        key = own_log(solo)
        arrive(solo, ELM)
        solo.wait(1)
        ask = solo.said(ELM, VectorAsk)[-1]
        solo.hear(ELM, VectorTell(ask.token, ((*key, solo.node.core.book.seq_of(key), b"another!"),)))
    solo.submit()
    identities = [row[:3] for effects in solo.effects for row in effects.rows]
    assert len(identities) == len(set(identities))
    assert len(own_rows(solo)) == 1
    assert any("another content" in text for text in solo.ask("status")["alarms"])


def test_a_log_that_came_to_its_end_is_not_gone_on_with(solo: Solo) -> None:
    key = own_log(solo)
    solo.node.core.book.jump(key, Position((1 << 53) - 1, b"somewher"))
    job = solo.submit()
    rows = [row for effects in solo.effects for row in effects.rows]
    assert all(decode_action(row[3]).seq < 1 << 53 for row in rows)
    assert job in [row["id"] for row in solo.ask("jobs")["jobs"]]


def test_addresses_that_no_line_can_hold_are_not_kept(solo: Solo) -> None:
    told = ("", "a b:1", "c\n:2", "d\u2028:3", "10.0.0.9:4")
    yew = node_id_of("y" * 40)
    solo.node.core.record(MemberAdded(yew, "y" * 40, "yew"))
    solo.hear(ELM, Whereabouts(((yew, told),)))
    assert f"{yew} 10.0.0.9:4" == solo.effects[-1].facts["addresses"].decode()


def crowd(solo: Solo) -> None:
    """Two hundred members, each with as many and as long addresses as may be heard of it."""
    keys = [f"{number:0>40}" for number in range(200)]
    for key in keys:
        solo.node.core.record(MemberAdded(node_id_of(key), key, "m" * 100))
    addresses = tuple(str(number) + "\U0001d11e" * 199 for number in range(8))
    for start in range(0, len(keys), 50):
        solo.hear(ELM, Whereabouts(tuple((node_id_of(key), addresses) for key in keys[start : start + 50])))


def test_the_addresses_of_a_large_farm_are_told_in_messages_that_everybody_takes(solo: Solo) -> None:
    crowd(solo)
    solo.effects.clear()
    solo.turn(inputs.LinkDown(ELM))
    arrive(solo, ELM)
    told = [place for message in solo.said(ELM, Whereabouts) for place in message.places]
    assert len(dict(told)) == 200


def test_a_newcomer_to_a_large_farm_is_told_of_all_members(solo: Solo) -> None:
    crowd(solo)
    solo.turn(inputs.LocalRequest(1, "i", "invite", {}, MINTED))
    ask = JoinAsk(PROTOCOL_VERSION, MINTED.token, "n" * 40, "new", ())
    (answer,) = solo.turn(inputs.JoinAsked(7, encode_message(ask), MINTED)).joins
    assert isinstance(answer, AnswerJoin)
    welcome = decode_message(answer.data)
    assert isinstance(welcome, JoinTell)
    assert welcome.error == ""
    assert len(welcome.members) == 203
    assert welcome.members[0][0] == solo.id


def answer_to_join(solo: Solo, welcome: Message) -> Any:
    """Ask to join, let that be the farm's answer, and give what the user is told."""
    solo.turn(inputs.LocalRequest(1, "j", "join", {"join": "a join string"}, MINTED))
    (answer,) = solo.turn(inputs.JoinAnswered(encode_message(welcome))).answers
    return answer


@pytest.mark.parametrize("farm", ["", "short", "farm\nfarmfarmfar"])
def test_a_welcome_that_names_no_farm_is_no_welcome(farm: str) -> None:
    solo = Solo()
    answer = answer_to_join(solo, JoinTell("", farm, "studio", ()))
    assert "names no farm" in str(answer.error)
    solo.found()


def test_an_answer_to_joining_that_is_none_is_told_so() -> None:
    assert "nobody can read the answer" in str(answer_to_join(Solo(), Greeting(1, "", "")).error)


def test_no_farm_is_founded_while_another_is_being_joined() -> None:
    solo = Solo()
    solo.turn(inputs.LocalRequest(1, "j", "join", {"join": "a join string"}, MINTED))
    assert "under way" in str(solo.refusal("init", name="studio"))
    assert solo.ask("status")["joining"] == {"farm": "", "members": []}
    solo.turn(inputs.JoinAnswered(None, "nobody is there"))
    assert solo.ask("status")["joining"] is None
    solo.found()


def test_status_says_whom_a_node_joins_that_was_let_in_and_has_not_heard_of_the_farm_yet() -> None:
    solo = Solo()
    members = ((node_id_of("o" * 40), "o" * 40, "oak", ("10.0.0.1:7101",)),)
    answer_to_join(solo, JoinTell("", "farmfarmfarmfarm", "studio", members))
    told = solo.ask("status")
    assert told["farm"] is None
    assert told["joining"] == {"farm": "farmfarmfarmfarm", "members": ["oak"]}


def test_a_node_whose_other_members_are_all_removed_is_shut_out_by_nobody(solo: Solo) -> None:
    solo.turn(inputs.LinkDown(ELM))
    solo.turn(inputs.NotAdmitted())
    with pytest.raises(RequestRefused):
        solo.submit()
    solo.ask("remove", node="elm")
    solo.turn(inputs.NotAdmitted())
    assert len(solo.submit()) == 12


@pytest.mark.parametrize(
    "counts",
    [{"tasks": {"done": b"\xff"}}, {"tasks": {b"done": 1}}, {"frames": {"total": float("nan"), "done": 0}}],
)
def test_a_foreign_summary_with_counts_that_are_none_is_shown_as_unknown(solo: Solo, counts: dict[str, Any]) -> None:
    job = JobId(solo.submit())
    row = solo.ask("jobs")["jobs"][0]
    names = ("name", "user", "status", "tasks", "frames", "output", "submitted_ms")
    kept = {name: row[name] for name in names}
    elms = (ELM, LogId("elmlog22"))
    forge(solo, elms, 1, JobArchived(job, msgpack.packb(kept)))
    assert kept.items() <= solo.ask("jobs", all=True)["jobs"][0].items()
    other = JobId("kkkkkkkkkkkk")
    forge(solo, elms, 2, JobArchived(other, msgpack.packb({**kept, **counts})))
    assert {"id": other, "name": "?", "status": "archived", "submitted_ms": 0} in solo.ask("jobs", all=True)["jobs"]


def test_a_member_that_renders_what_no_job_has_is_shown_all_the_same(solo: Solo) -> None:
    job = JobId(solo.submit())
    for number, (step, task) in enumerate([(7, 0), (0, 9999)], start=1):
        forge(solo, (ELM, LogId("elmlog22")), number, TaskLeased(job, step, task, 0, 1, ELM, "elmboots", number))
    leases = [((ELM, LogId("elmlog22"), number), 500, 1) for number in (1, 2)]
    solo.hear(ELM, Beat("elmboots", b"", "", 1, 0, tuple(leases)))
    elm = solo.ask("nodes")["nodes"][1]
    assert [(row["step"], row["task"], row["frames"]) for row in elm["tasks"]] == [(7, 0, ""), (0, 9999, "")]
    assert elm["busy"] == 2
