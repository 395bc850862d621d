"""Whatever is given as a job, by a person or a peer, becomes a valid job or is refused as an invalid one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from peerfarm.errors import InvalidJob
from peerfarm.model.frames import MAX_RANGES, count_frames, task_count
from peerfarm.model.job import (
    MAX_FILES_PER_TASK,
    MAX_FRAMES_PER_STEP,
    MAX_TASKS_PER_STEP,
    Dependency,
    DependencyKind,
    JobSpec,
    Requirements,
    RunWhen,
    Step,
)
from peerfarm.model.jobfile import job_from_mapping, parse_job
from peerfarm.model.ranges import make_range
from peerfarm.model.speccodec import decode_spec, encode_spec

SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=4)
)
KEYS = st.sampled_from(["name", "app", "frames", "steps", "step", "tags", "kind", "a"]) | st.text(max_size=4)
JUNK = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(KEYS | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abcdefgh", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
LABELS = st.text("abcdefgh ÄÖ-_09", min_size=1, max_size=12).map(lambda text: f"x{text}x")


@st.composite
def frame_ranges(draw: st.DrawFn) -> tuple[tuple[int, int, int], ...]:
    """Up to four ranges that lie one behind the other, in any order."""
    ranges, start = [], draw(st.integers(-500, 500))
    for length, step, gap in draw(st.lists(st.tuples(*[st.integers(1, 40)] * 3), max_size=4)):
        ranges.append(make_range(start, start + length, step))
        start += length + gap + 1
    return tuple(draw(st.permutations(ranges)))


@st.composite
def job_steps(draw: st.DrawFn) -> tuple[Step, ...]:
    """One to four valid steps."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 4))):
        frames = draw(frame_ranges())
        has_output = bool(frames) and draw(st.booleans())
        step = Step(
            name=f"{draw(LABELS)}{number}",
            app=draw(st.sampled_from(["ocean", "blender", "command", "new-app_2"])),
            params=draw(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), JSON, max_size=3)),
            frames=frames,
            chunk_size=draw(st.integers(1, MAX_FILES_PER_TASK)),
            output_dir=draw(st.sampled_from(["/out", "C:\\out", "\\\\a\\b"])) if has_output else "",
            output_pattern=f"f{number}_##.png" if has_output else "",
            run=draw(st.sampled_from(RunWhen)),
            tries=draw(st.integers(1, 100)),
            time_limit_s=draw(st.floats(0, 1e6)),
            stall_limit_s=draw(st.floats(0, 1e6)),
            requires=Requirements(
                draw(st.sampled_from(["", "4.2", "2025"])), draw(st.integers(0, 1 << 20)), draw(st.integers(0, 64)),
                tuple(draw(st.lists(LABELS, max_size=3, unique=True))),
            ),
            depends_on=tuple(draw(dependency(steps, frames)) for _ in range(draw(st.integers(0, 2)) if steps else 0)),
        )  # fmt: skip
        steps.append(step)
    return tuple(steps)


@st.composite
def dependency(draw: st.DrawFn, earlier: list[Step], frames: tuple[tuple[int, int, int], ...]) -> Dependency:
    """A valid dependency on one of the earlier steps."""
    index = draw(st.integers(0, len(earlier) - 1))
    kinds = [DependencyKind.STEP, DependencyKind.TASKS]
    if frames and earlier[index].frames:
        kinds.append(DependencyKind.FRAMES)
    kind = draw(st.sampled_from(kinds))
    if kind is DependencyKind.FRAMES:
        offsets = tuple(draw(st.lists(st.integers(-9, 9), min_size=1, max_size=3, unique=True)))
        return Dependency(index, kind, offsets=offsets)
    if kind is DependencyKind.TASKS:
        tasks = st.lists(st.integers(0, task_count(earlier[index]) - 1), min_size=1, max_size=3, unique=True)
        return Dependency(index, kind, tasks=tuple(draw(tasks)))
    return Dependency(index)


SPECS = st.builds(
    JobSpec,
    name=LABELS,
    user=st.text("abc ü", max_size=8),
    steps=job_steps(),
    priority=st.integers(0, 100),
    pool=st.just("") | LABELS,
    workers=st.lists(LABELS, max_size=3, unique=True).map(tuple),
    paused=st.booleans(),
    submitted_ms=st.integers(0, 2**45),
)


def check_valid(spec: JobSpec) -> None:
    """What every accepted job promises to the rest of the farm."""
    assert spec.steps
    for number, step in enumerate(spec.steps):
        assert 1 <= step.chunk_size <= MAX_FILES_PER_TASK
        assert count_frames(step.frames) <= MAX_FRAMES_PER_STEP
        assert task_count(step) <= MAX_TASKS_PER_STEP
        assert len(step.frames) <= MAX_RANGES
        assert all(0 <= wanted.step < number for wanted in step.depends_on)
        assert bool(step.output_dir) == bool(step.output_pattern)
        assert step.output_pattern.replace("#", "") != step.output_pattern or not step.output_dir
    assert decode_spec(msgpack.unpackb(msgpack.packb(encode_spec(spec)), use_list=False)) == spec


def read_or_refused(read: Callable[[], JobSpec]) -> None:
    """Read a job that may be refused, but only as an invalid one; an accepted one must keep its promises."""
    try:
        spec = read()
    except InvalidJob:
        return
    check_valid(spec)


@given(SPECS)
def test_every_valid_job_survives_msgpack_and_json(spec: JobSpec) -> None:
    encoded = encode_spec(spec)
    packed = msgpack.packb(encoded)
    assert decode_spec(msgpack.unpackb(packed, use_list=False)) == spec
    assert decode_spec(json.loads(json.dumps(encoded))) == spec
    assert msgpack.packb(encode_spec(decode_spec(msgpack.unpackb(packed)))) == packed


@given(JUNK)
def test_junk_from_a_peer_is_refused_as_an_invalid_job(value: object) -> None:
    read_or_refused(lambda: decode_spec(value))


@given(SPECS, st.data())
def test_a_valid_job_with_one_value_replaced_is_read_or_refused(spec: JobSpec, data: st.DataObject) -> None:
    value = copy.deepcopy(encode_spec(spec))
    at: Any = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
            at = at[key]
            continue
        at[key] = data.draw(JUNK | st.integers(-3, 700))
        break
    read_or_refused(lambda: decode_spec(value))


FRIENDLY = st.dictionaries(
    st.sampled_from([
        *("name", "priority", "pool", "workers", "paused", "files", "steps", "app", "frames", "chunk", "output"),
        *("depends_on", "run", "tries", "time_limit", "stall_limit", "requires", "params", "scene"),
    ]),
    JUNK | st.sampled_from(["ocean", "1-9", "/o/a_##.png", "always", "5m", {"step": "ocean"}, {"dir": "/o"}]),
    max_size=7,
)  # fmt: skip


@given(FRIENDLY | st.lists(FRIENDLY, max_size=3).map(lambda steps: {"steps": steps}) | JUNK)
def test_any_request_is_a_job_or_refused_as_an_invalid_one(value: Any) -> None:
    read_or_refused(lambda: job_from_mapping(value, user="ada", submitted_ms=0))


@given(st.text(alphabet="ab:-[]{},#&*!|>'\"%@? \n\t01.\\u", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_job_or_refused_as_an_invalid_one(text: str) -> None:
    for prefix in ("", "app: ocean\n", "{", "steps:\n  - app: x\n    p: "):
        read_or_refused(partial(parse_job, prefix + text, user="ada", submitted_ms=0))


@given(st.dictionaries(st.text("abcdefg", min_size=1, max_size=4), JSON, max_size=4))
def test_parameters_written_as_json_arrive_as_they_were(params: dict[str, Any]) -> None:
    for text in (json.dumps({"app": "x", "params": params}), json.dumps({"app": "x", "params": params}, indent="\t")):
        assert parse_job(text, user="", submitted_ms=0).steps[0].params == params
