"""Recorded bytes of every action and message: today's decoders read them, today's encoders write them.

`wire.yaml` holds what version 1 wrote. A record is never changed; a new type adds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest
import yaml

from peerfarm.model.ids import FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.protocol import messages as m
from peerfarm.protocol.messages import decode_message, encode_message
from peerfarm.state import actions as a
from peerfarm.state.actions import decode_action, encode_action
from peerfarm.state.payloads import TYPES

RECORDS = yaml.safe_load((Path(__file__).parent / "wire.yaml").read_text(encoding="utf-8"))
FARM = FarmId("farmfarmfarmfarm")
KEY = "k" * 40
NODE, OTHER = node_id_of(KEY), NodeId("otherotherother2")
LOG, JOB = LogId("loglog22"), JobId("jobjobjobjob")
LEASE = (NODE, LOG, 7)
SPEC = msgpack.packb(encode_spec(JobSpec("film", "ada", (Step("r", "ocean", {"seed": 3}, ((1, 4, 1),), 2),))))
VECTOR = ((NODE, LOG, 7, b"chain678"),)

ACTIONS: dict[str, Any] = {
    "farm/created": a.FarmCreated("north"),
    "member/added": a.MemberAdded(NODE, KEY, "oak"),
    "member/removed": a.MemberRemoved(OTHER),
    "job/submitted": a.JobSubmitted(JOB, SPEC),
    "job/changed": a.JobChanged(JOB, "priority", 80),
    "job/deleted": a.JobDeleted(JOB),
    "job/archived": a.JobArchived(JOB, b"summary"),
    "tasks/cancelled": a.TasksCancelled(JOB, 0, ((0, 3), (5, 5)), 0),
    "tasks/retried": a.TasksRetried(JOB, 0, ((0, 3),), 1),
    "tasks/published": a.TasksPublished(JOB, 0, ((2, 2),), 1),
    "task/leased": a.TaskLeased(JOB, 0, 3, 1, 2, OTHER, "bootboot", 9),
    "task/rendered": a.TaskRendered(JOB, 0, 3, LEASE, (("f_0001.png", 300, b"h" * 32),), 1500),
    "task/failed": a.TaskFailed(JOB, 0, 3, LEASE, "app-failed", 139, "it crashed", ("Segmentation fault",), 20),
    "task/returned": a.TaskReturned(JOB, 0, 3, LEASE, "not-awaited"),
    "task/requeued": a.TaskRequeued(JOB, 0, 3, LEASE, "died"),
}

MESSAGES: dict[str, Any] = {
    "Greeting": m.Greeting(1, FARM, "bootboot"),
    "Goodbye": m.Goodbye("bootboot"),
    "About": m.About(
        "oak", "1.0", True, 2, 1, ("night",), ("gpu",), (("blender", "4.2.1", ("denoiser",)),), 32000, 16, ("h:1",)
    ),
    "Beat": m.Beat("bootboot", b"d" * 16, "ab" * 32, 1, 42, ((LEASE, 500, 12),)),
    "Actions": m.Actions((b"raw",)),
    "VectorAsk": m.VectorAsk(5, "bootboot", 40),
    "VectorTell": m.VectorTell(5, VECTOR, 40, 47, True),
    "Pull": m.Pull(((NODE, LOG, 3, 7),)),
    "SnapshotPart": m.SnapshotPart(FARM, 0, True, b"part", VECTOR),
    "SnapshotGot": m.SnapshotGot(0),
    "Held": m.Held(LOG, 7),
    "LeaseAsk": m.LeaseAsk("bootboot", 9, JOB),
    "LeaseRefused": m.LeaseRefused("bootboot", 9, "none-ready", 1000),
    "LeaseWithdrawn": m.LeaseWithdrawn("bootboot", 9),
    "LogAsk": m.LogAsk(5, LEASE, 0, 4096),
    "LogTell": m.LogTell(5, True, "a line\n", 0, 7, False),
    "KeepAsk": m.KeepAsk(LEASE, JOB, 0, 3, (("f_0001.png", 300, b"h" * 32),)),
    "KeepTold": m.KeepTold(LEASE, False, "its disk is full"),
    "KeepMoved": m.KeepMoved(LEASE, 250),
    "FilesStuck": m.FilesStuck(((JOB, True, "its list cannot be read"),)),
    "PictureAsk": m.PictureAsk(7, LEASE, JOB, 0, 3, 160),
    "PictureTell": m.PictureTell(7, "f_0001.exr", 160, 90, b"png", ""),
    "Whereabouts": m.Whereabouts(((OTHER, ("h:1",)),)),
    "JoinAsk": m.JoinAsk(1, "token", KEY, "oak", ("h:1",)),
    "JoinTell": m.JoinTell("", FARM, "north", ((NODE, KEY, "oak", ("h:1",)),)),
}


def test_every_type_has_a_record_and_every_record_a_type() -> None:
    assert set(RECORDS["actions"]) == set(TYPES) == set(ACTIONS)
    assert set(RECORDS["messages"]) == {kind.__name__ for kind, _ in m._TYPES.values()} == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_the_recorded_bytes_of_an_action_are_read_and_written(name: str) -> None:
    recorded = bytes.fromhex(RECORDS["actions"][name])
    action = decode_action(recorded)
    assert action.body == ACTIONS[name]
    assert (action.type, action.id, action.lamport, action.wall_ms) == (name, LEASE, 12, 1_700_000_000_000)
    assert encode_action(FARM, LEASE, 12, 1_700_000_000_000, ACTIONS[name]) == recorded


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_recorded_bytes_of_a_message_are_read_and_written(name: str) -> None:
    recorded = bytes.fromhex(RECORDS["messages"][name])
    assert decode_message(recorded) == MESSAGES[name]
    assert encode_message(MESSAGES[name]) == recorded


LATER: dict[str, Any] = {
    "About": m.About("oak", "1.0", True, 2, 1, (), (), (), 32000, 16, ("h:1",), 7103),
    "Beat": m.Beat("bootboot", b"d" * 16, "ab" * 32, 1, 42, (), ((JOB, 250),)),
}
"""Messages that got fields after version 1: they are left out of the bytes while they say nothing."""


@pytest.mark.parametrize("name", sorted(LATER))
def test_the_recorded_bytes_of_a_message_with_later_fields_are_read_and_written(name: str) -> None:
    recorded = bytes.fromhex(RECORDS["later"][name])
    assert decode_message(recorded) == LATER[name]
    assert encode_message(LATER[name]) == recorded


def test_an_action_with_room_for_a_signature_is_read() -> None:
    parts = msgpack.unpackb(bytes.fromhex(RECORDS["actions"]["farm/created"]), use_list=False)
    assert decode_action(msgpack.packb((*parts, b"signature"))).body == ACTIONS["farm/created"]


def test_an_action_of_a_later_version_or_type_is_kept_as_a_no_op() -> None:
    parts = msgpack.unpackb(bytes.fromhex(RECORDS["actions"]["farm/created"]), use_list=False)
    assert decode_action(msgpack.packb((2, *parts[1:]))).body is None
    assert decode_action(msgpack.packb((*parts[:7], "job/praised", ()))).body is None


def test_a_message_of_a_later_version_is_ignored() -> None:
    assert decode_message(msgpack.packb((200, 1, 2, 3))) is None
