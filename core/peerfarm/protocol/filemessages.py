"""Messages between peers about files and frames that travel: copies, what is in the way, small pictures."""

from __future__ import annotations

from typing import NamedTuple

from peerfarm.model.ids import ActionId, JobId
from peerfarm.state.payloads import Frame

MAX_STUCK = 16
"""Jobs whose files a node cannot have, in one message."""
MAX_WHY = 500
MAX_PICTURE_EDGE = 512
MAX_PICTURE_BYTES = 512 * 1024

StuckRow = tuple[JobId, bool, str]
"""(job, whether its files will never be of use to the node that tells it, why it cannot have them)."""


class KeepAsk(NamedTuple):
    """I rendered these frames, or keep them for a worker that is away: keep a copy too, which you fetch from me."""

    lease: ActionId
    job: JobId
    step: int
    task: int
    frames: tuple[Frame, ...]
    """(name, size, blob id)."""


class KeepTold(NamedTuple):
    """The copy is durable here and kept from eviction, or there will be none."""

    lease: ActionId
    is_kept: bool
    reason: str
    """Why not."""


class KeepMoved(NamedTuple):
    """The copy is under way; sent now and then, so that whoever asked knows that waiting is worth it."""

    lease: ActionId
    thousandths: int


class FilesStuck(NamedTuple):
    """I would render these jobs and cannot have their files; of all others I can."""

    rows: tuple[StuckRow, ...]


class PictureAsk(NamedTuple):
    """A user wants to see the last frame of this result of yours, small."""

    token: int
    lease: ActionId
    job: JobId
    step: int
    task: int
    size: int
    """Pixels of the longer edge."""


class PictureTell(NamedTuple):
    """The picture, or why there is none."""

    token: int
    name: str
    """Of the frame."""
    width: int
    height: int
    png: bytes
    reason: str
    """Empty when there is a picture."""
