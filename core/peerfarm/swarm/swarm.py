"""Swarm: hands each event to the part that it concerns, then lets the parts settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from peerfarm.errors import InvalidManifest, PeerProtocolError
from peerfarm.model.blob import BlobId, BlobRef, BlockList
from peerfarm.model.ids import NodeId
from peerfarm.protocol import transfer as t
from peerfarm.swarm import events as e
from peerfarm.swarm.asking import CHECK_EVERY_S, Asking
from peerfarm.swarm.bits import Chance, bits_from
from peerfarm.swarm.chapters import Blob
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.patience import PATIENCE_S, is_to_seek_again, lacking_of, reason_to_end
from peerfarm.swarm.peers import Peer, Peers
from peerfarm.swarm.receiving import Receiving
from peerfarm.swarm.serving import Serving
from peerfarm.swarm.shelf import Shelf
from peerfarm.swarm.wants import Wants

MIN_WAKE_S = 0.002


class Swarm:
    """One node's part in moving blobs between nodes, without clock, sockets, disk or chance of its own.

    `want`, `cancel` and `handle` take note; `settle` gives what follows from all of it. None of them raises, whatever
    peers send. Times are monotonic seconds.

    Args:
        seed: Which of equally rare blocks comes first follows from it; another on each node.
        patience_s: How long a want waits for somebody who holds what is missing.
    """

    def __init__(self, seed: int, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._outbox = Outbox()
        self._wants = Wants()
        self._peers = Peers()
        self._asking = Asking(self._wants, self._peers, self._outbox, Chance(seed))
        self._receiving = Receiving(self._wants, self._peers, self._asking, self._outbox)
        self._shelf = Shelf(self._peers, self._outbox)
        self._serving = Serving(self._outbox, self._shelf.length_of)
        self._checked_s = 0.0
        self._reactions: dict[type[Any], Callable[[Any, float], None]] = {
            e.PeerUp: lambda event, _: self._up(event.node),
            e.PeerDown: lambda event, _: self._down(event.node),
            e.Heard: self._heard,
            e.Wrote: self._wrote,
            e.Read: self._read,
            e.ListRead: lambda event, _: self._tell_list(event.node, event.id, event.blocks),
            e.Present: self._present,
            e.Gone: lambda event, _: self._lost(event.id, -1),
            e.Tick: lambda _event, _now_s: None,
            e.Limits: lambda event, _: self._serving.limit(event.upload_bytes_s),
            e.Busy: lambda event, _: self._serving.busy(event.node, event.is_busy),
        }

    @property
    def outstanding_bytes(self) -> int:
        """Asked of peers, or arrived and not yet written."""
        return self._asking.outstanding_bytes

    def want(
        self,
        key: str,
        refs: Sequence[BlobRef],
        blocks: Mapping[BlobId, BlockList],
        holders: Sequence[NodeId],
        now_s: float,
    ) -> None:
        """Fetch these blobs; `done` or `failed` names the key once. What the store holds of them is told by Present.

        The same key with the same blobs again only replaces the holders; with others it begins anew.

        Args:
            blocks: Block lists as far as they are known; peers are asked for the others, small blobs need none.
            holders: Other nodes that are thought to hold all of it; decides how soon it counts as lost. Everybody who
                is linked is asked.
        """
        known = self._wants.get(key)
        if known is not None and known.refs == tuple(refs):
            known.holders = frozenset(holders)
            for blob in tuple(self._wants.listless.values()):
                self._wants.learn(blob, blocks.get(blob.id))
            return
        self.cancel(key)
        try:
            self._wants.add(key, refs, blocks, holders, now_s)
        except InvalidManifest as error:
            self._outbox.effects.failed.append(e.Failed(key, str(error), ()))
        self._asking.hold_back()
        self._asking.are_lists_due = True

    def cancel(self, key: str) -> None:
        """Forget a want; nothing is told of it any more. What arrived stays in the store."""
        if self._wants.get(key) is None:
            return
        unsought = [blob.id for blob in self._wants.drop(key) if not blob.is_complete]
        self._asking.drop_unwanted()
        for peer in self._peers:
            self._outbox.put(peer.node, t.Unseek, unsought)

    def handle(self, event: e.Event, now_s: float) -> None:
        """Take note of what happened."""
        self._reactions[type(event)](event, now_s)

    def settle(self, now_s: float) -> e.SwarmEffects:
        """What is to be done about everything since the last call."""
        for node in self._peers.pardon(now_s):
            peer = self._peers.get(node)
            if peer is not None:
                self._seek_of(peer)
        self._open()
        self._asking.settle(now_s)
        self._serving.settle(now_s)
        self._shelf.settle(now_s)
        self._finish(now_s)
        if now_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = now_s
            self._check(now_s)
        effects = self._outbox.take()
        waits_s = CHECK_EVERY_S if len(self._wants) else 60.0
        effects.wake_s = max(MIN_WAKE_S, min(waits_s, self._shelf.due_s(now_s), self._serving.due_s()))
        return effects

    def _up(self, node: NodeId) -> None:
        self._down(node)
        self._seek_of(self._peers.link(node))

    def _down(self, node: NodeId) -> None:
        peer = self._peers.get(node)
        if peer is None:
            return
        self._shelf.unlink(peer)
        self._serving.unlink(node)
        self._asking.lose(peer)
        self._peers.unlink(node)
        for chapter in self._wants.chapters:
            chapter.forget(node)
        self._outbox.forget(node)
        self._asking.are_lists_due = True

    def _heard(self, event: e.Heard, now_s: float) -> None:
        peer = self._peers.get(event.node)
        if peer is None:
            return
        try:
            self._take(peer, t.decode_transfer(event.data), now_s)
        except PeerProtocolError as error:
            self._down(event.node)
            self._outbox.effects.drops.append((event.node, str(error)))

    def _take(self, peer: Peer, message: t.TransferMessage | None, now_s: float) -> None:
        match message:
            case t.Piece():
                self._receiving.piece(peer, message, now_s)
            case t.Have():
                self._receiving.have(peer, message)
                self._shelf.unseek(peer, [each for each, raw in message.rows if raw == t.ALL])
            case t.Ask(rows):
                self._serving.ask(peer, rows, now_s)
            case t.Unask(rows):
                self._serving.unask(peer, rows)
            case t.Lack():
                self._receiving.lack(peer, message, now_s)
            case t.Seek(ids):
                self._shelf.seek(peer, ids, self._wants.blobs)
            case t.Unseek(ids):
                self._shelf.unseek(peer, ids)
            case t.ListAsk(ids):
                self._list_asked(peer, ids)
            case t.ListTell():
                self._receiving.list_told(peer, message, now_s)

    def _list_asked(self, peer: Peer, ids: tuple[BlobId, ...]) -> None:
        for each in ids:
            blob = self._wants.blobs.get(each)
            if blob is not None and blob.blocks is not None:
                self._tell_list(peer.node, each, blob.blocks)
            else:
                self._outbox.effects.list_reads.append(e.ReadList(each, peer.node))

    def _tell_list(self, node: NodeId, blob_id: BlobId, blocks: BlockList | None) -> None:
        if self._peers.get(node) is not None:
            size_bytes, hashes = (blocks.size_bytes, b"".join(blocks.hashes)) if blocks else (0, b"")
            self._outbox.send(node, t.ListTell(blob_id, size_bytes, hashes))

    def _wrote(self, event: e.Wrote, now_s: float) -> None:
        blob = self._wants.blobs.get(event.id)
        self._receiving.wrote(event, now_s)
        if blob is None:
            return
        if event.ok:
            self._came(blob, 1 << event.block)
        elif event.error or not blob.ref.size_bytes:
            for key in blob.keys:
                self._fail(e.Failed(key, event.error or "the store refused an empty file", (), is_disk_error=True))

    def _present(self, event: e.Present, _now_s: float) -> None:
        blob = self._wants.blobs.get(event.id)
        if blob is None:
            self._shelf.learn(event.id, event.bitmap, event.size_bytes)
        elif blob.ref.size_bytes == event.size_bytes:
            chapter = blob.chapter
            is_asked = chapter.need & ~chapter.free & blob.mask and blob.blocks is not None
            self._wants.keep(blob, event.bitmap & blob.full, is_fetched=False)
            if is_asked:
                for block in bits_from(blob.here, 0):
                    self._asking.drop(blob, block)
            self._came(blob, event.bitmap & blob.full)

    def _came(self, blob: Blob, bits: int) -> None:
        """These blocks of a wanted blob are in the store: peers may have them."""
        if blob.ref.size_bytes:
            self._shelf.learn(blob.id, bits, blob.ref.size_bytes)
        if blob.is_complete:
            self._shelf.completed(blob)

    def _read(self, event: e.Read, _now_s: float) -> None:
        blob = self._wants.blobs.get(event.id)
        is_empty = blob is not None and not blob.ref.size_bytes
        if not self._serving.read(event) and not is_empty:
            self._lost(event.id, 1 << event.block)

    def _lost(self, blob_id: BlobId, bits: int) -> None:
        """Blocks are no longer in the store: peers are told, and what is wanted is fetched again."""
        self._shelf.lose(blob_id, bits)
        blob = self._wants.blobs.get(blob_id)
        if blob is not None and self._wants.lose(blob, bits & blob.full) and blob.chapter.is_open:
            self._seek([blob_id])

    def _open(self) -> None:
        self._wants.close_finished()
        for chapter in self._wants.open():
            self._seek(chapter.missing_ids())
        for blob in self._wants.empties.values():
            self._outbox.effects.writes.append(e.WriteBlock(blob.ref, BlockList(0, ()), 0, b""))
        self._wants.empties.clear()

    def _seek(self, ids: list[BlobId]) -> None:
        self._shelf.sought_here(ids)
        for peer in self._peers:
            self._outbox.put(peer.node, t.Seek, ids)

    def _seek_of(self, peer: Peer) -> None:
        """Tell one peer everything that is wanted."""
        for chapter in self._wants.chapters:
            if chapter.is_open:
                self._outbox.put(peer.node, t.Seek, chapter.missing_ids())

    def _finish(self, now_s: float) -> None:
        finished, self._wants.finished = self._wants.finished, []
        for want in finished:
            if want.left or self._wants.get(want.key) is not want:
                continue
            progress = want.progress(now_s, is_last=True)
            if progress is not None:
                self._outbox.effects.progress.append(progress)
            self._outbox.effects.done.append(want.key)
            self.cancel(want.key)

    def _check(self, now_s: float) -> None:
        for want in tuple(self._wants):
            progress = want.progress(now_s)
            if progress is not None:
                self._outbox.effects.progress.append(progress)
            reason = reason_to_end(want, self._wants, self._peers, self._patience_s, now_s)
            if not reason and is_to_seek_again(want, now_s):
                self._seek([blob.id for blob in want.blobs if blob.is_missing and blob.chapter.is_open])
            if reason:
                lacking = lacking_of(want, self._peers)
                self._fail(e.Failed(want.key, reason, lacking, is_missing=want.starved_s is not None))

    def _fail(self, failed: e.Failed) -> None:
        self._outbox.effects.failed.append(failed)
        self.cancel(failed.key)
