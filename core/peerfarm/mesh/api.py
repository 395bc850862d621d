"""What the rest of a node sees of the mesh: events that come out of it and the small interface it offers.

Nothing here knows ZeroMQ: `ZmqMesh` and the in-memory twin both speak these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from peerfarm.model.ids import NodeId

MAX_MESSAGE_BYTES = 1 << 20
"""Largest message between peers; a larger one costs its sender the link."""


NOT_KNOWN = "The peer there does not know this node as a member, or not yet."
"""Reason of a Refused that says more of this node than of the peer."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, both halves as 40 Z85 characters."""

    public: str
    secret: str = field(repr=False)
    """Never shown, not even in a traceback."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A member can be spoken to and heard; both directions were tried."""

    node: NodeId
    is_dialled: bool
    """True when this node opened the connection."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A member cannot be reached any more; what was on its way may be lost."""

    node: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a member."""

    node: NodeId
    """The sender as proven by its CURVE key, never as claimed."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A stranger knocked here, or a peer does not let this node in; at most one a minute for each."""

    key_or_address: str
    """The public key that was refused where it is known, else the address."""
    reason: str


@dataclass(frozen=True, slots=True)
class PeerKeyChanged:
    """What answers at a member's address twice in a row did not hold that member's key."""

    node: NodeId
    address: str


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """Somebody who holds the join string asks to be let in; reply with `answer_join`."""

    ticket: int
    data: bytes
    public_key: str = ""
    """The asker's own CURVE key, proven by the handshake."""


@dataclass(frozen=True, slots=True)
class JoinAnswered:
    """The farm's answer to `ask_join`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class JoinFailed:
    """`ask_join` brought no answer; another address may be tried."""

    reason: str


MeshEvent = LinkUp | LinkDown | Received | Refused | PeerKeyChanged | JoinAsked | JoinAnswered | JoinFailed


@dataclass(frozen=True, slots=True)
class Link:
    """One peer that can be reached now."""

    node: NodeId
    is_dialled: bool
    """True when this node opened the connection."""
    unread_bytes: int
    """Sent, and not yet known to be taken by the peer."""


@dataclass(slots=True)
class Traffic:
    """What the layer above sent and received since the start; the mesh's own small frames are not counted."""

    messages_out: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    bytes_in: int = 0
    refused_out: int = 0
    """Sends that answered False."""
    dropped_in: int = 0
    """Messages thrown away: from a removed member, or not in the mesh's form."""


class Mesh(Protocol):
    """Links to the other members; one thread uses it and no call ever waits, but `close`."""

    @property
    def traffic(self) -> Traffic:
        """Counters since the start."""
        ...

    def open(self, host: str, port: int) -> int:
        """Listen for peers and return the port; `port` 0 lets the system choose.

        Args:
            host: Numeric address of an interface, `0.0.0.0` for all; empty listens nowhere and returns 0.

        Raises:
            ConfigError: The port is taken or the address is not of this machine; the hint names the setting.
        """
        ...

    def allow(self, members: Mapping[NodeId, str]) -> None:
        """Replace the allow list, node -> public key; links of members that are no longer in it close at once.

        A key that is none is left out and reported as Refused, since any member can record one.
        """
        ...

    def dial(self, node: NodeId, address: str) -> None:
        """Keep trying to reach a member at `host:port` until `hang_up`; a second call changes the address."""
        ...

    def hang_up(self, node: NodeId) -> None:
        """Stop dialling a member and close the connection that this node opened to it, if any."""
        ...

    def send(self, node: NodeId, data: bytes) -> bool:
        """Hand one message of 1 to MAX_MESSAGE_BYTES bytes to a peer's link.

        Returns:
            False when there is no link, or the peer is so far behind that its queue is full: stop pushing
            to it and let it pull. True promises nothing: what was on its way when a link breaks is lost.
        """
        ...

    def receive(self, ready: Mapping[Any, int] | None = None, limit: int = 1000) -> list[MeshEvent]:
        """Everything that is there now, in order for each peer; about `limit` messages at most.

        Args:
            ready: What the caller's own poller said of `pollables` just now; without it this call polls them.
        """
        ...

    def pollables(self) -> list[Any]:
        """What a `zmq.Poller` should watch for POLLIN; ask again after every `receive`, `dial` and `tick`."""
        ...

    def links(self) -> tuple[Link, ...]:
        """The peers that can be reached now, ordered by node id."""
        ...

    def open_join(self, host: str, port: int, keys: KeyPair) -> int:
        """Open the separate join socket under its own key and return its port; ConfigError as for `open`."""
        ...

    def close_join(self) -> None:
        """Close the join socket; answers already given still go out."""
        ...

    def answer_join(self, ticket: int, data: bytes) -> None:
        """Answer one JoinAsked; a ticket whose asker went away is ignored."""
        ...

    def ask_join(self, address: str, server_key: str, data: bytes, timeout_s: float) -> None:
        """Ask a join socket to be let in; JoinAnswered or JoinFailed follows. A newer call replaces an older."""
        ...

    def tick(self, now_s: float) -> None:
        """Let time pass: redial, give up what takes too long. Monotonic seconds; call it every 0.1 to 1 s."""
        ...

    def close(self, linger_s: float) -> None:
        """Close everything; waits at most `linger_s` for goodbyes to get out."""
        ...

    def addresses(self) -> tuple[str, ...]:
        """`host:port` addresses that peers may dial; empty while nothing listens."""
        ...
