"""One run of one seed: a farm is drawn, jobs are submitted, faults fire, all is mended, all is checked."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import sim_faults
import sim_finale
from sim_clock import PropertyFailed
from sim_filefaults import FILE_FAULTS
from sim_world import Plan, World

CALM_SHARE = 0.15
FILES_SHARE = 0.4
"""Of the runs in which jobs' files travel between the nodes."""
FAULTS_UNTIL_S = 34.0
SETTLE_S = 400.0


@dataclass(slots=True)
class Outcome:
    """What a run showed; travels between processes."""

    seed: int | str
    failure: str = ""
    """Empty when every property held."""
    property: str = ""
    tail: list[str] = field(default_factory=list)
    trace_hash: str = ""
    checked: dict[str, int] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


def run_seed(seed: int, *, is_traced: bool = False) -> Outcome:
    """Everything that follows from a seed."""
    world = _world_of(seed, is_traced)
    return concluded(world, seed, lambda: _live(world))


def concluded(world: World, seed: int | str, live: Any) -> Outcome:
    """Run, and put what it showed in a value; an exception of the node's code is a failure like any other."""
    outcome = Outcome(seed)
    try:
        live()
    except PropertyFailed as failed:
        outcome.failure, outcome.property = str(failed), failed.property
    except Exception as error:  # noqa: BLE001 - any exception of the node would have ended a real one
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else ""
        outcome.failure, outcome.property = f"raised: {type(error).__name__}: {error} at {where}", "raised"
    outcome.tail, outcome.trace_hash = world.tail, world.trace_hash
    outcome.checked, outcome.fired, outcome.figures = world.checked, world.fired, world.figures
    return outcome


def _world_of(seed: int, is_traced: bool) -> World:
    rng = random.Random(f"plan {seed}")
    is_calm = rng.random() < CALM_SHARE
    plan = Plan(is_calm=is_calm)
    if not is_calm:
        plan.hang, plan.crash, plan.lie = (rng.choice((0.0, 0.0, 0.1)) for _ in range(3))
        plan.spoil = rng.choice((0.0, 0.0, 0.05))
        plan.broken = frozenset({"n1"} if rng.random() < 0.1 else ())
        plan.snapshot_actions = rng.choice((50_000, 12, 40))
    if random.Random(f"files {seed}").random() < FILES_SHARE:
        plan.has_files = True
        plan.spoil_block = 0.0 if is_calm else rng.choice((0.0, 0.1))
    return World(seed, plan, is_traced=is_traced)


def _live(world: World) -> None:
    rng = world.rng
    _begin(world)
    if world.plan.has_files:
        world.copies.begin()
    for place in range(rng.choice((1, 1, 2, 3))):
        world.at(4.0 + rng.random() * (2.0 if place == 0 else 15.0), submit_some, world, place)
    if not world.plan.is_calm:
        chosen = [rng.choice(sim_faults.FAULTS) for _ in range(rng.choice((1, 2, 3, 4, 6)))]
        if world.plan.has_files:
            chosen += [rng.choice(FILE_FAULTS) for _ in range(rng.choice((1, 2, 4)))]
        if rng.random() < 0.03:
            chosen += sim_faults.RARE
        for fault in chosen:
            world.at(rng.uniform(4.0, 24.0), _fire, world, fault)
        for second in range(5, int(FAULTS_UNTIL_S), 3):
            world.at(second, world.note_holders)
    elif rng.random() < 0.5:
        world.at(8.0, _begin_lag, world)
    else:
        world.at(rng.uniform(6.0, 14.0), sim_faults.clock_jump, world, 1.0)
    world.run(FAULTS_UNTIL_S if not world.plan.is_calm else 20.0)
    mend(world)
    world.settle(SETTLE_S)
    sim_finale.check_all(world)


def _begin(world: World) -> None:
    """A farm of two to six machines comes together, in good order or all at once."""
    rng = world.rng
    count = rng.choice((2, 3, 3, 3, 4, 4, 5, 6))
    for place in range(count):
        is_server = count > 2 and place == count - 1 and rng.random() < 0.4
        world.add(f"n{place}", slots=rng.choice((1, 1, 2)), is_rendering=not is_server)
    shells = list(world.nodes.values())
    shells[0].is_kept = True
    world.found(shells[0])
    world.run(0.5)
    is_crowd = rng.random() < 0.3
    if is_crowd:
        world.fire("everybody joins at once")
    for shell in shells[1:]:
        world.at(0.6 if is_crowd else rng.uniform(0.6, 1.5), world.join, shell, shells[0])
    world.run(3.9)


def _begin_lag(world: World) -> None:
    """Full load is no fault: nobody may be held for dead for it."""
    for shell in world.up():
        shell.lag_s = world.rng.uniform(0.0, 1.2)
    world.fired["every loop lags"] = 1


def _fire(world: World, fault: sim_faults.Fault) -> None:
    fault(world, world.rng.uniform(1.0, 15.0))


def submit_some(world: World, place: int) -> None:
    """Some node's user submits some job."""
    rng = world.rng
    inside = [shell for shell in world.up() if shell.node is not None and shell.node.core.farm.created is not None]
    if not inside:
        return
    shell = rng.choice(inside)
    job: dict[str, Any] = {"name": f"job{place}", "priority": rng.choice((30, 50, 50, 80))}
    directory = f"/out/{place}"
    kind = rng.randrange(5)
    frames = rng.randint(2, 14)
    if kind <= 1:
        job |= _step("render", directory, frames, rng.randint(1, 3))
    elif kind == 2:
        job["steps"] = [
            {"name": "setup", "app": "ocean", "stall_limit": 6},
            {**_step("render", directory, frames, 2), "depends_on": ["setup"]},
            {**_step("comp", directory + "/comp", frames, 1), "depends_on": [{"step": "render", "frames": [0, -1]}]},
            {"name": "clean", "app": "ocean", "stall_limit": 6, "depends_on": ["comp"], "run": "always"},
        ]
    elif kind == 3:
        job["steps"] = [
            {**_step("render", directory, frames, 1), "tries": 2},
            {"name": "clean", "app": "ocean", "stall_limit": 6, "depends_on": ["render"], "run": "always"},
        ]
    else:
        job |= _step("render", directory, frames, 1)
    if world.plan.has_files and rng.random() < 0.85:
        job["files"] = "peers"
    world.submit(shell, job, seconds=rng.choice((0.05, 0.3, 1.5, 4.0)))


def _step(name: str, directory: str, frames: int, chunk: int) -> dict[str, Any]:
    output = f"{directory}/{name}_####.png"
    return {"name": name, "app": "ocean", "frames": f"1-{frames}", "chunk": chunk, "output": output, "stall_limit": 6}


def mend(world: World) -> None:
    """Faults are over: everything that is to come back is back."""
    world.tell("everything is mended")
    world.network.heal()
    world.storage.is_refusing = False
    world.plan.hang = world.plan.crash = world.plan.lie = world.plan.spoil = world.plan.spoil_block = 0.0
    for shell in world.nodes.values():
        shell.disk.full = shell.blobs.is_full = False
        shell.lag_s = 0.0
        shell.cut_power = ""
        world.impair(shell.id)
        if shell.is_in_farm:
            shell.boot()
            world.after(10.0, sim_faults.join_anew, world, shell)
    world.at(world.now_s + 3.0, _resume_jobs, world)
    if world.plan.has_files:
        world.at(world.now_s + 20.0, _remove_the_lost, world)


def _remove_the_lost(world: World) -> None:
    """Somebody removes the machines that never come back: nobody waits any more for what they may hold."""
    up = [shell for shell in world.up() if shell.node is not None and shell.node.core.farm.created is not None]
    for shell in world.nodes.values():
        if up and not shell.is_in_farm and shell.id not in world.removed:
            world.call(up[0], None, "remove", node=shell.id)


def _resume_jobs(world: World) -> None:
    up = [shell for shell in world.up() if shell.node is not None and shell.node.core.farm.created is not None]
    if up and up[0].node is not None:
        for job in list(world.jobs):
            world.call(up[0], None, "resume", job=job)
