"""What must hold when faults are over and the farm has come to rest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sim_copies import is_orphan
from sim_node import SimNode

from peerfarm.model.frames import task_frames
from peerfarm.model.ids import JobId
from peerfarm.model.job import JobSpec
from peerfarm.model.render import frame_name
from peerfarm.node import Node
from peerfarm.state.actions import Action, decode_action
from peerfarm.state.entities import state_hash
from peerfarm.state.farm import EMPTY_FARM, EMPTY_STEP, Farm, JobState, all_jobs, get_job
from peerfarm.state.reduce import reduce
from peerfarm.state.selectors import canonical, full_mask, published_bits, spec_of, step_bits, tasks_in
from peerfarm.state.snapshot import encode_snapshot, join_part

if TYPE_CHECKING:
    from sim_world import World


def check_all(world: World) -> None:
    """Every property of a farm at rest."""
    up = [(shell, shell.node) for shell in world.up() if shell.node is not None]
    shell, node = up[0]
    for other, its_node in up:
        _check_equal(world, shell, node, other, its_node)
        world.watch.check_gaps(other)
    _check_order(world, node)
    _check_jobs_kept(world, node)
    for job, state in all_jobs(node.core.farm):
        spec = spec_of(state)
        if spec is not None:
            _check_job(world, job, state, spec)
            for other, its_node in up:
                _check_agreed(world, shell, state, other, its_node, job)
    if any(name.startswith("clock") for name in world.fired):
        world.check("P13", True)
    _report(world, len(up))


def _check_equal(world: World, shell: SimNode, node: Node, other: SimNode, its_node: Node) -> None:
    world.check("P1", node.core.book.digest() == its_node.core.book.digest(), f"{shell.name}, {other.name}: vectors")
    own, its = node.core.hash.of(node.core.farm), its_node.core.hash.of(its_node.core.farm)
    world.check("P1", own == its, f"{shell.name} and {other.name} hold the same actions and another state")
    world.check("P1", not its_node.core.counters.diverged, f"{other.name} saw a peer in another state")
    world.check("P3", not its_node.core.counters.forks, f"{other.name} saw a fork: {its_node.core.alarms}")


def _check_order(world: World, node: Node) -> None:
    """Any order, any batching, any duplication, and a snapshot with what came after: one state."""
    kept = [
        decode_action(raw)
        for (author, log, seq), raw in world.watch.raws.items()
        if seq <= node.core.book.seq_of((author, log))
    ]
    total = sum(position.seq for position in node.core.book.vector.values())
    expected = state_hash(node.core.farm)
    world.check("P2", node.core.hash.of(node.core.farm) == expected, "the hash that is kept up is not the state's")
    if len(kept) != total:
        return  # an action whose author lost its disk before it was durable there lives on elsewhere
    world.rng.shuffle(kept)
    world.check("P2", state_hash(_reduced(EMPTY_FARM, kept)) == expected, "shuffled actions give another state")
    half = len(kept) // 2
    joined = _reduced(EMPTY_FARM, kept[max(half - 5, 0) :])
    for part in encode_snapshot(_reduced(EMPTY_FARM, kept[:half])):
        joined = join_part(joined, part)
    world.check("P2", state_hash(joined) == expected, "a snapshot joined with the rest gives another state")


def _reduced(farm: Farm, actions: list[Action]) -> Farm:
    for action in actions:
        farm = reduce(farm, action)
    return farm


def _check_jobs_kept(world: World, node: Node) -> None:
    """A job that two other nodes held, or whose submitter is here with its disk, is here."""
    for job, note in world.jobs.items():
        is_back = world.nodes[note.submitter] in world.up() and note.submitter not in world.watch.charges.rolled_back
        is_held = note.held_by_s is not None and len(world.lost_disks) <= 2
        if is_held or is_back:
            world.check("P4", get_job(node.core.farm, job) is not None, f"job {job} is lost")


def _check_job(world: World, job: JobId, state: JobState, spec: JobSpec) -> None:
    wanted: dict[str, set[str]] = {}
    for number, step in enumerate(spec.steps):
        bits = step_bits(state, spec, number)
        mask = full_mask(spec, number)
        stuck = mask & ~(bits.done | bits.failed | bits.cancelled)
        is_over = not stuck & ~bits.blocked or world.files.scene_is_gone(spec.manifest)
        world.check("P5", is_over, f"job {job} step {number} is at rest with open tasks {stuck:b}")
        if not step.output_dir:
            continue
        known = state.steps.get(number, EMPTY_STEP)
        names = wanted.setdefault(step.output_dir, set())
        for task in tasks_in(bits.done):
            attempt = canonical(known, task)
            world.check("P9", attempt is not None and attempt[2] is not None, f"job {job}: a done task has no result")
            assert attempt is not None
            told = {name: digest for name, _, digest in attempt[2][1]}
            expected = {frame_name(step.output_pattern, frame) for frame in task_frames(step, task)}
            world.check("P5", set(told) == expected, f"job {job} task {task} gave {set(told)}, not {expected}")
            if is_orphan(world, state, spec):
                if not published_bits(known, 1 << task):
                    world.copies.check_orphan(job, attempt[0])
                continue
            names |= expected
            for name, digest in told.items():
                data = world.storage.published.get((step.output_dir, name))
                world.check("P6", data is not None, f"job {job}: {name} is done and cannot be read")
                assert data is not None
                if world.is_beyond(state, number, task, (step.output_dir, name)):
                    continue
                is_same = hashlib.sha256(data).digest() == digest
                world.check("P9", is_same, f"job {job}: {name} is published as {data!r}, not as {attempt[0]} made it")
    if is_orphan(world, state, spec) or any(
        bits.done != full_mask(spec, n) for n, bits in enumerate(step_bits(state, spec, k) for k in _steps(spec))
    ):
        return
    for directory, names in wanted.items():
        there = {name for where, name in world.storage.published if where == directory}
        world.check("P5", there == names, f"job {job} published {there ^ names} too much or too little")


def _steps(spec: JobSpec) -> range:
    return range(len(spec.steps))


def _check_agreed(world: World, shell: SimNode, state: JobState, other: SimNode, its_node: Node, job: JobId) -> None:
    its_state = get_job(its_node.core.farm, job)
    for number, step in state.steps.items():
        its_step = its_state.steps.get(number, EMPTY_STEP) if its_state is not None else EMPTY_STEP
        is_same = all(canonical(step, task) == canonical(its_step, task) for task in tasks_in(step.done))
        world.check("P9", is_same, f"{shell.name} and {other.name} hold other results for job {job}")


def _report(world: World, nodes: int) -> None:
    actions = len(world.watch.raws)
    if actions and nodes > 1:
        sent = world.figures.get("actions sent", 0) / actions / nodes
        world.figures["actions sent per action and node"] = sent
        world.figures["messages per action and node"] = world.network.messages / actions / nodes
        world.figures["bytes per action"] = sum(map(len, world.watch.raws.values())) / actions
        world.figures["longest queue"] = world.network.peak_queue
        limit = 1.0 if world.plan.is_calm else 30.0
        world.check("P11", sent <= limit, f"each action was sent {sent:.1f} times to each node")
    for shell in world.up():
        if shell.node is not None:
            held = shell.node.core.book._held_back_count
            world.check("P11", held <= 2000, f"{shell.name} holds back {held} actions")
