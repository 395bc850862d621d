"""What must be true of everything that a node wants done, whatever happened to it."""

from __future__ import annotations

import math
from typing import Any

import msgpack

from peerfarm.node import Node
from peerfarm.node.effects import Answer, Effects
from peerfarm.protocol.jsonrpc import encode_error, encode_event, encode_refusal, encode_result
from peerfarm.protocol.messages import JoinTell, decode_message
from peerfarm.state.actions import decode_action

MAX_WANTED = 2500
"""Things that one turn may want done: a few for each thing that happened, and one for each task that it concerns."""
MAX_SENT_BYTES = 16 * 1024 * 1024


class Witness:
    """Looks at each turn of one start of a node; AssertionError for what must not be."""

    def __init__(self, node: Node) -> None:
        self._node = node
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
        for _, raw in (*effects.sends, *effects.beats):
            assert decode_message(raw) is not None
        for join in effects.joins:
            if hasattr(join, "data"):
                assert isinstance(decode_message(join.data), JoinTell)
        for answer in effects.answers:
            self._check_answer(answer)
        for event in effects.events:
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
