"""How fast blobs spread, on a virtual clock: against the ideal swarm, and against one source that serves all."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sim_clock import say
from swarm_world import Machine, SwarmWorld

from peerfarm.swarm import Limits

MIB = 1 << 20
GIVE_UP = 20
"""Ideals."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What came of one large or many small blobs going from one source to several nodes."""

    title: str
    took_s: float
    ideal_s: float
    """Size / rate: the source sends each byte once. 0 without a limit."""
    one_source_s: float
    """Nodes * size / rate: the source serves all of them."""
    copies: float
    """How often the source sent each byte."""
    cpu_s: float
    """Of the engine that took most."""

    @property
    def ratio(self) -> float:
        """Of the time that it took to the ideal."""
        return self.took_s / self.ideal_s if self.ideal_s else 0.0


def spread(world: SwarmWorld, size_bytes: int, nodes: int, rate_bytes_s: int, blobs: int = 1) -> Spread:
    """Let so many nodes fetch from one source; each uploads at most at that rate, 0: no limit."""
    source, takers = _machines(world, size_bytes, nodes, rate_bytes_s, blobs)
    ideal_s = size_bytes / rate_bytes_s if rate_bytes_s else 0.0
    while not all(taker.ended for taker in takers) and world.clock.now_s < max(60.0, ideal_s * GIVE_UP):
        world.clock.run(world.clock.now_s + 0.1)
    check = world.clock.check
    for taker in takers:
        is_whole = bool(taker.ended) and taker.ended[0].failed is None
        check("S1", is_whole, lambda taker=taker: f"{taker.name} has not fetched it: {taker.ended}")
    return Spread(
        f"{size_bytes / MIB:.0f} MiB in {blobs} blob{'s' * (blobs > 1)} to {nodes}",
        max(taker.ended[0].at_s for taker in takers),
        ideal_s,
        ideal_s * nodes,
        sum(source.sent_bytes.values()) / size_bytes,
        max(machine.cpu_s for machine in world.machines.values()),
    )


def check_spread(world: SwarmWorld) -> None:
    """A smaller one of them, with bounds that a broken rule would pass."""
    size_bytes = 16 * MIB
    told = spread(world, size_bytes, 6, 1_000_000)
    check = world.clock.check
    check("S5", told.ratio <= 1.1 and told.copies <= 1.1, lambda: f"{told.ratio:.2f} ideals, {told.copies:.2f} copies")
    got = {machine.got_bytes for machine in world.machines.values()}
    check("S5", got == {0, size_bytes}, lambda: f"machines took {sorted(got)} bytes of {size_bytes}")
    check("S10", world.halves_sent >= 128, lambda: f"{world.halves_sent} blocks came from machines that had a part")


def check_source_that_leaves(world: SwarmWorld) -> None:
    """What only the source holds is fetched from it first, so it may go when it has sent little more than that."""
    content = world.content("leaving", 8 * MIB)
    half = content.count // 2
    source = world.add("z" * 16, 1_000_000)
    source.disk.put(content)
    others = [world.add(name * 16, 50_000) for name in "wxy"]
    for other in others:
        other.disk.put(content, (1 << half) - 1)
    taker = world.add("t" * 16)
    world.want(taker, "leaving", [content], [source.name])
    while len(source.sent_bytes) < half * 1.2 and not taker.ended and world.clock.now_s < 300:
        world.clock.run(world.clock.now_s + 0.05)
    world.clock.run(world.clock.now_s + 0.5)
    world.kill(source)
    for other in others:
        other.limit_bytes_s = 1_000_000
        world.tell(other, Limits(1_000_000))
    world.clock.run(world.clock.now_s + 60)
    is_whole = bool(taker.ended) and taker.ended[0].failed is None
    world.clock.check("S1", is_whole, lambda: f"the source left, and {taker.disk.bits} of {content.count} are here")


def print_figures() -> int:
    """The table."""
    say("what                                  MB/s   took s  ideal s  ratio  one source s  copies  engine CPU s")
    cases = [(256 * MIB, 2, 12.5, 1), (256 * MIB, 8, 12.5, 1), (256 * MIB, 8, 100.0, 1), (256 * MIB, 8, 2.0, 1)]
    cases += [(40_000_000, 1, 0.0, 20_000), (40_000_000, 8, 0.0, 20_000), (40_000_000, 8, 2.0, 20_000)]
    for size_bytes, nodes, rate, blobs in cases:
        world = SwarmWorld(f"{size_bytes} {nodes} {rate}")
        world.timer = time.process_time
        told = spread(world, size_bytes, nodes, int(rate * 1e6), blobs)
        ratio = f"{told.ratio:6.3f}" if rate else "     -"
        say(
            f"{told.title:36} {rate:6.1f} {told.took_s:8.2f} {told.ideal_s:8.2f} {ratio} {told.one_source_s:13.2f} "
            f"{told.copies:7.2f} {told.cpu_s:13.2f}"
        )
    return 0


def _machines(
    world: SwarmWorld, size_bytes: int, nodes: int, rate_bytes_s: int, blobs: int
) -> tuple[Machine, list[Machine]]:
    contents = [world.content(f"spread {number}", size_bytes // blobs) for number in range(blobs)]
    source = world.add("s" * 16, rate_bytes_s)
    for content in contents:
        source.disk.put(content)
    takers = [world.add("abcdefgh"[number] * 16, rate_bytes_s) for number in range(nodes)]
    for taker in takers:
        world.want(taker, "spread", contents, [source.name])
    return source, takers
