"""reduce(farm, action) -> farm: an action is a small piece of state, and applying it is joining it.

A late, repeated or meaningless action returns the same object. Nothing here raises on a peer's action.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peerfarm.state import actions as a
from peerfarm.state.actions import Action, decode_action
from peerfarm.state.bitmaps import bits_of
from peerfarm.state.farm import Farm, Member, put_unknown, unknown_actions
from peerfarm.state.join import (
    join_created,
    join_end,
    join_head,
    join_marks,
    join_member,
    join_task,
)

REDUCER_VERSION = 1
"""Nodes with equal logs and equal reducer versions must have equal state hashes."""


def reduce(farm: Farm, action: Action) -> Farm:
    """The farm after this action; the same object when it changes nothing."""
    body = action.body
    if body is None:
        return put_unknown(farm, action.id, action.raw) if action.is_of_later_release else farm
    return _REDUCERS[type(body)](farm, action, body)


def apply_known(farm: Farm) -> Farm:
    """The farm with those kept actions applied that this release knows: after an upgrade."""
    kept = [decode_action(raw) for _, raw in unknown_actions(farm)]
    if all(action.is_of_later_release for action in kept):
        return farm
    farm = farm._replace(unknown={})
    for action in kept:
        farm = reduce(farm, action)
    return farm


def _created(farm: Farm, action: Action, body: a.FarmCreated) -> Farm:
    return join_created(farm, (action.id, action.farm, body.name))


def _member_added(farm: Farm, action: Action, body: a.MemberAdded) -> Farm:
    return join_member(farm, body.node, Member((action.id, body.key, body.name), None))


def _member_removed(farm: Farm, action: Action, body: a.MemberRemoved) -> Farm:
    return join_member(farm, body.node, Member(None, action.id))


def _submitted(farm: Farm, action: Action, body: a.JobSubmitted) -> Farm:
    return join_head(farm, body.job, (action.id, body.spec, action.lamport), {})


def _changed(farm: Farm, action: Action, body: a.JobChanged) -> Farm:
    return join_head(farm, body.job, None, {body.field: ((action.lamport, *action.id), body.value)})


def _deleted(farm: Farm, action: Action, body: a.JobDeleted) -> Farm:
    return join_end(farm, body.job, None, action.id)


def _archived(farm: Farm, action: Action, body: a.JobArchived) -> Farm:
    return join_end(farm, body.job, (action.id, body.summary), None)


def _cancelled(farm: Farm, _: Action, body: a.TasksCancelled) -> Farm:
    return join_marks(farm, body.job, body.step, {}, {body.generation: bits_of(body.ranges)}, {})


def _retried(farm: Farm, _: Action, body: a.TasksRetried) -> Farm:
    return join_marks(farm, body.job, body.step, {body.generation: bits_of(body.ranges)}, {}, {})


def _published(farm: Farm, _: Action, body: a.TasksPublished) -> Farm:
    return join_marks(farm, body.job, body.step, {}, {}, {body.generation: bits_of(body.ranges)})


def _leased(farm: Farm, action: Action, body: a.TaskLeased) -> Farm:
    lease = (body.number, body.generation, body.worker, body.boot, body.request)
    return join_task(farm, body.job, body.step, body.task, ((action.id, lease, None, None, None, None),))


def _rendered(farm: Farm, action: Action, body: a.TaskRendered) -> Farm:
    fact = (action.id, body.frames, body.render_ms)
    return join_task(farm, body.job, body.step, body.task, ((body.lease, None, fact, None, None, None),))


def _failed(farm: Farm, action: Action, body: a.TaskFailed) -> Farm:
    fact = (action.id, body.reason, body.exit_code, body.message, body.last_lines, body.render_ms)
    return join_task(farm, body.job, body.step, body.task, ((body.lease, None, None, fact, None, None),))


def _returned(farm: Farm, action: Action, body: a.TaskReturned) -> Farm:
    fact = (action.id, body.reason)
    return join_task(farm, body.job, body.step, body.task, ((body.lease, None, None, None, fact, None),))


def _requeued(farm: Farm, action: Action, body: a.TaskRequeued) -> Farm:
    fact = (action.id, body.reason)
    return join_task(farm, body.job, body.step, body.task, ((body.lease, None, None, None, None, fact),))


_REDUCERS: dict[type[Any], Callable[[Farm, Action, Any], Farm]] = {
    a.FarmCreated: _created,
    a.MemberAdded: _member_added,
    a.MemberRemoved: _member_removed,
    a.JobSubmitted: _submitted,
    a.JobChanged: _changed,
    a.JobDeleted: _deleted,
    a.JobArchived: _archived,
    a.TasksCancelled: _cancelled,
    a.TasksRetried: _retried,
    a.TasksPublished: _published,
    a.TaskLeased: _leased,
    a.TaskRendered: _rendered,
    a.TaskFailed: _failed,
    a.TaskReturned: _returned,
    a.TaskRequeued: _requeued,
}
