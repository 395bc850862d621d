"""Submissions that nobody waits for on a connection: whoever sent them asks now and then how far they are.

For programs that can only make short requests, such as a panel of After Effects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peerfarm.apps.params import is_absolute
from peerfarm.errors import InvalidJob, PeerfarmError, RequestRefused
from peerfarm.model.files import PackProgressed
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import optional

NO_CLIENT = -1
"""Stands for the connection of a submission in the background: it never closes."""
REMEMBERED = 64
"""Submissions whose ends can still be asked for; the oldest are forgotten first."""
MAX_FILES = 20_000
"""Files that a submission may name beside those that its steps name."""


@dataclass(slots=True)
class Submissions:
    """How far each submission in the background is; its name is the id of the job that it will be."""

    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin(self, name: str) -> dict[str, Any]:
        """Note a new one; what its sender is answered at once.

        Raises:
            RequestRefused: Too many are being packed.
        """
        over = [known for known, row in self._rows.items() if row["state"] != "packing"]
        if len(self._rows) >= REMEMBERED:
            if not over:
                raise RequestRefused("too many submissions are being packed", "Send it again when some have ended.")
            del self._rows[over[0]]
        self._rows[name] = {"state": "packing", **_NOTHING, "answer": None, "error": "", "hint": ""}
        return {"submission": name}

    def moved(self, name: str, progress: dict[str, Any]) -> None:
        """It got on."""
        self._rows[name].update(progress)

    def done(self, name: str, answer: dict[str, Any]) -> None:
        """The job is recorded."""
        self._rows[name].update(state="done", answer=answer)

    def failed(self, name: str, error: PeerfarmError) -> None:
        """There will be no job."""
        self._rows[name].update(state="failed", error=str(error), hint=error.hint)

    def row(self, name: str) -> dict[str, Any]:
        """What is known of one.

        Raises:
            RequestRefused: It is unknown, or was forgotten since.
        """
        row = self._rows.get(name)
        if row is None:
            raise RequestRefused(
                f"this node knows no submission {name[:64]!r}", "It may have restarted since: look at the jobs."
            )
        return dict(row)


def progress_of(event: PackProgressed) -> dict[str, Any]:
    """How far packing is, as local programs are told."""
    left = event.total_bytes - event.done_bytes
    return {
        "text": event.text,
        "done_bytes": event.done_bytes,
        "total_bytes": event.total_bytes,
        "done_files": event.done_files,
        "total_files": event.total_files,
        "rate_bytes_s": round(event.rate_bytes_s),
        "left_s": round(left / event.rate_bytes_s) if event.rate_bytes_s > 0 else None,
    }


def named_files(request: LocalRequest) -> list[str]:
    """The files that a submission names beside those of its steps; only an application knows some of them.

    Raises:
        InvalidJob: They are no paths, or too many.
    """
    files = optional(request, "files", list, [])
    if len(files) > MAX_FILES:
        raise InvalidJob(f"the submission names {len(files)} files; at most {MAX_FILES} are taken")
    for path in files:
        if not isinstance(path, str) or not is_absolute(path) or "\0" in path:
            raise InvalidJob(f"the submission's files must be absolute paths, not {str(path)[:80]!r}")
    return list(dict.fromkeys(files))


_NOTHING = progress_of(PackProgressed("", ""))
