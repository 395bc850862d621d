"""What peers tell and send: who holds what, block lists, blocks piece by piece, and what is lacking."""

from __future__ import annotations

from peerfarm.errors import PeerProtocolError
from peerfarm.model.blob import HASH_BYTES, BlockList
from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import Have, Lack, ListTell, Piece, decode_bits
from peerfarm.swarm.asking import Asking
from peerfarm.swarm.bits import mask_of
from peerfarm.swarm.chapters import Blob, Chapter
from peerfarm.swarm.events import Alarm, WriteBlock, Wrote
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.peers import BAN_S, Ask, Peer, Peers
from peerfarm.swarm.wants import Wants, is_named

MAX_PAUSE_S = 30.0
LACKS = 4
"""After so many messages in a row that only told of lacking blocks, each further one pauses the peer."""


class Receiving:
    """The side that fetches: takes in what peers send; raises PeerProtocolError for what none may send."""

    def __init__(self, wants: Wants, peers: Peers, asking: Asking, outbox: Outbox) -> None:
        self._wants = wants
        self._peers = peers
        self._asking = asking
        self._outbox = outbox

    def have(self, peer: Peer, message: Have) -> None:
        """A peer tells what it holds of what is sought."""
        if self._peers.is_banned(peer.node):
            return
        told: dict[Chapter, tuple[list[int], list[int], int, int]] = {}
        for blob_id, raw in message.rows:
            blob = self._wants.blobs.get(blob_id)
            if blob is None:
                continue
            bits = decode_bits(raw, blob.count)
            if bits is None:
                if blob.has_proven_size:
                    raise PeerProtocolError("a bitmap names blocks that its blob has not")
                bits = 0
            singles, held, many, many_held = told.get(blob.chapter, ([], [], 0, 0))
            if blob.count == 1:
                singles.append(blob.first)
                if bits:
                    held.append(blob.first)
            else:
                many |= blob.mask
                many_held = many_held & ~blob.mask | bits << blob.first
            told[blob.chapter] = (singles, held, many, many_held)
            if bits and blob.blocks is None:
                self._asking.are_lists_due = True
        for chapter, (singles, held, many, many_held) in told.items():
            if chapter.is_open:
                mentioned = many | mask_of(singles, chapter.size)
                chapter.note(peer.node, mentioned, many_held | mask_of(held, chapter.size))

    def piece(self, peer: Peer, message: Piece, now_s: float) -> None:
        """Parts of blocks arrive."""
        for blob_id, block, length, offset, data in message.rows:
            ask = peer.asks.get((blob_id, block))
            if ask is None or (offset and offset != ask.got):
                self._spare(peer, len(data))
            elif length != ask.length:
                peer.spare_bytes += length - len(data)  # the rest of it is on its way, and was asked for
                self._lacks(peer, ask)
            else:
                self._take(peer, ask, offset, data, now_s)

    def lack(self, peer: Peer, message: Lack, now_s: float) -> None:
        """A peer cannot serve what it was asked for."""
        peer.lacks += 1
        if peer.lacks > LACKS:
            pause_s = min(MAX_PAUSE_S, 0.05 * 2.0 ** min(peer.lacks - LACKS, 10))
            peer.pause_until_s = max(peer.pause_until_s, now_s + pause_s)
        for row in message.rows:
            ask = peer.asks.get(row)
            if ask is not None:
                self._lacks(peer, ask)

    def list_told(self, peer: Peer, message: ListTell, now_s: float) -> None:
        """A peer tells a blob's block hashes, or that it does not know them."""
        asked_s = peer.lists.pop(message.id, None)
        blob = self._wants.blobs.get(message.id)
        if asked_s is None:
            self._spare(peer, len(message.hashes))
        self._asking.are_lists_due = True
        if asked_s is None or blob is None or blob.blocks is not None:
            return
        raw = message.hashes
        hashes = tuple(raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES))
        if not hashes:
            blob.chapter.note(peer.node, blob.mask, 0)
            return
        blocks = BlockList(message.size_bytes, hashes)
        if not self._wants.learn(blob, blocks):
            blob.chapter.note(peer.node, blob.mask, 0)
            if not is_named(blob.id, blocks):  # else the size is wrong that somebody gave the job's file
                self._blame(peer.node, now_s)

    def wrote(self, event: Wrote, now_s: float) -> Blob | None:
        """The store kept a block, or refused it; the wanted blob that has one block more."""
        sender = self._asking.written(event.id, event.block)
        blob = self._wants.blobs.get(event.id)
        if blob is None or event.block >= blob.count:
            return None
        if event.ok:
            self._asking.drop(blob, event.block)
            self._wants.keep(blob, 1 << event.block, is_fetched=True)
            return blob
        self._asking.free(blob, event.block)
        if sender and not event.error:
            self._blame(sender, now_s)
        return None

    def _take(self, peer: Peer, ask: Ask, offset: int, data: bytes, now_s: float) -> None:
        if not offset and ask.got:
            self._spare(peer, ask.got)
            ask.got = 0
            ask.parts.clear()
        ask.parts.append(data)
        ask.got += len(data)
        peer.arrived(len(data), now_s)
        for key in ask.blob.keys:
            want = self._wants.get(key)
            if want is not None:
                want.moved_s = now_s
        if ask.got == ask.length:
            assert ask.blob.blocks is not None
            whole = ask.parts[0] if len(ask.parts) == 1 else b"".join(ask.parts)
            self._asking.arrive(peer, ask)
            self._outbox.effects.writes.append(WriteBlock(ask.blob.ref, ask.blob.blocks, ask.block, whole))

    def _lacks(self, peer: Peer, ask: Ask) -> None:
        """The peer does not hold that block, whatever it told before."""
        bit = 1 << (ask.blob.first + ask.block)
        chapter = ask.blob.chapter
        if peer.node in chapter.have:
            chapter.note(peer.node, bit, 0)
        self._asking.close(peer, ask)

    def _spare(self, peer: Peer, size_bytes: int) -> None:
        peer.spare_bytes -= size_bytes
        if peer.spare_bytes < 0:
            raise PeerProtocolError("blocks that nobody asked for")

    def _blame(self, node: NodeId, now_s: float) -> None:
        """A peer sent what its hash or its name disproves."""
        if not self._peers.blame(node, now_s):
            return
        peer = self._peers.get(node)
        if peer is not None:
            self._asking.lose(peer)
        for chapter in self._wants.chapters:
            chapter.forget(node)
        self._outbox.effects.alarms.append(
            Alarm(node, f"sent damaged blocks twice; nothing is asked of it for {BAN_S / 60:.0f} minutes")
        )
