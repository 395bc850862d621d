"""Nodes that move blobs: the real engine in each, with a network and stores that break on request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sim_clock import Clock

from peerfarm.model.blob import BlobId, BlobRef, BlockList, block_bytes, block_count
from peerfarm.model.ids import NodeId
from peerfarm.swarm import (
    Event,
    Failed,
    Gone,
    Heard,
    Limits,
    ListRead,
    PeerDown,
    PeerUp,
    Present,
    Progress,
    Read,
    Swarm,
    Tick,
    WriteBlock,
    Wrote,
)

PIECE_DELAY_S = 0.001
DISK_DELAY_S = 0.002
STRETCH_BYTES = 4096
"""So much of a blob repeats one hash; parts that are put together in a wrong order are seen by that."""
PUNISHED_S = 5.0
"""Who broke the protocol is linked again after this time."""
SYNC_EVERY_S = 2.0
"""What was written within this time before a power cut may be lost."""


class Content:
    """A blob's true bytes; made when they are needed, for 256 MiB of them need not lie in memory."""

    def __init__(self, name: str, size_bytes: int) -> None:
        self._word = hashlib.sha256(name.encode()).digest()
        self.size_bytes = size_bytes
        self.count = block_count(size_bytes)
        hashes = tuple(hashlib.sha256(self.block(number)).digest() for number in range(self.count))
        self.blocks = BlockList(size_bytes, hashes)
        self.ref = BlobRef(self.blocks.id, size_bytes)

    @property
    def full(self) -> int:
        """The set of all its blocks."""
        return (1 << max(1, self.count)) - 1

    def block(self, number: int) -> bytes:
        """One block."""
        length = block_bytes(self.size_bytes)
        own = min(length, self.size_bytes - number * length)
        stretches = range(-(-own // STRETCH_BYTES))
        words = (hashlib.sha256(b"%s %d %d" % (self._word, number, at)).digest() for at in stretches)
        return b"".join(word * (STRETCH_BYTES // 32) for word in words)[:own]


class Disk:
    """A node's store: which blocks of which blobs it holds; content is compared when it is written."""

    def __init__(self, contents: dict[BlobId, Content]) -> None:
        self._contents = contents
        self.bits: dict[BlobId, int] = {}
        self.unsynced: dict[BlobId, tuple[int, float]] = {}
        self.held_s: dict[BlobId, float] = {}
        """Since when each complete blob is here."""
        self.is_full = False
        self.forged: set[tuple[BlobId, int]] = set()
        """Blocks that were kept although they are wrong."""

    def holds(self, blob: BlobId) -> bool:
        """Whether all of it is here."""
        return self.bits.get(blob, 0) == self._contents[blob].full

    def put(self, content: Content, bits: int = -1) -> None:
        """Hold it, or these blocks of it."""
        self.bits[content.ref.id] = self.bits.get(content.ref.id, 0) | bits & content.full
        if self.holds(content.ref.id):
            self.held_s[content.ref.id] = 0.0

    def drop(self, blob: BlobId, bits: int = -1) -> None:
        """Hold it no longer, or these blocks of it not."""
        self.bits[blob] = self.bits.get(blob, 0) & ~bits
        self.held_s.pop(blob, None)

    def write(self, order: WriteBlock, now_s: float) -> Wrote:
        """What `write_block` of the real store does: check the hash, then keep."""
        if self.is_full:
            return Wrote(order.ref.id, order.block, ok=False, error="the disk is full")
        if order.ref.size_bytes and not self.is_right(order):
            return Wrote(order.ref.id, order.block, ok=False)
        content = self._contents[order.ref.id]
        if order.ref.size_bytes and order.data != content.block(order.block):
            self.forged.add((order.ref.id, order.block))
        fresh, _ = self.unsynced.get(order.ref.id, (0, 0.0))
        self.unsynced[order.ref.id] = (fresh | 1 << order.block, now_s)
        self.bits[order.ref.id] = self.bits.get(order.ref.id, 0) | 1 << order.block
        if self.bits[order.ref.id] == content.full:
            self.unsynced.pop(order.ref.id, None)
            self.held_s[order.ref.id] = now_s
        return Wrote(order.ref.id, order.block, ok=True)

    @staticmethod
    def is_right(order: WriteBlock) -> bool:
        """Whether the data has the hash that its block list names."""
        return hashlib.sha256(order.data).digest() == order.blocks.hashes[order.block]

    def read(self, blob: BlobId, block: int) -> bytes | None:
        """A block, or None."""
        content = self._contents.get(blob)
        if content is None or block >= content.count or not self.bits.get(blob, 0) >> block & 1:
            return None
        return content.block(block)

    def cut_power(self, now_s: float) -> None:
        """What was not synced is lost."""
        for blob, (bits, since_s) in self.unsynced.items():
            if now_s - since_s < SYNC_EVERY_S:
                self.bits[blob] &= ~bits
        self.unsynced.clear()


@dataclass
class Line:
    """What a machine sends through."""

    free_s: float = 0.0
    """When what is under way has been sent."""
    bytes_s: float = 0.0
    """0: no limit."""


@dataclass
class Ended:
    """How a want ended on a node."""

    key: str
    at_s: float
    failed: Failed | None


@dataclass
class Machine:
    """A node: its disk outlives its engine."""

    name: NodeId
    disk: Disk
    swarm: Swarm | None = None
    links: dict[NodeId, int] = field(default_factory=dict)
    """Linked peers, and the number of the link."""
    life: int = 0
    limit_bytes_s: int = 0
    ended: list[Ended] = field(default_factory=list)
    orders: dict[str, tuple[BlobRef, ...]] = field(default_factory=dict)
    """Every want that there ever was."""
    told: list[Progress] = field(default_factory=list)
    linked_s: dict[NodeId, float] = field(default_factory=dict)
    wanted: dict[str, tuple[tuple[BlobRef, ...], tuple[NodeId, ...], bool]] = field(default_factory=dict)
    """Wants that have not ended: what, of whom, and whether block lists are known."""
    sent_bytes: dict[tuple[BlobId, int], int] = field(default_factory=dict)
    """Of each block, how much was sent to anybody."""
    got_bytes: int = 0
    alarms: list[NodeId] = field(default_factory=list)
    dropped: list[tuple[NodeId, str]] = field(default_factory=list)
    cpu_s: float = 0.0
    bends: Callable[[NodeId, bytes], bytes | None] | None = None
    """What is done to every message on its way out; None: it is lost."""
    rots: Callable[[BlobId, int, bytes | None], bytes | None] | None = None
    """What is done to every block that is read."""
    swallowed: int = 0
    """Messages that were lost although the link held."""
    _pump_s: float = -1.0
    _tick_s: float = -1.0


class SwarmWorld:
    """Machines, links between all of them, and what they hold."""

    def __init__(self, seed: int | str, is_traced: bool = False) -> None:
        self.clock = Clock(seed, is_traced)
        self.contents: dict[BlobId, Content] = {}
        self.machines: dict[NodeId, Machine] = {}
        self._lines: dict[NodeId, Line] = {}
        self._links = 0
        self.halves_sent = 0
        """Blocks of blobs that their sender did not hold completely."""
        self.watch: Callable[[Machine], None] = lambda _machine: None
        """Called after every turn of an engine."""
        self.wrote: Callable[[Machine, BlobId, int, bool, bool], None] = lambda *_: None
        """Called when a store was given a block: was it wrong, was it held."""
        self.sent: Callable[[Machine, bytes], None] = lambda _machine, _raw: None
        """Called for every message of an engine."""
        self.timer: Callable[[], float] = lambda: 0.0

    def content(self, name: str, size_bytes: int) -> Content:
        """Some bytes, the same for the same name and size."""
        made = Content(name, size_bytes)
        return self.contents.setdefault(made.ref.id, made)

    def add(self, name: str, limit_bytes_s: int = 0) -> Machine:
        """A machine that is up and linked to all that are up."""
        machine = Machine(NodeId(name), Disk(self.contents), limit_bytes_s=limit_bytes_s)
        self.machines[machine.name] = machine
        self.boot(machine)
        return machine

    def up(self) -> list[Machine]:
        """Machines that run."""
        return [machine for machine in self.machines.values() if machine.swarm is not None]

    def boot(self, machine: Machine) -> None:
        """Start its engine; wants that had not ended are taken up again."""
        machine.life += 1
        machine._pump_s = machine._tick_s = -1.0
        machine.swarm = Swarm(self.clock.rng.getrandbits(60))
        self.tell(machine, Limits(machine.limit_bytes_s))
        for key in tuple(machine.wanted):
            self._order(machine, key)
        for other in self.up():
            if other is not machine:
                self.link(machine, other)

    def kill(self, machine: Machine) -> None:
        """Cut its power."""
        for other in tuple(machine.links):
            self.unlink(machine, self.machines[other])
        machine.swarm = None
        machine.disk.cut_power(self.clock.now_s)

    def link(self, one: Machine, other: Machine) -> None:
        """Open a link, if both are up and have none."""
        if one is other or other.name in one.links or one.swarm is None or other.swarm is None:
            return
        self._links += 1
        for here, there in ((one, other), (other, one)):
            here.links[there.name] = self._links
            here.linked_s[there.name] = self.clock.now_s
            self.tell(here, PeerUp(there.name))

    def unlink(self, one: Machine, other: Machine) -> None:
        """Close a link; what is under way is lost."""
        if other.name not in one.links:
            return
        for here, there in ((one, other), (other, one)):
            del here.links[there.name]
            if here.swarm is not None:
                self.tell(here, PeerDown(there.name))

    def want(
        self,
        machine: Machine,
        key: str,
        contents: Iterable[Content],
        holders: Iterable[NodeId] = (),
        *,
        are_lists_known: bool = True,
    ) -> None:
        """Want blobs; taken up again when the machine comes back."""
        refs = tuple(content.ref for content in contents)
        machine.wanted[key] = (refs, tuple(holders), are_lists_known)
        machine.orders[key] = refs
        if machine.swarm is not None:
            self._order(machine, key)

    def cancel(self, machine: Machine, key: str) -> None:
        """Want them no longer."""
        machine.wanted.pop(key, None)
        if machine.swarm is not None:
            machine.swarm.cancel(key)
            self._pump_soon(machine)

    def tell(self, machine: Machine, event: Event) -> None:
        """Let something happen to a machine's engine."""
        if machine.swarm is None:
            return
        begun_s = self.timer()
        machine.swarm.handle(event, self.clock.now_s)
        machine.cpu_s += self.timer() - begun_s
        self._pump_soon(machine)

    def evict(self, machine: Machine, blob: BlobId, *, is_told: bool = True) -> None:
        """Its store forgets a blob; untold, the engine finds out when it reads."""
        machine.disk.drop(blob)
        machine.disk.unsynced.pop(blob, None)
        if is_told:
            self.tell(machine, Gone(blob))

    def send(self, origin: Machine, target: NodeId, raw: bytes) -> None:
        """Put a message on a link; links keep the order."""
        link = origin.links.get(target)
        line = self._lines.setdefault(origin.name, Line())
        if link is None:
            return
        self.clock.stir(raw[:64])
        if origin.bends is not None:
            bent = origin.bends(target, raw)
            if bent is None:
                origin.swallowed += 1
                return
            raw = bent
        begun_s = max(self.clock.now_s, line.free_s)
        line.free_s = begun_s + (len(raw) / line.bytes_s if line.bytes_s else 0.0)
        self.clock.at(line.free_s + PIECE_DELAY_S, self._deliver, origin.name, target, link, raw)

    def slow(self, machine: Machine, bytes_s: float) -> None:
        """What leaves a machine leaves it at this rate, for all peers together; 0: at once."""
        self._lines.setdefault(machine.name, Line()).bytes_s = bytes_s

    def stall(self, machine: Machine, for_s: float) -> None:
        """Nothing that leaves a machine from now on arrives before that time is over."""
        line = self._lines.setdefault(machine.name, Line())
        line.free_s = max(line.free_s, self.clock.now_s + for_s)

    def quiet_s(self) -> float:
        """When everything that was sent so far has left the machines."""
        return max([self.clock.now_s, *(line.free_s for line in self._lines.values())])

    def is_clear(self, one: Machine, other: Machine) -> bool:
        """Whether nothing holds up what goes to and fro between two machines, and nothing lately was lost."""
        lines = [self._lines[machine.name] for machine in (one, other) if machine.name in self._lines]
        is_fast = all(line.free_s <= self.clock.now_s for line in lines)
        return is_fast and one.bends is None and other.bends is None and one.swallowed + other.swallowed == 0

    def _deliver(self, origin: NodeId, target: NodeId, link: int, raw: bytes) -> None:
        machine = self.machines[target]
        if machine.links.get(origin) == link:
            self.tell(machine, Heard(origin, raw))

    def _order(self, machine: Machine, key: str) -> None:
        refs, holders, are_lists_known = machine.wanted[key]
        assert machine.swarm is not None
        blocks = {ref.id: self.contents[ref.id].blocks for ref in refs} if are_lists_known else {}
        begun_s = self.timer()
        machine.swarm.want(key, refs, blocks, holders, self.clock.now_s)
        machine.cpu_s += self.timer() - begun_s
        for ref in refs:
            bits = machine.disk.bits.get(ref.id, 0)
            if bits:
                self.tell(machine, Present(ref.id, bits, ref.size_bytes))
        self._pump_soon(machine)

    def _pump_soon(self, machine: Machine) -> None:
        if machine._pump_s != self.clock.now_s:
            machine._pump_s = self.clock.now_s
            self.clock.at(self.clock.now_s, self._pump, machine, machine.life)

    def _pump(self, machine: Machine, life: int) -> None:
        if machine.swarm is None or machine.life != life:
            return
        machine._pump_s = -1.0
        begun_s = self.timer()
        effects = machine.swarm.settle(self.clock.now_s)
        machine.cpu_s += self.timer() - begun_s
        for node, raw in effects.sends:
            self.sent(machine, raw)
            self.send(machine, node, raw)
        later = self.clock.now_s + DISK_DELAY_S
        for blob in effects.looks:
            self.clock.at(later, self._look, machine, life, blob)
        for read in effects.reads:
            self.clock.at(later, self._read, machine, life, read.id, read.block, read.node)
        for ask in effects.list_reads:
            known = self.contents[ask.id].blocks if machine.disk.bits.get(ask.id) else None
            self.clock.at(later, self._later, machine, life, ListRead(ask.id, known, ask.node))
        for order in effects.writes:
            self.clock.at(later, self._write, machine, life, order)
        for key in effects.done:
            machine.wanted.pop(key, None)
            machine.ended.append(Ended(key, self.clock.now_s, None))
        for failed in effects.failed:
            machine.wanted.pop(failed.key, None)
            machine.ended.append(Ended(failed.key, self.clock.now_s, failed))
        machine.told += effects.progress
        machine.alarms += [alarm.node for alarm in effects.alarms]
        for node, reason in effects.drops:
            machine.dropped.append((node, reason))
            self.unlink(machine, self.machines[node])
            self.clock.after(PUNISHED_S, self.link, machine, self.machines[node])
        due_s = self.clock.now_s + effects.wake_s
        if not self.clock.now_s < machine._tick_s <= due_s:
            machine._tick_s = due_s
            self.clock.at(due_s, self._tick, machine, life, due_s)
        self.watch(machine)

    def _later(self, machine: Machine, life: int, event: Event) -> None:
        if machine.life == life:
            self.tell(machine, event)

    def _tick(self, machine: Machine, life: int, due_s: float) -> None:
        if machine.life == life and machine._tick_s == due_s:
            machine._tick_s = -1.0
            self._later(machine, life, Tick())

    def _look(self, machine: Machine, life: int, blob: BlobId) -> None:
        bits = machine.disk.bits.get(blob, 0)
        event = Present(blob, bits, self.contents[blob].size_bytes) if bits else Gone(blob)
        self._later(machine, life, event)

    def _read(self, machine: Machine, life: int, blob: BlobId, block: int, node: NodeId) -> None:
        data = machine.disk.read(blob, block)
        if machine.rots is not None:
            data = machine.rots(blob, block, data)
        if data is not None and not machine.disk.holds(blob):
            self.halves_sent += 1
        if data is not None:
            row = (blob, block)
            machine.sent_bytes[row] = machine.sent_bytes.get(row, 0) + len(data)
        self._later(machine, life, Read(blob, block, data, node))

    def _write(self, machine: Machine, life: int, order: WriteBlock) -> None:
        if machine.life == life and machine.swarm is not None:
            machine.got_bytes += len(order.data)
            was_held = bool(machine.disk.bits.get(order.ref.id, 0) >> order.block & 1)
            answer = machine.disk.write(order, self.clock.now_s)
            self.wrote(machine, order.ref.id, order.block, not (answer.ok or answer.error), was_held)
            self.tell(machine, answer)
