"""Taking jobs in: read, check parameters and paths, record; and looking into scenes for their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack

from peerfarm.apps.registry import app_named
from peerfarm.errors import InvalidJob, RequestRefused
from peerfarm.model.frames import count_frames, task_count
from peerfarm.model.job import FilesMode, JobSpec, Step
from peerfarm.model.jobfile import job_from_mapping, parse_job
from peerfarm.model.render import Inspected
from peerfarm.model.speccodec import decode_spec, encode_spec
from peerfarm.node.core import Core
from peerfarm.node.desk import Desk
from peerfarm.node.effects import CheckPaths, Inspect
from peerfarm.node.filesmode import default_files, not_shared
from peerfarm.node.fitness import unfit_reason
from peerfarm.node.inputs import LocalRequest, PathsChecked
from peerfarm.node.packing import Packing
from peerfarm.node.params import need, optional
from peerfarm.node.pins import Pins
from peerfarm.node.presence import Presence
from peerfarm.state.actions import JobSubmitted, unpack

INSPECT_LIMIT_S = 60.0
_ALLOW = "allow_missing"
"""A parameter of apps that refuse to render a scene of which files are missing."""


@dataclass(slots=True)
class Submitting:
    """The submissions of one node."""

    core: Core
    presence: Presence
    desk: Desk
    pins: Pins
    packing: Packing = field(init=False)

    def __post_init__(self) -> None:
        self.packing = Packing(self.core, self.desk, self.pins, self._record_packed)

    def submit(self, request: LocalRequest) -> None:
        """`submit`: answered once the job is on disk."""
        core = self.core
        if core.farm.created is None and core.farm_id is not None:
            raise RequestRefused(
                "joining is under way: the farm's state has not come yet", "try again in a few seconds"
            )
        if core.farm.created is None:
            raise RequestRefused(
                "this node belongs to no farm yet",
                "found one with `peerfarm init NAME` or join one with `peerfarm join`",
            )
        if not core.is_member:
            raise RequestRefused(
                "the farm no longer counts this node as a member: nobody would hear of the job",
                "submit on another machine, or join anew with a fresh home",
            )
        if core.disk_error:
            raise RequestRefused(f"the disk refuses: {core.disk_error}", "make room on the disk of this node")
        user = optional(request, "user", str, core.settings.user)
        now_ms = core.wall_ms()
        if "text" in request.params:
            text, source = need(request, "text", str), optional(request, "source", str, "")
            spec = parse_job(text, user=user, submitted_ms=now_ms, source=source, default_files=self._default_files)
        else:
            job = need(request, "job", dict)
            spec = job_from_mapping(job, user=user, submitted_ms=now_ms, default_files=self._default_files)
        spec = checked_params(spec)
        if optional(request, "allow_missing", bool, False):
            spec = missing_allowed(spec)
        if spec.files is FilesMode.PEERS:
            self.packing.begin(request, spec)
            return
        packed, inputs, outputs = checked_spec(spec)
        if not inputs and not outputs:
            self.desk.reply(request, self._record_job(request, packed))
            return
        token = self.desk.wait(request, "submit", extra=packed)
        core.effects.checks.append(CheckPaths(token, inputs, outputs))

    def _default_files(self, spec: JobSpec) -> FilesMode:
        mine = self.core.settings
        return default_files(checked_params(spec), mine.shared, mine.system)

    def on_paths_checked(self, checked: PathsChecked) -> None:
        """The paths of a submission were looked at."""
        waiting = self.desk.take(checked.request, "submit")
        if waiting is None:
            return
        if checked.problem:
            self.desk.refuse(waiting.request, InvalidJob(checked.problem, checked.hint))
            return
        try:
            result = self._record_job(waiting.request, waiting.extra)
        except RequestRefused as error:
            self.desk.refuse(waiting.request, error)
            return
        self.desk.reply(waiting.request, result)

    def _record_job(self, request: LocalRequest, packed: bytes) -> dict[str, Any]:
        job = request.minted.job
        self.core.record(JobSubmitted(job, packed))
        spec = decode_spec(unpack(packed))
        self.core.tell("job/submitted", job=job, name=spec.name)
        return {
            "job": job,
            "tasks": sum(task_count(step) for step in spec.steps),
            "frames": sum(count_frames(step.frames) for step in spec.steps),
            "warnings": self._warnings(spec),
        }

    def _record_packed(self, request: LocalRequest, spec: JobSpec, warnings: tuple[str, ...]) -> dict[str, Any]:
        if not self.core.is_member:
            raise RequestRefused("the farm no longer counts this node as a member", "submit on another machine")
        told = self._record_job(request, checked_spec(spec)[0])
        return {**told, "warnings": [*warnings, *told["warnings"]]}

    def _warnings(self, spec: JobSpec) -> list[str]:
        if self.core.settings.is_rendering and not self.presence.apps:
            return []  # this start has not found its applications yet: nothing is known
        nodes = [self.core.node, *(peer.node for peer in self.presence.alive())]
        workers = [view for node in nodes if (view := self.presence.worker(node)) is not None]
        warnings = []
        for step in spec.steps:
            reasons = [(view.name, unfit_reason(view, spec, step, spec.pool)) for view in workers]
            if all(reason for _, reason in reasons):
                told = "; ".join(f"{name}: {reason}" for name, reason in reasons[:5])
                warnings.append(f"no worker that is here now can take step {step.name} ({told})")
        return warnings

    def inspect(self, request: LocalRequest) -> None:
        """`inspect`: answered when the application has looked into the scene."""
        app, path = need(request, "app", str), need(request, "path", str)
        app_named(app)
        token = self.desk.wait(request, "inspect", INSPECT_LIMIT_S)
        self.core.effects.inspections.append(Inspect(token, app, path))

    def on_inspected(self, inspected: Inspected) -> None:
        """A scene was looked into."""
        waiting = self.desk.take(inspected.request, "inspect")
        if waiting is None:
            return
        if inspected.facts is None:
            self.desk.refuse(waiting.request, RequestRefused(inspected.error, inspected.hint))
        else:
            facts, mine = dict(inspected.facts), self.core.settings
            folders = facts.pop("folders", ())
            path = need(waiting.request, "path", str)
            self.desk.reply(
                waiting.request, {**facts, "not_shared": not_shared(path, folders, mine.shared, mine.system)}
            )


def checked_params(spec: JobSpec) -> JobSpec:
    """The specification with every step's parameters checked and complete.

    Raises:
        InvalidJob: A parameter is wrong; the message names it.
    """
    steps = tuple(replace(step, params=_params_of(step)) for step in spec.steps)
    return replace(spec, steps=steps)


def missing_allowed(spec: JobSpec) -> JobSpec:
    """The specification with every step told to render without files that are missing, where its app can be told."""
    steps = tuple(
        replace(step, params={**step.params, _ALLOW: True}) if _ALLOW in step.params else step for step in spec.steps
    )
    return replace(spec, steps=steps)


def _params_of(step: Step) -> Mapping[str, Any]:
    try:
        return app_named(step.app).check_params(step.params)
    except InvalidJob as error:
        raise InvalidJob(f"step {step.name}: {error}", error.hint) from None


def checked_spec(spec: JobSpec) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """The packed specification with every step's parameters checked and complete, its inputs and its outputs.

    Raises:
        InvalidJob: A parameter is wrong; the message names it.
    """
    spec = checked_params(spec)
    encoded = encode_spec(spec)
    decode_spec(encoded)
    inputs = [path for step in spec.steps for path in app_named(step.app).paths(step.params)]
    outputs = [step.output_dir for step in spec.steps if step.output_dir]
    return msgpack.packb(encoded), tuple(dict.fromkeys(inputs)), tuple(dict.fromkeys(outputs))
