"""What a node wants done. The daemon carries the fields out in their order, then forgets the value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peerfarm.errors import PeerfarmError
from peerfarm.model.files import FetchOrder, PackOrder
from peerfarm.model.ids import JobId, NodeId
from peerfarm.model.preview import PreviewOrder
from peerfarm.model.render import PublishOrder, RenderTask
from peerfarm.state.farm import Farm
from peerfarm.state.logbook import LogKey, Vector

Row = tuple[str, str, int, bytes]


@dataclass(frozen=True, slots=True)
class StartRender:
    """Run an attempt in a slot."""

    slot: int
    task: RenderTask


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look into a scene for its defaults."""

    request: str
    app: str
    path: str


@dataclass(frozen=True, slots=True)
class CheckPaths:
    """See whether a submission's inputs exist and its outputs can be written; answered by PathsChecked."""

    request: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read a piece of an own attempt's log; answered by LogRead with this token."""

    token: str
    attempt: str
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Read actions for a peer; answered by RowsRead."""

    node: NodeId
    key: LogKey
    first: int
    last: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Write the farm as it is now and cut the logs up to `cut`."""

    farm: Farm
    vector: Vector
    cut: dict[LogKey, int]


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to a member."""

    node: NodeId
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenJoin:
    """Open the join socket with this token outstanding; answered by JoinOpened."""

    token: str


@dataclass(frozen=True, slots=True)
class AnswerJoin:
    """Answer who asked to join."""

    ticket: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AskJoin:
    """Ask a farm to let us in; answered by JoinAnswered."""

    join_string: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a local request, with a result or an error."""

    client: int
    id: Any
    result: dict[str, Any] | None = None
    error: PeerfarmError | None = None


@dataclass(slots=True)
class Effects:
    """Everything that follows from one turn of the loop; several inputs of a turn share one."""

    rows: list[Row] = field(default_factory=list)
    """1. To be made durable, in this order."""
    must_sync: bool = False
    """Whether the rows (and all before them) must be durable before the rest is carried out."""
    facts: dict[str, bytes] = field(default_factory=dict)
    """Small durable facts: remembered peers, own log, spent tokens."""
    snapshot: SaveSnapshot | None = None
    sends: list[tuple[NodeId, bytes]] = field(default_factory=list)
    """2. After the commit."""
    beats: list[tuple[NodeId, bytes]] = field(default_factory=list)
    """Sent whether or not the disk accepts rows: they claim nothing."""
    reads: list[ReadRows] = field(default_factory=list)
    members: dict[NodeId, str] | None = None
    """The allow list, when it changed."""
    dials: list[Dial] = field(default_factory=list)
    hang_ups: list[NodeId] = field(default_factory=list)
    joins: list[OpenJoin | AnswerJoin | AskJoin] = field(default_factory=list)
    is_join_closed: bool = False
    starts: list[StartRender] = field(default_factory=list)
    """3. Renders."""
    stops: list[str] = field(default_factory=list)
    publishes: list[PublishOrder] = field(default_factory=list)
    publish_stops: list[str] = field(default_factory=list)
    """Attempts whose frames nobody waits for any more; what is in place already stays, and the result is told."""
    inspections: list[Inspect] = field(default_factory=list)
    checks: list[CheckPaths] = field(default_factory=list)
    log_reads: list[ReadLog] = field(default_factory=list)
    previews: list[PreviewOrder] = field(default_factory=list)
    fetches: list[FetchOrder] = field(default_factory=list)
    fetch_stops: list[str] = field(default_factory=list)
    """Keys of fetches that nobody wants any more."""
    packs: list[PackOrder] = field(default_factory=list)
    pack_stops: list[str] = field(default_factory=list)
    """Requests."""
    released: list[str] = field(default_factory=list)
    """Pins that are needed no more."""
    root: str = ""
    """A directory to add to the settings' `roots`."""
    answers: list[Answer] = field(default_factory=list)
    """4. To plug-ins and the command line."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """5. Told to every subscriber."""
    private: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """(local client, event): told to that one alone, which asked for it by a request."""
    forgotten: list[JobId] = field(default_factory=list)
    """Jobs of which nothing need be kept: their attempts, and the output folders that were named for them."""
    is_over: bool = False
    """The node wants to end."""
