"""What must hold of nodes that move blobs: at every turn of an engine, at the end of every want, and at rest."""

from __future__ import annotations

from typing import Any

from swarm_world import Content, Ended, Machine, SwarmWorld

from peerfarm.model.blob import BlobId
from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import MAX_PIECE_BYTES, Piece, decode_transfer
from peerfarm.swarm import asking, peers, serving, shelf

PROPERTIES = {
    "S1": "whole in the end",
    "S2": "right verdict",
    "S3": "no wrong byte",
    "S4": "bounded",
    "S5": "thrift",
    "S6": "trust",
    "S7": "upload limit",
    "S8": "nothing left over",
    "S9": "true progress",
    "S10": "halves served on",
    "S11": "never raises",
    "S12": "every ask is answered",
}
MAX_BAD_BLOCKS = 40
"""Bad blocks that a machine may take from each that spoils them: those under way when the second is found out."""
LOOK_EVERY_S = 1.0
STABLE_S = 5.0
"""Who held everything for this long, linked, must not be named as lacking."""


class Watch:
    """Looks at every turn of every engine."""

    def __init__(self, world: SwarmWorld) -> None:
        self._world = world
        self.rotten: set[NodeId] = set()
        """Machines that sent wrong blocks or lists."""
        self._bad: dict[NodeId, int] = {}
        self._sent_bytes: dict[NodeId, tuple[float, float, int]] = {}
        self.total_sent_bytes = 0
        self._seen: dict[NodeId, int] = {}
        self._linked_s: dict[tuple[NodeId, NodeId], tuple[int, float]] = {}
        self._holds_s: dict[tuple[NodeId, BlobId], float] = {}
        self._done: dict[tuple[NodeId, str], int] = {}
        self._unknown: dict[tuple[NodeId, NodeId], set[Any]] = {}
        self._looked_s = 0.0
        world.watch = self.turn
        world.wrote = self.wrote
        world.sent = self.sent

    def turn(self, machine: Machine) -> None:
        """After a turn of a machine's engine."""
        self._bounds(machine)
        if self._world.clock.now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = self._world.clock.now_s
            self._look_for_answers()
        check = self._world.clock.check
        for node in machine.alarms[:]:
            check("S6", node in self.rotten, lambda node=node: f"{machine.name} blames {node}, which sent nothing bad")
        machine.alarms.clear()
        for node, reason in machine.dropped:
            check("S6", node in self.rotten, lambda node=node, why=reason: f"{machine.name} drops {node}: {why}")
        machine.dropped.clear()
        for ended in machine.ended[self._seen.get(machine.name, 0) :]:
            self._ended(machine, ended)
        self._seen[machine.name] = len(machine.ended)
        for progress in machine.told:
            refs = machine.orders.get(progress.key)
            is_true = 0 <= progress.done_bytes <= progress.total_bytes and progress.rate_bytes_s >= 0
            if refs is not None:
                held = sum(self._held_bytes(machine, self._world.contents[ref.id]) for ref in set(refs))
                is_true = is_true and abs(held - progress.done_bytes) <= self.slack_bytes
                is_true = is_true and progress.total_bytes == sum(ref.size_bytes for ref in set(refs))
            check("S9", is_true, lambda told=progress: f"{machine.name} tells {told}")
        machine.told.clear()

    slack_bytes = 1 << 20
    """Between what a store holds and what the engine has heard of."""

    def wrote(self, machine: Machine, blob: BlobId, block: int, is_bad: bool, was_held: bool) -> None:
        """A block was given to a store."""
        check = self._world.clock.check
        wrong = machine.disk.forged
        check("S3", not wrong, f"{machine.name} keeps a wrong block {block} of {blob.hex()[:8]}")
        check("S5", not was_held, f"{machine.name} fetched block {block} of {blob.hex()[:8]}, which it holds")
        if is_bad:
            count = self._bad[machine.name] = self._bad.get(machine.name, 0) + 1
            limit = MAX_BAD_BLOCKS * len(self.rotten)
            check("S6", count <= limit, f"{machine.name} took {count} bad blocks")

    def sent(self, machine: Machine, raw: bytes) -> None:
        """A machine sent blocks; what it may send fills up at its limit."""
        size_bytes = data_bytes(raw)
        if not size_bytes:
            return
        self.total_sent_bytes += size_bytes
        limit = machine.limit_bytes_s
        now_s = self._world.clock.now_s
        if not limit:
            self._sent_bytes.pop(machine.name, None)
            return
        room = MAX_PIECE_BYTES + limit * serving.BURST_S
        spent, since_s, before = self._sent_bytes.get(machine.name, (0.0, now_s, limit))
        spent = max(0.0, spent - (now_s - since_s) * limit) + size_bytes if before == limit else 0.0
        self._sent_bytes[machine.name] = (spent, now_s, limit)
        self._world.clock.check(
            "S7", spent <= 2 * room + 1, lambda: f"{machine.name} is {spent:.0f} bytes ahead of its limit"
        )

    def _bounds(self, machine: Machine) -> None:
        swarm = machine.swarm
        assert swarm is not None
        owed = {peer.node: sum(ask.length for ask in peer.asks.values()) for peer in swarm._peers}
        writing = sum(length for _, length in swarm._asking._writing.values())
        longest = max((content.blocks.size_bytes for content in self._world.contents.values()), default=0)
        block = min(longest, 128 << 10)
        check = self._world.clock.check
        total = sum(owed.values()) + writing
        check("S4", swarm.outstanding_bytes == total, f"{machine.name} counts {swarm.outstanding_bytes}, not {total}")
        check("S4", total <= asking.MAX_OUTSTANDING_BYTES + block, f"{machine.name} asked for {total} bytes")
        for peer in swarm._peers:
            is_right = peer.owed_bytes == owed[peer.node] and len(peer.asks) <= peers.MAX_ASKS
            window = max(peers.MAX_WINDOW_BYTES, peers.MIN_ASKS * block) + block
            check("S4", is_right and peer.owed_bytes <= window, f"{peer.node} owes {peer.owed_bytes} bytes")
            if swarm._peers.is_banned(peer.node):
                check("S6", not peer.asks, f"{machine.name} asks {peer.node}, which sent bad blocks")
        for asker in swarm._serving._askers.values():
            check("S4", len(asker.queue) <= serving.MAX_QUEUED, "too many blocks queued")
        check("S4", swarm._serving._loaded_bytes <= serving.MAX_LOADED_BYTES + block, "too much in memory")
        check("S4", all(n <= shelf.MAX_INTERESTS for n in swarm._shelf._interests.values()), "too many interests")

    def _look_for_answers(self) -> None:
        """What is asked of a machine is in its queue, or was answered; what is on a line gets time to arrive."""
        for machine in self._world.up():
            assert machine.swarm is not None
            for peer in machine.swarm._peers:
                other = self._world.machines[peer.node]
                pair = (machine.name, peer.node)
                if other.swarm is None or not self._world.is_clear(machine, other):
                    self._unknown.pop(pair, None)
                    continue
                asker = other.swarm._serving._askers.get(machine.name)
                known = {*asker.queue, *asker.reading, *(one.row for one in asker.loaded)} if asker else set()
                unknown = {(ask, ask.got) for row, ask in peer.asks.items() if row not in known}
                twice = unknown & self._unknown.get(pair, set())
                self._unknown[pair] = unknown
                self._world.clock.check("S12", not twice, lambda at=pair: f"{at[1]} has no answer for {at[0]}")

    def _ended(self, machine: Machine, ended: Ended) -> None:
        check = self._world.clock.check
        refs = machine.orders[ended.key]
        if ended.failed is None:
            missing = [ref.id.hex()[:8] for ref in refs if not machine.disk.holds(ref.id)]
            check("S2", not missing, lambda: f"{machine.name} has {ended.key}, it says, without {missing}")
            return
        for node in ended.failed.lacking:
            other = self._world.machines[node]
            holds = all(self._holds_since(other, ref.id) for ref in refs)
            linked_s = machine.linked_s.get(node, self._world.clock.now_s)
            is_wrong = holds and self._world.clock.now_s - linked_s > STABLE_S and node not in self.rotten
            check("S2", not is_wrong, lambda node=node: f"{machine.name} says that {node} lacks what it holds")

    def _holds_since(self, machine: Machine, blob: BlobId) -> bool:
        since_s = machine.disk.held_s.get(blob)
        return since_s is not None and self._world.clock.now_s - since_s > STABLE_S

    @staticmethod
    def _held_bytes(machine: Machine, content: Content) -> int:
        bits = machine.disk.bits.get(content.ref.id, 0)
        return sum(len(content.block(number)) for number in range(content.count) if bits >> number & 1)


def check_rest(world: SwarmWorld, rotten: set[NodeId]) -> None:
    """Nothing is left of wants that ended: no asks, no interest, no blocks in memory."""
    for machine in world.up():
        swarm = machine.swarm
        assert swarm is not None
        askers = [asker for node, asker in swarm._serving._askers.items() if node not in rotten]
        left = {
            "wants": len(swarm._wants),
            "blobs": len(swarm._wants.blobs),
            "chapters": len(swarm._wants.chapters),
            "open blobs": swarm._wants._open_blobs,
            "asks": sum(len(peer.asks) for peer in swarm._peers),
            "askers": len(swarm._asking._askers),
            "writing": len(swarm._asking._writing),
            "outstanding": swarm.outstanding_bytes,
            "sought": sum(blob in world.contents for blob in swarm._shelf._sought),
            "queued": sum(len(asker.queue) + len(asker.reading) + len(asker.loaded) for asker in askers),
            "loaded": sum(asker.ahead_bytes for asker in askers),
        }
        over = {name: count for name, count in left.items() if count}
        world.clock.check("S8", not over, lambda machine=machine, over=over: f"{machine.name} still has {over}")


def data_bytes(raw: bytes) -> int:
    """How much of blocks a message holds."""
    message = decode_transfer(raw)
    return sum(len(row[4]) for row in message.rows) if isinstance(message, Piece) else 0
