"""What must be true of everything that a node wants done, whatever happened to it."""

from __future__ import annotations

import math
from typing import Any

import msgpack

from peerfarm.model.blob import block_count
from peerfarm.model.job import FilesMode
from peerfarm.node import Node
from peerfarm.node.effects import Answer, Effects
from peerfarm.protocol.jsonrpc import encode_error, encode_event, encode_refusal, encode_result
from peerfarm.protocol.messages import JoinTell, KeepTold, decode_message
from peerfarm.state.actions import decode_action
from peerfarm.state.farm import get_job
from peerfarm.state.selectors import submitter_of

MAX_WANTED = 2500
"""Things that one turn may want done: a few for each thing that happened, and one for each task that it concerns."""
MAX_SENT_BYTES = 16 * 1024 * 1024
MAX_NAMES = 100_000


class Witness:
    """Looks at each turn of one start of a node; AssertionError for what must not be."""

    def __init__(self, node: Node, seen: set[str]) -> None:
        self._node = node
        self._seen = seen
        self._seqs = {key: position.seq for key, position in node.core.book.vector.items()}
        self._open: dict[tuple[int, Any], str] = {}
        self._gone: set[tuple[int, Any]] = set()

    def asked(self, client: int, request_id: Any, method: str) -> None:
        """Somebody will wait for an answer to this."""
        self._open[client, request_id] = method

    def client_gone(self, client: int) -> None:
        """Nobody waits for this client's answers any more; they may come or not."""
        self._gone |= {asked for asked in self._open if asked[0] == client}
        self._open = {asked: method for asked, method in self._open.items() if asked[0] != client}

    @property
    def unanswered(self) -> list[str]:
        """The methods of requests without an answer so far."""
        return list(self._open.values())

    def look(self, effects: Effects, now_s: float) -> None:
        """Check what a turn wants done, before it is done."""
        self._check_rows(effects)
        self._check_files(effects)
        self._seen |= signs_of(effects)
        for _, raw in (*effects.sends, *effects.beats):
            assert decode_message(raw) is not None
        for join in effects.joins:
            if hasattr(join, "data"):
                assert isinstance(decode_message(join.data), JoinTell)
        for answer in effects.answers:
            self._check_answer(answer)
        for event in (*effects.events, *(event for _, event in effects.private)):
            encode_event({"seq": 1, **event})
        for read in effects.log_reads:
            assert 0 <= read.offset < 1 << 62
            assert 0 < read.limit <= 512 * 1024
        for rows in effects.reads:
            assert 1 <= rows.first <= rows.last
        lists = (value for name in effects.__slots__ if isinstance(value := getattr(effects, name), (list, dict)))
        assert sum(map(len, lists)) <= MAX_WANTED
        assert sum(len(raw) for _, raw in (*effects.sends, *effects.beats)) <= MAX_SENT_BYTES
        assert len(self._node.core.alarms) <= 50
        assert not math.isnan(self._node.next_s(now_s))

    def _check_rows(self, effects: Effects) -> None:
        """Each log is written without gaps or repetitions, and what this node writes is what others will read."""
        if effects.snapshot is not None:  # what it covers is not written; rows of before may stand beside it
            for key, position in effects.snapshot.vector.items():
                if key[0] != self._node.core.node or key[1] != self._node.core.own_log:
                    self._seqs[key] = position.seq - sum(1 for row in effects.rows if row[:2] == key)
        for node, log, seq, raw in effects.rows:
            action = decode_action(raw)
            assert (action.node, action.log, action.seq) == (node, log, seq)
            key = (action.node, action.log)
            if effects.snapshot is None or key not in effects.snapshot.vector:
                assert seq == self._seqs.get(key, 0) + 1
            self._seqs[key] = seq
            if node == self._node.core.node and log == self._node.core.own_log:
                assert action.body is not None, msgpack.unpackb(raw)

    def _check_files(self, effects: Effects) -> None:
        """Only what can be fetched is ordered, once a turn, and frames go where somebody here wants them."""
        for order in effects.fetches:
            assert order.key.partition("/")[0] in {"scene", "keep", "again"}
            assert all(block_count(ref.size_bytes) >= 0 for ref in order.refs)
            assert not order.is_manifest or len(order.refs) == 1
        for publish in effects.publishes:
            if publish.files is FilesMode.PEERS and not publish.is_asked_here:
                state = get_job(self._node.core.farm, publish.job)
                assert state is not None
                assert submitter_of(state) == self._node.core.node
        for pack in effects.packs:
            assert all(len(names) <= MAX_NAMES for _, names in pack.outputs)

    def _check_answer(self, answer: Answer) -> None:
        asked = (answer.client, answer.id)
        if asked in self._gone:
            self._gone.discard(asked)
        else:
            assert self._open.pop(asked, None) is not None, f"{asked} was answered twice or never asked"
        if answer.error is None:
            assert answer.result is not None
            line = encode_result(answer.id, answer.result)
        else:
            assert str(answer.error)
            line = encode_refusal(answer.id, answer.error)
        assert line != encode_error(answer.id, 0, "")


def signs_of(effects: Effects) -> set[str]:
    """What a turn wants done with files that travel, in a few words each."""
    signs = {f"fetch {order.key.partition('/')[0]}" for order in effects.fetches}
    signs |= {f"stop {key.partition('/')[0]}" for key in effects.fetch_stops}
    signs |= {f"release {key.partition('/')[0]}" for key in effects.released}
    signs |= {"pack"} if effects.packs else set()
    signs |= {"stop packing"} if effects.pack_stops else set()
    for order in effects.publishes:
        if order.files is FilesMode.PEERS:
            signs.add("bring where asked" if order.is_asked_here else "deliver")
    signs |= {"stop bringing"} if effects.publish_stops else set()
    signs |= {"render with files"} if any(start.task.manifest for start in effects.starts) else set()
    for _, raw in effects.sends:
        message = decode_message(raw)
        signs.add(type(message).__name__)
        if isinstance(message, KeepTold):
            signs.add("kept" if message.is_kept else "not kept")
    signs |= {event["type"] for event in effects.events}
    signs |= {event["type"] for _, event in effects.private}
    return signs
