"""Submissions whose files travel: the shell finds, hashes and keeps them, and then the job is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from peerfarm.errors import InvalidJob, PeerfarmError, RequestRefused
from peerfarm.model.files import Packed, PackOrder, PackProgressed, StepFiles
from peerfarm.model.ids import JobId
from peerfarm.model.job import JobSpec
from peerfarm.model.ranges import frames_at
from peerfarm.model.render import frame_name
from peerfarm.node.core import Core
from peerfarm.node.desk import Desk, Waiting
from peerfarm.node.inputs import LocalRequest
from peerfarm.node.params import need, optional
from peerfarm.node.pins import Pins
from peerfarm.node.submissions import NO_CLIENT, Submissions, named_files, progress_of

SILENCE_S = 120.0
"""Packing may take as long as it takes, but must get on within this."""
MAX_NAMES = 100_000
"""Of frames of one step that are looked for in its output folder."""
_KIND = "pack"

Record = Callable[[LocalRequest, JobSpec, tuple[str, ...]], dict[str, Any]]
"""Records a job and gives the answer to its submission, with these warnings; RequestRefused when it cannot."""


@dataclass(slots=True)
class Packing:
    """The submissions of this node's users that are being packed."""

    core: Core
    desk: Desk
    pins: Pins
    record: Record
    submissions: Submissions = field(default_factory=Submissions)
    _jobs: dict[str, JobId] = field(default_factory=dict)
    """Request -> the job that it will be."""
    _given_up: dict[str, JobId] = field(default_factory=dict)
    """The same of those that were cancelled and have not ended yet."""

    def __post_init__(self) -> None:
        self.desk.on_late = self._late
        self.pins.is_packed = lambda job: job in self._jobs.values()

    def begin(self, request: LocalRequest, spec: JobSpec) -> None:
        """Have the job's files packed; the request is answered when they are and the job is recorded.

        With `background` it is answered at once, with where the submission can be asked for.
        """
        job = request.minted.job
        files = tuple(named_files(request))
        if optional(request, "background", bool, False):
            self.desk.reply(request, self.submissions.begin(job))
            request = replace(request, client=NO_CLIENT)
        token = self.desk.wait(request, _KIND, SILENCE_S, spec)
        self._jobs[token] = job
        self.pins.note_scene(job)
        steps = tuple(StepFiles(step.name, step.app, step.params, step.requires.version) for step in spec.steps)
        outputs = tuple(
            (step.output_dir, tuple(frame_name(step.output_pattern, f) for f in frames_at(step.frames, 0, MAX_NAMES)))
            for step in spec.steps
            if step.output_dir
        )
        may_miss_files = optional(request, "allow_missing", bool, False)
        self.core.effects.packs.append(PackOrder(token, job, steps, outputs, spec.overwrite, may_miss_files, files))

    def job_of(self, request: str) -> JobId | None:
        """The job that it will be; None when nobody waits for it any more."""
        return self._jobs.get(request)

    def on_progressed(self, event: PackProgressed) -> None:
        """Packing got on: whoever submits is told."""
        waiting = self.desk.look(event.request, _KIND)
        if waiting is None:
            return
        self.desk.extend(event.request, SILENCE_S)
        told = progress_of(event)
        if waiting.request.client == NO_CLIENT:
            self.submissions.moved(waiting.request.minted.job, told)
        else:
            self.core.tell_client(waiting.request.client, "submit/progress", request=waiting.request.id, **told)

    def on_packed(self, event: Packed) -> None:
        """Packing ended: record the job, or say why there will be none."""
        given_up = self._given_up.pop(event.request, None)
        if given_up is not None:
            self._forget(given_up)  # once more: the packer may have got on since
        job = self._jobs.pop(event.request, None)
        waiting = self.desk.take(event.request, _KIND)
        if job is None or waiting is None:
            return
        error: PeerfarmError | None = InvalidJob(event.error, event.hint) if event.error else None
        if error is None:
            try:
                self._reply(waiting.request, self._recorded(waiting, event))
            except PeerfarmError as refused:
                error = refused
        if error is not None:
            self._forget(job)
            self._refuse(waiting.request, error)

    def _reply(self, request: LocalRequest, answer: dict[str, Any]) -> None:
        if request.client == NO_CLIENT:
            self.submissions.done(request.minted.job, answer)
        else:
            self.desk.reply(request, answer)

    def _refuse(self, request: LocalRequest, error: PeerfarmError) -> None:
        if request.client == NO_CLIENT:
            self.submissions.failed(request.minted.job, error)
        else:
            self.desk.refuse(request, error)

    def _forget(self, job: JobId) -> None:
        """There will be no such job: neither its files need be kept nor the output folders that were named for it."""
        self.pins.release_scene(job)
        self.core.effects.forgotten.append(job)

    def _recorded(self, waiting: Waiting, event: Packed) -> dict[str, Any]:
        spec: JobSpec = waiting.extra
        if event.root is not None:
            spec = replace(spec, manifest=event.root.id.hex(), manifest_bytes=event.root.size_bytes)
            self.pins.note_scene(waiting.request.minted.job)  # if it is deleted already, what was packed since goes too
        told = self.record(waiting.request, spec, event.warnings)
        return {**told, "files": event.files, "size_bytes": event.size_bytes}

    def cancel(self, request: LocalRequest) -> dict[str, Any]:
        """`cancel_submit`: give up whatever this client is submitting."""
        tokens = self.desk.of_client(request.client, _KIND)
        for token in tokens:
            self._give_up(token)
            waiting = self.desk.take(token, _KIND)
            if waiting is not None:
                self.desk.refuse(waiting.request, RequestRefused("the submission was cancelled"))
        return {"cancelled": len(tokens)}

    def tell(self, request: LocalRequest) -> dict[str, Any]:
        """`submission`: how far one is that was begun in the background."""
        return self.submissions.row(need(request, "submission", str))

    def cancel_one(self, request: LocalRequest) -> dict[str, Any]:
        """`cancel_submission`: give one up that was begun in the background."""
        name = need(request, "submission", str)
        self.submissions.row(name)
        for token in [token for token, job in self._jobs.items() if job == name]:
            self._give_up(token)
            waiting = self.desk.take(token, _KIND)
            if waiting is not None:
                self._refuse(waiting.request, RequestRefused("the submission was cancelled"))
        return self.submissions.row(name)

    def client_gone(self, client: int) -> None:
        """Nobody waits for its submissions."""
        for token in self.desk.of_client(client, _KIND):
            self._give_up(token)

    def _late(self, token: str) -> None:
        waiting = self.desk.look(token, _KIND)
        if waiting is not None and waiting.request.client == NO_CLIENT:
            self.desk.take(token, _KIND)  # nobody waits on a connection
            self._refuse(waiting.request, RequestRefused("packing said nothing for too long", "Send it again."))
        if token in self._jobs:
            self._give_up(token)

    def _give_up(self, token: str) -> None:
        job = self._given_up[token] = self._jobs.pop(token)
        self.core.effects.pack_stops.append(token)
        self.pins.release_scene(job)
