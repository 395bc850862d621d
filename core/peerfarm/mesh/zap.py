"""The door: decides at each CURVE handshake whether a key may come in (ZAP, ZeroMQ RFC 27).

Served by the loop thread within `receive`, so the allow list needs no lock and no exception can end it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import zmq
from zmq.utils import z85

from peerfarm.model.ids import NodeId

MESH_DOMAIN = b"mesh"
JOIN_DOMAIN = b"join"
_MOST_AT_ONCE = 256


class ZapDoor:
    """Answers libzmq's question about every key; without an allow list nobody passes.

    Args:
        on_refused: Called with the public key and the reason.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], on_refused: Callable[[str, str], None]) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind("inproc://zeromq.zap.01")
        self._on_refused = on_refused
        self._members: Mapping[bytes, NodeId] = {}

    def allow(self, members: Mapping[bytes, NodeId]) -> None:
        """Replace the allow list: raw 32-byte public key -> node."""
        self._members = members

    def serve(self) -> None:
        """Answer all questions that wait."""
        for _ in range(_MOST_AT_ONCE):
            try:
                question = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            user, reason = self._judge(question)
            request_id = question[1] if len(question) > 1 else b""
            status = [b"200", b"OK", user] if user else [b"400", reason, b""]
            with contextlib.suppress(zmq.ZMQError):  # the asker is gone
                self.socket.send_multipart([b"1.0", request_id, *status, b""], zmq.DONTWAIT)

    def close(self) -> None:
        """Close the door for good; handshakes fail from now on."""
        self.socket.close(0)

    def _judge(self, question: list[bytes]) -> tuple[bytes, bytes]:
        """The User-Id that the connection gets, empty when refused, and why."""
        if len(question) != 7 or question[0] != b"1.0" or question[5] != b"CURVE" or len(question[6]) != 32:
            return b"", b"CURVE only"
        domain, key = question[2], question[6]
        if domain == JOIN_DOMAIN:
            # Whoever got this far knows the join socket's key, which only the join string tells.
            return _spell(key), b""
        node = self._members.get(key) if domain == MESH_DOMAIN else None
        if node is None:
            self._on_refused(_spell(key).decode("ascii"), "This key belongs to no member of the farm.")
            return b"", b"not a member"
        return node.encode("ascii"), b""

    def __repr__(self) -> str:
        return f"ZapDoor({len(self._members)} members)"


def _spell(key: bytes) -> bytes:
    spelt: bytes = z85.encode(key)
    return spelt


def raw_key(public_key: str) -> bytes | None:
    """The 32 bytes of a key in Z85; None when it is spelt wrongly."""
    try:
        raw: bytes = z85.decode(public_key)
    except (ValueError, KeyError, IndexError, OverflowError):
        return None
    return raw if len(raw) == 32 else None
