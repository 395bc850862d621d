"""One engine under test: what it is told, and what it says, message by message."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, TypeVar

from peerfarm.model.blob import BlobRef, BlockList, block_bytes, block_count
from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t
from peerfarm.protocol.transfer import TransferMessage, decode_transfer, encode_transfer
from peerfarm.swarm import Heard, Limits, PeerUp, Present, Swarm, SwarmEffects, Wrote

ADA, BOB, EVE = NodeId("a" * 16), NodeId("b" * 16), NodeId("e" * 16)
BLOCK = 128 << 10

M = TypeVar("M")


class Film:
    """A blob with its content."""

    def __init__(self, size_bytes: int, word: str = "film") -> None:
        self.size_bytes = size_bytes
        length = block_bytes(size_bytes)
        seed = hashlib.sha256(word.encode()).digest()
        self.parts = [
            (seed + bytes([number % 256, number // 256]) + bytes(length))[: min(length, size_bytes - number * length)]
            for number in range(block_count(size_bytes))
        ]
        self.blocks = BlockList(size_bytes, tuple(hashlib.sha256(part).digest() for part in self.parts))
        self.ref = BlobRef(self.blocks.id, size_bytes)
        self.id = self.ref.id


class Rig:
    """A swarm, its clock, and everything that it wanted so far."""

    def __init__(self, *peers: NodeId, patience_s: float = 30.0) -> None:
        self.now_s = 100.0
        self.swarm = Swarm(seed=1, patience_s=patience_s)
        self.sent: list[tuple[NodeId, TransferMessage]] = []
        self.all: list[SwarmEffects] = []
        for peer in peers:
            self.swarm.handle(PeerUp(peer), self.now_s)
        self.settle()

    def want(self, *films: Film, key: str = "scene", holders: Iterable[NodeId] = (), lists: bool = True) -> None:
        blocks = {film.id: film.blocks for film in films} if lists else {}
        self.swarm.want(key, [film.ref for film in films], blocks, tuple(holders), self.now_s)
        self.settle()

    def tell(self, event: Any) -> SwarmEffects:
        self.swarm.handle(event, self.now_s)
        return self.settle()

    def hear(self, node: NodeId, message: TransferMessage) -> SwarmEffects:
        return self.tell(Heard(node, encode_transfer(message)))

    def has(self, node: NodeId, *films: Film, bitmap: bytes = t.ALL) -> SwarmEffects:
        return self.hear(node, t.Have(tuple((film.id, bitmap) for film in films)))

    def piece(self, node: NodeId, film: Film, block: int = 0, data: bytes | None = None) -> SwarmEffects:
        data = film.parts[block] if data is None else data
        return self.hear(node, t.Piece(((film.id, block, len(data), 0, data),)))

    def give(self, node: NodeId, film: Film, block: int = 0) -> SwarmEffects:
        """A whole block arrives and is kept."""
        self.piece(node, film, block)
        return self.tell(Wrote(film.id, block, ok=True))

    def hold(self, film: Film, bits: int | None = None) -> SwarmEffects:
        bits = (1 << max(1, len(film.parts))) - 1 if bits is None else bits
        return self.tell(Present(film.id, bits, film.size_bytes))

    def limit(self, upload_bytes_s: int) -> None:
        self.tell(Limits(upload_bytes_s))

    def wait(self, for_s: float, step_s: float = 0.25) -> None:
        """Time passes, and the engine is asked as often as the shell would."""
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + step_s)
            self.settle()

    def settle(self) -> SwarmEffects:
        effects = self.swarm.settle(self.now_s)
        self.all.append(effects)
        for node, raw in effects.sends:
            message = decode_transfer(raw)
            assert message is not None
            self.sent.append((node, message))
        return effects

    def take(self, kind: type[M], node: NodeId | None = None) -> list[M]:
        """Messages of a kind since this was asked last, of all peers or one; others are kept."""
        found = [m for to, m in self.sent if isinstance(m, kind) and node in (None, to)]
        self.sent = [(to, m) for to, m in self.sent if not (isinstance(m, kind) and node in (None, to))]
        return found

    def asked(self, node: NodeId) -> list[tuple[Any, int]]:
        """Blocks that a peer was asked for since this was asked last."""
        return [row for ask in self.take(t.Ask, node) for row in ask.rows]

    def of(self, field: str) -> list[Any]:
        """Every effect of a kind so far."""
        return [one for effects in self.all for one in getattr(effects, field)]
