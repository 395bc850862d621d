"""Actions a second that a node takes in from its peers: decode, accept, reduce, index, write to SQLite."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from action_stream import FARM, Author, founding, submissions, work
from figures import rounded

from peerfarm.daemon.ledger import Ledger
from peerfarm.daemon.machine import calm_collector
from peerfarm.mesh import new_keys
from peerfarm.model.ids import BootId, LogId, NodeId, node_id_of
from peerfarm.node import Node, inputs
from peerfarm.node.core import NodeSettings
from peerfarm.node.effects import Effects
from peerfarm.policy.liveness import PeerState
from peerfarm.protocol.messages import BATCH_BYTES, PROTOCOL_VERSION, Actions, Greeting, encode_message
from peerfarm.state.farm import all_jobs
from peerfarm.store import open_store

AUTHORS = 4
TASKS = 100


def run(scale: float) -> dict[str, Any]:
    """A farm of 1000 jobs with 100 tasks, sixteen jobs under way at a time, then the same with all of them at once."""
    jobs = max(10, int(1000 * scale))
    usual, usual_turn_ms = _measure(jobs, 16)
    scattered, _ = _measure(jobs, jobs)
    return {
        "actions_per_s": rounded(usual),
        "actions_per_s_scattered": rounded(scattered),
        "actions_longest_turn_ms": rounded(usual_turn_ms),
        "actions_applied": jobs * TASKS * 2,
    }


class _Receiver:
    """A node with its database, fed with what peers send, one message a turn of its loop."""

    def __init__(self, home: Path, authors: list[Author]) -> None:
        public = new_keys().public
        identity = inputs.Identity(node_id_of(public), public, "own", BootId("bootaaaa"), LogId("ownlogaa"), 0)
        self.node = Node(identity, NodeSettings("own"))
        self.store, _ = open_store(home / "log.db")
        self.ledger = Ledger(self.store, _nothing_more)
        self.longest_s = 0.0
        own = Author(99, public)
        for raw in founding([*authors, own]):
            self.node.core.replay(raw)
        self.node.start(inputs.Remembered(), time.monotonic())
        for author in authors:
            now_s = time.monotonic()
            self.node.handle(inputs.LinkUp(author.node), now_s)
            self._turn(author.node, encode_message(Greeting(PROTOCOL_VERSION, FARM, "bootbbbb")))
        live = [peer for peer in self.node.presence.peers.values() if peer.state is PeerState.LIVE]
        assert len(live) == len(authors)

    def _turn(self, sender: NodeId, raw: bytes) -> None:
        now_s = time.monotonic()
        self.node.handle(inputs.Received(sender, raw), now_s)
        self.ledger.take(self.node.settle(now_s), now_s)
        self.longest_s = max(self.longest_s, time.monotonic() - now_s)

    def take(self, messages: Iterable[tuple[NodeId, bytes]]) -> None:
        for sender, raw in messages:
            self._turn(sender, raw)

    def finish(self) -> None:
        """Make durable what still waits for an own commit to ride on."""
        self.ledger.take(Effects(must_sync=True), time.monotonic())


def _nothing_more(_effects: Effects) -> None:
    """Nobody is there to be told."""


def batches(stream: Iterable[tuple[Author, bytes]]) -> list[tuple[NodeId, bytes]]:
    """The messages that carry these actions, each from its author, as large as they may be."""
    waiting: dict[NodeId, list[bytes]] = {}
    sizes: dict[NodeId, int] = {}
    messages = []
    for author, raw in stream:
        if sizes.get(author.node, 0) + len(raw) > BATCH_BYTES:
            messages.append((author.node, encode_message(Actions(tuple(waiting.pop(author.node))))))
            sizes[author.node] = 0
        waiting.setdefault(author.node, []).append(raw)
        sizes[author.node] = sizes.get(author.node, 0) + len(raw)
    messages += [(node, encode_message(Actions(tuple(raws)))) for node, raws in waiting.items() if raws]
    return messages


def _measure(jobs: int, at_once: int) -> tuple[float, float]:
    """Actions a second, and the longest turn in milliseconds."""
    authors = [Author(number) for number in range(AUTHORS)]
    with tempfile.TemporaryDirectory(prefix="peerfarm-bench-") as home:
        receiver = _Receiver(Path(home), authors)
        receiver.take(batches(submissions(authors, jobs, TASKS, 100)))
        receiver.finish()
        messages = batches(work(authors, jobs, TASKS, 10_000, at_once))
        calm_collector()
        receiver.longest_s = 0.0
        begun_s = time.monotonic()
        receiver.take(messages)
        receiver.finish()
        taken_s = time.monotonic() - begun_s
        states = [state for _, state in all_jobs(receiver.node.core.farm)]
        receiver.store.close()
    assert sum(step.done.bit_count() for state in states for step in state.steps.values()) == jobs * TASKS
    return jobs * TASKS * 2 / taken_s, receiver.longest_s * 1000
