"""What can happen to a node. Times are given beside the input, in monotonic seconds of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peerfarm.model.files import FetchEnded, FetchProgressed, Packed, PackProgressed, StoreTold
from peerfarm.model.ids import BootId, FarmId, JobId, LogId, NodeId
from peerfarm.model.preview import Previewed
from peerfarm.model.render import Discovered, Inspected, PublishResult, RunnerEvent
from peerfarm.state.logbook import LogKey


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is in this start."""

    node: NodeId
    key: str
    name: str
    boot: BootId
    log: LogId
    """Freshly minted: the log to open when going on with the old one is in doubt."""
    wall_ms: int
    """Wall clock at monotonic zero, for people only."""


@dataclass(frozen=True, slots=True)
class Minted:
    """Random ids that the shell gives along with a request, used or not."""

    job: JobId
    farm: FarmId
    token: str


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A peer can be talked to."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection to a peer closed."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """A member's door stayed shut: it does not know this node's key, or no longer."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes from a peer whose key the link has proven."""

    node: NodeId
    data: bytes


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """Bytes on the join socket; the ticket names whom to answer."""

    ticket: int
    data: bytes
    minted: Minted


@dataclass(frozen=True, slots=True)
class JoinAnswered:
    """The answer to our own wish to join; None when none came, with the reason."""

    data: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class JoinOpened:
    """The join socket is open, and this is the string for the newcomer; empty with the reason when it is not."""

    join_string: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class LocalRequest:
    """A plug-in or the command line asks for something."""

    client: int
    id: Any
    method: str
    params: Mapping[str, Any]
    minted: Minted


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A local connection closed."""

    client: int


@dataclass(frozen=True, slots=True)
class RunnerSaid:
    """Something happened to an attempt of ours."""

    event: RunnerEvent


@dataclass(frozen=True, slots=True)
class Published:
    """A publish order ended."""

    result: PublishResult


@dataclass(frozen=True, slots=True)
class LogRead:
    """A piece of an own attempt's log; `text` is None when there is no such log."""

    token: str
    text: str | None
    offset: int = 0
    next_offset: int = 0
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class PathsChecked:
    """The paths of a submission were looked at; `problem` is empty when all is well."""

    request: str
    problem: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RowsRead:
    """Actions from the store for a peer that pulls; short when a row was cut."""

    node: NodeId
    raws: tuple[bytes, ...]
    is_cut: bool = False
    """The range asked for begins before what is kept: only a snapshot helps."""


@dataclass(frozen=True, slots=True)
class DiskRefused:
    """A commit failed: nothing since the last one was told to anyone."""

    reason: str
    waiting: Mapping[LogKey, int] = field(default_factory=dict)
    """Per log the first seq that is applied here but not on disk."""


@dataclass(frozen=True, slots=True)
class DiskRecovered:
    """Commits succeed again, and what waited is durable."""

    dropped: tuple[str, ...] = ()
    """Attempts whose start had waited for the disk and was not carried out: others may have their tasks by now."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy this machine is, for the heartbeat, and whether its disk has room."""

    percent: int
    free_bytes: int | None = None
    """Room on the disk of the node's own folder; None when nobody knows."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The node shall end: say goodbye, hand work back."""


Input = (
    LinkUp
    | LinkDown
    | NotAdmitted
    | Received
    | JoinAsked
    | JoinAnswered
    | JoinOpened
    | LocalRequest
    | ClientGone
    | RunnerSaid
    | Published
    | Discovered
    | Inspected
    | FetchProgressed
    | FetchEnded
    | PackProgressed
    | Packed
    | Previewed
    | StoreTold
    | LogRead
    | PathsChecked
    | RowsRead
    | DiskRefused
    | DiskRecovered
    | Load
    | Tick
    | StopAsked
)


@dataclass(slots=True)
class Remembered:
    """What the store still knows at start, beside the log itself."""

    own_log: LogId | None = None
    """The log that this node wrote last; None for a new database."""
    is_in_doubt: bool = False
    """The store was damaged, restored or not closed cleanly."""
    addresses: dict[NodeId, tuple[str, ...]] = field(default_factory=dict)
    joining: bytes = b""
    """The fact left by a join whose farm has not told its log yet."""
    cut: dict[LogKey, int] = field(default_factory=dict)
    """Where the kept logs begin."""
    pins: tuple[str, ...] = ()
    """Keys under which the store keeps blobs from eviction."""
