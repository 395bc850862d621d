"""Snapshots: a farm as parts of at most 256 KiB, joined (never put in place) by who receives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from peerfarm.errors import PeerProtocolError
from peerfarm.model import ids
from peerfarm.model.job import MAX_STEPS, MAX_TASKS_PER_STEP
from peerfarm.state.actions import decode_action
from peerfarm.state.bodies import MAX_GENERATION, MAX_LAMPORT
from peerfarm.state.entities import Entity, entities
from peerfarm.state.farm import Farm, Member, pack_record, unpack_record
from peerfarm.state.join import join_created, join_end, join_head, join_marks, join_member, join_task
from peerfarm.state.payloads import is_action_id, is_ending, is_key, is_lease, is_register, is_spec, unpack
from peerfarm.state.reduce import reduce

PART_BYTES = 256 * 1024
MAX_RECORD_BYTES = 1024 * 1024
_BITS_BYTES = MAX_TASKS_PER_STEP // 8
_ENDINGS = ("task/rendered", "task/failed", "task/returned", "task/requeued")
"""In the order in which an attempt keeps them."""


def encode_snapshot(farm: Farm) -> Iterator[bytes]:
    """The farm as parts; each part stands on its own."""
    batch: list[bytes] = []
    size_bytes = 0
    for packed in map(msgpack.packb, _pieces(farm)):
        if batch and size_bytes + len(packed) > PART_BYTES:
            yield msgpack.packb(batch)
            batch, size_bytes = [], 0
        batch.append(packed)
        size_bytes += len(packed) + 5
    if batch:
        yield msgpack.packb(batch)


def _pieces(farm: Farm) -> Iterator[Entity]:
    """The farm's entities, those that could outgrow a part cut into several that join to the same."""
    for entity in entities(farm):
        if entity[0] == "marks":
            job, number, *marks = entity[1:]
            for place, entries in enumerate(marks):
                for entry in entries:
                    yield ("marks", job, number, *(((entry,) if place == other else ()) for other in range(len(marks))))
        elif entity[0] == "task" and len(entity[4]) > PART_BYTES:
            yield from (("task", *entity[1:4], pack_record((attempt,))) for attempt in unpack_record(entity[4]))
        else:
            yield entity


def join_part(farm: Farm, part: bytes, farm_id: str = "") -> Farm:
    """The farm joined with one part of somebody's snapshot.

    Args:
        farm_id: What is of any other farm is refused; empty: this node's own snapshot, which nobody could change.

    Raises:
        PeerProtocolError: The part is malformed; the farm given is unharmed.
    """
    packed_entities = unpack(part)
    if not isinstance(packed_entities, tuple):
        raise PeerProtocolError("a snapshot part is a list")
    for packed in packed_entities:
        entity = unpack(packed) if isinstance(packed, bytes) else None
        if not isinstance(entity, tuple) or not entity:
            raise PeerProtocolError("a snapshot entity is a list")
        try:
            farm = _join_entity(farm, entity, farm_id)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise PeerProtocolError(f"a snapshot holds a malformed {entity[0]!r}: {error}") from None
    return farm


def _join_entity(farm: Farm, entity: Entity, farm_id: str) -> Farm:
    kind = entity[0]
    if kind == "farm":
        action, its_id, name = entity[1:]
        _need(is_action_id(action) and ids.is_id(its_id, ids.FARM_ID_LENGTH) and isinstance(name, str))
        _need(its_id == (farm_id or its_id))
        return join_created(farm, (action, its_id, name))
    if kind == "member":
        node, added, removed = entity[1:]
        _need(ids.is_id(node, ids.NODE_ID_LENGTH) and (removed is None or is_action_id(removed)))
        if added is not None:
            action, key, name = added
            _need(is_action_id(action) and is_key(key) and ids.node_id_of(key) == node and isinstance(name, str))
        return join_member(farm, node, Member(added, removed))
    if kind == "action":
        _need(isinstance(entity[1], bytes) and len(entity) == 2)
        kept = decode_action(entity[1])
        _need(kept.farm == (farm_id or kept.farm))
        return reduce(farm, kept)
    _need(ids.is_id(entity[1], ids.JOB_ID_LENGTH))
    if kind == "job":
        return _join_head_entity(farm, entity)
    _need(type(entity[2]) is int and 0 <= entity[2] < MAX_STEPS)
    if kind == "marks":
        job, step, *marks = entity[1:]
        retried, cancelled, published = (_read_bits(packed) for packed in marks)
        return join_marks(farm, job, step, retried, cancelled, published)
    if kind == "task":
        job, step, task, packed = entity[1:]
        _need(type(task) is int and 0 <= task < MAX_TASKS_PER_STEP)
        _need(isinstance(packed, bytes) and len(packed) <= MAX_RECORD_BYTES)
        record = unpack(packed)
        _need(isinstance(record, tuple) and all(map(_is_attempt, record)) and unpack_record(packed) == record)
        return join_task(farm, job, step, task, record)
    raise ValueError("unknown kind")


def _join_head_entity(farm: Farm, entity: Entity) -> Farm:
    job, submitted, registers, archived, deleted = entity[1:]
    if archived is not None or deleted is not None:
        _need(deleted is None or is_action_id(deleted))
        _need(archived is None or (is_action_id(archived[0]) and isinstance(archived[1], bytes) and len(archived) == 2))
        return join_end(farm, job, archived, deleted)
    if submitted is not None:
        action, spec, lamport = submitted
        _need(is_action_id(action) and is_spec(spec) and type(lamport) is int and 0 <= lamport < MAX_LAMPORT)
    checked = {}
    for name, stamp, value in registers:
        _need(is_register(name, value) and len(stamp) == 4 and type(stamp[0]) is int and is_action_id(stamp[1:]))
        checked[name] = (stamp, value)
    return join_head(farm, job, submitted, checked)


def _read_bits(packed: Any) -> dict[int, int]:
    marks = {}
    for generation, bits in packed:
        _need(type(generation) is int and 0 <= generation <= MAX_GENERATION)
        _need(isinstance(bits, bytes) and len(bits) <= _BITS_BYTES)
        marks[generation] = int.from_bytes(bits, "little")
    return marks


def _is_attempt(value: Any) -> bool:
    if not (isinstance(value, tuple) and len(value) == 6 and is_action_id(value[0])):
        return False
    lease, *facts = value[1:]
    return (lease is None or is_lease(lease)) and all(
        fact is None or is_ending(name, fact) for name, fact in zip(_ENDINGS, facts, strict=True)
    )


def _need(is_right: bool) -> None:
    if not is_right:
        raise ValueError("a field has a wrong type or an impossible value")
