"""Jobs as people and plug-ins write them, YAML, JSON or a mapping, turned into a JobSpec.

Only the spelling is dealt with here; `speccodec` checks every value, and what it refuses is told in the words, and
with the line, of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from peerfarm.config.document import Document, Place, read_document
from peerfarm.errors import InvalidJob
from peerfarm.model.check import FieldRefused, show
from peerfarm.model.job import JOB_VERSION, MAX_STEPS, FilesMode, JobSpec
from peerfarm.model.jobdraft import Draft
from peerfarm.model.jobstep import PARAMETERS, STEP_FIELDS, draft_step
from peerfarm.model.speccodec import decode_spec, encode_spec

MAX_TEXT = 256 * 1024
"""Characters of a job file."""
_JOB_FIELDS = ("name", "priority", "pool", "workers", "paused", "files", "overwrite")

DefaultFiles = Callable[[JobSpec], FilesMode]
"""Says how the files of a job travel whose author does not."""


def parse_job(
    text: str,
    *,
    user: str,
    submitted_ms: int,
    source: str = "",
    default_files: DefaultFiles = lambda spec: spec.files,
) -> JobSpec:
    """Read a job file, YAML or JSON.

    It holds `name`, `priority`, `pool`, `workers`, `paused`, `files`, `overwrite` and `steps`; with a single step that
    step's fields may stand beside them instead. A step holds `name`, `app`, `frames`, `chunk`, `output`, `depends_on`,
    `run`, `tries`, `time_limit`, `stall_limit`, `requires`; everything else is a parameter of its app, as is what
    stands in `params`.

    Args:
        user: Who submits.
        submitted_ms: Wall clock, for people only.
        source: The file's name, for messages and as the job's name where it gives none.
        default_files: Asked where the text holds no `files`.

    Raises:
        InvalidJob: It cannot be read or a field is wrong; the message names the line and the field.
    """
    document = read_document(text, refuse_as=InvalidJob, largest=MAX_TEXT, source=source)
    return _job_from(Draft(document, source), user, submitted_ms, default_files)


def job_from_mapping(
    mapping: Mapping[str, Any],
    *,
    user: str,
    submitted_ms: int,
    default_files: DefaultFiles = lambda spec: spec.files,
) -> JobSpec:
    """The job that a mapping describes, with the fields of parse_job; for requests of plug-ins and the command line.

    Raises:
        InvalidJob: A field is wrong; the message names it.
    """
    return _job_from(Draft(Document(mapping), ""), user, submitted_ms, default_files)


def _job_from(draft: Draft, user: str, submitted_ms: int, default_files: DefaultFiles) -> JobSpec:
    encoded = _draft_job(draft)
    try:
        spec = decode_spec(encoded | {"user": user, "submitted_ms": submitted_ms})
    except FieldRefused as error:
        raise draft.told(error) from None
    if "files" not in encoded:
        spec = replace(spec, files=default_files(spec))
    encode_spec(spec)
    return spec


def _draft_job(draft: Draft) -> dict[str, Any]:
    job = draft.mapping(draft.document.value, ())
    if "steps" in job:
        shared, steps = job, _several(draft, job)
    else:
        shared, steps = {key: job[key] for key in _JOB_FIELDS if key in job}, _single(draft, job)
    encoded: dict[str, Any] = {"version": JOB_VERSION, "steps": steps}
    for key in _JOB_FIELDS:
        draft.came_from(key, (key,))
        if key in shared:
            encoded[key] = shared[key]
    for key in ("name", "pool"):
        if key in shared:
            encoded[key] = draft.text(shared[key], (key,))
    if "workers" in shared:
        encoded["workers"] = draft.texts(shared["workers"], ("workers",))
    return {"name": _default_name(draft.source, steps)} | encoded


def _several(draft: Draft, job: dict[str, Any]) -> list[dict[str, Any]]:
    for key in job:
        if key not in {*_JOB_FIELDS, "steps"}:
            if key in STEP_FIELDS:
                draft.refuse((key,), "belongs to a step, and this job lists its steps", "Move it into one of them.")
            draft.refuse_key((key,), (*_JOB_FIELDS, "steps"))
    entries = job["steps"]
    if not isinstance(entries, list | tuple):
        draft.refuse(("steps",), f"must be a list, not {show(entries)}", "Begin each step with a dash.")
    if len(entries) > MAX_STEPS:
        draft.refuse(("steps",), f"are {len(entries)}, more than {MAX_STEPS}", "Submit several jobs.")
    places: list[Place] = [("steps", number) for number in range(len(entries))]
    steps = [draft.mapping(entry, place) for entry, place in zip(entries, places, strict=True)]
    names = _step_names(draft, steps, places)
    return [draft_step(draft, step, places[number], number, names) for number, step in enumerate(steps)]


def _single(draft: Draft, job: dict[str, Any]) -> list[dict[str, Any]]:
    step = {key: value for key, value in job.items() if key not in _JOB_FIELDS}
    if "app" not in step:
        for key in step:
            draft.refuse_misspelt((key,), (*_JOB_FIELDS, *STEP_FIELDS, "steps"))
        draft.refuse(
            (), "names neither steps nor an app", "List steps, or give app, frames, output and the parameters."
        )
    for key in step:
        if key not in STEP_FIELDS and key not in PARAMETERS:
            draft.refuse_misspelt((key,), (*_JOB_FIELDS, *STEP_FIELDS, "steps"))
    return [draft_step(draft, step, (), 0, _step_names(draft, [step], [()]))]


def _step_names(draft: Draft, steps: list[dict[str, Any]], places: list[Place]) -> list[Any]:
    """Each step's own name; else its app's, with a number where that is taken."""
    names = [
        draft.text(step["name"], (*at, "name")) if "name" in step else None
        for step, at in zip(steps, places, strict=True)
    ]
    taken = {name.casefold() for name in names if isinstance(name, str)}
    for number, step in enumerate(steps):
        if names[number] is None:
            app = step.get("app")
            name = app if isinstance(app, str) and app else "step"
            name = f"{name}-{number + 1}" if name.casefold() in taken else name
            taken.add(name.casefold())
            names[number] = name
    return names


def _default_name(source: str, steps: list[dict[str, Any]]) -> Any:
    """The file's name without directory and ending; else the first step's."""
    stem = re.sub(r"(.)\.[A-Za-z0-9]{1,8}$", r"\1", re.split(r"[/\\]", source)[-1])
    return stem or (steps[0]["name"] if steps else "job")
