"""An alarm is told as long as its cause lasts."""

from __future__ import annotations

from files_rig import FileSolo
from node_rig import Solo

from peerfarm.model.ids import NodeId, node_id_of
from peerfarm.model.render import FailReason
from peerfarm.node import inputs
from peerfarm.node.asking import STORE_S
from peerfarm.protocol.messages import PROTOCOL_VERSION, Greeting
from peerfarm.state.actions import MemberAdded, TaskFailed, TaskReturned

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)


def alarms(solo: Solo) -> str:
    return "; ".join(solo.ask("status")["alarms"])


def test_a_disk_that_was_too_full_for_a_render_is_an_alarm_until_a_render_succeeds() -> None:
    solo = Solo()
    solo.found()
    solo.submit(frames="1")
    solo.fail(solo.starts[-1], FailReason.DISK_FULL, "the disk is full: /out has no room left")
    assert "for want of room on the disk: the disk is full: /out" in alarms(solo)
    solo.submit(frames="1", name="next")
    solo.render(solo.starts[-1])
    assert "room" not in alarms(solo)


def test_a_store_that_refuses_frames_costs_no_job_a_try_and_this_node_some_rest() -> None:
    solo = FileSolo(slots=2)
    solo.found()
    solo.submit_files(frames="1-9")
    first, second = solo.starts
    solo.fail(first, FailReason.STORE_REFUSED, "no room on the disk of /home/ada. Make room on it.")
    assert "store refused a job's frames, and takes no more such work for a while: no room on" in alarms(solo)
    assert [body.reason for body in solo.recorded(TaskReturned)] == ["store-refused"]
    solo.fail(second, FailReason.STORE_REFUSED, "no room")
    solo.wait(STORE_S - 1)
    assert len(solo.starts) == 2
    solo.wait(2)
    assert len(solo.starts) == 3, "one is tried, though two slots are free"
    solo.fail(solo.starts[-1], FailReason.STORE_REFUSED, "no room")
    solo.wait(STORE_S - 1)
    assert len(solo.starts) == 3
    solo.wait(2)
    assert len(solo.starts) == 4
    solo.rendered(solo.starts[-1])
    assert "store refused" not in alarms(solo)
    solo.wait(1)
    assert len(solo.starts) == 6, "both slots work again"
    assert solo.recorded(TaskFailed) == []


def test_a_store_that_refuses_frames_keeps_nobody_from_rendering_onto_shared_storage() -> None:
    solo = FileSolo()
    solo.found()
    solo.submit_files(frames="1")
    solo.fail(solo.starts[-1], FailReason.STORE_REFUSED, "no room")
    job = solo.submit(frames="1", priority=1)
    solo.wait(1)
    assert solo.starts[-1].job == job


def test_a_member_that_was_brought_to_the_same_release_is_no_alarm_any_more() -> None:
    solo = Solo()
    solo.found()
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    farm = str(solo.node.core.farm_id)
    for version, is_alarming in ((PROTOCOL_VERSION + 1, True), (PROTOCOL_VERSION, False)):
        solo.turn(inputs.LinkUp(PEER))
        solo.hear(PEER, Greeting(version, farm, f"boot{version}"))
        assert ("elm speaks protocol version" in alarms(solo)) == is_alarming
