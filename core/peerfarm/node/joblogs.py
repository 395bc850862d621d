"""Logs stay on the machine that made them and are fetched on demand (the paper's GET_LOG)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from peerfarm.errors import RequestRefused
from peerfarm.model.frames import task_count
from peerfarm.model.ids import JobId, NodeId, attempt_label
from peerfarm.model.job import JobSpec
from peerfarm.node.core import Core
from peerfarm.node.desk import Desk
from peerfarm.node.effects import ReadLog
from peerfarm.node.inputs import LocalRequest, LogRead
from peerfarm.node.params import optional, step_number
from peerfarm.node.peer import Peer
from peerfarm.node.presence import Presence
from peerfarm.protocol.messages import LogAsk, LogTell
from peerfarm.state.actions import MAX_LAMPORT
from peerfarm.state.farm import EMPTY_STEP, JobState, get_record

LOG_PIECE_BYTES = 128 * 1024
MAX_READS = 8
"""Pieces read for one peer in a turn."""
KIND = "log"


class _Wanted(NamedTuple):
    attempt: str
    node: NodeId
    """Where the log lies."""
    worker: str
    """What people call that node."""


@dataclass(slots=True)
class JobLogs:
    """Gives pieces of attempts' logs to local users, from here or from a peer, and to peers from here."""

    core: Core
    presence: Presence
    desk: Desk
    found: Callable[[LocalRequest], tuple[JobId, JobState, JobSpec]]

    def log(self, request: LocalRequest) -> None:
        """`log`: a piece of one attempt's log, the latest attempt's when none is named.

        With `tail` instead of `offset` the last so many bytes, of the task that tells most when none is named.
        """
        _, state, spec = self.found(request)
        tail = optional(request, "tail", int, 0)
        if not 0 <= tail <= LOG_PIECE_BYTES:
            raise RequestRefused(f"tail must be from 0 to {LOG_PIECE_BYTES} bytes, not {tail}")
        if tail and not {"step", "task", "attempt"} & set(request.params):
            request = replace(request, params={**request.params, **_telling(state)})
        number = step_number(spec, request.params.get("step", 0))
        step = state.steps.get(number, EMPTY_STEP)
        task = optional(request, "task", int, 0)
        if not 0 <= task < task_count(spec.steps[number]):
            raise RequestRefused(f"step {spec.steps[number].name} has no task {task}", "see `peerfarm job JOB`")
        wanted = request.params.get("attempt")
        attempts = sorted(
            (a for a in get_record(step, task) if a[1] is not None), key=lambda a: (a[1][1], a[1][0], a[0])
        )
        if wanted is not None:
            attempts = [a for a in attempts if wanted in (a[1][0], attempt_label(a[0]))]
        if not attempts:
            raise RequestRefused("this task has no such attempt yet", "see `peerfarm job JOB`")
        attempt = attempts[-1]
        worker = attempt[1][2]
        offset = -tail or optional(request, "offset", int, 0)
        if not -LOG_PIECE_BYTES <= offset <= MAX_LAMPORT or (offset < 0 and not tail):
            raise RequestRefused(f"offset {offset} lies outside every log", "begin with 0, go on with `next_offset`")
        label = attempt_label(attempt[0])
        token = self.desk.wait(request, KIND, extra=_Wanted(label, worker, self.presence.name_of(worker)))
        if worker == self.core.node:
            self.core.effects.log_reads.append(ReadLog(token, attempt_label(attempt[0]), offset, LOG_PIECE_BYTES))
            return
        peer = self.presence.peers.get(worker)
        if peer is None or not peer.has_greeted:
            self.desk.take(token, KIND)
            raise RequestRefused(
                f"the log lies on {self.presence.name_of(worker)}, which is not there now",
                "logs stay on the machine that made them: try again when it is back",
            )
        self.core.send(worker, LogAsk(int(token), attempt[0], offset, LOG_PIECE_BYTES))

    def on_log_ask(self, peer: Peer, message: LogAsk) -> None:
        """A peer's user wants a log of ours."""
        token = f"{peer.node}/{message.token}"
        if sum(1 for read in self.core.effects.log_reads if read.token.startswith(peer.node)) >= MAX_READS:
            return  # it asks again, or its user is told that no answer came
        self.core.effects.log_reads.append(ReadLog(token, attempt_label(message.lease), message.offset, message.limit))

    def on_log_read(self, read: LogRead) -> None:
        """A piece of an own log, for a local or a remote user."""
        node, slash, token = read.token.rpartition("/")
        if slash:
            text = read.text
            tell = LogTell(int(token), text is not None, text or "", read.offset, read.next_offset, read.is_complete)
            self.core.send(NodeId(node), tell)
        else:
            self._log_arrived(token, read.text, read.offset, read.next_offset, read.is_complete)

    def on_log_tell(self, peer: Peer, message: LogTell) -> None:
        """A piece of a peer's log, if it was that peer who was asked."""
        waiting = self.desk.look(str(message.token), KIND)
        if waiting is None or waiting.extra.node != peer.node:
            return
        text = message.text if message.is_found else None
        self._log_arrived(str(message.token), text, message.offset, message.next_offset, message.is_complete)

    def _log_arrived(self, token: str, text: str | None, offset: int, next_offset: int, is_complete: bool) -> None:
        waiting = self.desk.take(token, KIND)
        if waiting is None:
            return
        attempt, worker = waiting.extra.attempt, waiting.extra.worker
        if text is None:
            self.desk.refuse(
                waiting.request, RequestRefused(f"{worker} no longer has this log", "logs are kept for a time")
            )
            return
        self.desk.reply(
            waiting.request,
            {
                "attempt": attempt,
                "worker": worker,
                "text": text,
                "offset": offset,
                "next_offset": next_offset,
                "is_complete": is_complete,
            },
        )


def _telling(state: JobState) -> dict[str, Any]:
    """The step and task whose log tells most: one that failed, else that runs, else that is done; the last."""
    for kind in ("failed", "troubled", "leased", "done"):
        for number in sorted(state.steps, reverse=True):
            bits: int = getattr(state.steps[number], kind)
            if bits:
                return {"step": number, "task": bits.bit_length() - 1}
    return {}
