"""Everything that can happen to a swarm, and everything that it can want done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from peerfarm.model.blob import BlobId, BlobRef, BlockList
from peerfarm.model.ids import NodeId


class PeerUp(NamedTuple):
    """A peer's transfer link opened."""

    node: NodeId


class PeerDown(NamedTuple):
    """It closed; what was on its way is lost."""

    node: NodeId


class Heard(NamedTuple):
    """A peer's message."""

    node: NodeId
    data: bytes


class Wrote(NamedTuple):
    """Answers a WriteBlock."""

    id: BlobId
    block: int
    ok: bool
    """False without an error: the hash is wrong and nothing was kept."""
    error: str = ""
    """Why the store could not take it, in words for the user; the wants that need the blob fail."""


class Read(NamedTuple):
    """Answers a ReadBlock."""

    id: BlobId
    block: int
    data: bytes | None
    """None: not here, or no longer, or damaged."""
    node: NodeId


class ListRead(NamedTuple):
    """Answers a ReadList."""

    id: BlobId
    blocks: BlockList | None
    node: NodeId


class Present(NamedTuple):
    """The store holds these blocks of a blob that is wanted or was looked for; adds to what was told before."""

    id: BlobId
    bitmap: int
    """Bit i: block i."""
    size_bytes: int


class Gone(NamedTuple):
    """The store holds nothing of a blob, or no longer."""

    id: BlobId


class Tick(NamedTuple):
    """Time passed."""


class Limits(NamedTuple):
    """What this node may send from now on."""

    upload_bytes_s: int
    """To all peers together; 0: no limit."""


class Busy(NamedTuple):
    """A peer's link has much unread, or no longer: no blocks are sent to it meanwhile."""

    node: NodeId
    is_busy: bool


Event = PeerUp | PeerDown | Heard | Wrote | Read | ListRead | Present | Gone | Tick | Limits | Busy


class ReadBlock(NamedTuple):
    """Read a block for a peer; answered by Read."""

    id: BlobId
    block: int
    node: NodeId


class ReadList(NamedTuple):
    """Read a blob's block list for a peer; answered by ListRead."""

    id: BlobId
    node: NodeId


class WriteBlock(NamedTuple):
    """Check a block against its hash and keep it; answered by Wrote.

    The first of a blob begins it. An empty blob comes as its block 0 without data.
    """

    ref: BlobRef
    blocks: BlockList
    block: int
    data: bytes


class Failed(NamedTuple):
    """A want that was given up; what arrived of it stays in the store."""

    key: str
    reason: str
    lacking: tuple[NodeId, ...]
    """Linked peers that told that they do not hold what is missing, sorted."""
    is_missing: bool = False
    """Nobody linked holds it."""
    is_disk_error: bool = False
    """The store refused what came."""


class Progress(NamedTuple):
    """How far a want is."""

    key: str
    done_bytes: int
    total_bytes: int
    rate_bytes_s: int
    """Of what arrives, smoothed over some seconds."""


class Alarm(NamedTuple):
    """A peer of which nothing is asked for a while."""

    node: NodeId
    reason: str


@dataclass(slots=True)
class SwarmEffects:
    """Everything that follows from one turn. Answers to reads, looks and writes may come at any later time."""

    sends: list[tuple[NodeId, bytes]] = field(default_factory=list)
    """In this order for each peer."""
    looks: list[BlobId] = field(default_factory=list)
    """Peers seek these, and it is not known what the store holds of them; answered by Present or Gone."""
    reads: list[ReadBlock] = field(default_factory=list)
    list_reads: list[ReadList] = field(default_factory=list)
    writes: list[WriteBlock] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """Keys of wants of which every blob is here."""
    failed: list[Failed] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    """At most two a second for each want."""
    alarms: list[Alarm] = field(default_factory=list)
    drops: list[tuple[NodeId, str]] = field(default_factory=list)
    """Peers that broke the protocol: their links are to be closed, a PeerDown may follow."""
    wake_s: float = 60.0
    """How long nothing needs to be done if nothing happens; a Tick is due then."""
