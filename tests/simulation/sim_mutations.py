"""Each rule broken on purpose, in one method of the real code: a named property must notice, or we are blind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sim_faults
import sim_runs
from sim_breaking import Mutation, entry, patched
from sim_clock import say
from sim_filemutations import FILE_MUTATIONS
from sim_runs import Outcome, run_seed
from sim_scenarios import FOLDER, run_scenario

from peerfarm.daemon.ledger import Ledger
from peerfarm.node import Node, presence
from peerfarm.node.attempts import Attempts
from peerfarm.node.dispatch import Dispatch
from peerfarm.node.ownlog import OwnLog
from peerfarm.node.publishing import Publishing
from peerfarm.node.pulling import Pulling
from peerfarm.node.pushing import Pushing
from peerfarm.node.replication import Replication
from peerfarm.node.snapshots import Snapshots
from peerfarm.policy import jobqueue
from peerfarm.policy.liveness import AttentiveClock, PeerState
from peerfarm.protocol.messages import Pull
from peerfarm.state import join, reduce
from peerfarm.state.actions import JobSubmitted, MemberAdded, TaskReturned
from peerfarm.state.farm import EMPTY_FARM, Member, get_job
from peerfarm.state.logbook import NO_CHAIN, LogBook, Position, next_chain
from peerfarm.state.selectors import canonical, tasks_in
from peerfarm.store import MemoryDisk

SEEDS = 400
"""A broken rule must be noticed within this many."""
SETTLE_S = 120.0


@dataclass(frozen=True, slots=True)
class Caught:
    """How a mutation ended."""

    name: str
    property: str
    seeds: int
    is_right: bool


def _no_fsync() -> Any:
    """Writes return before they are durable."""

    def contents_to_change(disk: MemoryDisk, life: int) -> Any:
        disk.ignores_sync = True
        return original(disk, life)

    original = MemoryDisk.contents_to_change
    return patched(MemoryDisk, "contents_to_change", contents_to_change)


def _send_before_commit() -> Any:
    def take(ledger: Ledger, effects: Any, now_s: float) -> None:
        ledger.release(effects)
        for field in ("sends", "reads", "joins", "starts", "stops", "publishes", "checks", "log_reads", "answers"):
            setattr(effects, field, [])
        original(ledger, effects, now_s)

    original = Ledger.take
    return patched(Ledger, "take", take)


def _told_before_durable() -> Any:
    def flush(replication: Replication) -> None:
        original(replication)
        if not replication._core.effects.rows:
            replication._core.effects.must_sync = False

    original = Replication.flush
    return patched(Replication, "flush", flush)


def _old_log_when_in_doubt() -> Any:
    def choose(own: OwnLog) -> Any:
        return own.before or own._core.identity.log

    return patched(OwnLog, "choose", choose)


def _no_comparison() -> Any:
    return patched(Replication, "not_compared", lambda _replication: [])


def _join_is_replacement() -> Any:
    def join_snapshot(snapshots: Snapshots, parts: Any, message: Any) -> None:
        snapshots._core.farm = EMPTY_FARM
        original(snapshots, parts, message)

    original = Snapshots._join
    return patched(Snapshots, "_join", join_snapshot)


def _removal_does_not_absorb() -> Any:
    def added(farm: Any, action: Any, body: Any) -> Any:
        mine = farm.members.get(body.node)
        if mine is not None and mine.removed is not None:
            return farm._replace(members={**farm.members, body.node: Member((action.id, body.key, body.name), None)})
        return original(farm, action, body)

    original = reduce._REDUCERS[MemberAdded]
    return entry(reduce._REDUCERS, MemberAdded, added)


def _deletion_does_not_absorb() -> Any:
    def submitted(farm: Any, action: Any, body: Any) -> Any:
        state = get_job(farm, body.job)
        if state is not None and state.deleted:
            return join.put_job(farm, body.job, join.EMPTY_JOB._replace(submitted=(action.id, body.spec, 0)))
        return original(farm, action, body)

    original = reduce._REDUCERS[JobSubmitted]
    return entry(reduce._REDUCERS, JobSubmitted, submitted)


def _lease_ignored() -> Any:
    """The dispatcher gives out what is leased already."""

    def step_bits(state: Any, spec: Any, number: int) -> Any:
        bits = original(state, spec, number)
        return bits._replace(ready=bits.ready | bits.leased)

    original = jobqueue.step_bits
    return patched(jobqueue, "step_bits", step_bits)


def _start_before_lease_is_kept() -> Any:
    def start(attempts: Attempts, slot: Any, attempt: Any) -> None:
        before = attempts.core.effects.must_sync
        original(attempts, slot, attempt)
        attempts.core.effects.must_sync = before

    original = Attempts.start
    return patched(Attempts, "start", start)


def _gap_accepted() -> Any:
    def offer(book: LogBook, action: Any) -> list[Any]:
        key = (action.node, action.log)
        seq, chain = book.vector.get(key, (0, NO_CHAIN))
        if action.seq <= seq or key in book.quarantined:
            return []
        book.vector[key] = Position(action.seq, next_chain(chain, action.raw))
        book._moved[key] = None
        return [action]

    return patched(LogBook, "offer", offer)


def _everything_is_sent_again() -> Any:
    """Each push brings the action before it along once more."""

    def push(pushing: Pushing, fresh: Any) -> None:
        original(pushing, fresh)
        for node in pushing._presence.peers or ():
            for told in fresh:
                if told.seq > 1:
                    again = Pull(((*told.key, told.seq - 1, told.seq - 1),))
                    Pulling(pushing._core, pushing._links).on_pull(pushing._presence.peers[node], again)

    original = Pushing._push
    return patched(Pushing, "_push", push)


def _late_requeue_undoes_done() -> Any:
    def place(step: Any, task: int, record: Any, tries: int, former: Any = None) -> Any:
        kept = tuple((*a[:2], None, *a[3:]) if a[5] is not None else a for a in record)
        changed = original(step, task, record, tries, former)
        return changed._replace(done=original(step, task, kept, tries, former).done)

    original = join._place
    return patched(join, "_place", place)


def _silence_is_counted_while_absent() -> Any:
    def advance(clock: AttentiveClock, monotonic_s: float) -> float:
        if clock._last_s is not None:
            clock.now_s += max(0.0, monotonic_s - clock._last_s) * 4
        clock._last_s = monotonic_s
        return clock.now_s

    return patched(AttentiveClock, "advance", advance)


def _nobody_ever_dies() -> Any:
    def judge(signs: Any, now_s: float) -> PeerState:
        state = original(signs, now_s)
        return PeerState.SUSPECT if state is PeerState.DEAD else state

    original = presence.judge
    return patched(presence, "judge", judge)


def _unawaited_lease_is_kept() -> Any:
    def give_back(attempts: Attempts, lease: Any, job: Any, step: int, task: int, reason: str) -> None:
        if reason != "not-awaited":
            attempts.core.record(TaskReturned(job, step, task, lease, reason))

    return patched(Attempts, "give_back", give_back)


def _contested_is_not_published_again() -> Any:
    """Whatever was published first stays."""

    def order(publishing: Publishing, job: Any) -> bool:
        state = get_job(publishing.core.farm, job)
        for number, step in state.steps.items() if state is not None else ():
            for task in tasks_in(step.contested):
                attempt = canonical(step, task)
                if attempt is not None:
                    publishing._placed.add(job, number, 1 << task)
        return original(publishing, job)

    original = Publishing._order
    return patched(Publishing, "_order", order)


def _held_before_durable() -> Any:
    def acknowledge(pushing: Pushing) -> None:
        original(pushing)
        pushing._core.effects.must_sync = False

    original = Pushing.acknowledge
    return patched(Pushing, "acknowledge", acknowledge)


def _lost_frames_are_not_rendered_again() -> Any:
    def on_result(publishing: Publishing, result: Any) -> None:
        original(publishing, replace(result, error="", is_lost=False))

    original = Publishing.on_result
    return patched(Publishing, "on_result", on_result)


def _published_before_compared() -> Any:
    return patched(Dispatch, "must_compare", property(lambda _dispatch: False))


def _strangers_are_heard() -> Any:
    def received(node: Any, event: Any) -> None:
        if event.node not in node.presence.peers and node.presence.peers:
            event = type(event)(next(iter(node.presence.peers)), event.data)
        original(node, event)

    original = Node._received
    return patched(Node, "_received", received)


F = sim_faults
_CRASHES = (F.kill, F.power, F.power_before_commit, F.power_before_sending, F.kill_submitter)
_CUTS = (F.halves, F.one_way, F.bridge, F.kill_submitter, F.ring)

MUTATIONS = (
    Mutation("the fsync left out", ("P3",), _no_fsync),
    Mutation("sent before it is committed", ("P3",), _send_before_commit),
    Mutation("a vector told before it is durable", ("P3",), _told_before_durable, (F.drop, *_CRASHES)),
    Mutation("an acknowledgement before it is durable", ("P3", "P4"), _held_before_durable),
    Mutation("no new log when in doubt", ("P3", "P1"), _old_log_when_in_doubt, (F.old_image, *_CRASHES)),
    Mutation("a gap in a log accepted", ("P3", "P1", "P2"), _gap_accepted, (F.drop, F.reorder, *_CUTS)),
    Mutation("no comparison before granting", ("P7",), _no_comparison, (F.old_image, *_CRASHES, *_CUTS)),
    Mutation(
        "a snapshot replaces the state", ("P1", "P2", "P8"), _join_is_replacement, (F.old_image, F.newcomer, *_CUTS)
    ),
    Mutation("a removal does not absorb", ("P1", "P2"), _removal_does_not_absorb, (F.remove_racing_lease,)),
    Mutation("a deletion does not absorb", ("P1", "P2", "P8"), _deletion_does_not_absorb, (F.end_jobs, *_CUTS)),
    Mutation("a lease ignored by the dispatcher", ("P7",), _lease_ignored),
    Mutation("a start before its lease is kept", ("P7",), _start_before_lease_is_kept),
    Mutation("a late requeue undoes done", ("P8", "P1", "P2"), _late_requeue_undoes_done, _CUTS),
    Mutation("silence counted while absent", ("P10",), _silence_is_counted_while_absent, (F.lag,)),
    Mutation("nobody is ever dead", ("P5", "P10"), _nobody_ever_dies, (F.dead_for_good,)),
    Mutation("a lease not awaited is kept", ("P5",), _unawaited_lease_is_kept, _CRASHES),
    Mutation("contested frames are left as they are", ("P9",), _contested_is_not_published_again, _CUTS),
    Mutation(
        "published before others are heard",
        ("P9",),
        _published_before_compared,
        scenario="who_comes_back_does_not_publish_old_frames",
    ),
    Mutation("lost frames are not rendered again", ("P6", "P9"), _lost_frames_are_not_rendered_again),
    Mutation("actions are sent again and again", ("P11",), _everything_is_sent_again),
    Mutation("a stranger is taken for a member", ("P12",), _strangers_are_heard, (F.stranger,)),
    *FILE_MUTATIONS,
)


def run_mutations(names: tuple[str, ...] = (), seeds: int = SEEDS) -> list[Caught]:
    """Break each rule, one at a time, and run seeds until a property notices."""
    caught = []
    for mutation in MUTATIONS:
        if not names or mutation.name in names:
            caught.append(_hunt(mutation, seeds))
            say(f"{mutation.name}: {caught[-1].property or 'NOTHING'} after {caught[-1].seeds}")
    return caught


def _hunt(mutation: Mutation, seeds: int) -> Caught:
    """Run until a property notices; the same run must hold while the rule is whole."""
    paths: list[int | Path] = list(range(1, seeds + 1))
    if mutation.scenario:
        paths = [FOLDER / f"{mutation.scenario}.txt"]
    share = 1.0 if mutation.has_files else sim_runs.FILES_SHARE
    with (
        patched(sim_runs, "SETTLE_S", SETTLE_S),
        patched(sim_runs, "FILES_SHARE", share),
        _only(mutation.faults),
    ):
        for count, path in enumerate(paths, 1):
            with mutation.break_it():
                noticed = _run(path)
            if noticed.failure and not _run(path).failure:
                return Caught(mutation.name, noticed.property, count, noticed.property in mutation.expected)
    return Caught(mutation.name, "", len(paths), is_right=False)


def _run(path: int | Path) -> Outcome:
    return run_seed(path) if isinstance(path, int) else run_scenario(path)


@contextmanager
def _only(faults: tuple[sim_faults.Fault, ...]) -> Iterator[None]:
    with patched(sim_faults, "FAULTS", faults or sim_faults.FAULTS):
        yield
