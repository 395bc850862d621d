"""A job specification as plain data for actions and JSON, and back; the way back checks all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from peerfarm.errors import InvalidFrames, InvalidJob
from peerfarm.model.check import (
    MAX_EXACT,
    check_bool,
    check_choice,
    check_int,
    check_known,
    check_label,
    check_labels,
    check_list,
    check_mapping,
    check_text,
    refuse,
    show,
)
from peerfarm.model.frames import count_frames, index_of, task_count
from peerfarm.model.job import JOB_VERSION, MAX_PRIORITY, MAX_STEPS, DependencyKind, FilesMode, JobSpec, Step
from peerfarm.model.manifest import MAX_MANIFEST_BYTES
from peerfarm.model.ranges import find_repeated
from peerfarm.model.stepcodec import decode_step, encode_step, fields_unlike

MAX_SPEC_BYTES = 60_000
"""As msgpack; the JobSubmitted action around it takes the rest of 64 KiB."""
MAX_FRAME_LINKS = 200_000
"""Frames times offsets of all frame-by-frame dependencies: every node works out what each of them waits for."""
MAX_TASK_PAIRS = 400_000_000
"""Tasks of both steps multiplied, of all frame-by-frame dependencies: a node keeps a bit for each pair."""
_HEX = frozenset("0123456789abcdef")
_JOB_FIELDS = (
    "version", "name", "user", "steps", "priority", "pool", "workers", "paused", "files", "manifest",
    "manifest_bytes", "overwrite", "submitted_ms",
)  # fmt: skip


def encode_spec(spec: JobSpec) -> dict[str, Any]:
    """The specification as dicts, lists, text and numbers; defaults are left out.

    Frames are one flat list of first, last, step, first … Keys stand in a fixed order and parameters are sorted, so
    that a specification that was decoded always encodes to the same bytes.

    Raises:
        InvalidJob: It is larger than MAX_SPEC_BYTES as msgpack.
    """
    encoded: dict[str, Any] = {"version": spec.version, "name": spec.name, "user": spec.user}
    encoded["steps"] = [encode_step(step) for step in spec.steps]
    defaults = {
        "priority": 50, "pool": "", "workers": [], "paused": False, "files": "shared",
        "manifest": "", "manifest_bytes": 0, "overwrite": False, "submitted_ms": 0,
    }  # fmt: skip
    encoded |= fields_unlike(spec, defaults)
    size = len(msgpack.packb(encoded))
    if size > MAX_SPEC_BYTES:
        raise InvalidJob(
            f"the job is {size} bytes long; at most {MAX_SPEC_BYTES} can be sent around",
            "Write runs of frames as ranges, put long parameters in a file, or submit several jobs.",
        )
    return encoded


def decode_spec(value: object) -> JobSpec:
    """Read what encode_spec wrote, trusting none of it; lists may have become tuples.

    Raises:
        InvalidJob: Anything is wrong; the message begins with the field, such as `steps[1].chunk_size`.
    """
    fields = check_mapping(value, "")
    version = check_int(fields.get("version"), "version", 1, MAX_EXACT)
    if version != JOB_VERSION:
        refuse("version", f"is {version}; this node knows version {JOB_VERSION}", "Update peerfarm on this node.")
    check_known(fields, "", _JOB_FIELDS)
    entries = check_list(fields.get("steps"), "steps", MAX_STEPS)
    if not entries:
        refuse("steps", "must hold at least one step")
    steps: list[Step] = []
    for number, entry in enumerate(entries):
        steps.append(decode_step(entry, f"steps[{number}]", steps))
    _check_outputs(steps)
    _check_frame_links(steps)
    files = check_choice(fields.get("files", "shared"), "files", FilesMode)
    manifest, manifest_bytes = _root(fields, files)
    return JobSpec(
        name=check_text(fields.get("name"), "name", 200),
        user=check_text(fields.get("user"), "user", 200, is_required=False),
        steps=tuple(steps),
        priority=check_int(fields.get("priority", 50), "priority", 0, MAX_PRIORITY),
        pool=check_label(fields["pool"], "pool") if fields.get("pool", "") != "" else "",
        workers=check_labels(fields.get("workers", ()), "workers", 256),
        paused=check_bool(fields.get("paused", False), "paused"),
        files=files,
        manifest=manifest,
        manifest_bytes=manifest_bytes,
        overwrite=check_bool(fields.get("overwrite", False), "overwrite"),
        submitted_ms=check_int(fields.get("submitted_ms", 0), "submitted_ms", 0, MAX_EXACT),
        version=version,
    )


def _root(fields: Mapping[str, Any], files: FilesMode) -> tuple[str, int]:
    root = check_text(fields.get("manifest", ""), "manifest", 64, is_required=False)
    size_bytes = check_int(fields.get("manifest_bytes", 0), "manifest_bytes", 0, MAX_MANIFEST_BYTES)
    if root and (len(root) != 64 or set(root) - _HEX):
        refuse("manifest", "is not 64 hexadecimal digits, in lower case")
    if bool(root) != bool(size_bytes):
        refuse("manifest_bytes", "must be given with the manifest, and only with it")
    if root and files is not FilesMode.PEERS:
        refuse("manifest", "belongs to jobs with `files: peers` alone")
    return root, size_bytes


def _check_outputs(steps: list[Step]) -> None:
    """No two steps may write the same file."""
    writers: dict[tuple[str, str], list[int]] = {}
    for number, step in enumerate(steps):
        if step.output_dir:
            writers.setdefault((step.output_dir, step.output_pattern), []).append(number)
    for numbers in writers.values():
        if len(numbers) == 1:
            continue
        at = f"steps[{numbers[-1]}].output_pattern"
        if "#" not in steps[numbers[0]].output_pattern:
            name = show(steps[numbers[0]].name)
            refuse(at, f"is the same as step {name}'s: both would write one file", "Give each step a name of its own.")
        try:
            repeated = find_repeated(one for number in numbers for one in steps[number].frames)
        except InvalidFrames as error:
            refuse(at, f"is shared with other steps: {error}", error.hint)
        if repeated is not None:
            both = [number for number in numbers if index_of(steps[number].frames, repeated) is not None][:2]
            refuse(
                f"steps[{both[-1]}].output_pattern",
                f"is the same as step {show(steps[both[0]].name)}'s: both would write frame {repeated}",
                "Give each step a directory or a file name of its own.",
            )


def _check_frame_links(steps: list[Step]) -> None:
    """What waits frame by frame must not cost every node seconds or all of its memory."""
    links = pairs = 0
    for number, step in enumerate(steps):
        for place, dependency in enumerate(step.depends_on):
            if dependency.kind is not DependencyKind.FRAMES:
                continue
            links += count_frames(step.frames) * len(dependency.offsets)
            pairs += task_count(step) * task_count(steps[dependency.step])
            if links > MAX_FRAME_LINKS or pairs > MAX_TASK_PAIRS:
                refuse(
                    f"steps[{number}].depends_on[{place}]",
                    f"links too many frames: {count_frames(step.frames)} with {len(dependency.offsets)} offsets, "
                    f"{task_count(step)} tasks with {task_count(steps[dependency.step])}",
                    "Depend on the whole step, use larger chunks, or split the job.",
                )
