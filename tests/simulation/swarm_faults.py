"""Everything that goes wrong while blobs move, by name; each fault ends by itself after a while."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgpack
from swarm_world import Machine, SwarmWorld

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import BlobId
from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t
from peerfarm.swarm import Busy, Limits, Present

Rotten = set[NodeId]
Fault = Callable[[SwarmWorld, Rotten], None]


def _lasting(world: SwarmWorld, low_s: float = 1.0, high_s: float = 12.0) -> float:
    return world.clock.rng.uniform(low_s, high_s)


def _some(world: SwarmWorld, *, is_honest: bool = False) -> Machine | None:
    able = [m for m in world.up() if not (is_honest and (m.bends or m.rots))]
    return world.clock.rng.choice(able) if able else None


def _message(raw: bytes) -> t.TransferMessage | None:
    try:
        return t.decode_transfer(raw)
    except PeerProtocolError:
        return None


def link_breaks(world: SwarmWorld, _rotten: Rotten) -> None:
    """A link closes; what is on it is lost."""
    one = _some(world)
    if one is None or not one.links:
        return
    other = world.machines[world.clock.rng.choice(sorted(one.links))]
    world.clock.fire("link breaks", f"{one.name} {other.name}")
    world.unlink(one, other)
    world.clock.after(_lasting(world), world.link, one, other)


def node_dies(world: SwarmWorld, _rotten: Rotten) -> None:
    """A machine loses power, and what it had not synced."""
    machine = _some(world)
    if machine is None or len(world.up()) < 3:
        return
    world.clock.fire("node dies", machine.name)
    world.kill(machine)
    world.clock.after(_lasting(world), _boots, world, machine)


def _boots(world: SwarmWorld, machine: Machine) -> None:
    if machine.swarm is None:
        world.clock.fire("node comes back", machine.name)
        world.boot(machine)


def bad_memory(world: SwarmWorld, rotten: Rotten) -> None:
    """A machine spoils some of the blocks that it reads."""
    machine = _some(world, is_honest=True)
    if machine is None:
        return
    rng, share = random.Random(world.clock.rng.random()), world.clock.rng.choice((0.1, 0.5, 1.0))

    def rots(_blob: BlobId, _block: int, data: bytes | None) -> bytes | None:
        if not data or rng.random() > share:
            return data
        world.clock.fire("block corrupted")
        return bytes([data[0] ^ 1]) + data[1:]

    rotten.add(machine.name)
    machine.rots = rots
    world.clock.after(_lasting(world), _mends, machine)


def _mends(machine: Machine) -> None:
    machine.rots = machine.bends = None


def disk_full(world: SwarmWorld, _rotten: Rotten) -> None:
    """A machine's disk takes nothing."""
    machine = _some(world)
    if machine is None:
        return
    world.clock.fire("disk full", machine.name)
    machine.disk.is_full = True
    world.clock.after(_lasting(world), setattr, machine.disk, "is_full", False)


def _evictable(world: SwarmWorld, machine: Machine) -> list[BlobId]:
    """Blobs that this machine does not want and that somebody else holds."""
    wanted = {ref.id for refs, _, _ in machine.wanted.values() for ref in refs}
    others = [m for m in world.machines.values() if m is not machine]
    return [
        blob
        for blob, bits in machine.disk.bits.items()
        if bits and blob not in wanted and any(m.disk.holds(blob) for m in others)
    ]


def eviction(world: SwarmWorld, _rotten: Rotten) -> None:
    """A store makes room; its engine is told, or finds out when somebody asks."""
    machine = _some(world)
    able = _evictable(world, machine) if machine else []
    if machine is None or not able:
        return
    rng = world.clock.rng
    for blob in rng.sample(able, rng.randint(1, len(able))):
        is_told = rng.random() < 0.5
        world.clock.fire("eviction" if is_told else "eviction found out by reading", machine.name)
        world.evict(machine, blob, is_told=is_told)


def block_damaged(world: SwarmWorld, _rotten: Rotten) -> None:
    """One block on a disk is damaged; reading finds out and drops it."""
    machine = _some(world)
    able = [blob for blob in _evictable(world, machine) if world.contents[blob].count] if machine else []
    if machine is None or not able:
        return
    blob = world.clock.rng.choice(able)
    world.clock.fire("block damaged on disk", machine.name)
    machine.disk.drop(blob, 1 << world.clock.rng.randrange(world.contents[blob].count))


def everything_lost(world: SwarmWorld, _rotten: Rotten) -> None:
    """The last holders of a blob lose it for ever."""
    rng = world.clock.rng
    able = sorted(world.contents)
    blob = rng.choice(able)
    world.clock.fire("all copies lost", blob.hex()[:8])
    for machine in world.machines.values():
        machine.disk.drop(blob)
        machine.disk.unsynced.pop(blob, None)
        _forget(world, machine, blob)


def _forget(world: SwarmWorld, machine: Machine, blob: BlobId) -> None:
    if machine.swarm is not None:
        world.evict(machine, blob)


def slow_line(world: SwarmWorld, _rotten: Rotten) -> None:
    """A machine's line gets slow."""
    machine = _some(world)
    if machine is None:
        return
    world.clock.fire("slow line", machine.name)
    world.slow(machine, world.clock.rng.choice((20e3, 200e3)))
    world.clock.after(_lasting(world), world.slow, machine, 0.0)


def line_stalls(world: SwarmWorld, _rotten: Rotten) -> None:
    """Nothing leaves a machine for so long that others ask elsewhere; then everything comes that it sent meanwhile."""
    machine = _some(world)
    if machine is None:
        return
    world.clock.fire("line stalls", machine.name)
    world.stall(machine, _lasting(world, 5.0, 25.0))


def silent_peer(world: SwarmWorld, _rotten: Rotten) -> None:
    """A machine tells what it has and never sends it."""
    machine = _some(world, is_honest=True)
    if machine is None:
        return

    def bends(_node: NodeId, raw: bytes) -> bytes | None:
        if isinstance(_message(raw), t.Piece | t.ListTell):
            world.clock.fire("blocks swallowed")
            return None
        return raw

    machine.bends = bends
    world.clock.after(_lasting(world, 5.0, 25.0), _mends, machine)


def liar(world: SwarmWorld, rotten: Rotten) -> None:
    """A machine says that it holds everything, and forges block lists."""
    machine = _some(world, is_honest=True)
    if machine is None:
        return

    def bends(_node: NodeId, raw: bytes) -> bytes | None:
        message = _message(raw)
        if isinstance(message, t.Have):
            world.clock.fire("lie about holding")
            return t.encode_transfer(t.Have(tuple((blob, t.ALL) for blob, _ in message.rows)))
        if isinstance(message, t.ListTell) and message.hashes:
            world.clock.fire("block list forged")
            return t.encode_transfer(message._replace(hashes=message.hashes[::-1]))
        return raw

    rotten.add(machine.name)
    machine.bends = bends
    world.clock.after(_lasting(world, 5.0, 20.0), _mends, machine)


def junk(world: SwarmWorld, rotten: Rotten) -> None:
    """A machine sends what nobody may send, or what nobody asked for."""
    machine = _some(world)
    if machine is None or not machine.links:
        return
    rotten.add(machine.name)
    rng = world.clock.rng
    blob = rng.choice(sorted(world.contents))
    messages = [
        b"",
        rng.randbytes(rng.randint(1, 200)),
        msgpack.packb([rng.randint(0, 12), *([rng.choice((None, -1, "x", [[b"x"]]))] * rng.randint(0, 3))]),
        msgpack.packb([200, "of a later version"]),
        t.encode_transfer(t.Have(((blob, b"\xff" * 250),))),
        t.encode_transfer(t.Piece(((blob, 0, 1000, 0, b"x" * 1000), (blob, 1998, 9, 8, b"x")))),
        t.encode_transfer(t.Piece(tuple((blob, n, 50_000, 7, b"x" * 40_000) for n in range(20)))),
        t.encode_transfer(t.ListTell(blob, 5, b"h" * 64)),
        t.encode_transfer(t.Lack(((blob, 0), (blob, 1)))),
        t.encode_transfer(t.Unask(((blob, 7),))),
        t.encode_transfer(t.Unseek((BlobId(b"u" * 32),))),
        t.encode_transfer(t.Ask(((BlobId(b"u" * 32), 3), (blob, 1998)))),
        t.encode_transfer(t.Ask(tuple((blob, n % 1999) for n in range(16_000)))),
        t.encode_transfer(t.ListAsk((BlobId(b"u" * 32), blob))),
        t.encode_transfer(t.Seek(tuple(BlobId(n.to_bytes(32, "big")) for n in range(3000)))),
    ]
    target = rng.choice(sorted(machine.links))
    for _ in range(rng.randint(1, 30)):
        world.clock.fire("junk message")
        world.send(machine, target, rng.choice(messages))


def want_cancelled(world: SwarmWorld, _rotten: Rotten) -> None:
    """Somebody changes her mind, and then again."""
    machine = _some(world)
    if machine is None or not machine.wanted:
        return
    key = world.clock.rng.choice(sorted(machine.wanted))
    refs, holders, are_lists_known = machine.wanted[key]
    world.clock.fire("want cancelled", f"{machine.name} {key}")
    world.cancel(machine, key)
    contents = [world.contents[ref.id] for ref in refs]
    world.clock.after(
        _lasting(world, 0.0, 3.0),
        lambda: world.want(machine, key, contents, holders, are_lists_known=are_lists_known),
    )


def link_busy(world: SwarmWorld, _rotten: Rotten) -> None:
    """A link has no room for a while."""
    machine = _some(world)
    if machine is None or not machine.links:
        return
    target = world.clock.rng.choice(sorted(machine.links))
    world.clock.fire("link busy", f"{machine.name} {target}")
    world.tell(machine, Busy(target, is_busy=True))
    world.clock.after(_lasting(world, 0.1, 5.0), world.tell, machine, Busy(target, is_busy=False))


def limit_changes(world: SwarmWorld, _rotten: Rotten) -> None:
    """The artist comes back to the machine, or goes."""
    machine = _some(world)
    if machine is None:
        return
    world.clock.fire("limit changes", machine.name)
    machine.limit_bytes_s = world.clock.rng.choice((100_000, 1_000_000, 5_000_000))
    world.tell(machine, Limits(machine.limit_bytes_s))


def given_by_hand(world: SwarmWorld, _rotten: Rotten) -> None:
    """What is being fetched gets into the store by another way."""
    machine = _some(world)
    if machine is None or not machine.wanted:
        return
    refs = machine.wanted[world.clock.rng.choice(sorted(machine.wanted))][0]
    ref = world.clock.rng.choice(refs)
    world.clock.fire("taken in by another way", machine.name)
    machine.disk.put(world.contents[ref.id])
    world.tell(machine, Present(ref.id, machine.disk.bits[ref.id], ref.size_bytes))


FAULTS: tuple[Fault, ...] = (
    link_breaks,
    node_dies,
    bad_memory,
    disk_full,
    eviction,
    block_damaged,
    everything_lost,
    slow_line,
    line_stalls,
    silent_peer,
    liar,
    junk,
    want_cancelled,
    link_busy,
    limit_changes,
    given_by_hand,
)
"""Each run has some of them."""
NAMES = (
    "link breaks",
    "node dies",
    "node comes back",
    "block corrupted",
    "disk full",
    "eviction",
    "eviction found out by reading",
    "block damaged on disk",
    "all copies lost",
    "slow line",
    "line stalls",
    "blocks swallowed",
    "lie about holding",
    "block list forged",
    "junk message",
    "want cancelled",
    "link busy",
    "limit changes",
    "taken in by another way",
)
