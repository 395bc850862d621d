"""What goes wrong where files travel, beside all that goes wrong anyway."""

from __future__ import annotations

from sim_faults import Fault, disk_lost, reboot
from sim_netfaults import some
from sim_world import World


def evict(world: World, last_s: float) -> None:
    """Stores make room, again and again, for what other jobs bring."""
    for shell in some(world, 3):
        world.fire("a store makes room", shell.name)
        for wait_s in (0.0, 1.0, last_s):
            world.after(wait_s, world.files.evict, shell)


def store_full(world: World, last_s: float) -> None:
    """A store has no room for another blob for a while."""
    for shell in some(world):
        world.fire("a store full", shell.name)
        shell.blobs.is_full = True
        world.after(last_s, setattr, shell.blobs, "is_full", False)


def kill_holder(world: World, last_s: float) -> None:
    """A machine that holds results which are not in place loses its power."""
    holding = [shell for shell in world.up() if any(key[:4] in {"resu", "keep"} for key in shell.blobs.pins)]
    if holding:
        shell = world.rng.choice(holding)
        world.fire("a holder of results switched off", shell.name)
        shell.crash(is_power=True)
        world.after(last_s, reboot, shell)


def fetch_somewhere(world: World, last_s: float) -> None:
    """People fetch frames into folders of their own, on any machine, and change their minds."""
    for shell in some(world, 2):
        for job in list(world.jobs):

            def begun(answer: object) -> None:
                if isinstance(answer, dict):
                    world.fire("frames fetched by somebody")

            world.call(shell, begun, "fetch", job=job, directory=f"/mine/{job}", overwrite=True)
            if world.rng.random() < 0.3:
                world.after(world.rng.random(), world.call, shell, None, "cancel_fetch")


FILE_FAULTS: tuple[Fault, ...] = (evict, store_full, kill_holder, disk_lost, fetch_somewhere)
"""Drawn beside the others."""
