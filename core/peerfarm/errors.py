"""Every error that peerfarm raises on purpose; the tree says who erred.

PeerfarmError               carries .hint: what the person can do
├── ConfigError             bad file or flag; stop before starting
├── NotRunning              no node answers on this machine
├── NoAnswer                the node is there but took too long
├── RequestRefused          our user asked for something that cannot be now
│   ├── NotInFarm
│   ├── UnknownJob
│   ├── InvalidFrames       quotes the text and the place
│   ├── InvalidJob          names the field and, where known, the line
│   └── InvalidManifest     names the file, or says what is forged
├── PeerProtocolError       a peer broke the protocol: drop that peer only
├── StoreError              the disk refuses: take no more work, keep serving reads
│   ├── DiskFull            nothing of that write was kept; the same write may succeed later
│   └── StoreDamaged        a checksum is wrong: close, and open again, which salvages
└── RenderError             becomes TaskFailed, never stops a node
    ├── AppNotFound
    ├── AppFailed           carries .exit_code and .last_lines
    ├── AppTimedOut
    └── OutputMissing
Anything else that escapes is a bug of ours.
"""

from __future__ import annotations


class PeerfarmError(Exception):
    """What every deliberate error carries: one sentence of what is wrong and one of what to do.

    Attributes:
        hint: What the person can do about it; empty when the message says it all.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(PeerfarmError):
    """A settings file, environment variable or flag is wrong; nothing was started."""


class NotRunning(PeerfarmError):
    """No node answers on this machine's local socket; it is stopped, or it went away."""


class NoAnswer(PeerfarmError):
    """The node took the request but did not answer in time; it may still carry the request out."""


class RequestRefused(PeerfarmError):
    """The user asked for something that cannot be done now; nothing was changed."""


class NotInFarm(RequestRefused):
    """The request needs a farm, and this node belongs to none yet."""


class UnknownJob(RequestRefused):
    """No job has that id on this node."""


class InvalidFrames(RequestRefused):
    """A frame expression cannot be read; the message quotes the text and the place."""


class InvalidJob(RequestRefused):
    """A job description is wrong; the message names the field and, where known, the line."""


class InvalidManifest(RequestRefused):
    """A list of files cannot be, or cannot travel: a path that leads outside, sizes that do not fit, too many."""


class PeerProtocolError(PeerfarmError):
    """A peer sent what the protocol does not allow; that peer's link is dropped, nothing else."""


class StoreError(PeerfarmError):
    """The disk refused or holds damaged data; take no more work, keep serving reads."""


class DiskFull(StoreError):
    """No room for a write: nothing of it was kept, reads go on, and it may be tried again when there is room."""


class StoreDamaged(StoreError):
    """What was read is not what was written. Opening the store again moves it aside and saves what is whole."""


class RenderError(PeerfarmError):
    """An attempt did not give its frames; it becomes a TaskFailed and never stops a node."""


class AppNotFound(RenderError):
    """The application that a task needs is not installed here."""


class AppFailed(RenderError):
    """The renderer ended badly.

    Attributes:
        exit_code: Of the process; negative for a signal on POSIX; None when it never ran.
        last_lines: The end of its output, newest last.
    """

    def __init__(
        self, message: str, hint: str = "", exit_code: int | None = None, last_lines: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
        self.last_lines = last_lines


class AppTimedOut(RenderError):
    """The renderer ran longer than its time limit, or was silent longer than its stall limit."""


class OutputMissing(RenderError):
    """The renderer said that it succeeded, but a frame is missing, truncated or of the wrong size."""
