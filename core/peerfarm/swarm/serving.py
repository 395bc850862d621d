"""Blocks for those that ask: fair turns, at most the upload rate, and first what this node has sent least often."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import BlobId
from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import MAX_PIECE_BYTES, BlockRow, Lack, Piece
from peerfarm.swarm.events import Read, ReadBlock
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.peers import Peer

MAX_QUEUED = 8192
"""Blocks that one peer may wait for: four times what an honest one asks at a time."""
AHEAD_BYTES = 1 << 20
"""Read for one asker before it is sent; at least one block."""
LIMITED_AHEAD_BYTES = 128 << 10
"""The same when the rate is limited: what is chosen late is chosen better."""
MAX_LOADED_BYTES = 64 << 20
"""Read for all askers together, and one block more."""
MAX_PIECE_COUNT = 1000
LOOK_AHEAD = 32
"""Of an asker's oldest asks, the one that was sent least often comes first."""
DEFER_S = 2.0
"""A block that was sent to somebody else lets others go first for this time: who has it may send it on meanwhile."""
MAX_SENT = 1 << 17
"""Blocks of which it is remembered how often they were sent."""
BURST_S = 0.1


class Loaded:
    """A block in memory on its way to an asker."""

    __slots__ = ("data", "offset", "row")

    def __init__(self, row: BlockRow, data: bytes) -> None:
        self.row = row
        self.data = data
        self.offset = 0


class Asker:
    """A peer that asked for blocks."""

    def __init__(self) -> None:
        self.queue: dict[BlockRow, float] = {}
        """Oldest first, and since when each waits."""
        self.reading: dict[BlockRow, int] = {}
        """Being read, and about how long each is."""
        self.loaded: deque[Loaded] = deque()
        self.ahead_bytes = 0
        """Being read, or in memory."""


class Serving:
    """The side that serves: who asked for what, and what goes out next."""

    def __init__(self, outbox: Outbox, length_of: Callable[[BlobId], int]) -> None:
        self._outbox = outbox
        self._askers: dict[NodeId, Asker] = {}
        self._turns: deque[NodeId] = deque()
        self._busy: set[NodeId] = set()
        self._sent: dict[BlockRow, int] = {}
        self._length_of = length_of
        self._loaded_bytes = 0
        self._limit_bytes_s = 0
        self._tokens = 0.0
        self._filled_s = 0.0

    def ask(self, peer: Peer, rows: tuple[BlockRow, ...], now_s: float) -> None:
        """A peer asks for blocks.

        Raises:
            PeerProtocolError: It asks for more than MAX_QUEUED at a time.
        """
        asker = self._askers.get(peer.node)
        if asker is None:
            asker = self._askers[peer.node] = Asker()
            self._turns.append(peer.node)
        loaded = {one.row for one in asker.loaded} if asker.loaded else ()
        for row in rows:
            if row not in asker.reading and row not in loaded:
                asker.queue.setdefault(row, now_s)
        if len(asker.queue) > MAX_QUEUED:
            raise PeerProtocolError(f"asks for more than {MAX_QUEUED} blocks at a time")

    def unask(self, peer: Peer, rows: tuple[BlockRow, ...]) -> None:
        """A peer needs these no longer."""
        asker = self._askers.get(peer.node)
        if asker is None:
            return
        gone = set(rows)
        for row in gone:
            asker.queue.pop(row, None)
            self._loaded(asker, -asker.reading.pop(row, 0))
        for one in tuple(asker.loaded):
            if one.row in gone:
                asker.loaded.remove(one)
                self._loaded(asker, -len(one.data))

    def unlink(self, node: NodeId) -> None:
        """A peer is away."""
        self._busy.discard(node)
        asker = self._askers.pop(node, None)
        if asker is not None:
            self._turns.remove(node)
            self._loaded_bytes -= asker.ahead_bytes

    def busy(self, node: NodeId, is_busy: bool) -> None:
        """A peer's link has no room, or has room again."""
        if is_busy:
            self._busy.add(node)
        else:
            self._busy.discard(node)

    def limit(self, upload_bytes_s: int) -> None:
        """What may be sent a second from now on; 0: no limit."""
        self._limit_bytes_s = upload_bytes_s
        self._tokens = min(self._tokens, 0.0)

    def read(self, event: Read) -> bool:
        """A block was read for a peer; False when it is not in the store."""
        asker = self._askers.get(event.node)
        row = (event.id, event.block)
        if asker is None or row not in asker.reading:
            return event.data is not None
        self._loaded(asker, -asker.reading.pop(row))
        if event.data:
            asker.loaded.append(Loaded(row, event.data))
            self._loaded(asker, len(event.data))
            return True
        self._outbox.put(event.node, Lack, (row,))
        return False

    def settle(self, now_s: float) -> None:
        """Send what may be sent now, and have more read."""
        if self._limit_bytes_s:
            burst = max(MAX_PIECE_BYTES, self._limit_bytes_s * BURST_S)
            self._tokens = min(burst, self._tokens + (now_s - self._filled_s) * self._limit_bytes_s)
        self._filled_s = now_s
        if not self._turns:
            return
        self._load(now_s)
        idle = 0
        while idle < len(self._turns) and (self._tokens > 0 or not self._limit_bytes_s):
            node = self._turns[0]
            self._turns.rotate(-1)
            sent_bytes = self._send(node, self._askers[node])
            self._tokens -= sent_bytes
            idle = 0 if sent_bytes else idle + 1
        self._load(now_s)

    def due_s(self) -> float:
        """In how many seconds more may be sent."""
        is_waiting = any(asker.loaded and node not in self._busy for node, asker in self._askers.items())
        if not self._limit_bytes_s or not is_waiting:
            return 60.0
        return max(0.001, -self._tokens / self._limit_bytes_s)

    def _send(self, node: NodeId, asker: Asker) -> int:
        """One message to a peer whose turn it is; how much of blocks it holds."""
        if node in self._busy or not asker.loaded:
            return 0
        pieces: list[tuple[BlobId, int, int, int, bytes]] = []
        room = MAX_PIECE_BYTES
        while asker.loaded and room > 0 and len(pieces) < MAX_PIECE_COUNT:
            one = asker.loaded[0]
            rest = len(one.data) - one.offset
            if pieces and rest > room:
                break
            data = one.data if rest == len(one.data) <= room else one.data[one.offset : one.offset + room]
            pieces.append((*one.row, len(one.data), one.offset, data))
            one.offset += len(data)
            room -= len(data)
            if one.offset == len(one.data):
                asker.loaded.popleft()
                self._loaded(asker, -len(one.data))
        self._outbox.send(node, Piece(tuple(pieces)))
        return MAX_PIECE_BYTES - room

    def _load(self, now_s: float) -> None:
        """Have blocks read: what nobody got from here so far, then the rest if that leaves the line idle."""
        ahead_bytes = LIMITED_AHEAD_BYTES if self._limit_bytes_s else AHEAD_BYTES
        for is_fresh in (True, False):
            for node in self._turns:
                asker = self._askers[node]
                while asker.queue and asker.ahead_bytes < ahead_bytes and node not in self._busy:
                    row = min(islice(asker.queue, LOOK_AHEAD), key=self._sent_of)
                    is_due = not self._sent_of(row) or now_s - next(iter(asker.queue.values())) > DEFER_S
                    if self._loaded_bytes >= MAX_LOADED_BYTES or not (is_due or not is_fresh):
                        break
                    self._read(node, asker, row)
            if self._loaded_bytes >= ahead_bytes:
                break
        if len(self._sent) > MAX_SENT:
            self._sent.clear()

    def _read(self, node: NodeId, asker: Asker, row: BlockRow) -> None:
        del asker.queue[row]
        length = self._length_of(row[0])
        asker.reading[row] = length
        self._loaded(asker, length)
        self._sent[row] = self._sent_of(row) + 1
        self._outbox.effects.reads.append(ReadBlock(*row, node))

    def _sent_of(self, row: BlockRow) -> int:
        return self._sent.get(row, 0)

    def _loaded(self, asker: Asker, size_bytes: int) -> None:
        asker.ahead_bytes += size_bytes
        self._loaded_bytes += size_bytes
