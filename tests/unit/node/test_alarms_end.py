"""An alarm is told as long as its cause lasts."""

from __future__ import annotations

from node_rig import Solo

from peerfarm.model.ids import NodeId, node_id_of
from peerfarm.model.render import FailReason
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, Greeting
from peerfarm.state.actions import MemberAdded

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


def test_a_member_that_was_brought_to_the_same_release_is_no_alarm_any_more() -> None:
    solo = Solo()
    solo.found()
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    farm = str(solo.node.core.farm_id)
    for version, is_alarming in ((PROTOCOL_VERSION + 1, True), (PROTOCOL_VERSION, False)):
        solo.turn(inputs.LinkUp(PEER))
        solo.hear(PEER, Greeting(version, farm, f"boot{version}"))
        assert ("elm speaks protocol version" in alarms(solo)) == is_alarming
