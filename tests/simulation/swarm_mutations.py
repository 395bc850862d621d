"""Each rule of moving blobs broken on purpose, in one method of the real code: a named property must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import swarm_faults as faults
from sim_breaking import patched
from sim_clock import say
from sim_mutations import Caught
from swarm_runs import run_swarm_seed
from swarm_world import Disk

from peerfarm.protocol.transfer import Have, Lack
from peerfarm.swarm import asking, patience, swarm, wants
from peerfarm.swarm.asking import Asking
from peerfarm.swarm.chapters import Chapter
from peerfarm.swarm.outbox import Outbox
from peerfarm.swarm.peers import Peer, Peers
from peerfarm.swarm.receiving import Receiving
from peerfarm.swarm.serving import Serving
from peerfarm.swarm.shelf import Shelf
from peerfarm.swarm.swarm import Swarm
from peerfarm.swarm.wants import Wants

SEEDS = 120
"""A broken rule must be noticed within this many."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One rule, and how it is broken."""

    name: str
    expected: tuple[str, ...]
    """The properties of which one must notice."""
    break_it: Callable[[], Any]
    """A context manager."""
    faults: tuple[faults.Fault, ...] = ()
    """What goes wrong meanwhile; nothing else does."""


def _nothing(*_arguments: Any, **_named: Any) -> None:
    return None


def _frees_nothing() -> Any:
    return patched(Asking, "free", _nothing)


def _goes_on_without_lists() -> Any:
    """Whatever a peer says are the hashes of a blob is believed."""
    return patched(wants, "_is_list_of", lambda ref, blocks: bool(blocks and ref.size_bytes))


def _not_rarest() -> Any:
    return patched(Chapter, "rarest", lambda _chapter, among: among)


def _first_comes_first() -> Any:
    """Ties are not broken by chance: everybody asks for the same blocks."""
    return patched(asking, "bits_from", lambda mask, _start: asking_bits(mask, 0))


asking_bits = asking.bits_from


def _halves_kept_back() -> Any:
    def learn(shelf: Shelf, blob_id: Any, bits: int, size_bytes: int) -> None:
        sought = shelf._sought.get(blob_id)
        before = sought.bits if sought else 0
        original(shelf, blob_id, bits, size_bytes)
        if sought and sought.bits != before and shelf._bitmap(sought):
            shelf._changed.pop(blob_id, None)

    original = Shelf.learn
    return patched(Shelf, "learn", learn)


def _no_unlimited() -> Any:
    return patched(Serving, "limit", _nothing)


def _no_window() -> Any:
    return patched(Peer, "has_room", property(lambda _peer: True))


def _nobody_lacks() -> Any:
    return patched(swarm, "lacking_of", lambda _want, _peers: ())


def _lost_is_not_told() -> Any:
    """A peer that holds nothing says nothing."""

    def put(outbox: Outbox, node: Any, kind: Any, rows: Any) -> None:
        original(outbox, node, kind, [row for row in rows if row[1] != b"\0"] if kind is Have else rows)

    original = Outbox.put
    return patched(Outbox, "put", put)


def _offsets_ignored() -> Any:
    """Parts are put together in the order in which they come."""

    def piece(receiving: Receiving, peer: Peer, message: Any, now_s: float) -> None:
        rows = []
        for blob_id, block, length, offset, data in message.rows:
            ask = peer.asks.get((blob_id, block))
            rows.append((blob_id, block, length, ask.got if ask else offset, data))
        original(receiving, peer, message._replace(rows=tuple(rows)), now_s)

    original = Receiving.piece
    return patched(Receiving, "piece", piece)


def _lack_is_not_told() -> Any:
    """Who asks for what is not here gets no answer."""

    def put(outbox: Outbox, node: Any, kind: Any, rows: Any) -> None:
        if kind is not Lack:
            original(outbox, node, kind, rows)

    original = Outbox.put
    return patched(Outbox, "put", put)


def _lost_blocks_stay_known() -> Any:
    return patched(Wants, "lose", lambda *_arguments: 0)


def _bad_is_complete() -> Any:
    """What the store refused counts as kept."""

    def wrote(self: Swarm, event: Any, now_s: float) -> None:
        original(self, event._replace(ok=True, error=""), now_s)

    original = Swarm._wrote
    return patched(Swarm, "_wrote", wrote)


def _forgets_what_is_here() -> Any:
    """After a start everything is fetched anew."""

    def present(self: Swarm, event: Any, now_s: float) -> None:
        if event.id not in self._wants.blobs or not event.size_bytes:
            original(self, event, now_s)

    original = Swarm._present
    return patched(Swarm, "_present", present)


MUTATIONS = (
    Mutation("hash check left out", ("S3",), lambda: patched(Disk, "is_right", lambda *_: True), (faults.bad_memory,)),
    Mutation("refused blocks count as kept", ("S2", "S9"), _bad_is_complete, (faults.bad_memory, faults.disk_full)),
    Mutation("block lists are believed", ("S6", "S1"), _goes_on_without_lists, (faults.liar,)),
    Mutation(
        "bad blocks are forgiven", ("S6",), lambda: patched(Peers, "blame", lambda *_: False), (faults.bad_memory,)
    ),
    Mutation("nothing is asked again", ("S1", "S2"), _frees_nothing, (faults.link_breaks, faults.eviction)),
    Mutation("silence is endured", ("S1",), lambda: patched(Asking, "_check", _nothing), (faults.silent_peer,)),
    Mutation("owed for ever", ("S4", "S8"), lambda: patched(Asking, "lose", _nothing), (faults.link_breaks,)),
    Mutation("not the rarest first", ("S1", "S5"), _not_rarest),
    Mutation("no chance in ties", ("S5",), _first_comes_first),
    Mutation("what became common is not left to others", ("S5",), lambda: patched(Asking, "_swap", _nothing)),
    Mutation("sent before is not put off", ("S5",), lambda: patched(Serving, "_sent_of", lambda *_: 0)),
    Mutation("lack is not heard", ("S12",), lambda: patched(Receiving, "lack", _nothing), (faults.eviction,)),
    Mutation("lack is not told", ("S12",), _lack_is_not_told, (faults.eviction, faults.block_damaged)),
    Mutation("halves are kept back", ("S10", "S5"), _halves_kept_back),
    Mutation("holding nothing is not told", ("S2",), _lost_is_not_told, (faults.everything_lost,)),
    Mutation("nobody is said to lack", ("S2",), _nobody_lacks, (faults.everything_lost,)),
    Mutation(
        "waiting for what is lost",
        ("S2",),
        lambda: patched(patience, "_is_starved", lambda *_: False),
        (faults.everything_lost,),
    ),
    Mutation("no upload limit", ("S7",), _no_unlimited),
    Mutation("no window", ("S4",), _no_window),
    Mutation("nothing bounds what is under way", ("S4",), lambda: patched(Asking, "_is_full", lambda *_: False)),
    Mutation("offsets are ignored", ("S6", "S3", "S12"), _offsets_ignored, (faults.line_stalls,)),
    Mutation("losses go unnoticed", ("S1", "S2"), _lost_blocks_stay_known, (faults.everything_lost,)),
    Mutation("everything is fetched anew", ("S5",), _forgets_what_is_here, (faults.node_dies,)),
    Mutation(
        "unwanted goes on", ("S8", "S4"), lambda: patched(Asking, "drop_unwanted", _nothing), (faults.want_cancelled,)
    ),
    Mutation("a second copy is not called off", ("S4", "S8", "S5"), lambda: patched(Asking, "withdraw", _nothing)),
    Mutation(
        "malformed messages are raised",
        ("S11",),
        lambda: patched(swarm, "PeerProtocolError", ZeroDivisionError),
        (faults.junk,),
    ),
    Mutation("interests are never left", ("S8",), lambda: patched(Shelf, "unseek", _nothing)),
)


def run_swarm_mutations(names: tuple[str, ...] = (), seeds: int = SEEDS) -> list[Caught]:
    """Break each rule, one at a time, and run seeds until a property notices."""
    caught = []
    for mutation in MUTATIONS:
        if not names or mutation.name in names:
            caught.append(_hunt(mutation, seeds))
            say(f"{mutation.name}: {caught[-1].property or 'NOTHING'} after {caught[-1].seeds}")
    return caught


def _hunt(mutation: Mutation, seeds: int) -> Caught:
    """Run until a property notices; the same run must hold while the rule is whole."""
    for seed in range(seeds):
        with mutation.break_it():
            noticed = run_swarm_seed(seed, mutation.faults)
        if noticed.failure and not run_swarm_seed(seed, mutation.faults).failure:
            return Caught(mutation.name, noticed.property, seed + 1, noticed.property in mutation.expected)
    return Caught(mutation.name, "", seeds, is_right=False)
