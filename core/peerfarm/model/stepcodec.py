"""One step of a job as plain data, and back; `speccodec` does the job around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from peerfarm.errors import InvalidFrames
from peerfarm.model.check import (
    check_choice,
    check_int,
    check_known,
    check_label,
    check_labels,
    check_list,
    check_mapping,
    check_output_dir,
    check_output_pattern,
    check_params,
    check_seconds,
    check_text,
    refuse,
    show,
)
from peerfarm.model.frames import MAX_FRAME, MAX_RANGES, count_frames, task_count
from peerfarm.model.job import (
    MAX_FILES_PER_TASK,
    MAX_FRAMES_PER_STEP,
    MAX_STEPS,
    MAX_TASKS_PER_STEP,
    Dependency,
    DependencyKind,
    FrameRange,
    Requirements,
    RunWhen,
    Step,
)
from peerfarm.model.ranges import find_repeated

MAX_TRIES = 100
MAX_LIMIT_S = 366 * 24 * 3600.0
MAX_DEPENDENCIES = MAX_STEPS
MAX_OFFSETS = 64
MAX_LISTED_TASKS = 4096

_STEP_FIELDS = (
    "name", "app", "params", "frames", "chunk_size", "output_dir", "output_pattern", "depends_on", "run", "tries",
    "time_limit_s", "stall_limit_s", "requires",
)  # fmt: skip
FILE_BYTES = 64
"""What a result says of one file besides its name's pattern, at most: further digits, size and SHA-256."""
MAX_RESULT_BYTES = 60_000
"""Of all files of a task; the action around them takes the rest of 64 KiB."""
_DEPENDENCY_FIELDS = ("step", "kind", "offsets", "tasks")
_REQUIREMENT_FIELDS = ("version", "memory_mb", "cores", "tags")
_APP = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5})?")
_PLAIN_STEP = Step(name="", app="", params={}, frames=())


def encode_step(step: Step) -> dict[str, Any]:
    """The step as plain data, defaults left out, parameters sorted."""
    encoded: dict[str, Any] = {"name": step.name, "app": step.app}
    if step.params:
        encoded["params"] = _sorted(step.params)
    if step.frames:
        encoded["frames"] = [number for one in step.frames for number in one]
    plain = {
        name: getattr(_PLAIN_STEP, name) for name in _STEP_FIELDS if name not in {"name", "app", "params", "frames"}
    }
    encoded |= fields_unlike(step, plain | {"depends_on": [], "requires": {}})
    return encoded


def fields_unlike(value: object, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that differ from their defaults, as plain data."""
    found = {}
    for name, default in defaults.items():
        plain = _encode_value(getattr(value, name))
        if plain != default:
            found[name] = plain
    return found


def _encode_value(value: Any) -> Any:
    if isinstance(value, Dependency):
        encoded = {"step": value.step} | fields_unlike(value, {"kind": DependencyKind.STEP.value})
        if value.kind is DependencyKind.FRAMES:
            encoded |= fields_unlike(value, {"offsets": [0]})
        return encoded | ({"tasks": list(value.tasks)} if value.kind is DependencyKind.TASKS else {})
    if isinstance(value, Requirements):
        return fields_unlike(value, {"version": "", "memory_mb": 0, "cores": 0, "tags": []})
    if isinstance(value, tuple):
        return [_encode_value(entry) for entry in value]
    return str(value) if isinstance(value, str) else value


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list | tuple) else value


def decode_step(value: object, at: str, earlier: list[Step]) -> Step:
    """Read one step, called `at` in messages, that comes after the earlier ones; raises InvalidJob."""
    fields = check_mapping(value, at)
    check_known(fields, at, _STEP_FIELDS)
    name = check_label(fields.get("name"), f"{at}.name")
    if any(name.casefold() == other.name.casefold() for other in earlier):
        refuse(f"{at}.name", f"is taken by an earlier step: {show(name)}", "Give each step a name of its own.")
    app = check_text(fields.get("app"), f"{at}.app", 32)
    if not _APP.fullmatch(app):
        refuse(f"{at}.app", f"is no app's name: {show(app)}", "Apps are called blender, ocean or command, for example.")
    plain = _PLAIN_STEP
    step = Step(
        name=name,
        app=app,
        params=check_params(fields.get("params", {}), f"{at}.params"),
        frames=_decode_frames(fields.get("frames", ()), f"{at}.frames"),
        chunk_size=check_int(fields.get("chunk_size", 1), f"{at}.chunk_size", 1, MAX_FILES_PER_TASK),
        output_dir=check_output_dir(fields.get("output_dir", ""), f"{at}.output_dir"),
        output_pattern=check_output_pattern(fields.get("output_pattern", ""), f"{at}.output_pattern"),
        run=check_choice(fields.get("run", plain.run), f"{at}.run", RunWhen),
        tries=check_int(fields.get("tries", plain.tries), f"{at}.tries", 1, MAX_TRIES),
        time_limit_s=check_seconds(fields.get("time_limit_s", plain.time_limit_s), f"{at}.time_limit_s", MAX_LIMIT_S),
        stall_limit_s=check_seconds(
            fields.get("stall_limit_s", plain.stall_limit_s), f"{at}.stall_limit_s", MAX_LIMIT_S
        ),
        requires=_decode_requirements(fields.get("requires", {}), f"{at}.requires"),
        depends_on=(),
    )
    _check_step(step, at)
    entries = check_list(fields.get("depends_on", ()), f"{at}.depends_on", MAX_DEPENDENCIES)
    depends_on = tuple(
        _decode_dependency(entry, f"{at}.depends_on[{number}]", step, earlier) for number, entry in enumerate(entries)
    )
    return replace(step, depends_on=depends_on) if depends_on else step


def _check_step(step: Step, at: str) -> None:
    """What concerns several fields of a step."""
    if bool(step.output_dir) != bool(step.output_pattern):
        missing = "output_pattern" if step.output_dir else "output_dir"
        refuse(f"{at}.{missing}", "is missing", "An output needs a directory and a file name like beauty_####.png.")
    if step.output_dir and not step.frames:
        refuse(f"{at}.output_dir", "is given, but the step has no frames", "Give frames, or leave the output out.")
    if step.output_pattern and "#" not in step.output_pattern and count_frames(step.frames) > 1:
        refuse(
            f"{at}.output_pattern",
            f"has no place for the frame number: {show(step.output_pattern)}",
            "Write it like beauty_####.png; only a step of a single frame, such as a movie, may do without.",
        )
    if task_count(step) > MAX_TASKS_PER_STEP:
        refuse(
            f"{at}.chunk_size",
            f"makes {task_count(step)} tasks of {count_frames(step.frames)} frames, more than {MAX_TASKS_PER_STEP}",
            "Render more frames in each task.",
        )
    files = min(step.chunk_size, count_frames(step.frames)) if step.output_dir else 0
    if files * (len(step.output_pattern.encode()) + FILE_BYTES) > MAX_RESULT_BYTES:
        refuse(
            f"{at}.chunk_size",
            f"makes tasks of {files} files with names so long that what was rendered cannot be told in one piece",
            "Render fewer frames in each task, or shorten the file name.",
        )


def _decode_frames(value: object, at: str) -> tuple[FrameRange, ...]:
    numbers = check_list(value, at, 3 * MAX_RANGES)
    if len(numbers) % 3:
        refuse(at, "must be a flat list of first, last, step, first and so on")
    for number in numbers:
        check_int(number, at, -MAX_FRAME, 2 * MAX_FRAME)
    ranges = tuple(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))
    for first, last, step in ranges:
        is_canonical = step >= 1 and (last - first) % step == 0 and (last > first or step == 1)
        if not is_canonical or not -MAX_FRAME <= first <= last <= MAX_FRAME:
            refuse(at, f"hold {first}, {last}, {step}, which is no range of first, last and step")
    if (count := count_frames(ranges)) > MAX_FRAMES_PER_STEP:
        refuse(at, f"are {count} frames, more than {MAX_FRAMES_PER_STEP}", "Submit several jobs.")
    _check_repeats(ranges, at)
    return ranges


def _check_repeats(ranges: tuple[FrameRange, ...], at: str) -> None:
    try:
        repeated = find_repeated(ranges)
    except InvalidFrames as error:
        refuse(at, f"are refused: {error}", error.hint)
    if repeated is not None:
        refuse(at, f"name frame {repeated} twice")


def _decode_requirements(value: object, at: str) -> Requirements:
    fields = check_mapping(value, at)
    check_known(fields, at, _REQUIREMENT_FIELDS)
    version = check_text(fields.get("version", ""), f"{at}.version", 16, is_required=False)
    if version and not _VERSION.fullmatch(version):
        refuse(f"{at}.version", f"is no version: {show(version)}", 'Write "4.2" for Blender, "2025" for Maya.')
    return Requirements(
        version=version,
        memory_mb=check_int(fields.get("memory_mb", 0), f"{at}.memory_mb", 0, 1 << 30),
        cores=check_int(fields.get("cores", 0), f"{at}.cores", 0, 1 << 16),
        tags=check_labels(fields.get("tags", ()), f"{at}.tags", 64),
    )


def _decode_dependency(value: object, at: str, own: Step, earlier: list[Step]) -> Dependency:
    fields = check_mapping(value, at)
    check_known(fields, at, _DEPENDENCY_FIELDS)
    if not earlier:
        refuse(at, "cannot be: the first step has none before it", "Put the step that it waits for before it.")
    index = check_int(fields.get("step"), f"{at}.step", 0, len(earlier) - 1)
    kind = check_choice(fields.get("kind", DependencyKind.STEP), f"{at}.kind", DependencyKind)
    for name, needed in (("offsets", DependencyKind.FRAMES), ("tasks", DependencyKind.TASKS)):
        if name in fields and kind is not needed:
            refuse(f"{at}.{name}", f"goes with the kind {needed}, not {kind}")
    if kind is DependencyKind.FRAMES:
        offsets = _distinct(fields.get("offsets", (0,)), f"{at}.offsets", -MAX_FRAME, MAX_FRAME, MAX_OFFSETS)
        for step in (own, earlier[index]):
            if not step.frames:
                problem = f"goes frame by frame, but step {show(step.name)} has no frames"
                refuse(at, problem, "Depend on the whole step.")
        return Dependency(index, kind, offsets=offsets)
    if kind is DependencyKind.TASKS:
        highest = task_count(earlier[index]) - 1
        return Dependency(
            index, kind, tasks=_distinct(fields.get("tasks"), f"{at}.tasks", 0, highest, MAX_LISTED_TASKS)
        )
    return Dependency(index, kind)


def _distinct(value: object, at: str, low: int, high: int, longest: int) -> tuple[int, ...]:
    numbers = tuple(check_int(entry, at, low, high) for entry in check_list(value, at, longest))
    if not numbers:
        refuse(at, "must not be empty")
    if len(set(numbers)) < len(numbers):
        refuse(at, "names something twice")
    return numbers
