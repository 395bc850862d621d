"""What a node makes of its peers: greetings, leases asked for, silence, nonsense."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from node_rig import Solo

from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JOB_VERSION
from peerfarm.model.render import AttemptStopped
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
    LogTell,
    Pull,
    VectorAsk,
    VectorTell,
    decode_message,
)
from peerfarm.state.actions import (
    JobChanged,
    MemberAdded,
    MemberRemoved,
    TaskLeased,
    TasksPublished,
    decode_action,
    encode_action,
)
from peerfarm.state.entities import state_hash
from peerfarm.state.farm import EMPTY_FARM, get_job, put_unknown, unknown_actions
from peerfarm.state.logbook import encode_vector
from peerfarm.state.reduce import apply_known
from peerfarm.state.selectors import register
from peerfarm.state.snapshot import encode_snapshot, join_part

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)
BOOT = BootId("peerboot")


def about(name: str = "elm") -> About:
    return About(name, "0", True, 1, JOB_VERSION, (), (), (("ocean", "", ()),), 1000, 4, ())


@pytest.fixture
def solo() -> Solo:
    """A farm of two; the other member has not been heard of yet."""
    solo = Solo()
    solo.found()
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    solo.turn()
    return solo


def arrive(solo: Solo, boot: str = BOOT) -> None:
    """The other member greets."""
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), boot))
    solo.hear(PEER, about())


def compare(solo: Solo) -> None:
    """The other member holds just what we do."""
    for ask in solo.said(PEER, VectorAsk):
        solo.hear(PEER, VectorTell(ask.token, tuple(encode_vector(solo.node.core.book.vector))))


def beat(solo: Solo, seconds: float, *running: Any) -> None:
    """Time passes, and the other member is heard every second."""
    for _ in range(int(seconds)):
        solo.wait(1)
        solo.hear(PEER, Beat(BOOT, b"", "", 1, 0, running))


def state_of_peer(solo: Solo) -> str:
    return str(solo.ask("nodes")["nodes"][1]["state"])


def leases_to_peer(solo: Solo) -> list[TaskLeased]:
    leased = [decode_action(row[3]).body for effects in solo.effects for row in effects.rows]
    return [body for body in leased if isinstance(body, TaskLeased) and body.worker == PEER]


def test_nothing_is_granted_before_every_member_was_compared_with_or_is_known_to_be_dead(solo: Solo) -> None:
    log = [row[3] for effects in solo.effects for row in effects.rows]
    restarted = Solo(log=log)
    restarted.submit()
    restarted.wait(5)
    assert restarted.starts == []
    restarted.wait(4)
    assert len(restarted.starts) == 1


def test_comparing_with_a_member_that_answers_lets_grants_begin(solo: Solo) -> None:
    arrive(solo)
    solo.submit()
    assert solo.starts == []
    compare(solo)
    solo.wait(0.5)
    assert len(solo.starts) == 1


def test_a_peers_ask_is_answered_by_the_lease_itself(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-4")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    (lease,) = leases_to_peer(solo)
    assert (lease.boot, lease.request) == (BOOT, 7)


def test_an_ask_for_what_is_not_ready_is_refused_with_a_time(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    (refused,) = solo.said(PEER, LeaseRefused)
    assert (refused.request, refused.reason) == (7, "none-ready")
    assert refused.again_ms > 0


def test_an_ask_of_an_earlier_start_of_the_peer_is_ignored(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-4")
    solo.hear(PEER, LeaseAsk("oldboot", 7, job))
    assert leases_to_peer(solo) == []


def test_a_silent_worker_is_suspected_then_dead_and_its_task_goes_to_another(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    solo.wait(4)
    assert state_of_peer(solo) == "suspect"
    assert len(solo.starts) == 1
    solo.wait(6)
    assert state_of_peer(solo) == "dead"
    assert [task.frames for task in solo.starts] == [(1,), (2,)]


def test_a_closed_connection_that_does_not_come_back_is_a_death_sooner(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    solo.turn(inputs.LinkDown(PEER))
    solo.wait(2)
    assert len(solo.starts) == 1
    solo.wait(2)
    assert len(solo.starts) == 2


def test_a_pause_of_this_node_is_not_its_peers_death(solo: Solo) -> None:
    arrive(solo)
    solo.now_s += 60
    solo.turn(inputs.Tick())
    assert state_of_peer(solo) in {"live", "suspect"}


def test_a_goodbye_is_no_death_but_frees_the_lease(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    solo.hear(PEER, Goodbye(BOOT))
    assert state_of_peer(solo) == "left"
    solo.wait(2)
    assert len(solo.starts) == 2


def test_a_node_that_ends_gives_its_task_back_before_it_says_goodbye(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    solo.submit(frames="1-2")
    solo.turn(inputs.StopAsked())
    last = solo.turn(inputs.RunnerSaid(AttemptStopped(solo.starts[0].attempt)))
    assert last.is_over
    assert last.must_sync
    assert all(not isinstance(decode_message(raw), Goodbye) for _, raw in last.beats)
    told = [type(decode_message(raw)) for node, raw in last.sends if node == PEER]
    assert told[-2:] == [Actions, Goodbye]


def test_a_worker_that_came_back_with_a_new_boot_lost_its_lease(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    arrive(solo, boot="newboot2")
    compare(solo)
    solo.wait(2)
    assert len(solo.starts) == 2


def test_a_lease_that_the_live_worker_never_lists_is_taken_back(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    beat(solo, 18)
    assert len(solo.starts) == 2


def test_a_removed_members_lease_is_taken_back_at_once_and_its_link_closed(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-2")
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    solo.render(solo.starts[0])
    solo.ask("remove", node="elm")
    solo.wait(1)
    assert len(solo.starts) == 2

    assert {} in [effects.members for effects in solo.effects]


def test_a_removed_key_never_returns(solo: Solo) -> None:
    solo.node.core.record(MemberRemoved(PEER))
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    assert len(solo.ask("nodes")["nodes"]) == 1


def test_a_peer_of_another_protocol_version_is_told_apart_in_words(solo: Solo) -> None:
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION + 1, str(solo.node.core.farm_id), BOOT))
    assert "same release" in solo.ask("status")["alarms"][0]
    solo.hear(PEER, LeaseAsk(BOOT, 1, "jobaaaaaaaaa"))
    assert solo.said(PEER, LeaseRefused) == []


def test_a_peer_of_another_farm_is_refused(solo: Solo) -> None:
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION, "otherfarmotherfa", BOOT))
    assert "another farm" in solo.ask("status")["alarms"][0]


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x81\x01\x02", b"\xff" * 100, b"\x91" * 3000])
def test_nonsense_from_a_member_costs_its_link_and_changes_nothing(solo: Solo, junk: bytes) -> None:
    arrive(solo)
    before = solo.node.core.farm
    effects = solo.turn(inputs.Received(PEER, junk))
    assert PEER in effects.hang_ups
    assert solo.node.core.farm is before
    assert solo.ask("status")["counters"]["refused_messages"] == 1


def test_bytes_of_a_stranger_are_ignored(solo: Solo) -> None:
    before = solo.node.core.farm
    effects = solo.turn(inputs.Received(NodeId("s" * 16), b"\x93\x01\x02\x03"))
    assert solo.node.core.farm is before
    assert effects.sends == []


def test_while_the_disk_refuses_no_work_is_taken_and_reads_go_on(solo: Solo) -> None:
    solo.wait(9)
    solo.turn(inputs.DiskRefused("disk full"))
    refused = solo.refusal(
        "submit", job={"name": "x", "app": "ocean", "frames": "1", "chunk": 1, "output": "/out/f_#.png"}
    )
    assert "disk full" in str(refused)
    assert solo.ask("status")["disk"] == "disk full"
    assert solo.ask("jobs") == {"jobs": []}


def test_a_render_that_ends_while_the_disk_refuses_is_recorded_when_there_is_room(solo: Solo) -> None:
    solo.wait(9)
    job = solo.submit(frames="1")
    solo.turn(inputs.DiskRefused("disk full"))
    assert solo.render(solo.starts[0]).rows == []
    assert solo.turn(inputs.DiskRecovered()).rows != []
    assert solo.ask("job", job=job)["tasks"]["done"] == 1


def test_two_programs_with_one_key_raise_an_alarm(solo: Solo) -> None:
    for boot in (BOOT, "otherbot", BOOT):
        arrive(solo, boot=boot)
    assert "run at once" in solo.ask("status")["alarms"][0]


def test_a_restarted_peer_raises_none(solo: Solo) -> None:
    for boot in (BOOT, "otherbot", "thirdbot"):
        arrive(solo, boot=boot)
    assert solo.ask("status")["alarms"] == []


def test_a_full_disk_still_tells_others_what_it_holds_so_that_they_go_on_granting(solo: Solo) -> None:
    arrive(solo)
    held = solo.node.core.book.seq_of((solo.id, LogId("loglog22")))
    solo.turn(inputs.DiskRefused("disk full", {(solo.id, LogId("loglog22")): held}))
    effects = solo.hear(PEER, VectorAsk(99))
    told = [m for _, raw in effects.beats if isinstance(m := decode_message(raw), VectorTell)]
    assert [(entry[2], message.token) for message in told for entry in message.vector] == [(held - 1, 99)]


def test_a_full_disk_goes_on_serving_what_it_holds(solo: Solo) -> None:
    arrive(solo)
    solo.turn(inputs.DiskRefused("disk full", {(solo.id, LogId("loglog22")): 3}))
    effects = solo.hear(PEER, Pull(((solo.id, LogId("loglog22"), 1, 10),)))
    assert [(read.first, read.last) for read in effects.reads] == [(1, 2)]
    assert not effects.must_sync


def test_an_answer_that_nobody_asked_that_peer_for_is_ignored(solo: Solo) -> None:
    arrive(solo)
    minted = inputs.Minted(JobId("j" * 12), FarmId("f" * 16), "t" * 32)
    solo.turn(inputs.LocalRequest(9, 1, "inspect", {"app": "blender", "path": "/s.blend"}, minted))
    for token in range(5):
        assert solo.hear(PEER, LogTell(token, True, "lies", 0, 4, True)).answers == []


def test_marks_beyond_a_jobs_tasks_are_never_looked_at(solo: Solo) -> None:
    job = JobId(solo.submit())
    log = (PEER, LogId("peerlog2"))
    arrive(solo)
    for seq, last in ((1, 1 << 12), (2, 1 << 13)):
        body = TasksPublished(job, 0, ((0, last),), 0)
        solo.hear(PEER, Actions((encode_action(FarmId("farmfarmfarmfarm"), (*log, seq), 50 + seq, 0, body),)))
    assert solo.node.core.book.seq_of(log) == 2
    assert solo.node.publishing._doubtful.bits(job, 0) == 0b11


def test_a_type_of_a_later_release_survives_a_snapshot(solo: Solo) -> None:
    parts = ("farmfarmfarmfarm", PEER, "peerlog2", 1, 50, 0, "job/starred", ("jobaaaaaaaaa",))
    raw = msgpack.packb((1, *parts))
    arrive(solo)
    solo.hear(PEER, Actions((raw,)))
    farm = EMPTY_FARM
    for part in encode_snapshot(solo.node.core.farm):
        farm = join_part(farm, part)
    assert farm == solo.node.core.farm
    assert [kept for _, kept in unknown_actions(farm)] == [raw]
    assert state_hash(farm) == solo.node.core.hash.of(solo.node.core.farm)


def test_what_an_upgrade_makes_known_is_applied_from_the_snapshot(solo: Solo) -> None:
    job = JobId(solo.submit())
    body = JobChanged(job, "priority", 99)
    raw = encode_action(FarmId("farmfarmfarmfarm"), (PEER, LogId("peerlog2"), 1), 500, 0, body)
    before = put_unknown(solo.node.core.farm, (PEER, LogId("peerlog2"), 1), raw)
    after = apply_known(before)
    state = get_job(after, job)
    assert state is not None
    assert (register(state, "priority"), after.unknown) == (99, {})


def test_a_lease_that_waited_for_the_disk_goes_back_when_there_is_room(solo: Solo) -> None:
    solo.wait(9)
    job = solo.submit(frames="1")
    solo.turn(inputs.DiskRefused("disk full"))
    solo.turn(inputs.DiskRecovered((solo.starts[0].attempt,)))
    assert len(solo.starts) == 2
    outcomes = [row["outcome"] for row in solo.ask("job", job=job)["steps"][0]["tasks"][0]["attempts"]]
    assert outcomes == ["returned", "running"]


def test_a_removed_node_is_told_so_before_its_link_closes(solo: Solo) -> None:
    arrive(solo)
    solo.ask("remove", node="elm")
    bodies = [decode_action(raw).body for message in solo.said(PEER, Actions) for raw in message.raws]
    assert MemberRemoved(PEER) in bodies


def test_a_node_that_learns_of_its_own_removal_stops_and_takes_no_jobs(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1-4")
    removal = encode_action(FarmId("farmfarmfarmfarm"), (PEER, LogId("peerlog2"), 1), 50, 0, MemberRemoved(solo.id))
    effects = solo.hear(PEER, Actions((removal,)))
    assert effects.stops == [solo.starts[0].attempt]
    assert "removed" in solo.ask("status")["alarms"][0]
    refused = solo.refusal("submit", job={"name": "x", "app": "ocean", "frames": "1", "output": "/out/f_#.png"})
    assert "no longer" in str(refused)
    solo.hear(PEER, LeaseAsk(BOOT, 7, job))
    assert leases_to_peer(solo) == []
    solo.wait(5)
    assert len(solo.starts) == 1


def test_a_node_that_every_member_refuses_does_nothing_behind_the_farms_back(solo: Solo) -> None:
    solo.wait(9)
    solo.turn(inputs.NotAdmitted())
    assert "removed" in solo.ask("status")["alarms"][-1]
    refused = solo.refusal("submit", job={"name": "x", "app": "ocean", "frames": "1", "output": "/out/f_#.png"})
    assert "no longer" in str(refused)
    arrive(solo)
    compare(solo)
    solo.submit()
    solo.wait(1)
    assert len(solo.starts) == 1


def test_a_newcomer_that_one_member_does_not_know_yet_works_with_the_others(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    solo.turn(inputs.NotAdmitted())
    solo.submit()
    assert len(solo.starts) == 1


def test_an_ask_that_waits_for_a_comparison_is_not_granted_once_the_farm_shuts_this_node_out(solo: Solo) -> None:
    log = [row[3] for effects in solo.effects for row in effects.rows]
    restarted = Solo(log=log)
    restarted.submit()
    restarted.turn(inputs.NotAdmitted())
    restarted.wait(12)
    assert restarted.starts == []


def test_a_peer_cannot_answer_for_a_log_that_lies_here(solo: Solo) -> None:
    arrive(solo)
    compare(solo)
    job = solo.submit(frames="1")
    minted = inputs.Minted(JobId("j" * 12), FarmId("f" * 16), "t" * 32)
    effects = solo.turn(inputs.LocalRequest(9, 1, "log", {"job": job}, minted))
    (read,) = effects.log_reads
    assert solo.hear(PEER, LogTell(int(read.token), True, "lies", 0, 4, True)).answers == []
