"""When a want is given up: nobody linked holds what is missing, or nothing has come for too long."""

from __future__ import annotations

from peerfarm.model.ids import NodeId
from peerfarm.swarm.chapters import Chapter
from peerfarm.swarm.peers import Peers
from peerfarm.swarm.wants import Want, Wants

PATIENCE_S = 30.0
"""How long a want waits for somebody who holds what is missing."""
LOST_S = 3.0
"""The same when every linked peer, and all that were thought to hold it, told that they do not."""
SEEK_AGAIN_S = 8.0
"""While a want waits, peers are asked anew whether they hold it: what was told once may have been a lie or a loss."""
STALLED_S = 120.0
"""How long a want waits for the next byte from peers who say that they hold it."""


def lacking_of(want: Want, peers: Peers) -> tuple[NodeId, ...]:
    """Linked peers that told of something that is missing, which nobody linked holds; sorted."""
    lacking = set()
    for chapter, mask in want.parts:
        gone = chapter.need & mask & ~chapter.copies.counted()
        lacking |= {peer.node for peer in peers if chapter.told.get(peer.node, 0) & gone}
    return tuple(sorted(lacking))


def reason_to_end(want: Want, wants: Wants, peers: Peers, patience_s: float, now_s: float) -> str:
    """Why a want is given up now; empty while it is not."""
    open_parts = [part for part in want.parts if part.chapter.is_open and part.chapter.need & part.mask]
    if not open_parts:
        want.moved_s, want.starved_s = now_s, None
        return ""
    if not all(_is_starved(part.chapter, part.mask, wants) for part in open_parts):
        want.starved_s = None
        if now_s - want.moved_s > STALLED_S:
            return f"nothing has arrived for {STALLED_S:.0f} s from the machines that hold it"
        return ""
    if want.starved_s is None:
        want.starved_s = now_s
    waits_s = LOST_S if _is_lost(want, peers) else patience_s
    if now_s - want.starved_s < waits_s:
        return ""
    return f"no machine that can be reached holds {want.left} of its {len(want.blobs)} files"


def is_to_seek_again(want: Want, now_s: float) -> bool:
    """Whether a want has waited for so long that peers should be asked what they hold; then it waits anew."""
    since_s = want.starved_s if want.sought_s is None else want.sought_s
    if want.starved_s is None or since_s is None:
        want.sought_s = None
        return False
    if now_s - max(since_s, want.starved_s) < SEEK_AGAIN_S:
        return False
    want.sought_s = now_s
    return True


def _is_starved(chapter: Chapter, mask: int, wants: Wants) -> bool:
    """Whether nobody linked holds what is missing there, and nothing of it is under way."""
    missing = chapter.need & mask
    if missing & chapter.copies.counted():
        return False
    listless = 0
    for blob in wants.listless.values():
        if blob.chapter is chapter:
            listless |= blob.mask
    return not missing & ~chapter.free & ~listless


def _is_lost(want: Want, peers: Peers) -> bool:
    """Whether everybody who might hold what is missing told that they do not."""
    linked = {peer.node for peer in peers if not peers.is_banned(peer.node)}
    if not want.holders or not want.holders <= linked:
        return False
    for chapter, mask in want.parts:
        gone = chapter.need & mask if chapter.is_open else 0
        if any(gone & ~chapter.told.get(node, 0) for node in linked):
            return False
    return True
