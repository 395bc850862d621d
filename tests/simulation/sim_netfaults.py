"""What goes wrong between nodes, each under its name, and the choice of whom it befalls."""

from __future__ import annotations

from collections.abc import Callable

from sim_network import Trouble
from sim_node import SimNode
from sim_world import World

from peerfarm.model.ids import NodeId


def some(world: World, count: int = 1) -> list[SimNode]:
    """Running members, at random."""
    up = world.up()
    return world.rng.sample(up, min(count, len(up)))


def busy(world: World) -> SimNode | None:
    up = [shell for shell in world.up() if shell.renderer.running] or world.up()
    return world.rng.choice(up) if up else None


def _links(world: World, make: Callable[[], Trouble], name: str, last_s: float) -> None:
    pairs = [(one.id, other.id) for one in world.up() for other in world.up() if one is not other]
    chosen = world.rng.sample(pairs, min(len(pairs), world.rng.randint(1, 6)))
    for key in chosen:
        world.network.trouble[key] = make()
    world.fire(name, f"on {len(chosen)} ways")
    world.after(last_s, _end_trouble, world, chosen)


def _end_trouble(world: World, pairs: list[tuple[NodeId, NodeId]]) -> None:
    for key in pairs:
        world.network.trouble.pop(key, None)
        world.impair(key)


def delay(world: World, last_s: float) -> None:
    _links(world, lambda: Trouble(delay_s=world.rng.uniform(0.05, 2.0)), "messages delayed", last_s)


def drop(world: World, last_s: float) -> None:
    _links(world, lambda: Trouble(drop=world.rng.uniform(0.05, 0.6)), "messages lost", last_s)


def duplicate(world: World, last_s: float) -> None:
    _links(world, lambda: Trouble(duplicate=world.rng.uniform(0.1, 0.9)), "messages doubled", last_s)


def reorder(world: World, last_s: float) -> None:
    _links(world, lambda: Trouble(reorder=world.rng.uniform(0.1, 0.7)), "messages out of order", last_s)


def slow_peer(world: World, last_s: float) -> None:
    """Everything to one node takes its time."""
    for slow in some(world):
        for other in world.up():
            if other is not slow:
                world.network.trouble[other.id, slow.id] = Trouble(bytes_per_s=world.rng.uniform(200, 3000))
        world.fire("a slow peer", slow.name)
        pairs = [key for key in world.network.trouble if key[1] == slow.id]
        world.after(last_s, _end_trouble, world, pairs)


def _cut(world: World, pairs: list[tuple[SimNode, SimNode]], name: str, last_s: float) -> None:
    keys = [(one.id, other.id) for one, other in pairs]
    for key in keys:
        world.network.block(*key)
    world.fire(name, ", ".join(f"{one.name}>{other.name}" for one, other in pairs))
    world.after(last_s, _mend, world, keys)


def _mend(world: World, keys: list[tuple[NodeId, NodeId]]) -> None:
    for key in keys:
        world.network.blocked.pop(key, None)
        world.impair(key)
    world.network.look()


def halves(world: World, last_s: float) -> None:
    """Two halves that do not hear each other."""
    up = some(world, 99)
    left, right = up[: len(up) // 2], up[len(up) // 2 :]
    pairs = [(one, other) for one in left for other in right]
    _cut(world, pairs + [(other, one) for one, other in pairs], "partition into halves", last_s)


def ring(world: World, last_s: float) -> None:
    """Everybody hears only two others."""
    up = some(world, 99)
    near = {(place, (place + step) % len(up)) for place in range(len(up)) for step in (1, -1)}
    places = [(a, b) for a in range(len(up)) for b in range(len(up)) if a != b and (a, b) not in near]
    if places:
        _cut(world, [(up[a], up[b]) for a, b in places], "partition into a ring", last_s)


def bridge(world: World, last_s: float) -> None:
    """Two halves with one node that hears both."""
    _middle, *rest = some(world, 99) or [None]
    left, right = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    pairs = [(one, other) for one in left for other in right if one is not None and other is not None]
    if pairs:
        _cut(world, pairs + [(other, one) for one, other in pairs], "partition with a bridge", last_s)


def one_way(world: World, last_s: float) -> None:
    """One node is heard and hears nothing, or the other way round."""
    up = some(world, 99)
    if len(up) > 1:
        others = up[1 : world.rng.randint(2, len(up))]
        pairs = [(up[0], other) for other in others]
        if world.rng.random() < 0.5:
            pairs = [(other, one) for one, other in pairs]
        _cut(world, pairs, "partition one way", last_s)


def lost_grant(world: World, last_s: float) -> None:
    """The next lease for some worker never arrives, though everything else does."""
    workers = [shell for shell in world.up() if shell.settings.is_rendering]
    if workers:
        shell = world.rng.choice(workers)
        world.network.lose_grant_to = shell.id
        world.impair(shell.id)
        world.fire("a lost grant", shell.name)
