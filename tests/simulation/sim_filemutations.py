"""The rules of files that travel, each broken on purpose."""

from __future__ import annotations

from typing import Any

import sim_faults
from sim_breaking import Mutation, patched
from sim_files import BlobDisk

from peerfarm.model.ids import attempt_label
from peerfarm.node.copies import Copies
from peerfarm.node.keeping import Keeping
from peerfarm.node.pins import Pins
from peerfarm.node.publishing import Publishing
from peerfarm.node.scenes import Scenes


def _done_before_the_copy() -> Any:
    """A result is recorded while its worker alone holds it."""

    def hand_over(copies: Copies, attempt: Any, frames: Any, render_ms: int) -> None:
        original(copies, attempt, frames, render_ms)
        label = attempt_label(attempt.lease)
        copies._todo.pop(label)
        copies._record(label)

    original = Copies.hand_over
    return patched(Copies, "hand_over", hand_over)


def _copy_told_before_it_is_here() -> Any:
    def on_ask(keeping: Keeping, peer: Any, message: Any) -> None:
        original(keeping, peer, message)
        keeping._tell(peer.node, message.lease, "")

    original = Keeping.on_ask
    return patched(Keeping, "on_ask", on_ask)


def _pinned_results_are_evicted() -> Any:
    def pinned(disk: BlobDisk) -> set[Any]:
        return {blob for key, blobs in disk.pins.items() for blob in blobs if not key.startswith("result/")}

    return patched(BlobDisk, "pinned", pinned)


def _released_when_done() -> Any:
    def needs(pins: Pins, key: str, held: Any, state: Any, step: Any) -> bool:
        return original(pins, key, held, state, step) and not step.done >> held.task & 1

    original = Pins._needs
    return patched(Pins, "_needs", needs)


def _the_dispatcher_publishes() -> Any:
    def is_mine(publishing: Publishing, job: Any, state: Any, spec: Any) -> bool:
        return publishing.dispatch.dispatcher_of(job) == publishing.core.node

    return patched(Publishing, "_is_mine", is_mine)


def _files_are_not_waited_for() -> Any:
    return patched(Scenes, "is_ready", lambda _scenes, _job, _spec: True)


_AWAY = (sim_faults.kill_submitter,)

FILE_MUTATIONS = (
    Mutation("a result is done before it has a copy", ("P6",), _done_before_the_copy, has_files=True),
    Mutation("a copy is told before it is here", ("P6",), _copy_told_before_it_is_here, has_files=True),
    Mutation("pinned results are evicted", ("P6",), _pinned_results_are_evicted, _AWAY, has_files=True),
    Mutation("pins are released when a task is done", ("P6",), _released_when_done, has_files=True),
    Mutation("the dispatcher publishes", ("P9",), _the_dispatcher_publishes, _AWAY, has_files=True),
    Mutation("files are not waited for", ("P14",), _files_are_not_waited_for, has_files=True),
)
