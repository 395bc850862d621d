"""The replicated state is a function of the set of actions; decoders raise nothing but PeerProtocolError."""

from __future__ import annotations

import random
from typing import Any

import msgpack
from hypothesis import example, given
from hypothesis import strategies as st

from peerfarm.errors import PeerProtocolError
from peerfarm.model.ids import FarmId, JobId, LogId, NodeId, node_id_of
from peerfarm.model.job import JobSpec, Step
from peerfarm.model.speccodec import encode_spec
from peerfarm.protocol import messages
from peerfarm.protocol.messages import decode_message, encode_message
from peerfarm.state import actions as a
from peerfarm.state.actions import Action, decode_action, encode_action
from peerfarm.state.entities import RunningHash, state_hash
from peerfarm.state.farm import EMPTY_FARM, Farm
from peerfarm.state.logbook import LogBook, decode_vector, encode_vector
from peerfarm.state.payloads import TYPES
from peerfarm.state.reduce import reduce
from peerfarm.state.snapshot import encode_snapshot, join_part

FARM = FarmId("f" * 16)
KEYS = tuple(str(number) * 40 for number in range(3))
NODES = tuple(node_id_of(key) for key in KEYS)
LOGS = (LogId("aaaaaaaa"), LogId("bbbbbbbb"))
JOBS = (JobId("jjjjjjjjjjjj"), JobId("kkkkkkkkkkkk"))
SPECS = tuple(
    msgpack.packb(encode_spec(JobSpec(f"job {tries}", "ada", (Step("r", "ocean", {}, ((1, 4, 1),), tries=tries),))))
    for tries in (1, 3)
)

nodes = st.sampled_from(NODES)
jobs = st.sampled_from(JOBS)
tasks = st.integers(0, 3)
generations = st.integers(0, 2)
identities = st.tuples(nodes, st.sampled_from(LOGS), st.integers(1, 6))
ranges = st.lists(st.tuples(tasks, tasks).map(sorted).map(tuple), max_size=2).map(tuple)
frames = st.lists(st.tuples(st.sampled_from(("a.png", "b.png")), st.integers(0, 9), st.just(b"x" * 32)), max_size=2)
place = (jobs, st.integers(0, 1), tasks)
ending = (*place, identities)
reasons = st.sampled_from(("died", "stalled", "left", "app-not-found", "app-failed"))

bodies = st.one_of(
    st.builds(a.FarmCreated, st.sampled_from(("north", "south"))),
    st.integers(0, 2).map(lambda number: a.MemberAdded(NODES[number], KEYS[number], f"n{number}")),
    st.builds(a.MemberRemoved, nodes),
    st.builds(a.JobSubmitted, jobs, st.sampled_from(SPECS)),
    st.builds(a.JobChanged, jobs, st.just("priority"), st.integers(0, 100)),
    st.builds(a.JobChanged, jobs, st.just("paused"), st.booleans()),
    st.builds(a.JobChanged, jobs, st.just("pool"), st.sampled_from(("", "night"))),
    st.builds(a.JobDeleted, jobs),
    st.builds(a.JobArchived, jobs, st.sampled_from((b"one", b"two"))),
    st.builds(a.TasksCancelled, jobs, st.integers(0, 1), ranges, generations),
    st.builds(a.TasksRetried, jobs, st.integers(0, 1), ranges, generations),
    st.builds(a.TasksPublished, jobs, st.integers(0, 1), ranges, generations),
    st.builds(a.TaskLeased, *place, generations, st.integers(1, 3), nodes, st.just("boot"), st.integers(0, 9)),
    st.builds(a.TaskRendered, *ending, frames.map(tuple), st.integers(0, 99)),
    st.builds(a.TaskFailed, *ending, reasons, st.none(), st.just("no"), st.just(()), st.integers(0, 99)),
    st.builds(a.TaskReturned, *ending, reasons),
    st.builds(a.TaskRequeued, *ending, reasons),
)


def _as_actions(drawn: list[tuple[int, int, int, Any]]) -> list[Action]:
    """Each log without gaps, as authors write them; decoded from their bytes, as peers see them."""
    seqs: dict[tuple[NodeId, LogId], int] = {}
    made = []
    for node, log, lamport, body in drawn:
        key = (NODES[node], LOGS[log])
        seqs[key] = seqs.get(key, 0) + 1
        made.append(decode_action(encode_action(FARM, (*key, seqs[key]), lamport, 0, body)))
    return made


histories = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 5), bodies), min_size=1, max_size=30
).map(_as_actions)
seeds = st.integers(0, 1 << 30)


def reduced(actions: list[Action], farm: Farm = EMPTY_FARM) -> Farm:
    """The farm after these actions."""
    for action in actions:
        farm = reduce(farm, action)
    return farm


@given(histories, seeds)
def test_any_order_and_any_repetition_of_actions_gives_the_same_state(actions: list[Action], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = actions + rng.choices(actions, k=len(actions))
    rng.shuffle(shuffled)
    assert reduced(shuffled) == reduced(actions)
    assert state_hash(reduced(shuffled)) == state_hash(reduced(actions))


@given(histories)
def test_a_repeated_action_returns_the_same_object(actions: list[Action]) -> None:
    farm = reduced(actions)
    for action in actions:
        assert reduce(farm, action) is farm


@given(histories, st.integers(0, 30), st.integers(0, 30))
def test_a_snapshot_and_what_came_after_give_the_state_of_a_full_replay(
    actions: list[Action], cut: int, overlap: int
) -> None:
    joined = EMPTY_FARM
    for part in encode_snapshot(reduced(actions[:cut])):
        joined = join_part(joined, part)
    assert joined == reduced(actions[:cut])
    assert reduced(actions[max(0, cut - overlap) :], joined) == reduced(actions)


@given(histories, seeds)
def test_joining_snapshots_is_a_join_that_keeps_ones_own_tail(actions: list[Action], seed: int) -> None:
    rng = random.Random(seed)
    mine = [action for action in actions if rng.random() < 0.6]
    theirs = [action for action in actions if action not in mine or rng.random() < 0.5]
    joined = reduced(mine)
    for part in encode_snapshot(reduced(theirs)):
        joined = join_part(joined, part)
    assert joined == reduced(actions)
    again = joined
    for part in encode_snapshot(reduced(mine)):
        again = join_part(again, part)
    assert again == joined


@given(histories, st.lists(st.integers(1, 9), max_size=9))
def test_the_running_hash_equals_the_hash_of_the_whole_state(actions: list[Action], steps: list[int]) -> None:
    running, farm, place = RunningHash(), EMPTY_FARM, 0
    for step in [*steps, len(actions)]:
        farm = reduced(actions[place : place + step], farm)
        place += step
        assert running.of(farm) == state_hash(farm)


@given(histories, seeds)
def test_a_log_book_hands_out_each_log_in_order_whatever_the_order_of_arrival(actions: list[Action], seed: int) -> None:
    rng = random.Random(seed)
    arriving = actions + rng.choices(actions, k=5)
    rng.shuffle(arriving)
    book, ready = LogBook(), []
    for action in arriving:
        ready += book.offer(action)
    assert sorted(action.id for action in ready) == sorted(action.id for action in actions)
    for key, position in book.vector.items():
        assert [action.seq for action in ready if (action.node, action.log) == key] == list(range(1, position.seq + 1))
    assert book.gaps() == []
    in_order = LogBook()
    for action in actions:
        in_order.offer(action)
    assert in_order.digest() == book.digest()


@given(histories)
def test_an_action_reads_back_as_it_was_written(actions: list[Action]) -> None:
    for action in actions:
        assert action.body is not None
        assert encode_action(FARM, action.id, action.lamport, action.wall_ms, action.body) == action.raw


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=20)
    | st.binary(max_size=20) | identities,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip
junk = st.one_of(st.binary(max_size=200), values.map(msgpack.packb))


def _raises_only_protocol_errors(decode: Any, data: Any) -> Any:
    try:
        return decode(data)
    except PeerProtocolError:
        return None


@given(junk)
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x91" * 5000)
@example(msgpack.packb(msgpack.Timestamp(1)))
def test_no_bytes_make_a_decoder_raise_anything_but_a_protocol_error(data: bytes) -> None:
    _raises_only_protocol_errors(decode_action, data)
    _raises_only_protocol_errors(decode_message, data)
    _raises_only_protocol_errors(lambda raw: join_part(EMPTY_FARM, raw), data)


@given(st.sampled_from(sorted(TYPES)), st.lists(values, max_size=12))
def test_any_payload_of_a_known_type_is_read_or_is_a_no_op(name: str, payload: list[Any]) -> None:
    raw = msgpack.packb((1, FARM, NODES[0], LOGS[0], 1, 1, 0, name, payload))
    action = _raises_only_protocol_errors(decode_action, raw)
    if action is not None:
        assert reduce(EMPTY_FARM, action) is not None


@given(st.sampled_from(sorted(messages._TYPES)), st.lists(values, max_size=12))
def test_any_fields_of_a_known_message_are_read_or_refused(code: int, fields: list[Any]) -> None:
    message = _raises_only_protocol_errors(decode_message, msgpack.packb((code, *fields)))
    if message is not None:
        assert encode_message(message)


@given(values)
def test_any_value_as_a_vector_is_read_or_refused(value: Any) -> None:
    _raises_only_protocol_errors(decode_vector, msgpack.unpackb(msgpack.packb(value), use_list=False))


@given(st.sampled_from(("farm", "member", "job", "marks", "task", "?")), st.lists(values, max_size=7))
def test_any_entity_of_a_snapshot_is_joined_or_refused(kind: str, fields: list[Any]) -> None:
    part = msgpack.packb([msgpack.packb([kind, *fields])])
    _raises_only_protocol_errors(lambda raw: join_part(EMPTY_FARM, raw), part)


@given(histories, st.data())
def test_a_damaged_snapshot_is_refused_or_leaves_a_farm_that_can_be_hashed(
    actions: list[Action], data: st.DataObject
) -> None:
    for part in encode_snapshot(reduced(actions)):
        entities = msgpack.unpackb(part)
        place = data.draw(st.integers(0, len(entities) - 1))
        entity = msgpack.unpackb(entities[place])
        field = data.draw(st.integers(0, len(entity) - 1))
        entity[field] = data.draw(values)
        entities[place] = msgpack.packb(entity)
        farm = _raises_only_protocol_errors(lambda raw: join_part(EMPTY_FARM, raw), msgpack.packb(entities))
        if farm is not None:
            assert state_hash(farm)
            reduced(actions, farm)


@given(histories)
def test_a_vector_reads_back_as_it_was_written(actions: list[Action]) -> None:
    book = LogBook()
    for action in actions:
        book.offer(action)
    packed = msgpack.packb(encode_vector(book.vector))
    assert decode_vector(msgpack.unpackb(packed, use_list=False)) == book.vector
