"""Which block is asked of whom: rarest first, a window for each peer, again elsewhere when a peer keeps silent."""

from __future__ import annotations

from peerfarm.model.blob import BlobId
from peerfarm.model.ids import NodeId
from peerfarm.protocol.transfer import Ask as AskMessage
from peerfarm.protocol.transfer import BlockRow, ListAsk, Unask
from peerfarm.swarm.bits import Chance, bits_from, mask_of
from peerfarm.swarm.chapters import Blob, Chapter
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.peers import Ask, Peer, Peers
from peerfarm.swarm.wants import Want, Wants

MAX_OUTSTANDING_BYTES = 128 << 20
"""Asked of all peers, or arrived and not written; one block more at most."""
SHARE_BYTES = 256 << 10
"""Each want's share when several fill a window."""
SILENCE_S = 15.0
"""A peer that owes blocks and sends nothing for this time is paused, and others are asked."""
MAX_PAUSE_S = 60.0
LATE_S = 60.0
"""One block may take this long while its peer sends others, or four times what the peer's rate makes likely."""
LIST_LATE_S = 8.0
LISTS_A_PEER = 64
DUEL_EVERY_S = 0.25
DUEL_AGE_S = 0.75
"""A block is asked of a second peer after this time, once no other is left to ask for."""
DUEL_BYTES = 512 << 10
CHECK_EVERY_S = 0.5
SWAP_EVERY_S = 0.1


class Asking:
    """What is asked of peers, and of whom next."""

    def __init__(self, wants: Wants, peers: Peers, outbox: Outbox, chance: Chance) -> None:
        self._wants = wants
        self._peers = peers
        self._outbox = outbox
        self._chance = chance
        self.outstanding_bytes = 0
        """Asked, or arrived and not written."""
        self._writing: dict[BlockRow, tuple[NodeId, int]] = {}
        """Blocks that arrived and are not written yet: who sent them, and their length."""
        self.are_lists_due = False
        """Whether a block list may have to be asked for."""
        self._askers: dict[BlockRow, list[Peer]] = {}
        """Who owes a block: one peer, two at the end."""
        self._turn = 0
        self._checked_s = self._swapped_s = 0.0

    def settle(self, now_s: float) -> None:
        """Ask for what there is room for."""
        if now_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = now_s
            self.are_lists_due = True
            for peer in self._peers:
                self._check(peer, now_s)
        if not len(self._wants):
            return
        if self.are_lists_due:
            self.are_lists_due = False
            self._ask_lists(now_s)
        peers = [peer for peer in self._peers if self._may_ask(peer, now_s)]
        self._turn += 1
        if now_s - self._swapped_s >= SWAP_EVERY_S:
            self._swapped_s = now_s
            for peer in self._peers:
                self._swap(peer)
            peers = [peer for peer in self._peers if self._may_ask(peer, now_s)]
        for place in range(len(peers)):
            peer = peers[(place + self._turn) % len(peers)]
            self._fill(peer, now_s)
            if peer.has_room and now_s >= peer.duel_s:
                peer.duel_s = now_s + DUEL_EVERY_S
                self._duel(peer, now_s)

    def close(self, peer: Peer, ask: Ask) -> None:
        """A peer owes a block no more; the block may be asked for again if nobody else owes it."""
        others = self._part(peer, ask)
        self.outstanding_bytes -= ask.length
        if not others:
            self.free(ask.blob, ask.block)

    def arrive(self, peer: Peer, ask: Ask) -> None:
        """A block arrived in full and is to be written: whoever else owes it need not send it."""
        self._writing[ask.row] = (peer.node, ask.length)
        for other in self._part(peer, ask):
            self.withdraw(other, other.asks[ask.row])

    def withdraw(self, peer: Peer, ask: Ask) -> None:
        """Tell a peer that a block need not come."""
        self._outbox.put(peer.node, Unask, (ask.row,))
        peer.excuse(ask)
        self.close(peer, ask)

    def free(self, blob: Blob, block: int) -> None:
        """A block may be asked for, unless it is here, almost here, or nobody wants it."""
        if self._wants.blobs.get(blob.id) is not blob or (blob.id, block) in self._writing:
            return
        if blob.blocks and not blob.here >> block & 1:
            blob.chapter.free |= 1 << (blob.first + block)

    def written(self, blob_id: BlobId, block: int) -> NodeId | None:
        """The store answered for a block that arrived; who sent it."""
        sender, length = self._writing.pop((blob_id, block), (None, 0))
        self.outstanding_bytes -= length
        return sender

    def hold_back(self) -> None:
        """New wants came: what is being written for an earlier one of the same blob need not be asked for."""
        for blob_id, block in self._writing:
            blob = self._wants.blobs.get(blob_id)
            if blob is not None and block < blob.count:
                blob.chapter.free &= ~(1 << (blob.first + block))

    def drop(self, blob: Blob, block: int) -> None:
        """Nobody wants the block any more, or it is here by other ways."""
        row = (blob.id, block)
        for peer in tuple(self._askers.get(row, ())):
            self.withdraw(peer, peer.asks[row])

    def drop_unwanted(self) -> None:
        """Some want is over: what nobody wants any more need not come."""
        for peer in self._peers:
            for ask in tuple(peer.asks.values()):
                if not ask.blob.keys:
                    self.withdraw(peer, ask)

    def lose(self, peer: Peer) -> None:
        """A peer is away, or not asked any more: everything that it owes is asked of others."""
        for ask in tuple(peer.asks.values()):
            self.close(peer, ask)
        peer.lists.clear()

    def _part(self, peer: Peer, ask: Ask) -> list[Peer]:
        peer.settle(ask.row)
        askers = self._askers.get(ask.row, [])
        if peer in askers:
            askers.remove(peer)
        if not askers:
            self._askers.pop(ask.row, None)
        return list(askers)

    def _may_ask(self, peer: Peer, now_s: float) -> bool:
        return peer.has_room and now_s >= peer.pause_until_s and not self._peers.is_banned(peer.node)

    def _fill(self, peer: Peer, now_s: float) -> None:
        """Fill a peer's window; several wants take turns, so that a small one need not wait for a large one."""
        wants = [want for want in self._wants if want.left]
        rows: list[BlockRow] = []
        limit_bytes = SHARE_BYTES if len(wants) > 1 else 1 << 62
        while wants and peer.has_room:
            start = self._turn % len(wants)
            wants = [
                want
                for want in wants[start:] + wants[:start]
                if peer.has_room and self._fill_from(want, peer, limit_bytes, rows, now_s)
            ]
        self._outbox.put(peer.node, AskMessage, rows)

    def _fill_from(self, want: Want, peer: Peer, limit_bytes: int, rows: list[BlockRow], now_s: float) -> bool:
        """Ask a peer for blocks of one want; whether there was any."""
        before = len(rows)
        stop_bytes = peer.owed_bytes + limit_bytes
        for chapter, mask in want.parts:
            held = chapter.have.get(peer.node, 0) & mask
            while held and peer.has_room and peer.owed_bytes < stop_bytes:
                among = chapter.free & held
                if not among or self._is_full():
                    break
                self._take(chapter, chapter.rarest(among), peer, stop_bytes, rows, now_s)
        return len(rows) > before

    def _take(
        self, chapter: Chapter, among: int, peer: Peer, stop_bytes: int, rows: list[BlockRow], now_s: float
    ) -> None:
        taken = []
        for number in bits_from(among, self._chance.below(chapter.size)):
            blob = chapter.blob_at(number)
            ask = Ask(blob, number - blob.first, now_s)
            self._note(peer, ask, now_s)
            rows.append(ask.row)
            taken.append(number)
            if not peer.has_room or peer.owed_bytes >= stop_bytes or self._is_full():
                break
        chapter.free &= ~mask_of(taken, chapter.size)

    def _note(self, peer: Peer, ask: Ask, now_s: float) -> None:
        peer.ask(ask, now_s)
        self._askers.setdefault(ask.row, []).append(peer)
        self.outstanding_bytes += ask.length

    def _is_full(self) -> bool:
        return self.outstanding_bytes >= MAX_OUTSTANDING_BYTES

    def _duel(self, peer: Peer, now_s: float) -> None:
        """At the end, ask this peer too for blocks that others have owed for long; the first to come counts."""
        room_bytes = DUEL_BYTES
        for other in self._peers:
            if other is peer:
                continue
            for ask in tuple(other.asks.values()):
                if room_bytes <= 0 or not peer.has_room or self._is_full():
                    return
                if now_s - ask.asked_s < DUEL_AGE_S:
                    break
                chapter, number = ask.blob.chapter, ask.blob.first + ask.block
                is_alone = len(self._askers[ask.row]) == 1
                if is_alone and chapter.have.get(peer.node, 0) >> number & 1 and _is_slower(other, ask, peer):
                    second = Ask(ask.blob, ask.block, now_s)
                    self._note(peer, second, now_s)
                    self._outbox.put(peer.node, AskMessage, (second.row,))
                    room_bytes -= second.length

    def _swap(self, peer: Peer) -> None:
        """Rather ask a peer for what it alone holds than for what others hold by now too."""
        for chapter in dict.fromkeys(ask.blob.chapter for ask in peer.asks.values()):
            sole = chapter.free & chapter.have.get(peer.node, 0)
            sole = chapter.rarest(sole)
            if not sole or chapter.copies.count(sole.bit_length() - 1) > 1:
                continue
            room = sole.bit_count()
            for ask in tuple(peer.asks.values()):
                is_waiting = ask.blob.chapter is chapter and not ask.got
                if room and is_waiting and chapter.copies.count(ask.blob.first + ask.block) > 1:
                    self.withdraw(peer, ask)
                    room -= 1

    def _check(self, peer: Peer, now_s: float) -> None:
        """Ask others for what a peer keeps us waiting for."""
        if peer.asks and now_s - peer.heard_s > SILENCE_S:
            peer.silences += 1
            peer.pause_until_s = now_s + min(MAX_PAUSE_S, 2.0**peer.silences)
            for ask in tuple(peer.asks.values()):
                self.withdraw(peer, ask)
        late_s = max(LATE_S, 4 * peer.owed_bytes / max(peer.rate_bytes_s, 1.0))
        for ask in tuple(peer.asks.values()):
            if now_s - ask.asked_s <= late_s:
                break
            if not ask.got:
                self.withdraw(peer, ask)
        for blob_id in [one for one, asked_s in peer.lists.items() if now_s - asked_s > LIST_LATE_S]:
            del peer.lists[blob_id]
            peer.pause_until_s = max(peer.pause_until_s, now_s + LIST_LATE_S)

    def _ask_lists(self, now_s: float) -> None:
        for blob in tuple(self._wants.listless.values()):
            if any(blob.id in peer.lists for peer in self._peers):
                continue
            chapter = blob.chapter
            able = [
                peer
                for peer in self._peers
                if chapter.have.get(peer.node, 0) & blob.mask
                and len(peer.lists) < LISTS_A_PEER
                and now_s >= peer.pause_until_s
            ]
            if able:
                peer = able[self._chance.below(len(able))]
                peer.lists[blob.id] = now_s
                self._outbox.put(peer.node, ListAsk, (blob.id,))


def _is_slower(other: Peer, ask: Ask, peer: Peer) -> bool:
    """Whether a peer that owes a block will likely take longer than this one would."""
    theirs_s = (other.owed_bytes - ask.got) / max(other.rate_bytes_s, 1.0)
    ours_s = (peer.owed_bytes + ask.length) / max(peer.rate_bytes_s, 1.0)
    return ours_s < theirs_s or other.rate_bytes_s < 1.0
