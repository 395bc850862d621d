"""Frames that come into place late must not stay in the place of newer ones."""

from __future__ import annotations

from typing import Any

from node_rig import Solo

from peerfarm.model.ids import FarmId, JobId, LogId, NodeId, attempt_label, node_id_of
from peerfarm.model.render import PublishOrder, PublishResult
from peerfarm.node import inputs
from peerfarm.protocol.messages import PROTOCOL_VERSION, Actions, Greeting
from peerfarm.state.actions import (
    MemberAdded,
    TaskLeased,
    TaskRendered,
    TasksPublished,
    TasksRetried,
    decode_action,
    encode_action,
)

KEY = "p" * 40
PEER: NodeId = node_id_of(KEY)
LOG = LogId("peerlog2")


def orders(solo: Solo) -> list[PublishOrder]:
    return [order for effects in solo.effects for order in effects.publishes]


def published_generations(solo: Solo) -> list[int]:
    bodies = [decode_action(row[3]).body for effects in solo.effects for row in effects.rows if row[0] == solo.id]
    return [body.generation for body in bodies if isinstance(body, TasksPublished)]


def peer_retries_and_publishes(solo: Solo, job: JobId, frames: tuple[Any, ...]) -> str:
    """A dispatcher of another part of the farm had the task rendered again; the attempt."""
    bodies = [
        TasksRetried(job, 0, ((0, 0),), 1),
        TaskLeased(job, 0, 0, 1, 1, PEER, "peerboot", 1),
        TaskRendered(job, 0, 0, (PEER, LOG, 2), frames, 10),
        TasksPublished(job, 0, ((0, 0),), 1),
    ]
    raws = [
        encode_action(FarmId("farmfarmfarmfarm"), (PEER, LOG, seq), 1000 + seq, 0, body)
        for seq, body in enumerate(bodies, 1)
    ]
    solo.hear(PEER, Actions(tuple(raws)))
    return attempt_label((PEER, LOG, 2))


def test_old_frames_that_came_over_those_of_a_retry_are_replaced_again_and_the_others_are_told() -> None:
    solo = Solo()
    solo.found()
    job = JobId(solo.submit(frames="1"))
    (task,) = solo.starts
    solo.render(task)
    (old,) = orders(solo)
    solo.node.core.record(MemberAdded(PEER, KEY, "elm"))
    solo.turn(inputs.LinkUp(PEER))
    solo.hear(PEER, Greeting(PROTOCOL_VERSION, str(solo.node.core.farm_id), "peerboot"))
    newer = peer_retries_and_publishes(solo, job, (("sea_0001.png", 10, b"n" * 32),))
    solo.turn(inputs.Published(PublishResult(old.attempt, job, 0, 0)))
    solo.wait(10)  # the other falls silent, so nobody is left to compare with
    assert [order.attempt for order in orders(solo)] == [old.attempt, newer]
    assert published_generations(solo) == [0]
